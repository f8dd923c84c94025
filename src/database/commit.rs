//! Making commits: on a ref, where another writer may be first, or on given parents, without touching any ref.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Database;
use super::changeset::Changeset;
use super::conflicts::{Bound, Gathered};
use super::error::{Error, Result};
use super::signers;
use crate::object::{Commit, CommitId, Ident, Kind, Objects, Person, TreeId};
use crate::refs::{self, Expect, RefEdit, RefName, RefValue, WriteLock};
use crate::script::Runner;
use crate::sign::{self, Signer};

/// Who makes a commit, when and why. Times are in seconds since 1970.
#[derive(Clone, Debug)]
pub struct CommitInfo {
    /// Who made the change.
    pub author: Person,
    /// When the change was made.
    pub author_time: i64,
    /// Who makes the commit.
    pub committer: Person,
    /// When the commit is made. A commit is never earlier than its parents: clocks in the field go wrong, so the
    /// latest of this and of the parents' times is stored.
    pub committer_time: i64,
    /// The message. A final newline is added where there is none.
    pub message: String,
    /// Who signs the commit, if anybody: as git does, over all of it but the signature. Other writers wait meanwhile.
    pub signer: Option<Arc<dyn Signer>>,
}

/// What came of a changeset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Where the ref is now; `None` when it has no commit and nothing was to be changed.
    pub head: Option<CommitId>,
    /// Whether there is a new commit. There is none when the documents were so already.
    pub is_new: bool,
}

/// What came of several changesets, a commit each.
#[derive(Debug)]
pub struct Series {
    /// An outcome for each changeset that was made.
    pub outcomes: Vec<Outcome>,
    /// Why the next one was not: an error of its own. Those before it are made.
    pub failed: Option<Error>,
}

impl Database {
    /// Makes one commit of a changeset on a ref: waits for other writers first, then builds on what the ref holds by
    /// then. The commit is durable when this returns.
    ///
    /// # Errors
    /// [`refs::Error::Mismatch`] when the ref is not where `expect` says; the conditions' errors. What was put into
    /// the store for the changeset is dropped then.
    pub fn commit(&self, name: &RefName, expect: Expect, changes: &Changeset, info: &CommitInfo) -> Result<Outcome> {
        let mut series = self.commit_series(name, expect, &[(changes, info)])?;
        match (series.failed.take(), series.outcomes.pop()) {
            (Some(error), _) => Err(error),
            (None, Some(outcome)) => Ok(outcome),
            (None, None) => unreachable!("one changeset gives one outcome or an error"),
        }
    }

    /// Makes a commit of each changeset, one on the other, with one flush and one move of the ref.
    pub fn commit_series(
        &self,
        name: &RefName,
        expect: Expect,
        changes: &[(&Changeset, &CommitInfo)],
    ) -> Result<Series> {
        let result = self.try_series(name, expect, changes);
        // What is still there was for a commit that was not made.
        self.store.discard();
        result
    }

