//! What is asked and answered around a stream that is pushed: which refs are to move from where to where, how far what was
//! sent before has come, and what became of the moves.

use std::io::{Read, Write};

use super::block::{changed, sum};
use super::message::{VERSION, begin, position, put_position, read_body, read_sized, text, write_message};
use super::send::Position;
use super::wire::{Cursor, put_bytes, put_number, wrong};
use crate::object::Id;
use crate::refs::RefName;
use crate::sync::error::{Error, Result, excerpt};
use crate::sync::exchange::PushEdit;
use crate::sync::pktline::Packets;
use crate::sync::protocol::MAX_REFS;
use crate::sync::push::NotMoved;

/// What tells a push from others.
pub(in crate::sync) type PushId = [u8; 8];
/// What tells a stream from others: the same whoever makes it of the same commits and tags.
pub(in crate::sync) type Token = [u8; 16];

/// The most bytes that an answer has.
const MAX_ANSWER: usize = 128 << 20;

const IS_ATOMIC: u8 = 1;
const IS_QUESTION: u8 = 2;
const IS_AGAIN: u8 = 4;
const HAS_TOKEN: u8 = 8;

const HAS_OLD: u8 = 1;
const HAS_NEW: u8 = 2;

/// What is asked of who is pushed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::sync) struct Submitted {
    /// The push: all attempts have the same.
    pub(in crate::sync) id: PushId,
    /// The moves. A stream follows if one of them leads to something new.
    pub(in crate::sync) edits: Vec<PushEdit>,
    /// Whether all are to be done or none.
    pub(in crate::sync) is_atomic: bool,
    /// Whether nothing is to be done yet, and no stream follows: how far did it come?
    pub(in crate::sync) is_question: bool,
    /// Whether there was an attempt before whose answer was lost.
    pub(in crate::sync) is_again: bool,
    /// By what the stream is kept if the connection is cut; nothing where that is not worth while.
    pub(in crate::sync) token: Option<Token>,
    /// From where on the stream is sent.
    pub(in crate::sync) from: Position,
}

impl Submitted {
    /// Whether a stream belongs to it.
    pub(in crate::sync) fn has_stream(&self) -> bool {
        self.edits.iter().any(|edit| edit.new.is_some() && edit.new != edit.old)
    }

    /// What stands in the log of a ref that it has moved.
    pub(in crate::sync) fn log_message(&self) -> String {
        format!("push {}", hex::encode(self.id))
    }

    /// Writes it; the stream follows.
    pub(super) fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let flag = |bit: u8, is_set: bool| if is_set { bit } else { 0 };
        let mut body = vec![
            VERSION,
            flag(IS_ATOMIC, self.is_atomic)
                | flag(IS_QUESTION, self.is_question)
                | flag(IS_AGAIN, self.is_again)
                | flag(HAS_TOKEN, self.token.is_some()),
        ];
        body.extend_from_slice(&self.id);
        put_number(&mut body, self.edits.len() as u64);
        for PushEdit { name, old, new } in &self.edits {
            body.push(flag(HAS_OLD, old.is_some()) | flag(HAS_NEW, new.is_some()));
            put_bytes(&mut body, name.as_str().as_bytes());
            old.iter().chain(new).for_each(|id| body.extend_from_slice(id.as_bytes()));
        }
        if let Some(token) = &self.token {
            body.extend_from_slice(token);
            put_position(&mut body, self.from);
        }
        let sum = sum(&body);
        body.extend_from_slice(&sum);
        write_message(out, &body)
    }

    /// Reads what stands behind the command.
    ///
    /// # Errors
    /// [`Error::Protocol`], [`Error::Unsupported`] for another version, [`Error::TooMuch`]; [`Error::Connection`] where the link
    /// has changed something.
    pub(in crate::sync) fn read(packets: &mut Packets<'_>) -> Result<Submitted> {
        let body = read_body(packets)?;
        let (body, found) = body.split_last_chunk().ok_or_else(|| wrong("a request is cut off"))?;
        if sum(body) != *found {
            return Err(changed("a request"));
        }
        let mut cursor = Cursor::new(body);
        let flags = begin(&mut cursor, IS_ATOMIC | IS_QUESTION | IS_AGAIN | HAS_TOKEN)?;
        let mut asked = Submitted {
            id: cursor.array()?,
            is_atomic: flags & IS_ATOMIC > 0,
            is_question: flags & IS_QUESTION > 0,
            is_again: flags & IS_AGAIN > 0,
            ..Submitted::default()
        };
        for _ in 0..cursor.count(MAX_REFS, "the number of refs that are pushed")? {
            let flags = cursor.byte()?;
            if flags > HAS_OLD | HAS_NEW || flags == 0 {
                return Err(wrong("a move of a ref is not in its form"));
            }
            let name = text(&mut cursor)?;
            let name = RefName::full(&name).map_err(|_| wrong("a ref has a name that no ref has"))?;
            let id =
                |cursor: &mut Cursor<'_>, bit| Ok::<_, Error>(if flags & bit > 0 { Some(cursor.id()?) } else { None });
            let (old, new) = (id(&mut cursor, HAS_OLD)?, id(&mut cursor, HAS_NEW)?);
            asked.edits.push(PushEdit { name, old, new });
        }
        if flags & HAS_TOKEN > 0 {
            asked.token = Some(cursor.array()?);
            asked.from = position(&mut cursor)?;
        }
        cursor.finish()?;
        Ok(asked)
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sync) enum Outcome {
    /// The moves were looked at: for each, why it was not done, if it was not.
    Done(Vec<Option<NotMoved>>),
    /// Nothing stands against it so far; the stream is to be sent from here on.
    From(Position),
    /// Not all came as it was sent, or another attempt is not over yet: the question is to be asked later.
    Again,
    /// What came cannot be taken.
    Bad(String),
}

