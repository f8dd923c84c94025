//! What is asked and answered around a stream: which refs there are, what is wanted from where on, what both have.

use std::io::{Read, Write};

use sha2::{Digest as _, Sha256};

use super::block::{changed, read_number, sum};
use super::plan::Totals;
use super::send::Position;
use super::wire::{Cursor, put_bytes, put_number, wrong};
use crate::object::{CommitId, Id};
use crate::refs::RefName;
use crate::sync::error::{Error, Result};
use crate::sync::pktline::{MAX_DATA, Packet, Packets, write_data, write_flush, write_line};
use crate::sync::protocol::{MAX_HAVES, MAX_REFS, RemoteRef};

/// The command of a stream, in a request of upload-pack and of receive-pack; and the capability that tells of it.
pub(in crate::sync) const COMMAND: &str = "isodb-stream";
/// The one version there is.
pub(super) const VERSION: u8 = 1;
/// The most prefixes that are asked for.
const MAX_PREFIXES: usize = 1 << 12;
/// The most bytes that the list of refs may have.
const MAX_HEAD: usize = 128 << 20;
/// The prefixes that are mostly asked for.
const USUAL: [&str; 2] = ["refs/heads/", "refs/tags/"];

const IS_LAST: u8 = 1;
const IS_USUAL: u8 = 2;
const GOES_ON: u8 = 4;

/// A sum over refs, by which both sides see that nothing is new.
pub(in crate::sync) type Digest = [u8; 16];

/// The sum of some refs, whatever their order. Those that have no id count as not there.
pub(super) fn digest<'r>(refs: impl Iterator<Item = (&'r RefName, Id)>) -> Digest {
    let mut refs: Vec<(&RefName, Id)> = refs.collect();
    refs.sort_unstable();
    let mut hasher = Sha256::new();
    for (name, id) in refs {
        hasher.update(name.as_str());
        hasher.update([0]);
        hasher.update(id.as_bytes());
    }
    let mut digest = Digest::default();
    digest.copy_from_slice(&hasher.finalize()[..16]);
    digest
}

/// What somebody asks who wants a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sync) struct Asked {
    /// How the names of the refs begin that are wanted.
    pub(super) prefixes: Vec<String>,
    /// The sum of these refs as they were last seen.
    pub(super) digest: Digest,
    /// Commits that are there with all that they lead to.
    pub(super) haves: Vec<CommitId>,
    /// Whether there are no more of them, so that a stream is to come in any case.
    pub(super) is_last: bool,
    /// What is wanted, where that is not what refs lead to now.
    pub(super) wanted: Option<Wanted>,
}

/// A stream as it was begun before, or of objects that are known by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) wants: Vec<Id>,
    pub(super) common: Vec<CommitId>,
    pub(super) from: Position,
}

impl Asked {
    fn encode(&self) -> Vec<u8> {
        let is_usual = self.prefixes == USUAL;
        let flag = |bit: u8, is_set: bool| if is_set { bit } else { 0 };
        let flags = flag(IS_LAST, self.is_last) | flag(IS_USUAL, is_usual) | flag(GOES_ON, self.wanted.is_some());
        let mut out = vec![VERSION, flags];
        if let Some(Wanted { wants, common, from }) = &self.wanted {
            put_ids(&mut out, wants.iter());
            put_ids(&mut out, common.iter().map(|id| &id.0));
            put_position(&mut out, *from);
            return out;
        }
        if !is_usual {
            put_number(&mut out, self.prefixes.len() as u64);
            self.prefixes.iter().for_each(|prefix| put_bytes(&mut out, prefix.as_bytes()));
        }
        out.extend_from_slice(&self.digest);
        put_ids(&mut out, self.haves.iter().map(|id| &id.0));
        out
    }