    fn try_series(&self, name: &RefName, expect: Expect, changes: &[(&Changeset, &CommitInfo)]) -> Result<Series> {
        // Until the ref has moved, nothing may go that the commits are built on.
        self.store.hold()?;
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            let lock = self.refs.lock(self.patience)?;
            let (name, old) = self.refs.resolve(name)?;
            let old = old.map(CommitId);
            let expected = match expect {
                Expect::Any => old.map(|id| id.0),
                Expect::Absent => None,
                Expect::At(id) => Some(id),
            };
            if expected != old.map(|id| id.0) {
                return Err(refs::Error::Mismatch { name, expected, found: old.map(|id| id.0) }.into());
            }
            let mut series = Series { outcomes: Vec::new(), failed: None };
            let mut head = old;
            let mut message = String::new();
            let mut bounds = Gathered::default();
            for (changes, info) in changes {
                match self.build(head.as_slice(), None, changes, info) {
                    Ok(Some((id, bound))) => {
                        head = Some(id);
                        bounds.commit(bound);
                        message = subject(&info.message).to_owned();
                        series.outcomes.push(Outcome { head, is_new: true });
                    }
                    Ok(None) => series.outcomes.push(Outcome { head, is_new: false }),
                    Err(error) => {
                        series.failed = Some(error);
                        break;
                    }
                }
            }
            let made = series.outcomes.iter().filter(|outcome| outcome.is_new).count();
            let (Some(new), Some((_, info))) = (head.filter(|_| made > 0), changes.first()) else { return Ok(series) };
            if made > 1 {
                message = format!("{made} commits, the last: {message}");
            }
            let expect = old.map_or(Expect::Absent, |id| Expect::At(id.0));
            let edit = RefEdit { name: name.clone(), expect, new: Some(RefValue::Id(new.0)), message };
            let who = info.committer.at(info.committer_time)?;
            match self.publish(lock, edit, &who) {
                // Only git moves a ref without our lock: build again on what it made. The objects are there already.
                Err(Error::Ref(refs::Error::Mismatch { .. })) if start.elapsed() < self.patience => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(100));
                }
                published => {
                    published?;
                    self.note_conflicts(&bounds.into_bounds());
                    return Ok(series);
                }
            }
        }
    }

    /// Makes durable what was put, then moves a ref to it.
    pub(super) fn publish(&self, lock: WriteLock<'_>, edit: RefEdit, who: &Ident) -> Result<()> {
        let name = edit.name.clone();
        let prepared = lock.prepare(vec![edit])?;
        self.store.flush(&prepared.files())?;
        let changed = prepared.commit(who)?;
        // The ref leads to durable objects, so the next writer may go on while its move is flushed.
        drop(lock);
        self.sync_changed(name.as_str(), &changed)?;
        self.sweep(&self.root.join(name.as_str()));
        Ok(())
    }

    /// Makes one commit on these parents, in their order, without touching a ref. The documents are those of the
    /// parents' merge, changed: so that nothing of any of them is lost. With one parent and no change the answer is that
    /// parent.
    ///
    /// # Errors
    /// The conditions' errors, and with several parents those of [`Database::merge`].
    pub fn commit_on(
        &self,
        parents: &[CommitId],
        changes: &Changeset,
        info: &CommitInfo,
        runner: &mut dyn Runner,
    ) -> Result<Outcome> {
        let result = self.try_commit_on(parents, changes, info, runner);
        self.store.discard();
        result
    }

    fn try_commit_on(
        &self,
        parents: &[CommitId],
        changes: &Changeset,
        info: &CommitInfo,
        runner: &mut dyn Runner,
    ) -> Result<Outcome> {
        self.store.hold()?;
        let merged = if parents.len() > 1 { Some(self.merged_tree(parents, runner)?) } else { None };
        match self.build(parents, merged, changes, info)? {
            Some((id, bound)) => {
                self.store.flush(&[])?;
                if merged.is_none() {
                    self.note_conflicts(&[bound]);
                }
                Ok(Outcome { head: Some(id), is_new: true })
            }
            None => Ok(Outcome { head: parents.first().copied(), is_new: false }),
        }
    }

    /// Puts the commit of a changeset, and tells what is in conflict in it; `None` when it would change nothing. `merged` is
    /// the tree that several parents come to.
    fn build(
        &self,
        parents: &[CommitId],
        merged: Option<TreeId>,
        changes: &Changeset,
        info: &CommitInfo,
    ) -> Result<Option<(CommitId, Bound)>> {
        let commits = parents.iter().map(|&id| self.store.commit(id)).collect::<Result<Vec<_>, _>>()?;
        let own = commits.first().map_or(TreeId::EMPTY, |commit| commit.tree);
        let base = self.tree(merged.unwrap_or(own));
        let tree = changes.apply(&base)?.id();
        if let Some(list) = changes.signers() {
            signers::check(&self.store, list)?;
        }
        if parents.len() <= 1 && tree == base.id() {
            return Ok(None);
        }
        let latest = commits.iter().map(|commit| commit.committer.seconds()).max();
        let committer_time = latest.map_or(info.committer_time, |latest| latest.max(info.committer_time));
        let mut commit = Commit {
            tree,
            parents: parents.to_vec(),
            author: info.author.at(info.author_time)?,
            committer: info.committer.at(committer_time)?,
            headers: Vec::new(),
            message: message(&info.message)?,
        };
        if let Some(signer) = &info.signer {
            let signature = signer.sign(sign::NAMESPACE, &commit.encode())?;
            commit.headers.push((sign::HEADER.to_owned(), signature.armor().into_bytes()));
        }
        let parent = parents.first().map(|parent| parent.0);
        let id = CommitId(self.store.put_after(Kind::Commit, &commit.encode(), parent)?);
        Ok(Some((id, changes.bound(base.id(), tree))))
    }
}

/// A message's first line.
fn subject(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}

/// A message as commits and tags store it.
pub(super) fn message(text: &str) -> Result<Vec<u8>> {
    if text.contains('\0') {
        return Err(Error::Invalid("a message cannot hold a NUL character".into()));
    }
    let mut message = text.to_owned();
    if !message.is_empty() && !message.ends_with('\n') {
        message.push('\n');
    }
    Ok(message.into_bytes())
}