const ALL_DONE: u8 = 0;
const DONE: u8 = 1;
const FROM: u8 = 2;
const AGAIN: u8 = 3;
const BAD: u8 = 4;

/// What became of one move.
const MOVED: u8 = 0;
const NOWHERE: u8 = 1;
const ELSEWHERE: u8 = 2;
const REFUSED: u8 = 3;

impl Outcome {
    /// Writes the answer.
    pub(in crate::sync) fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let mut body = Vec::new();
        let word = match self {
            Outcome::Done(moves) if moves.iter().all(Option::is_none) => ALL_DONE,
            Outcome::Done(moves) => {
                put_number(&mut body, moves.len() as u64);
                moves.iter().for_each(|not_moved| put_not_moved(&mut body, not_moved.as_ref()));
                DONE
            }
            Outcome::From(position) => {
                put_position(&mut body, *position);
                FROM
            }
            Outcome::Again => AGAIN,
            Outcome::Bad(reason) => {
                body.extend_from_slice(excerpt(reason.as_bytes()).as_bytes());
                BAD
            }
        };
        let mut all = vec![word];
        put_bytes(&mut all, &body);
        let sum = sum(&all);
        all.extend_from_slice(&sum);
        out.write_all(&all)
    }

    /// Reads the answer to so many moves, and nothing behind it.
    ///
    /// # Errors
    /// [`Error::Connection`] where the source ends or the link has changed something, and what is wrong with what it says.
    pub(super) fn read(source: &mut dyn Read, moves: usize) -> Result<Outcome> {
        let (mut word, mut found) = ([0], [0; 4]);
        source.read_exact(&mut word).map_err(Error::Connection)?;
        let body = read_sized(source, MAX_ANSWER)?;
        source.read_exact(&mut found).map_err(Error::Connection)?;
        let mut all = word.to_vec();
        put_bytes(&mut all, &body);
        if sum(&all) != found {
            return Err(changed("an answer"));
        }
        let mut cursor = Cursor::new(&body);
        let outcome = match word[0] {
            ALL_DONE => Outcome::Done(vec![None; moves]),
            DONE => {
                if cursor.count(moves, "the number of moves that are answered")? != moves {
                    return Err(wrong("it is not said what became of each move"));
                }
                Outcome::Done((0..moves).map(|_| not_moved(&mut cursor)).collect::<Result<_>>()?)
            }
            FROM => Outcome::From(position(&mut cursor)?),
            AGAIN => Outcome::Again,
            BAD => return Ok(Outcome::Bad(excerpt(&body))),
            _ => return Err(wrong("an answer is none of those that there are")),
        };
        cursor.finish()?;
        Ok(outcome)
    }
}

