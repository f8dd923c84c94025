//! The file `isodb/verified`: which commits were found to be trusted, so that the next run looks at new ones only
//! (`docs/format/trust.md`).
//!
//! It can be deleted at any time. One that is damaged, or was written under other anchors, is passed over.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::anchors::Anchors;
use super::lists::Revocation;
use super::standing::Standing;
use crate::disk::{Access, Bytes, Disk};
use crate::object::CommitId;
use crate::sign::PublicKey;
use crate::store::new_stem;

/// The first line. The number goes up with every change of what makes a commit trusted.
const HEADER: &str = "isodb verified 1\n";
/// The length of the hash at the end, over all that comes before it.
const HASH: usize = 32;
/// The length of what is noted of one commit: its id, and a number.
const RECORD: usize = 36;
/// The bit of the number that says that all ancestors of the commit are trusted too.
const WHOLE: u32 = 1;

/// What is noted of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Which of the standings it has.
    standing: u32,
    /// Whether all its ancestors are trusted too.
    pub(super) is_whole: bool,
}

/// Commits that were found to be trusted.
#[derive(Debug, Default)]
pub(super) struct Memory {
    standings: Vec<Standing>,
    numbers: HashMap<String, u32>,
    /// The revocations in the histories of these commits, in order.
    pub(super) revocations: Vec<Revocation>,
    /// The file, and where its records are.
    file: Option<(Bytes, std::ops::Range<usize>)>,
    /// What came to it since.
    new: HashMap<CommitId, Record>,
}

impl Memory {
    /// What the file says, if it can be used under these anchors; else nothing is remembered.
    pub(super) fn load(disk: &dyn Disk, path: &Path, anchors: &Anchors) -> Memory {
        disk.map(path).ok().and_then(|bytes| Memory::parse(bytes, anchors)).unwrap_or_default()
    }

    /// `None` for anything that [`Memory::encode`] would not have written.
    fn parse(bytes: Bytes, anchors: &Anchors) -> Option<Memory> {
        let (content, hash) = bytes.split_at_checked(bytes.len().checked_sub(HASH)?)?;
        if Sha256::digest(content)[..] != *hash {
            return None;
        }
        let mut lines = Lines(content.strip_prefix(HEADER.as_bytes())?);
        if lines.next()? != bound_to(anchors) {
            return None;
        }
        let mut memory = Memory::default();
        for _ in 0..lines.count()? {
            memory.number(&decode(lines.next()?)?)?;
        }
        for _ in 0..lines.count()? {
            let (id, key) = lines.next()?.split_once(' ')?;
            let revocation = Revocation { by: CommitId(id.parse().ok()?), key: PublicKey::parse(key).ok()? };
            memory.revocations.push(revocation);
        }
        let start = content.len() - lines.0.len();
        if !lines.0.len().is_multiple_of(RECORD) {
            return None;
        }
        let range = start..content.len();
        memory.file = Some((bytes, range));
        Some(memory)
    }

    /// The number of a standing that can be remembered; `None` for others.
    pub(super) fn number(&mut self, standing: &Standing) -> Option<u32> {
        let line = encode(standing)?;
        let next = u32::try_from(self.standings.len()).ok().filter(|next| *next < u32::MAX / 2)?;
        let number = *self.numbers.entry(line).or_insert(next);
        if number == next {
            self.standings.push(standing.clone());
        }
        Some(number)
    }

    fn records(&self) -> &[u8] {
        self.file.as_ref().map_or(&[], |(bytes, range)| &bytes[range.clone()])
    }

    /// What is noted of a commit.
    pub(super) fn get(&self, commit: CommitId) -> Option<Record> {
        if let Some(record) = self.new.get(&commit) {
            return Some(*record);
        }
        let (records, _) = self.records().as_chunks::<RECORD>();
        let at = records.binary_search_by(|record| record[..32].cmp(commit.0.as_bytes())).ok()?;
        let record = Record::decode(&records[at]);
        // A number that is none is nothing that was ever written.
        self.standings.get(record.standing as usize).map(|_| record)
    }

    /// How a commit stands of which this is noted.
    pub(super) fn standing(&self, record: Record) -> &Standing {
        &self.standings[record.standing as usize]
    }

    /// Notes how a commit stands, by the number of that.
    pub(super) fn add(&mut self, commit: CommitId, standing: u32, is_whole: bool) {
        self.new.insert(commit, Record { standing, is_whole });
    }

    /// Whether anything came to it since it was read.
    pub(super) fn is_new(&self) -> bool {
        !self.new.is_empty()
    }

    fn encode(&self, anchors: &Anchors) -> Vec<u8> {
        let mut text = format!("{HEADER}{}\n{}\n", bound_to(anchors), self.standings.len());
        for line in self.standings.iter().filter_map(encode) {
            text += &(line + "\n");
        }
        text += &format!("{}\n", self.revocations.len());
        for Revocation { by, key } in &self.revocations {
            text += &format!("{by} {key}\n");
        }
        let mut out = text.into_bytes();
        let (old, _) = self.records().as_chunks::<RECORD>();
        let mut new: Vec<[u8; RECORD]> = self.new.iter().map(|(id, record)| record.encode(*id)).collect();
        new.sort_unstable();
        let mut new = new.iter().peekable();
        for record in old {
            while let Some(next) = new.next_if(|next| next[..32] < record[..32]) {
                out.extend_from_slice(next);
            }
            let replaced = new.next_if(|next| next[..32] == record[..32]);
            out.extend_from_slice(replaced.unwrap_or(record));
        }
        new.for_each(|record| out.extend_from_slice(record));
        let hash = Sha256::digest(&out);
        out.extend_from_slice(&hash);
        out
    }

