//! What a merge has changed for the one whose ref it is: documents merged, conflicts that are new, conflicts that are left.
//!
//! A merge takes what is in conflict from one of the heads that it merges, or could not decide on it itself. So where bounds
//! of the heads are noted no tree is walked again.

use std::collections::BTreeSet;

use super::MergeOutcome;
use super::fold::{Folded, Merger};
use crate::database::conflicts::{Bound, follow, in_conflict};
use crate::database::error::Result;
use crate::merge::Decision;
use crate::object::{CommitId, Objects, TreeId};
use crate::tree::{Key, Tree};

impl Merger<'_> {
    /// Fills in the numbers of an outcome. `tree` is that of its head; the answer tells what is in conflict in it.
    pub(super) fn tally(&mut self, outcome: &mut MergeOutcome, tree: TreeId, folded: Option<&Folded>) -> Result<Bound> {
        // What differs from a tree of which all is known: that of the ref, or else of one that was merged.
        let before = self.commit_tree(Some(outcome.old.unwrap_or(outcome.frontier[0])))?;
        let heads = outcome.frontier.iter().map(|head| self.commit_tree(Some(*head))).collect::<Result<Vec<_>>>()?;
        let old = Tree::new(&self.objects, before);
        let after = old.with_root(tree);
        let decided: Vec<&Key> = folded.map(Folded::decided_keys).unwrap_or_default();
        outcome.merged = old.differing(&after, &decided)?.len() as u64;

        let bounds = self.db.conflict_bounds();
        let (were, are) = match bounds.of(&[&heads[..], &[before]].concat()) {
            Some(mut keys) => {
                keys.extend(folded.into_iter().flat_map(Folded::undecided_keys).cloned());
                let keys: Vec<Key> = keys.into_iter().collect();
                (keys_in_conflict(&old, &keys)?, keys_in_conflict(&after, &keys)?)
            }
            None => {
                let were: BTreeSet<Key> = self.db.conflicts(before, None)?.into_iter().map(|(key, _)| key).collect();
                let mut are = were.clone();
                follow(&mut are, &old, &after, None)?;
                (were, are)
            }
        };
        outcome.conflicts = are.len() as u64;
        outcome.new_conflicts = match outcome.old {
            Some(_) => are.difference(&were).count() as u64,
            None => outcome.conflicts,
        };
        Ok(Bound { tree, from: Vec::new(), keys: are.into_iter().collect() })
    }

    /// What is in conflict in a merge, told by what is so in the commits that were merged.
    pub(super) fn bound(&mut self, frontier: &[CommitId], folded: &Folded) -> Result<Bound> {
        let from = frontier.iter().map(|head| self.commit_tree(Some(*head))).collect::<Result<_>>()?;
        Ok(Bound { tree: folded.tree, from, keys: folded.undecided_keys().cloned().collect() })
    }
}

impl Folded {
    /// The documents in dispute that a rule decided on, in the order of their keys.
    fn decided_keys(&self) -> Vec<&Key> {
        self.decided.iter().filter(|(_, (_, made))| made.decision != Decision::Keep).map(|(key, _)| key).collect()
    }

    /// The documents in dispute that stay in conflict.
    fn undecided_keys(&self) -> impl Iterator<Item = &Key> {
        self.decided.iter().filter(|(_, (_, made))| made.decision == Decision::Keep).map(|(key, _)| key)
    }
}

fn keys_in_conflict<O: Objects + Sync + ?Sized>(tree: &Tree<'_, O>, keys: &[Key]) -> Result<BTreeSet<Key>> {
    Ok(in_conflict(tree, keys)?.into_iter().map(|(key, _)| key).collect())
}
