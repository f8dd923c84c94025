//! One more head, or a few: the merge of those before is known, and only what the new ones touch is merged again.
//!
//! What a step makes of a document depends on three things: what the document is in the step's base, in what is merged so
//! far, and in the step's head. So a step whose head has a document as its base has it changes nothing about it. New steps
//! among old ones therefore leave every document alone but those in which a new head differs from its base, as long as the
//! old steps have the bases that they had, and the same rules are in force.
//!
//! Rules that ask who wrote a version are left out: the history of a new head may know of a writer that the others did not.

use std::collections::{BTreeMap, BTreeSet};

use super::fold::{Folded, Merger};
use super::frontier::{Base, Frontier, Step};
use super::made::Made;
use crate::database::error::Result;
use crate::merge::three_way;
use crate::object::TreeId;
use crate::tree::{Edit, Edits, Key, Tree};

/// Where there are more documents times heads to look up than this, all is merged from the start.
const LOOKUPS: usize = 40_000;

/// A merge that is known to be right.
pub(super) struct Known {
    pub(super) frontier: Frontier,
    pub(super) tree: TreeId,
    /// The folder of rules that were in force.
    pub(super) in_force: Option<TreeId>,
}

impl Merger<'_> {
    /// Merges a frontier on top of a known merge of a part of it. `None` where it is better, or the only way, to start from
    /// the beginning; the answer is the same.
    pub(super) fn extend(&mut self, known: &Known, frontier: &Frontier) -> Result<Option<Folded>> {
        let is_new: Vec<bool> = frontier.iter().map(|id| known.frontier.binary_search(id).is_err()).collect();
        let added = is_new.iter().filter(|new| **new).count();
        if added == 0 || added > known.frontier.len() || added + known.frontier.len() != frontier.len() {
            return Ok(None);
        }
        let (steps, before) = (self.steps(frontier)?, self.steps(&known.frontier)?);
        let kept = steps.iter().filter(|step| step.head != known.frontier[0] && known.has(step));
        if !kept.zip(before.iter()).all(|(now, before)| now.base == before.base) {
            return Ok(None);
        }
        self.merge_bases_of(&steps)?;
        let in_force = self.force(frontier, &steps)?;
        if in_force != known.in_force {
            return Ok(None);
        }
        let rules = self.rules(in_force)?;
        if self.ask_who_wrote(&rules)? {
            return Ok(None);
        }

        // The documents that the new heads touch. A new one at the start has no step of its own: what it brings shows in
        // the first step of an old one.
        let first = self.commit_tree(Some(frontier[0]))?;
        let mut keys: BTreeSet<Key> = BTreeSet::new();
        for (step, is_new) in steps.iter().zip(&is_new[1..]) {
            let head = match is_new {
                true => self.commit_tree(Some(step.head))?,
                false if step.head == known.frontier[0] => first,
                false => continue,
            };
            let base = self.base_tree(&step.base)?;
            for change in Tree::new(&self.objects, base).diff(&Tree::new(&self.objects, head), None)? {
                keys.insert(change?.key);
                if keys.len() * frontier.len() > LOOKUPS {
                    return Ok(None);
                }
            }
        }

        // The same steps over those documents alone.
        let keys: Vec<&Key> = keys.iter().collect();
        let mut merged = self.restricted(first, &keys)?;
        let mut decided = BTreeMap::new();
        let mut made = Made::default();
        for (at, step) in steps.iter().enumerate() {
            let (base, head) = (self.base_tree(&step.base)?, self.commit_tree(Some(step.head))?);
            let touched = self.differing(base, head, &keys)?;
            if touched.is_empty() {
                continue;
            }
            let (base, head) = (self.restricted(base, &touched)?, self.restricted(head, &touched)?);
            let merge = three_way(&self.objects, base, merged, head)?;
            merged = self.settle(merge, &rules, &frontier[..at + 2], &mut made, &mut decided)?;
        }
        let merged = Tree::new(&self.objects, merged);
        let mut edits = Edits::new();
        for key in &keys {
            edits.push(key, merged.get(key)?.map_or(Edit::Remove, Edit::Put));
        }
        let tree = Tree::new(&self.objects, known.tree).edit(&edits)?.id();
        Ok(Some(Folded { tree, in_force, decided }))
    }

    fn base_tree(&mut self, base: &Base) -> Result<TreeId> {
        match base {
            Base::Nothing => Ok(TreeId::EMPTY),
            Base::Commit(id) => self.commit_tree(Some(*id)),
            Base::Merge(frontier) => self.tree_of(frontier.clone()),
        }
    }

    /// Those of some keys at which two trees differ.
    fn differing<'k>(&self, one: TreeId, other: TreeId, keys: &[&'k Key]) -> Result<Vec<&'k Key>> {
        let found = Tree::new(&self.objects, one).differing(&Tree::new(&self.objects, other), keys)?;
        Ok(found.into_iter().map(|at| keys[at]).collect())
    }

    /// A tree with nothing but the documents at these keys.
    fn restricted(&self, tree: TreeId, keys: &[&Key]) -> Result<TreeId> {
        let tree = Tree::new(&self.objects, tree);
        let mut edits = Edits::new();
        for key in keys {
            if let Some(document) = tree.get(key)? {
                edits.push(key, Edit::Put(document));
            }
        }
        Ok(tree.with_root(TreeId::EMPTY).edit(&edits)?.id())
    }
}

impl Known {
    fn has(&self, step: &Step) -> bool {
        self.frontier.binary_search(&step.head).is_ok()
    }
}