fn put_not_moved(out: &mut Vec<u8>, not_moved: Option<&NotMoved>) {
    match not_moved {
        None => out.push(MOVED),
        Some(NotMoved::Elsewhere { found: None }) => out.push(NOWHERE),
        Some(NotMoved::Elsewhere { found: Some(id) }) => {
            out.push(ELSEWHERE);
            out.extend_from_slice(id.as_bytes());
        }
        Some(NotMoved::Refused(reason)) => {
            out.push(REFUSED);
            put_bytes(out, excerpt(reason.as_bytes()).as_bytes());
        }
    }
}

fn not_moved(cursor: &mut Cursor<'_>) -> Result<Option<NotMoved>> {
    let elsewhere = |found: Option<Id>| Some(NotMoved::Elsewhere { found });
    Ok(match cursor.byte()? {
        MOVED => None,
        NOWHERE => elsewhere(None),
        ELSEWHERE => elsewhere(Some(cursor.id()?)),
        REFUSED => Some(NotMoved::Refused(excerpt(cursor.bytes()?))),
        _ => return Err(wrong("what became of a move is not in its form")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::pktline::Packet;
    use crate::sync::stream::COMMAND;

    fn id(byte: u8) -> Id {
        Id::from_bytes([byte; 32])
    }

    fn reread(bytes: &[u8]) -> Result<Submitted> {
        let mut source = bytes;
        let mut packets = Packets::new(&mut source);
        assert_eq!(packets.next()?, Some(Packet::Data(format!("command={COMMAND}\n").as_bytes())));
        Submitted::read(&mut packets)
    }

    #[test]
    fn requests() {
        let name = |text: &str| RefName::from_user(text).unwrap();
        let edit = |name, old, new| PushEdit { name, old, new };
        let one =
            Submitted { id: [1; 8], edits: vec![edit(name("a"), Some(id(1)), Some(id(2)))], ..Submitted::default() };
        let mut out = Vec::new();
        one.write(&mut out).unwrap();
        assert_eq!((reread(&out).unwrap(), out.len()), (one.clone(), 25 + 4 + 2 + 8 + 1 + 2 + 12 + 64 + 4 + 4));
        assert!(one.has_stream());
        for at in 29..out.len() - 4 {
            let mut bent = out.clone();
            bent[at] ^= 4;
            assert!(matches!(reread(&bent), Err(Error::Connection(_))), "{at}");
        }
        let many = Submitted {
            edits: vec![
                edit(name("a"), Some(id(1)), Some(id(1))),
                edit(name("é"), None, Some(id(3))),
                edit(name("c"), Some(id(1)), None),
            ],
            is_atomic: true,
            is_question: true,
            is_again: true,
            token: Some([3; 16]),
            from: Position { records: 1 << 40, pieces: Some(0) },
            ..one.clone()
        };
        let mut out = Vec::new();
        many.write(&mut out).unwrap();
        assert_eq!(reread(&out).unwrap(), many);
        let still = Submitted { edits: vec![many.edits[0].clone(), many.edits[2].clone()], ..one };
        assert!(!still.has_stream());
    }

    #[test]
    fn answers() {
        let not_moved = vec![
            None,
            Some(NotMoved::Elsewhere { found: None }),
            Some(NotMoved::Elsewhere { found: Some(id(1)) }),
            Some(NotMoved::Refused("it may not".into())),
        ];
        for outcome in [
            Outcome::Done(vec![None; 4]),
            Outcome::Done(not_moved),
            Outcome::From(Position { records: 300, pieces: None }),
            Outcome::Again,
            Outcome::Bad("it is none".into()),
        ] {
            let mut out = Vec::new();
            outcome.write(&mut out).unwrap();
            assert_eq!(Outcome::read(&mut &out[..], 4).unwrap(), outcome);
            for end in 0..out.len() {
                assert!(Outcome::read(&mut &out[..end], 4).is_err());
                let mut bent = out.clone();
                bent[end] ^= 1;
                assert!(Outcome::read(&mut &bent[..], 4).is_err());
            }
        }
        let mut out = Vec::new();
        Outcome::Done(vec![Some(NotMoved::Elsewhere { found: None })]).write(&mut out).unwrap();
        assert!(Outcome::read(&mut &out[..], 2).is_err());
    }
}
