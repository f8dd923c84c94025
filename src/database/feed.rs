//! The feed of changes: what has changed between what a consumer knows and where a ref is.
//!
//! What a consumer knows is one commit. A step from there is the difference of two trees, so it can be taken to any other
//! commit, and also when the ref has moved to one that does not descend from it.

use std::collections::VecDeque;
use std::time::Duration;

use super::Database;
use super::ancestry;
use super::error::{Error, Result};
use crate::disk::Watch;
use crate::object::{CommitId, Id, Kind, Objects};
use crate::refs::RefName;
use crate::store::Store;
use crate::tree::{Diff, Key, Tree};

/// One step of a feed: what has changed from a commit to another.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The commit that the step starts from; `None` for no documents at all.
    pub since: Option<CommitId>,
    /// The commit that it leads to.
    pub commit: CommitId,
    /// That commit's committer time, in seconds since 1970.
    pub time: i64,
    old: Tree<'a, Store>,
    new: Tree<'a, Store>,
}

impl<'a> Batch<'a> {
    /// The documents that differ, in the order of their keys; only those at or below `prefix` if one is given.
    ///
    /// # Errors
    /// When a tree cannot be read.
    pub fn changes(&self, prefix: Option<&Key>) -> Result<Diff<'a, Store>> {
        Ok(self.old.diff(&self.new, prefix)?)
    }
}

/// The feed of one ref for one consumer.
///
/// The consumer asks for a [batch](Feed::next_batch), deals with it, says that it is [done](Feed::done), and
/// [waits](Feed::wait) where there is none. A batch that is not done is given again, together with what has come since:
/// no move of the ref is missed, and several may come as one.
#[derive(Debug)]
pub struct Feed<'a> {
    db: &'a Database,
    name: RefName,
    at: Option<CommitId>,
    by_commit: bool,
    /// The commits that follow `at` on the line to where the ref was when somebody looked.
    line: VecDeque<CommitId>,
    watch: Box<dyn Watch>,
}

impl Database {
    /// The feed of a ref for a consumer who knows the documents of a commit; `None` for one who knows none. A symbolic
    /// ref (HEAD) is followed wherever it leads at the time.
    pub fn feed(&self, name: RefName, since: Option<CommitId>) -> Feed<'_> {
        let watch = self.disk.watch();
        Feed { db: self, name, at: since, by_commit: false, line: VecDeque::new(), watch }
    }

    /// The commits that lead from one to another, oldest first: each has the one before it as a parent, the first one
    /// has `since`. Of several parents that come from `since` the first is taken; without `since`, of all. Where the head
    /// does not descend from `since`, the line is the head alone.
    ///
    /// # Errors
    /// When a commit cannot be read.
    pub fn line(&self, since: Option<CommitId>, head: CommitId) -> Result<Vec<CommitId>> {
        let mut lineage = self.lineage()?;
        let (since, head) = (since.map(|id| lineage.place(id)), lineage.place(head));
        let line = ancestry::line(&mut lineage, since, head)?;
        Ok(line.into_iter().map(|place| lineage.id(place)).collect())
    }

    fn batch(&self, since: Option<CommitId>, id: CommitId) -> Result<Batch<'_>> {
        let commit = self.store.commit(id)?;
        let (old, new) = (self.tree_of(since)?, self.tree(commit.tree));
        Ok(Batch { since, commit: id, time: commit.committer.seconds(), old, new })
    }

    /// The commit that an object of a ref leads to.
    fn commit_of_ref(&self, name: &RefName, id: Id) -> Result<CommitId> {
        let id = self.peel(id)?;
        match self.kind_of(id)? {
            Kind::Commit => Ok(CommitId(id)),
            found => Err(Error::WrongKind { text: name.to_string(), expected: Kind::Commit, found }),
        }
    }
}

impl<'a> Feed<'a> {
    /// The same feed with a batch for each commit of the [line](Database::line) to the ref.
    pub fn by_commit(self) -> Feed<'a> {
        Feed { by_commit: true, ..self }
    }

    /// The ref.
    pub fn name(&self) -> &RefName {
        &self.name
    }

    /// The commit that the consumer knows.
    pub fn at(&self) -> Option<CommitId> {
        self.at
    }

    /// The next step towards where the ref is now; `None` when the consumer knows that commit, or there is no such ref:
    /// one that goes away takes no documents with it, for it may come back.
    ///
    /// # Errors
    /// When the ref, a commit or a tree cannot be read, or the ref leads to no commit.
    pub fn next_batch(&mut self) -> Result<Option<Batch<'a>>> {
        if self.line.is_empty() {
            let (_, found) = self.db.refs.resolve_watched(&self.name, &mut *self.watch)?;
            let Some(id) = found else { return Ok(None) };
            let head = self.db.commit_of_ref(&self.name, id)?;
            if self.at == Some(head) {
                return Ok(None);
            }
            if !self.by_commit {
                return self.db.batch(self.at, head).map(Some);
            }
            self.line = self.db.line(self.at, head)?.into();
        }
        self.line.front().map(|commit| self.db.batch(self.at, *commit)).transpose()
    }

    /// The consumer has dealt with a batch of this feed, and knows the documents of its commit.
    pub fn done(&mut self, batch: Batch<'_>) {
        self.at = Some(batch.commit);
        if self.line.front() == self.at.as_ref() {
            self.line.pop_front();
        }
    }

    /// Returns when the ref may have moved since somebody asked for a batch, or else (false) when `patience` is over. On a
    /// disk that other machines write to, nothing but the end of patience tells of a move.
    ///
    /// # Errors
    /// When the system cannot wait.
    pub fn wait(&mut self, patience: Duration) -> Result<bool> {
        self.watch.wait(patience).map_err(|source| Error::Io { path: self.db.root.clone(), source })
    }
}