    /// Writes the request.
    pub(super) fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        write_message(out, &self.encode())
    }

    /// Reads what stands behind the command.
    ///
    /// # Errors
    /// [`Error::Protocol`], [`Error::Unsupported`] for another version, [`Error::TooMuch`].
    pub(in crate::sync) fn read(packets: &mut Packets<'_>) -> Result<Asked> {
        let body = read_body(packets)?;
        let mut cursor = Cursor::new(&body);
        let flags = begin(&mut cursor, IS_LAST | IS_USUAL | GOES_ON)?;
        let mut asked = Asked {
            prefixes: USUAL.map(str::to_owned).to_vec(),
            digest: Digest::default(),
            haves: Vec::new(),
            is_last: flags & IS_LAST > 0,
            wanted: None,
        };
        if flags & GOES_ON > 0 {
            let wants = ids(&mut cursor, MAX_REFS)?;
            let common = ids(&mut cursor, MAX_HAVES)?.into_iter().map(CommitId).collect();
            asked.wanted = Some(Wanted { wants, common, from: position(&mut cursor)? });
        } else {
            if flags & IS_USUAL == 0 {
                let count = cursor.count(MAX_PREFIXES, "the number of prefixes")?;
                asked.prefixes = (0..count).map(|_| text(&mut cursor)).collect::<Result<_>>()?;
            }
            asked.digest = cursor.array()?;
            asked.haves = ids(&mut cursor, MAX_HAVES)?.into_iter().map(CommitId).collect();
        }
        cursor.finish()?;
        Ok(asked)
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The refs are where they were.
    NothingNew,
    /// None of the commits that are had says enough: more of them are to be named.
    More,
    /// There is something that a stream cannot carry.
    NotCarried,
    /// What is wanted is not there, or what is said to be common.
    Gone,
    /// The blocks of a stream follow.
    Stream(Head),
}

/// What stands before the blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The refs that were asked for, each with whether the stream leads to it. None where ids were asked for.
    pub(super) refs: Vec<(RemoteRef, bool)>,
    /// Which of the commits that are had are common, by their places.
    pub(super) common: Vec<usize>,
    pub(super) totals: Totals,
}

const NOTHING_NEW: u8 = 0;
const STREAM: u8 = 1;
const MORE: u8 = 2;
const NOT_CARRIED: u8 = 3;
const GONE: u8 = 4;

const HAS_ID: u8 = 1;
const HAS_TARGET: u8 = 2;
const IS_SENT: u8 = 4;

impl Answer {
    /// Writes the answer.
    pub(super) fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let word = match self {
            Answer::NothingNew => NOTHING_NEW,
            Answer::More => MORE,
            Answer::NotCarried => NOT_CARRIED,
            Answer::Gone => GONE,
            Answer::Stream(_) => STREAM,
        };
        let mut all = vec![word];
        if let Answer::Stream(head) = self {
            let head = head.encode();
            put_bytes(&mut all, &head);
        }
        let sum = sum(&all);
        all.extend_from_slice(&sum);
        out.write_all(&all)
    }

    /// Reads an answer, and nothing behind it.
    ///
    /// # Errors
    /// [`Error::Connection`] where the source ends, and what is wrong with what it says.
    pub(super) fn read(source: &mut dyn Read) -> Result<Answer> {
        let (mut word, mut found) = ([0], [0; 4]);
        source.read_exact(&mut word).map_err(Error::Connection)?;
        let body = if word[0] == STREAM { read_sized(source, MAX_HEAD)? } else { Vec::new() };
        source.read_exact(&mut found).map_err(Error::Connection)?;
        let mut all = word.to_vec();
        if word[0] == STREAM {
            put_bytes(&mut all, &body);
        }
        if sum(&all) != found {
            return Err(changed("an answer"));
        }
        Ok(match word[0] {
            NOTHING_NEW => Answer::NothingNew,
            MORE => Answer::More,
            NOT_CARRIED => Answer::NotCarried,
            GONE => Answer::Gone,
            STREAM => Answer::Stream(Head::decode(&body)?),
            _ => return Err(wrong("an answer is none of those that there are")),
        })
    }
}

