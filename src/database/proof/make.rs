//! Making a proof: finding a signed commit that has the document, and the objects that show it.

use std::collections::{BinaryHeap, HashSet};
use std::io::Write;

use super::bag::Recorder;
use super::chain;
use super::examine::{document, examine};
use super::format::{Claim, MAX_OBJECTS, OVERHEAD, Writer};
use super::signer::Signed;
use crate::database::Database;
use crate::database::error::{Error, Result};
use crate::object::{self, CommitId, Kind, Objects};
use crate::tree::{Document, Key};

impl Database {
    /// Writes a proof of what a commit has at a key: a document with its content, or none. Answers the commit that the
    /// proof is of: this one if it is signed, else the latest of its ancestors that is, and has had the very same since.
    ///
    /// With `since`, the proof holds the commits that lead there from that one. Then nothing but that commit's id must be
    /// known to who checks it; see `docs/format/proof.md` for what is proved.
    ///
    /// # Errors
    /// [`Error::NoProof`] when there is no such commit, or no commits lead to it; nothing was written then.
    pub fn prove(&self, key: &Key, at: CommitId, since: Option<CommitId>, out: &mut dyn Write) -> Result<CommitId> {
        let cannot = |reason: String| Error::NoProof { key: key.clone(), reason };
        let commit = Signed::load(&self.store, at)?;
        let wanted = document(&self.store, commit.commit.tree, key)?;
        let mut descent = Descent::new(self, key, wanted, since, commit);
        let mut refused = None;
        while let Some(commit) = descent.next()? {
            let way = since.map(|since| chain::find(&self.store, commit, since)).transpose();
            let claim = Claim { key: key.clone(), commit, content: wanted.map(|document| document.blob), since };
            match way.and_then(|way| self.write_proof(&claim, &way.unwrap_or_default(), out)) {
                Ok(()) => return Ok(commit),
                Err(Error::Proof(reason)) => drop(refused.get_or_insert(cannot(reason))),
                Err(error) => return Err(error),
            }
        }
        let none = || format!("neither commit {at} is signed nor one before it that has had the same since");
        Err(refused.unwrap_or_else(|| cannot(none())))
    }

    /// Writes the proof of a claim, with a chain through these commits.
    fn write_proof(&self, claim: &Claim, way: &[CommitId], out: &mut dyn Write) -> Result<()> {
        let objects = Recorder::new(&self.store);
        let mut choose = |parents: &[CommitId]| way.iter().copied().find(|commit| parents.contains(commit));
        examine(&objects, claim, &mut choose)?;
        let order = objects.into_order();
        let mut size = 0;
        for id in &order {
            size += OVERHEAD + self.store.header(*id)?.map_or(0, |(_, size)| size);
        }
        if size > MAX_OBJECTS {
            let reason = format!("its objects have {size} bytes, more than the {MAX_OBJECTS} of a proof");
            return Err(Error::NoProof { key: claim.key.clone(), reason });
        }
        let mut writer = Writer::new(out, claim, order.len())?;
        for id in order {
            let object = self.store.get(id)?.ok_or(object::Error::Missing { id, kind: None })?;
            writer.object(object.kind, &object.body)?;
        }
        if let Some(id) = claim.content {
            let missing = object::Error::Missing { id: id.0, kind: Some(Kind::Blob) };
            writer.content(self.store.open(id.0)?.ok_or(missing)?)?;
        }
        writer.finish()
    }
}

/// The commits that a proof can be of: the signed ones from a commit down that have the same document, down to the first
/// of each line, the latest first.
struct Descent<'a> {
    db: &'a Database,
    key: &'a Key,
    wanted: Option<Document>,
    since: Option<CommitId>,
    queue: BinaryHeap<(i64, CommitId)>,
    seen: HashSet<CommitId>,
}

impl<'a> Descent<'a> {
    fn new(
        db: &'a Database,
        key: &'a Key,
        wanted: Option<Document>,
        since: Option<CommitId>,
        first: Signed,
    ) -> Descent<'a> {
        let queue = BinaryHeap::from([(first.commit.committer.seconds(), first.id)]);
        Descent { db, key, wanted, since, queue, seen: HashSet::from([first.id]) }
    }

    fn next(&mut self) -> Result<Option<CommitId>> {
        while let Some((_, id)) = self.queue.pop() {
            let commit = Signed::load(&self.db.store, id)?;
            // The id of a commit that the other side trusts is as good as a signature.
            if self.since == Some(id) || commit.signer().is_ok_and(|signer| signer.is_some()) {
                return Ok(Some(id));
            }
            for parent in commit.commit.parents {
                let parent = Signed::load(&self.db.store, parent)?;
                if self.seen.insert(parent.id) && document(&self.db.store, parent.commit.tree, self.key)? == self.wanted
                {
                    self.queue.push((parent.commit.committer.seconds(), parent.id));
                }
            }
        }
        Ok(None)
    }
}