    /// Replaces the file in the directory `own`. It is not waited for until it is durable: what a power cut leaves of it is
    /// seen not to be whole.
    pub(super) fn write(&self, disk: &dyn Disk, own: &Path, anchors: &Anchors) -> io::Result<()> {
        let dir = own.join("tmp");
        disk.create_dir_all(&dir)?;
        let temporary = dir.join(format!("verified-{}", new_stem()));
        let written = disk
            .write_new(&temporary, &self.encode(anchors), Access::ReadWrite)
            .and_then(|()| disk.rename(&temporary, &path(own)));
        written.inspect_err(|_| {
            // Best effort: what is left is swept later.
            let _ = disk.remove(&temporary);
        })
    }
}

/// Where the file is, in the directory `isodb` of a database.
pub(super) fn path(own: &Path) -> std::path::PathBuf {
    own.join("verified")
}

/// What a file is bound to: with other anchors, other commits are trusted.
fn bound_to(anchors: &Anchors) -> String {
    hex::encode(Sha256::digest(anchors.to_string()))
}

impl Record {
    fn encode(self, commit: CommitId) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        let number = self.standing << 1 | if self.is_whole { WHOLE } else { 0 };
        bytes[..32].copy_from_slice(commit.0.as_bytes());
        bytes[32..].copy_from_slice(&number.to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8; RECORD]) -> Record {
        let number = u32::from_be_bytes(*bytes.last_chunk().expect("a record ends in a number"));
        Record { standing: number >> 1, is_whole: number & WHOLE != 0 }
    }
}

/// The line for a standing that is remembered.
fn encode(standing: &Standing) -> Option<String> {
    match standing {
        Standing::Signed { principal, key } if !principal.contains('\n') => Some(format!("signed {key}\t{principal}")),
        Standing::Merge | Standing::Pinned => Some(standing.word().to_owned()),
        _ => None,
    }
}

fn decode(line: &str) -> Option<Standing> {
    match line {
        "merge" => Some(Standing::Merge),
        "pinned" => Some(Standing::Pinned),
        line => {
            let (key, principal) = line.strip_prefix("signed ")?.split_once('\t')?;
            Some(Standing::Signed { principal: principal.to_owned(), key: PublicKey::parse(key).ok()? })
        }
    }
}

/// Text, line by line.
struct Lines<'b>(&'b [u8]);

impl<'b> Lines<'b> {
    fn next(&mut self) -> Option<&'b str> {
        let end = memchr::memchr(b'\n', self.0)?;
        let (line, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        std::str::from_utf8(line).ok()
    }

    fn count(&mut self) -> Option<u32> {
        self.next()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::FaultDisk;
    use crate::object::{Kind, hash};
    use crate::sign::PrivateKey;

    fn id(number: u8) -> CommitId {
        CommitId(hash(Kind::Blob, &[number]))
    }

    #[test]
    fn what_is_noted_is_read_again_and_damage_is_seen() {
        let (disk, own) = (FaultDisk::new(), Path::new("/isodb"));
        disk.import(own, None);
        let key = PrivateKey::generate([1; 32], "").public_key().clone();
        let mut anchors = Anchors::default();
        anchors.add_key(&key);
        let signed = Standing::Signed { principal: "ann@farm".into(), key: key.clone() };
        let mut memory = Memory::load(&disk, &path(own), &anchors);
        memory.revocations.push(Revocation { by: id(0), key: key.clone() });
        let number = memory.number(&signed).unwrap();
        (0..40).for_each(|n| memory.add(id(n), number, n % 2 == 0));
        assert_eq!(memory.number(&Standing::Unsigned), None);
        memory.write(&disk, own, &anchors).unwrap();
        let mut again = Memory::load(&disk, &path(own), &anchors);
        assert_eq!(again.revocations, memory.revocations);
        for (n, standing) in [(50, Standing::Merge), (1, Standing::Pinned)] {
            let number = again.number(&standing).unwrap();
            again.add(id(n), number, true);
        }
        again.write(&disk, own, &anchors).unwrap();
        let again = Memory::load(&disk, &path(own), &anchors);
        let seen = |number| again.get(id(number)).map(|record| (again.standing(record).word(), record.is_whole));
        assert_eq!(
            (seen(0), seen(1), seen(3)),
            (Some(("signed", true)), Some(("pinned", true)), Some(("signed", false)))
        );
        assert_eq!((seen(50), seen(40), seen(60)), (Some(("merge", true)), None, None));

        assert!(Memory::load(&disk, &path(own), &Anchors::default()).get(id(0)).is_none(), "other anchors");
        let whole = disk.read(&path(own)).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            assert!(Memory::parse(Bytes::Owned(bytes), &anchors).is_none(), "{at}");
            assert!(Memory::parse(Bytes::Owned(whole[..at].to_vec()), &anchors).is_none(), "{at}");
        }
    }
}
