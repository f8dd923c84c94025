//! What a merge has changed for the one whose ref it is: documents merged, conflicts that are new, conflicts that are left.

use std::collections::{BTreeSet, HashSet};

use super::MergeOutcome;
use super::fold::{Folded, Merger};
use super::frontier::is_merge_commit;
use crate::database::error::Result;
use crate::merge::Decision;
use crate::object::{CommitId, Objects, TreeId};
use crate::tree::{Key, Tree};

/// A history of up to so many commits is searched for merge commits before all documents are for conflicts.
const COMMITS: usize = 2000;

impl Merger<'_> {
    /// Fills in the numbers of an outcome. `tree` is that of its head.
    pub(super) fn tally(&mut self, outcome: &mut MergeOutcome, tree: TreeId, folded: Option<&Folded>) -> Result<()> {
        // What differs from a tree of which all is known: that of the ref, or else of one that was merged.
        let known = outcome.old.unwrap_or(outcome.frontier[0]);
        let before = self.commit_tree(Some(known))?;
        let mut conflicts = self.conflicts(known, before)?;
        if outcome.old.is_none() {
            outcome.new_conflicts = conflicts.len() as u64;
        }
        let is_merged = |key: &Key| {
            let decided = folded.and_then(|folded| folded.decided.get(key));
            decided.is_some_and(|(_, decided)| decided.decision != Decision::Keep)
        };
        for change in Tree::new(&self.objects, before).diff(&Tree::new(&self.objects, tree), None)? {
            let change = change?;
            outcome.merged += u64::from(is_merged(&change.key));
            if change.new.is_some_and(|document| document.conflict.is_some()) {
                outcome.new_conflicts += u64::from(conflicts.insert(change.key));
            } else {
                conflicts.remove(&change.key);
            }
        }
        outcome.conflicts = conflicts.len() as u64;
        Ok(())
    }

    /// The documents in conflict of a commit.
    fn conflicts(&mut self, commit: CommitId, tree: TreeId) -> Result<BTreeSet<Key>> {
        // Conflicts come from merge commits, and in a short history it is soon seen that there are none.
        if !self.db.has_conflict_note() && !self.has_merges(commit)? {
            return Ok(BTreeSet::new());
        }
        Ok(self.db.conflicts(tree, None)?.into_iter().map(|(key, _)| key).collect())
    }

    /// Whether there may be merge commits in the history of a commit.
    fn has_merges(&mut self, commit: CommitId) -> Result<bool> {
        let (mut todo, mut seen) = (vec![commit], HashSet::from([commit]));
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
