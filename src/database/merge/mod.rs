//! Merging histories: what a node knows is a set of authored commits, and its head a function of that set alone.
//!
//! A ref goes from its head and other ones to the merge of their frontier: the single commit that is left, or the merge
//! commit that every node makes of the same frontier, byte for byte (`docs/format/merging.md`). **Invariant:** a move is
//! safe: every authored commit that could be reached from the ref before can be reached from it after.

mod check;
mod contents;
mod decide;
mod fold;
mod frontier;
mod in_force;
mod incremental;
mod made;
mod scripts;
mod tally;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use super::Database;
use super::ancestry;
use super::conflicts::Bound;
use super::error::{Error, Result};
use crate::merge::Dispute;
use crate::object::{Commit, CommitId, Ident, Kind, Objects, Overlay, Person, TreeId};
use crate::refs::{self, Expect, RefEdit, RefName, RefValue};
use crate::script::Runner;
use crate::store::Store;

use fold::{Folded, Merger};
use frontier::Frontier;
use incremental::Known;

pub use check::WrongMerge;
pub use decide::Decided;
pub use frontier::is_merge_commit;

/// After so many merges of which each met another writer, the next one is made while writers wait.
const ATTEMPTS: usize = 5;

/// What came of a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeOutcome {
    /// Where the ref was.
    pub old: Option<CommitId>,
    /// Where the ref is now, or would be.
    pub head: CommitId,
    /// The authored commits that the head is the merge of, in ascending order of id. A single one is the head itself.
    pub frontier: Vec<CommitId>,
    /// How many documents of the ref rules have changed, of those that several sides had changed differently.
    pub merged: u64,
    /// How many documents are in conflict that were not so before.
    pub new_conflicts: u64,
    /// How many documents are in conflict.
    pub conflicts: u64,
}

impl MergeOutcome {
    /// Whether the ref is, or would be, elsewhere now.
    pub fn is_new(&self) -> bool {
        self.old != Some(self.head)
    }
}

/// A merge that has been worked out and not been stored.
struct Worked {
    outcome: MergeOutcome,
    /// What is in conflict in it.
    bound: Bound,
    /// The merge commit that is to be stored, and its documents.
    made: Option<(Commit, Folded)>,
}

impl Database {
    /// Makes the merge of a merge commit's parents again, and answers the documents that were in dispute in it with what
    /// became of them, each as the last step that disputed it left it. Nothing is stored.
    ///
    /// # Errors
    /// As [`Database::merge`]; no disputes for a commit that is no merge commit.
    pub fn disputes(&self, commit: CommitId, runner: &mut dyn Runner) -> Result<Vec<(Dispute, Decided)>> {
        let mut merger = Merger::new(self, runner)?;
        let frontier = merger.frontier(&[commit])?;
        if frontier.len() < 2 {
            return Ok(Vec::new());
        }
        Ok(merger.merge(&frontier)?.decided.into_values().collect())
    }

    /// The frontier of some heads: the authored commits that none of the others descends from, where merge commits stand for
    /// their parents. In ascending order of id.
    ///
    /// # Errors
    /// [`Error::DamagedMerge`] for a commit that says it is a merge commit and cannot be one.
    pub fn frontier(&self, heads: &[CommitId]) -> Result<Vec<CommitId>> {
        Ok(frontier::frontier(self, &mut self.lineage()?, heads)?.to_vec())
    }

    /// Whether a ref may go from one commit to another: no authored commit that can be reached from the old one is lost.
    pub fn is_safe_move(&self, old: CommitId, new: CommitId) -> Result<bool> {
        let mut lineage = self.lineage()?;
        let known = frontier::frontier(self, &mut lineage, &[old])?;
        let places: Vec<u32> = known.iter().map(|id| lineage.place(*id)).collect();
        let new = lineage.place(new);
        ancestry::are_below(&mut lineage, &places, new)
    }

