//! What a merge has changed for the one whose ref it is: documents merged, conflicts that are new, conflicts that are left.

use std::collections::{BTreeSet, HashSet};

use super::MergeOutcome;
use super::fold::{Folded, Merger};
use super::frontier::is_merge_commit;
use crate::database::error::Result;
use crate::merge::Decision;
use crate::object::{CommitId, Objects, TreeId};
use crate::tree::{Key, Tree};

/// Histories of up to so many commits are searched for merge commits before all documents are for conflicts.
const COMMITS: usize = 10_000;

impl Merger<'_> {
    /// Fills in the numbers of an outcome. `tree` is that of its head.
    pub(super) fn tally(&mut self, outcome: &mut MergeOutcome, tree: TreeId, folded: Option<&Folded>) -> Result<()> {
        // What differs from a tree of which all is known: that of the ref, or else of one that was merged.
        let known = outcome.old.unwrap_or(outcome.frontier[0]);
        let before = self.commit_tree(Some(known))?;
        let old = Tree::new(&self.objects, before);
        let after = old.with_root(tree);
        let decided = || folded.into_iter().flat_map(|folded| &folded.decided);
        for (key, _) in decided().filter(|(_, (_, decided))| decided.decision != Decision::Keep) {
            outcome.merged += u64::from(old.get(key)? != after.get(key)?);
        }
        let is_in_conflict =
            |key: &Key| -> Result<bool> { Ok(after.get(key)?.is_some_and(|document| document.conflict.is_some())) };
        // Conflicts come from merge commits, and in a short history it is soon seen that there are none: then those that
        // this merge has left are all.
        let heads: Vec<CommitId> = outcome.frontier.iter().copied().chain(outcome.old).collect();
        if !self.db.has_conflict_note() && !self.has_merges(&heads)? {
            for (key, _) in decided() {
                outcome.conflicts += u64::from(is_in_conflict(key)?);
            }
            outcome.new_conflicts = outcome.conflicts;
            return Ok(());
        }
        let found = self.db.conflicts(before, None)?;
        let mut conflicts: BTreeSet<Key> = found.into_iter().map(|(key, _)| key).collect();
        if outcome.old.is_none() {
            outcome.new_conflicts = conflicts.len() as u64;
        }
        for change in old.diff(&after, None)? {
            let change = change?;
            if change.new.is_some_and(|document| document.conflict.is_some()) {
                outcome.new_conflicts += u64::from(conflicts.insert(change.key));
            } else {
                conflicts.remove(&change.key);
            }
        }
        outcome.conflicts = conflicts.len() as u64;
        Ok(())
    }

    /// Whether there may be merge commits in the history of some commits.
    fn has_merges(&self, commits: &[CommitId]) -> Result<bool> {
        let mut seen: HashSet<CommitId> = commits.iter().copied().collect();
        let mut todo: Vec<CommitId> = seen.iter().copied().collect();
        while let Some(id) = todo.pop() {
            let commit = self.db.store().commit(id)?;
            if seen.len() > COMMITS || is_merge_commit(&commit) {
                return Ok(true);
            }
            todo.extend(commit.parents.into_iter().filter(|parent| seen.insert(*parent)));
        }
        Ok(false)
    }
}