/// Reads bytes behind their number; memory is taken as they come.
pub(super) fn read_sized(source: &mut dyn Read, limit: usize) -> Result<Vec<u8>> {
    let len = read_number(source)?;
    if len > limit {
        return Err(Error::TooMuch { what: "the size of a message", limit: limit as u64 });
    }
    let mut body = Vec::new();
    source.take(len as u64).read_to_end(&mut body).map_err(Error::Connection)?;
    match body.len() == len {
        true => Ok(body),
        false => Err(Error::Connection(std::io::ErrorKind::UnexpectedEof.into())),
    }
}

impl Head {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_number(&mut out, self.refs.len() as u64);
        for (found, is_sent) in &self.refs {
            let flag = |bit: u8, is_set: bool| if is_set { bit } else { 0 };
            out.push(
                flag(HAS_ID, found.id.is_some()) | flag(HAS_TARGET, found.target.is_some()) | flag(IS_SENT, *is_sent),
            );
            put_bytes(&mut out, found.name.as_str().as_bytes());
            out.extend_from_slice(found.id.as_ref().map_or(&[], |id| &id.as_bytes()[..]));
            if let Some(target) = &found.target {
                put_bytes(&mut out, target.as_str().as_bytes());
            }
        }
        put_number(&mut out, self.common.len() as u64);
        self.common.iter().for_each(|place| put_number(&mut out, *place as u64));
        put_totals(&mut out, &self.totals);
        out
    }

    pub(super) fn decode(body: &[u8]) -> Result<Head> {
        let mut cursor = Cursor::new(body);
        let mut head = Head::default();
        for _ in 0..cursor.count(MAX_REFS, "the number of refs of the other side")? {
            let flags = cursor.byte()?;
            if flags > HAS_ID | HAS_TARGET | IS_SENT {
                return Err(wrong("a ref is not in its form"));
            }
            let name = ref_name(&mut cursor)?;
            let id = if flags & HAS_ID > 0 { Some(cursor.id()?) } else { None };
            let target = if flags & HAS_TARGET > 0 { Some(ref_name(&mut cursor)?) } else { None };
            head.refs.push((RemoteRef { name, id, target, peeled: None }, flags & IS_SENT > 0));
        }
        for _ in 0..cursor.count(MAX_HAVES, "the number of common commits")? {
            head.common.push(cursor.count(MAX_HAVES, "the place of a common commit")?);
        }
        head.totals = totals(&mut cursor)?;
        cursor.finish()?;
        Ok(head)
    }
}

/// Writes a request of the stream.
pub(super) fn write_message(out: &mut dyn Write, body: &[u8]) -> std::io::Result<()> {
    write_line(out, &format!("command={COMMAND}"))?;
    body.chunks(MAX_DATA).try_for_each(|data| write_data(out, data))?;
    write_flush(out)
}

/// All the packets of a request behind its command.
pub(super) fn read_body(packets: &mut Packets<'_>) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        match packets.expect()? {
            Packet::Data(data) => body.extend_from_slice(data),
            Packet::Flush => return Ok(body),
            _ => return Err(wrong("a request does not end so")),
        }
    }
}

/// Reads the version and the flags, of which these may be set.
pub(super) fn begin(cursor: &mut Cursor<'_>, known: u8) -> Result<u8> {
    if cursor.byte()? != VERSION {
        return Err(Error::Unsupported("speaks another version of the stream".into()));
    }
    let flags = cursor.byte()?;
    if flags & !known != 0 { Err(wrong("a request has flags that are not known")) } else { Ok(flags) }
}

pub(super) fn put_ids<'i>(out: &mut Vec<u8>, ids: impl ExactSizeIterator<Item = &'i Id>) {
    put_number(out, ids.len() as u64);
    ids.for_each(|id| out.extend_from_slice(id.as_bytes()));
}

pub(super) fn ids(cursor: &mut Cursor<'_>, limit: usize) -> Result<Vec<Id>> {
    let count = cursor.count(limit, "the number of ids in a request")?;
    (0..count).map(|_| cursor.id()).collect()
}

pub(super) fn put_position(out: &mut Vec<u8>, position: Position) {
    put_number(out, position.records);
    put_number(out, position.pieces.map_or(0, |arrived| arrived.saturating_add(1)));
}