    /// Brings a ref to the merge of its head and other ones, durably; other writers are not kept waiting by the work. With
    /// `dry_run`, nothing is stored and nothing moves. The same heads give the same commit on every machine.
    ///
    /// # Errors
    /// [`refs::Error::Mismatch`] when the ref is not where `expect` says; [`Error::DamagedMerge`];
    /// [`Error::Script`] when this machine failed to run a script, and the errors of rules that cannot be read. Nothing has
    /// changed then. A conflict is no error.
    pub fn merge(
        &self,
        name: &RefName,
        expect: Expect,
        heads: &[CommitId],
        dry_run: bool,
        runner: &mut dyn Runner,
        who: &Ident,
    ) -> Result<MergeOutcome> {
        let result = self.try_merge((name, expect), heads, dry_run, runner, who);
        self.store.discard();
        result
    }

    /// Stores the merge of some heads, durably and without touching a ref.
    ///
    /// # Errors
    /// As [`Database::merge`].
    pub fn merge_of(&self, heads: &[CommitId], runner: &mut dyn Runner) -> Result<MergeOutcome> {
        let result = self.store.hold().map_err(Error::from).and_then(|()| {
            let mut merger = Merger::new(self, runner)?;
            let Worked { outcome, bound, made } = merger.head(None, heads)?;
            if let Some((commit, folded)) = made {
                merger.store(&commit, &folded)?;
                self.store.flush(&[])?;
                self.note_conflicts(&[bound]);
            }
            Ok(outcome)
        });
        self.store.discard();
        result
    }

    /// Puts the merge commit of some authored commits into the store, without flushing it, and tells what is in conflict in
    /// it; `None` where one of them is all there is. Who is told of a merge commit's parents makes it so, and sees whether it is the one that was meant.
    ///
    /// # Errors
    /// As [`Database::merge`].
    pub(crate) fn put_merge(&self, parents: &[CommitId], runner: &mut dyn Runner) -> Result<Option<(CommitId, Bound)>> {
        let mut merger = Merger::new(self, runner)?;
        let frontier = merger.frontier(parents)?;
        if frontier.len() < 2 {
            return Ok(None);
        }
        let folded = merger.merge(&frontier)?;
        let commit = merger.commit(&frontier, &folded)?;
        merger.store(&commit, &folded)?;
        Ok(Some((commit.id(), merger.bound(&frontier, &folded)?)))
    }

    /// The tree of the merge of some heads. What is new in it is put into the store.
    pub(super) fn merged_tree(&self, heads: &[CommitId], runner: &mut dyn Runner) -> Result<TreeId> {
        self.with_merged_tree(heads, runner, |objects, tree| {
            objects.write_reachable(tree, &self.store)?;
            Ok(tree)
        })
    }

    /// Works out the tree of the merge of some heads and shows it, with the objects that it is made of. Nothing is stored.
    pub(super) fn with_merged_tree<T>(
        &self,
        heads: &[CommitId],
        runner: &mut dyn Runner,
        look: impl FnOnce(&Overlay<'_, Store>, TreeId) -> Result<T>,
    ) -> Result<T> {
        let mut merger = Merger::new(self, runner)?;
        let frontier = merger.frontier(heads)?;
        let tree = merger.tree_of(frontier)?;
        look(&merger.objects, tree)
    }

    fn try_merge(
        &self,
        (name, expect): (&RefName, Expect),
        heads: &[CommitId],
        dry_run: bool,
        runner: &mut dyn Runner,
        who: &Ident,
    ) -> Result<MergeOutcome> {
        if !dry_run {
            // Until the ref has moved, nothing may go that the merge is made of.
            self.store.hold()?;
        }
        let mut merger = Merger::new(self, runner)?;
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        for attempt in 1.. {
            let early = (attempt > ATTEMPTS).then(|| self.refs.lock(self.patience)).transpose()?;
            let (name, old) = self.refs.resolve(name)?;
            let expected = match expect {
                Expect::Any => old,
                Expect::Absent => None,
                Expect::At(id) => Some(id),
            };
            if expected != old {
                return Err(refs::Error::Mismatch { name, expected, found: old }.into());
            }
            if old.is_none() && heads.is_empty() {
                return Err(Error::NoCommit(name));
            }
            let Worked { outcome, bound, made } = merger.head(old.map(CommitId), heads)?;
            if dry_run || !outcome.is_new() {
                return Ok(outcome);
            }
            let message = match &made {
                Some((commit, folded)) => {
                    merger.store(commit, folded)?;
                    format!("merge: of {} commits", outcome.frontier.len())
                }
                None => "merge: fast-forward".to_owned(),
            };
            let lock = early.map_or_else(|| self.refs.lock(self.patience), Ok)?;
            if self.refs.resolve(&name)?.1 == old {
                let expect = old.map_or(Expect::Absent, Expect::At);
                let edit = RefEdit { name, expect, new: Some(RefValue::Id(outcome.head.0)), message };
                match self.publish(lock, edit, who) {
                    Err(Error::Ref(refs::Error::Mismatch { .. })) if start.elapsed() < self.patience => {}
                    published => {
                        published?;
                        self.note_conflicts(&[bound]);
                        return Ok(outcome);
                    }
                }
            } else {
                drop(lock);
            }
            // Somebody was first: their commit is merged as well.
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(100));
        }
        unreachable!("the attempts have no end")
    }
}

