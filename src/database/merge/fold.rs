//! The tree of a merge: one three-way merge after the other, in memory.
//!
//! A base that is a merge itself is merged the same way first. What was worked out is kept by frontier, so that histories
//! that cross again and again cost no more than their length; and what is still to do stands in a list, so that they cost
//! no stack.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::decide::{Decided, Decider, InForceRules};
use super::frontier::{self, Base, Frontier, Step};
use super::in_force::InForce;
use super::made::Made;
use crate::database::Database;
use crate::database::error::Result;
use crate::database::lineage::Lineage;
use crate::merge::{Dispute, ThreeWay, three_way};
use crate::object::{CommitId, Overlay, TreeId};
use crate::script::Runner;
use crate::store::Store;
use crate::tree::Key;

/// Merges frontiers of one database. Nothing is written to the store.
pub(super) struct Merger<'a> {
    pub(super) db: &'a Database,
    /// The trees and contents of all steps, on top of the store.
    pub(super) objects: Overlay<'a, Store>,
    pub(super) lineage: Lineage<'a>,
    steps: HashMap<Frontier, Rc<Vec<Step>>>,
    trees: HashMap<Frontier, TreeId>,
    in_force: InForce,
    decider: Decider<'a>,
}

/// A merge's tree, and how it came about.
pub(super) struct Folded {
    pub(super) tree: TreeId,
    /// The folder of rules in force.
    pub(super) in_force: Option<TreeId>,
    /// The documents in dispute, each as its last step left it.
    pub(super) decided: Disputes,
}

/// Documents that were in dispute, with what became of them.
pub(super) type Disputes = BTreeMap<Key, (Dispute, Decided)>;

impl<'a> Merger<'a> {
    pub(super) fn new(db: &'a Database, runner: &'a mut dyn Runner) -> Result<Merger<'a>> {
        Ok(Merger {
            db,
            objects: Overlay::new(db.store()),
            lineage: db.lineage()?,
            steps: HashMap::new(),
            trees: HashMap::new(),
            in_force: InForce::default(),
            decider: Decider::new(db, runner),
        })
    }

    /// The frontier of some commits.
    pub(super) fn frontier(&mut self, heads: &[CommitId]) -> Result<Frontier> {
        frontier::frontier(self.db, &mut self.lineage, heads)
    }

    /// Merges a frontier of two commits or more.
    pub(super) fn merge(&mut self, frontier: &Frontier) -> Result<Folded> {
        let steps = self.steps(frontier)?;
        self.merge_bases_of(&steps)?;
        self.fold(frontier, &steps)
    }

    /// Merges the bases of some steps that are merges themselves.
    pub(super) fn merge_bases_of(&mut self, steps: &[Step]) -> Result<()> {
        merged_bases(steps).try_for_each(|base| self.tree_of(base.clone()).map(drop))
    }

    /// The tree of a frontier's merge; of a single commit, its own.
    pub(super) fn tree_of(&mut self, frontier: Frontier) -> Result<TreeId> {
        let mut todo = vec![frontier.clone()];
        while let Some(next) = todo.last().cloned() {
            if self.trees.contains_key(&next) {
                todo.pop();
                continue;
            }
            let steps = self.steps(&next)?;
            let before = todo.len();
            todo.extend(merged_bases(&steps).filter(|base| !self.trees.contains_key(*base)).cloned());
            if todo.len() == before {
                let tree = self.fold(&next, &steps)?.tree;
                self.trees.insert(next, tree);
            }
        }
        Ok(self.trees[&frontier])
    }

    pub(super) fn steps(&mut self, frontier: &Frontier) -> Result<Rc<Vec<Step>>> {
        if let Some(steps) = self.steps.get(frontier) {
            return Ok(steps.clone());
        }
        let steps = Rc::new(frontier::steps(self.db, &mut self.lineage, frontier)?);
        self.steps.insert(frontier.clone(), steps.clone());
        Ok(steps)
    }

    /// Merges a frontier whose bases have been merged.
    fn fold(&mut self, frontier: &Frontier, steps: &[Step]) -> Result<Folded> {
        let mut tree = self.commit_tree(frontier.first().copied())?;
        let mut folded = Folded { tree, in_force: None, decided: BTreeMap::new() };
        if steps.is_empty() {
            return Ok(folded);
        }
        folded.in_force = self.force(frontier, steps)?;
        let rules = self.rules(folded.in_force)?;
        let mut made = Made::default();
        for (at, step) in steps.iter().enumerate() {
            let base = match &step.base {
                Base::Nothing => TreeId::EMPTY,
                Base::Commit(id) => self.commit_tree(Some(*id))?,
                Base::Merge(frontier) => self.trees[frontier],
            };
            let right = self.commit_tree(Some(step.head))?;
            let merge = three_way(&self.objects, base, tree, right)?;
            tree = self.settle(merge, &rules, &frontier[..at + 2], &mut made, &mut folded.decided)?;
        }
        folded.tree = tree;
        Ok(folded)
    }

    /// The folder of rules in force in the merge of a frontier, whose bases have been merged.
    pub(super) fn force(&mut self, frontier: &Frontier, steps: &[Step]) -> Result<Option<TreeId>> {
        self.in_force.of_frontier(&self.objects, &mut self.lineage, frontier, steps)
    }

    /// The rules of a folder.
    pub(super) fn rules(&mut self, folder: Option<TreeId>) -> Result<Rc<InForceRules>> {
        self.decider.rules(&self.objects, folder)
    }

    /// Whether any of the rules needs to know who wrote a version.
    pub(super) fn ask_who_wrote(&mut self, rules: &InForceRules) -> Result<bool> {
        self.decider.ask_who_wrote(&self.objects, rules)
    }

    /// Decides on the disputes of a step, and answers its tree.
    pub(super) fn settle(
        &mut self,
        merge: ThreeWay,
        rules: &InForceRules,
        heads: &[CommitId],
        made: &mut Made,
        all: &mut Disputes,
    ) -> Result<TreeId> {
        let decided = self.decider.decide(&self.objects, rules, &merge.disputes, heads, made)?;
        let decisions: Vec<_> = decided.iter().map(|decided| decided.decision).collect();
        for (dispute, decided) in merge.disputes.iter().zip(decided) {
            all.insert(dispute.key.clone(), (dispute.clone(), decided));
        }
        Ok(merge.finish(&self.objects, &decisions)?)
    }

    pub(super) fn commit_tree(&mut self, commit: Option<CommitId>) -> Result<TreeId> {
        let Some(commit) = commit else { return Ok(TreeId::EMPTY) };
        let place = self.lineage.place(commit);
        self.lineage.tree(place)
    }
}

/// The bases of some steps that are merges themselves.
fn merged_bases(steps: &[Step]) -> impl Iterator<Item = &Frontier> {
    steps.iter().filter_map(|step| match &step.base {
        Base::Merge(frontier) => Some(frontier),
        _ => None,
    })
}