pub(super) fn position(cursor: &mut Cursor<'_>) -> Result<Position> {
    Ok(Position { records: cursor.number()?, pieces: cursor.number()?.checked_sub(1) })
}

fn put_totals(out: &mut Vec<u8>, totals: &Totals) {
    [totals.commits, totals.documents, totals.bytes].into_iter().for_each(|number| put_number(out, number));
}

fn totals(cursor: &mut Cursor<'_>) -> Result<Totals> {
    Ok(Totals { commits: cursor.number()?, documents: cursor.number()?, bytes: cursor.number()? })
}

pub(super) fn text(cursor: &mut Cursor<'_>) -> Result<String> {
    let text = std::str::from_utf8(cursor.bytes()?);
    Ok(text.map_err(|_| wrong("a text is not UTF-8"))?.to_owned())
}

fn ref_name(cursor: &mut Cursor<'_>) -> Result<RefName> {
    RefName::full(&text(cursor)?).map_err(|_| wrong("a ref has a name that no ref has"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> Id {
        Id::from_bytes([byte; 32])
    }

    fn reread(asked: &Asked) -> Asked {
        let mut out = Vec::new();
        asked.write(&mut out).unwrap();
        let mut source = &out[..];
        let mut packets = Packets::new(&mut source);
        assert_eq!(packets.next().unwrap(), Some(Packet::Data(b"command=isodb-stream\n")));
        Asked::read(&mut packets).unwrap()
    }

    #[test]
    fn requests() {
        let usual = Asked {
            prefixes: USUAL.map(str::to_owned).to_vec(),
            digest: [5; 16],
            haves: vec![CommitId(id(1))],
            is_last: false,
            wanted: None,
        };
        assert_eq!(reread(&usual), usual);
        let mut out = Vec::new();
        usual.write(&mut out).unwrap();
        assert_eq!(out.len(), 25 + 4 + 2 + 16 + 1 + 32 + 4);
        let other =
            Asked { prefixes: vec!["HEAD".into(), "é".into()], is_last: true, haves: Vec::new(), ..usual.clone() };
        assert_eq!(reread(&other), other);
        let from = Position { records: 300, pieces: Some(1 << 33) };
        let wanted = Wanted { wants: vec![id(2); 3000], common: vec![CommitId(id(3))], from };
        let asked = Asked { digest: Digest::default(), haves: Vec::new(), wanted: Some(wanted), ..usual };
        assert_eq!(reread(&asked), asked);
    }

    #[test]
    fn answers() {
        let name = |text: &str| RefName::full(text).unwrap();
        let found = RemoteRef { name: name("refs/heads/main"), id: Some(id(1)), target: None, peeled: None };
        let head = RemoteRef { name: RefName::head(), id: None, target: Some(name("refs/heads/main")), peeled: None };
        let totals = Totals { commits: 1, documents: 1 << 20, bytes: 1 << 40 };
        let stream = Head { refs: vec![(found, true), (head, false)], common: vec![0, 700], totals };
        for answer in [Answer::NothingNew, Answer::More, Answer::NotCarried, Answer::Gone, Answer::Stream(stream)] {
            let mut out = Vec::new();
            answer.write(&mut out).unwrap();
            assert_eq!(Answer::read(&mut &out[..]).unwrap(), answer);
            for end in 0..out.len() {
                assert!(Answer::read(&mut &out[..end]).is_err());
            }
        }
        assert!(Answer::read(&mut &[9][..]).is_err());
    }

    #[test]
    fn a_sum_tells_refs_apart() {
        let refs = [(RefName::full("refs/heads/a").unwrap(), id(1)), (RefName::full("refs/heads/b").unwrap(), id(2))];
        let sum = |places: &[usize]| digest(places.iter().map(|place| (&refs[*place].0, refs[*place].1)));
        assert_eq!(sum(&[0, 1]), sum(&[1, 0]));
        assert!(sum(&[0]) != sum(&[1]) && sum(&[]) != sum(&[0]));
    }
}