impl Merger<'_> {
    /// The head of a node that was at `old` and knows these heads as well.
    fn head(&mut self, old: Option<CommitId>, heads: &[CommitId]) -> Result<Worked> {
        let all: Vec<CommitId> = old.into_iter().chain(heads.iter().copied()).collect();
        let frontier = self.frontier(&all)?;
        if frontier.is_empty() {
            return Err(Error::Invalid("there is nothing to merge".into()));
        }
        let known = old.map(|old| self.known(old, heads)).transpose()?.flatten();
        let (head, made) = match (&frontier[..], old, known) {
            ([single], ..) => (*single, None),
            (_, Some(old), Some(known)) if known.frontier == frontier => (old, None),
            (.., known) => {
                let extended = known.map(|known| self.extend(&known, &frontier)).transpose()?.flatten();
                let folded = extended.map_or_else(|| self.merge(&frontier), Ok)?;
                let commit = self.commit(&frontier, &folded)?;
                (commit.id(), Some((commit, folded)))
            }
        };
        let frontier = frontier.to_vec();
        let mut outcome = MergeOutcome { old, head, frontier, merged: 0, new_conflicts: 0, conflicts: 0 };
        let folded = made.as_ref().map(|(_, folded)| folded);
        let tree = folded.map_or_else(|| self.commit_tree(Some(head)), |folded| Ok(folded.tree))?;
        let bound = self.tally(&mut outcome, tree, folded)?;
        Ok(Worked { outcome, bound, made })
    }

    /// What is known of the merge that a ref is at, if it is at one. What a ref leads to here is believed, as long as none
    /// of the other heads is another merge commit of the same: [`Database::check_merge`] tells whether it is right.
    fn known(&mut self, head: CommitId, others: &[CommitId]) -> Result<Option<Known>> {
        let commit = self.db.store().commit(head)?;
        if !is_merge_commit(&commit) || !commit.parents.is_sorted_by(|a, b| a < b) {
            return Ok(None);
        }
        for other in others.iter().filter(|other| **other != head) {
            let other = self.db.store().commit(*other)?;
            if is_merge_commit(&other) && other.parents == commit.parents {
                return Ok(None);
            }
        }
        let Some(in_force) = frontier::in_force(&commit) else { return Ok(None) };
        Ok(Some(Known { frontier: commit.parents.into(), tree: commit.tree, in_force }))
    }

    /// The merge commit of a frontier of two commits or more.
    fn commit(&mut self, frontier: &Frontier, folded: &Folded) -> Result<Commit> {
        let mut time = 0;
        for id in frontier.iter() {
            let place = self.lineage.place(*id);
            time = self.lineage.time(place)?.max(time);
        }
        let who = Person::new("isodb merge", "merge@isodb")?.at(time)?;
        Ok(Commit {
            tree: folded.tree,
            parents: frontier.to_vec(),
            author: who.clone(),
            committer: who,
            headers: vec![(frontier::HEADER.to_owned(), frontier::header_value(folded.in_force))],
            message: b"merge\n".to_vec(),
        })
    }

    /// Puts a merge commit and what is new in its tree into the store.
    fn store(&self, commit: &Commit, folded: &Folded) -> Result<()> {
        let store = self.db.store();
        self.objects.write_reachable(folded.tree, store)?;
        store.put_after(Kind::Commit, &commit.encode(), commit.parents.first().map(|parent| parent.0))?;
        Ok(())
    }
}
