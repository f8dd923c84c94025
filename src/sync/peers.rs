//! What is noted of each remote when it is met: where its refs were, when that was, and which of its heads went back
//! (`docs/protocol/peers.md`). The note can be deleted at any time; one that is damaged is passed over.

use std::fmt::Write as _;

use super::error::Result;
use super::remote::Remote;
use crate::database::Database;
use crate::object::{Id, Kind, hash};
use crate::refs::RefName;

/// The first line.
const HEADER: &str = "isodb peer 1";
/// So many heads that went back are remembered; of more, the newest.
const MANY: usize = 1000;

/// What is noted of a remote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerNote {
    /// When it was last met, in seconds since 1970.
    pub seen: i64,
    /// Whether it spoke the isodb stream then.
    pub speaks_stream: bool,
    /// Its branches and tags as they were then, by its own names.
    pub refs: Vec<(RefName, Id)>,
    /// Its branches that have lost commits and have not got them back.
    pub went_back: Vec<WentBack>,
}

/// A branch of a remote that was moved so that it lost commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WentBack {
    /// Its name there.
    pub name: RefName,
    /// Where it was.
    pub was: Id,
    /// When it was seen to have moved, in seconds since 1970.
    pub seen: i64,
}

impl PeerNote {
    /// What is noted of a remote; nothing if it was never met.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn read(db: &Database, remote: &Remote) -> Result<Option<PeerNote>> {
        Ok(db.peer_note(&remote.file_name())?.and_then(|bytes| PeerNote::parse(&bytes)))
    }

    pub(super) fn write(&mut self, db: &Database, remote: &Remote) -> Result<()> {
        self.refs.sort();
        let extra = self.went_back.len().saturating_sub(MANY);
        self.went_back.drain(..extra);
        Ok(db.write_peer_note(&remote.file_name(), self.encode().as_bytes())?)
    }

    fn encode(&self) -> String {
        let mut text =
            format!("{HEADER}\nseen {}\nstream {}\n", self.seen, if self.speaks_stream { "yes" } else { "no" });
        for (name, id) in &self.refs {
            let _ = writeln!(text, "ref {id} {name}");
        }
        for WentBack { name, was, seen } in &self.went_back {
            let _ = writeln!(text, "back {was} {seen} {name}");
        }
        let sum = hash(Kind::Blob, text.as_bytes());
        let _ = writeln!(text, "sum {sum}");
        text
    }

    /// `None` for anything that was not written so.
    fn parse(bytes: &[u8]) -> Option<PeerNote> {
        let text = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
        let (text, sum) = text.rsplit_once("\nsum ")?;
        let text = format!("{text}\n");
        if sum.parse::<Id>().ok()? != hash(Kind::Blob, text.as_bytes()) {
            return None;
        }
        let mut lines = text.lines();
        let mut note = PeerNote::default();
        if lines.next()? != HEADER {
            return None;
        }
        note.seen = lines.next()?.strip_prefix("seen ")?.parse().ok()?;
        note.speaks_stream = match lines.next()? {
            "stream yes" => true,
            "stream no" => false,
            _ => return None,
        };
        for line in lines {
            let (word, rest) = line.split_once(' ')?;
            let (id, rest) = rest.split_once(' ')?;
            let id = id.parse().ok()?;
            match word {
                "ref" => note.refs.push((RefName::full(rest).ok()?, id)),
                "back" => {
                    let (seen, name) = rest.split_once(' ')?;
                    let name = RefName::full(name).ok()?;
                    note.went_back.push(WentBack { name, was: id, seen: seen.parse().ok()? });
                }
                _ => return None,
            }
        }
        Some(note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_again_and_damage_is_seen() {
        let name = |text: &str| RefName::full(text).unwrap();
        let id = |text: &str| hash(Kind::Blob, text.as_bytes());
        let note = PeerNote {
            seen: 1_700_000_000,
            speaks_stream: true,
            refs: vec![(name("refs/heads/main"), id("a")), (name("refs/tags/v1"), id("b"))],
            went_back: vec![WentBack { name: name("refs/heads/main"), was: id("c"), seen: 1_600_000_000 }],
        };
        let text = note.encode();
        assert!(text.starts_with("isodb peer 1\nseen 1700000000\nstream yes\nref "), "{text}");
        assert_eq!(PeerNote::parse(text.as_bytes()), Some(note));
        let empty = PeerNote::default();
        assert_eq!(PeerNote::parse(empty.encode().as_bytes()), Some(empty));
        for at in 0..text.len() {
            let mut bent = text.clone().into_bytes();
            bent[at] ^= 1;
            assert_eq!(PeerNote::parse(&bent), None, "{at}");
            assert_eq!(PeerNote::parse(&text.as_bytes()[..at]), None, "{at}");
        }
    }
}
