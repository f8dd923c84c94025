//! What is noted of each remote when it is met: where its refs were, when that was, and which of its heads went back
//! (`docs/protocol/peers.md`). The note can be deleted at any time; one that is damaged is passed over.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::error::Result;
use super::remote::Remote;
use super::select::commit_of;
use crate::database::{self, Database, is_merge_commit};
use crate::object::{CommitId, Id, Kind, Objects, hash};
use crate::refs::{RefName, RefValue};

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

/// What is known of a remote without asking it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its branches as they were last seen, by its own names.
    pub heads: Vec<(RefName, CommitId)>,
    /// What was noted of it; nothing if it was never met by isodb.
    pub note: Option<PeerNote>,
    /// What our branches have and its have not.
    pub lacks: Difference,
    /// What its branches have and ours have not.
    pub has: Difference,
}

/// What one side has and the other has not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// How many commits that somebody made.
    pub commits: u64,
    /// How many documents they change.
    pub documents: u64,
    /// How many bytes of new contents they have.
    pub bytes: u64,
}

impl Peer {
    /// Looks at what is kept here of a remote.
    ///
    /// # Errors
    /// When a ref or an object cannot be read.
    pub fn look(db: &Database, remote: &Remote) -> Result<Peer> {
        let mut heads = Vec::new();
        for (name, id) in db.refs().list("refs/remotes/")? {
            let is_symbolic = matches!(db.refs().read(&name)?, Some(RefValue::Symbolic(_)));
            let Some(there) = remote.tracked(&name).filter(|_| !is_symbolic) else { continue };
            heads.extend(commit_of(db, id)?.map(|commit| (there, commit)));
        }
        let theirs: Vec<CommitId> = heads.iter().map(|(_, commit)| *commit).collect();
        let ours: Vec<CommitId> = db.refs().list("refs/heads/")?.into_iter().map(|(_, id)| CommitId(id)).collect();
        let (lacks, has) = (difference(db, &ours, &theirs)?, difference(db, &theirs, &ours)?);
        Ok(Peer { heads, note: PeerNote::read(db, remote)?, lacks, has })
    }
}

/// What some commits have and others have not.
fn difference(db: &Database, heads: &[CommitId], others: &[CommitId]) -> Result<Difference> {
    let mut difference = Difference::default();
    let (mut keys, mut contents) = (HashSet::new(), HashSet::new());
    for id in db.commits_since(heads, others)? {
        let commit = db.store().commit(id)?;
        if is_merge_commit(&commit) {
            continue;
        }
        difference.commits += 1;
        let base = db.tree_of(commit.parents.first().copied())?;
        for change in base.diff(&db.tree(commit.tree), None).map_err(database::Error::from)? {
            let change = change.map_err(database::Error::from)?;
            let old = change.old.map(|document| document.blob);
            let new = change.new.map(|document| document.blob).filter(|blob| Some(*blob) != old);
            if let Some(blob) = new.filter(|blob| contents.insert(*blob)) {
                difference.bytes += db.store().header(blob.0)?.map_or(0, |(_, size)| size);
            }
            keys.insert(change.key);
        }
    }
    difference.documents = keys.len() as u64;
    Ok(difference)
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
