//! What a merge has changed for the one whose ref it is: documents merged, conflicts that are new, conflicts that are left.

use std::collections::BTreeSet;

use super::MergeOutcome;
use super::fold::{Folded, Merger};
use crate::database::error::Result;
use crate::merge::Decision;
use crate::object::TreeId;
use crate::tree::{Key, Tree};

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
}
