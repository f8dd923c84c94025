//! How commits descend from each other: best common ancestors, and who is an ancestor of whom.
//!
//! Times decide only in which order commits are looked at, never what the answer is: clocks in the field go wrong.
//! Generation numbers, where the commit-graph file has them, end a walk early.

use std::collections::BinaryHeap;

use super::Database;
use super::error::Result;
use super::lineage::Lineage;
use crate::object::CommitId;

/// Reached from the one.
const ONE: u8 = 1;
/// Reached from one of the others.
const OTHERS: u8 = 2;
/// Reached from a common ancestor, so no best one.
const BELOW: u8 = 4;
/// Waits to be looked at.
const WAITS: u8 = 8;

impl Database {
    /// The best common ancestors of a commit and of a merge of some others, in ascending order of id: those that are no
    /// ancestors of other common ones. As `git merge-base --all`.
    pub fn merge_bases(&self, one: CommitId, others: &[CommitId]) -> Result<Vec<CommitId>> {
        let mut lineage = self.lineage()?;
        let one = lineage.place(one);
        let others: Vec<u32> = others.iter().map(|id| lineage.place(*id)).collect();
        let mut walk = Walk::new(&mut lineage);
        walk.run(one, &others, 0)?;
        let common = std::mem::take(&mut walk.common);
        let common = common.into_iter().filter(|place| walk.flags(*place) & BELOW == 0).collect();
        // The walk ends before it knows of all that lie below others.
        let mut bases: Vec<CommitId> =
            independent(&mut lineage, common)?.into_iter().map(|place| lineage.id(place)).collect();
        bases.sort_unstable();
        Ok(bases)
    }

    /// Whether a commit is another or an ancestor of it.
    pub fn is_ancestor(&self, ancestor: CommitId, of: CommitId) -> Result<bool> {
        let mut lineage = self.lineage()?;
        let (ancestor, of) = (lineage.place(ancestor), lineage.place(of));
        is_below(&mut lineage, ancestor, &[of])
    }

    /// Those of some commits that are no ancestors of others among them, in the order given and each once. As
    /// `git merge-base --independent`.
    pub fn independent(&self, commits: &[CommitId]) -> Result<Vec<CommitId>> {
        let mut lineage = self.lineage()?;
        let places = commits.iter().map(|id| lineage.place(*id)).collect();
        Ok(independent(&mut lineage, places)?.into_iter().map(|place| lineage.id(place)).collect())
    }
}

fn independent(lineage: &mut Lineage<'_>, places: Vec<u32>) -> Result<Vec<u32>> {
    let mut left: Vec<u32> = Vec::new();
    for place in places {
        if !left.contains(&place) {
            left.push(place);
        }
    }
    let mut at = 0;
    while at < left.len() {
        let place = left.remove(at);
        if !is_below(lineage, place, &left)? {
            left.insert(at, place);
            at += 1;
        }
    }
    Ok(left)
}

/// Whether a commit is one of some others or an ancestor of one.
fn is_below(lineage: &mut Lineage<'_>, place: u32, others: &[u32]) -> Result<bool> {
    if others.is_empty() {
        // The walk would have no other side to end at.
        return Ok(false);
    }
    let least = lineage.generation(place);
    let mut walk = Walk::new(lineage);
    walk.run(place, others, least)?;
    Ok(walk.flags(place) & OTHERS != 0)
}

/// A walk back from two sides at once, marking each commit with the sides that it was reached from.
struct Walk<'l, 'a> {
    lineage: &'l mut Lineage<'a>,
    flags: Vec<u8>,
    /// By generation, then by time: no commit comes before a descendant of it where both are in the file.
    queue: BinaryHeap<(u64, i64, u32)>,
    /// How many that wait are not known to lie below a common ancestor.
    open: usize,
    /// The commits that were reached from both sides when they were looked at.
    common: Vec<u32>,
}

impl<'l, 'a> Walk<'l, 'a> {
    fn new(lineage: &'l mut Lineage<'a>) -> Walk<'l, 'a> {
        Walk { lineage, flags: Vec::new(), queue: BinaryHeap::new(), open: 0, common: Vec::new() }
    }

    fn flags(&self, place: u32) -> u8 {
        self.flags.get(place as usize).copied().unwrap_or(0)
    }

    /// Adds marks to a commit, which is looked at again if it lacked one.
    fn mark(&mut self, place: u32, marks: u8) -> Result<()> {
        let at = place as usize;
        if at >= self.flags.len() {
            self.flags.resize(at + 1, 0);
        }
        let before = self.flags[at];
        if before | marks == before {
            return Ok(());
        }
        self.flags[at] |= marks | WAITS;
        let was_open = before & (WAITS | BELOW) == WAITS;
        let is_open = self.flags[at] & BELOW == 0;
        self.open = self.open + usize::from(is_open) - usize::from(was_open);
        if before & WAITS == 0 {
            let time = self.lineage.time(place)?;
            self.queue.push((self.lineage.generation(place), time, place));
        }
        Ok(())
    }

    /// Walks until everything that is left lies below a common ancestor, or has a generation below `least`.
    ///
    /// A commit that is common and no ancestor of another common one is in `common` then: its marks come along paths on
    /// which nothing lies below a common ancestor, and such a path is never left waiting.
    fn run(&mut self, one: u32, others: &[u32], least: u64) -> Result<()> {
        self.mark(one, ONE)?;
        for other in others {
            self.mark(*other, OTHERS)?;
        }
        while self.open > 0 {
            let Some((generation, _, place)) = self.queue.pop() else { break };
            if generation < least {
                break;
            }
            let at = place as usize;
            self.flags[at] &= !WAITS;
            let mut marks = self.flags[at];
            self.open -= usize::from(marks & BELOW == 0);
            if marks & (ONE | OTHERS | BELOW) == ONE | OTHERS {
                self.common.push(place);
                marks |= BELOW;
            }
            for parent in self.lineage.parents(place)? {
                self.mark(parent, marks)?;
            }
        }
        Ok(())
    }
}
