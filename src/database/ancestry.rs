//! How commits descend from each other: best common ancestors, and who is an ancestor of whom.
//!
//! Times decide only in which order commits are looked at, never what the answer is: clocks in the field go wrong.
//! Generation numbers, where the commit-graph file has them, end a walk early.

use std::collections::{BinaryHeap, HashMap, HashSet};

use super::Database;
use super::error::Result;
use super::lineage::{Lineage, Places};
use crate::object::CommitId;
use crate::store::parents_first;

impl Database {
    /// The best common ancestors of a commit and of a merge of some others, in ascending order of id: those that are no
    /// ancestors of other common ones. As `git merge-base --all`.
    pub fn merge_bases(&self, one: CommitId, others: &[CommitId]) -> Result<Vec<CommitId>> {
        let mut lineage = self.lineage()?;
        let one = lineage.place(one);
        let others = others.iter().map(|id| lineage.place(*id)).collect();
        let mut bases = bases(&mut lineage, &[others, vec![one]])?;
        Ok(sorted_ids(&lineage, bases.pop().unwrap_or_default()))
    }

    /// Whether a commit is another or an ancestor of it.
    pub fn is_ancestor(&self, ancestor: CommitId, of: CommitId) -> Result<bool> {
        let mut lineage = self.lineage()?;
        let (ancestor, of) = (lineage.place(ancestor), lineage.place(of));
        are_below(&mut lineage, &[ancestor], of)
    }

    /// Those of some commits that are no ancestors of others among them, in the order given and each once. As
    /// `git merge-base --independent`.
    pub fn independent(&self, commits: &[CommitId]) -> Result<Vec<CommitId>> {
        let mut lineage = self.lineage()?;
        let places = commits.iter().map(|id| lineage.place(*id)).collect();
        Ok(independent(&mut lineage, places)?.into_iter().map(|place| lineage.id(place)).collect())
    }

    /// The commits that can be reached from some commits and not from others, parents first. As `git rev-list`.
    pub fn commits_since(&self, heads: &[CommitId], others: &[CommitId]) -> Result<Vec<CommitId>> {
        let mut lineage = self.lineage()?;
        let groups = [heads, others].map(|ids| ids.iter().map(|id| lineage.place(*id)).collect::<Vec<u32>>());
        let mut walk = Walk::new(&mut lineage, groups.len());
        walk.run(&groups, 0)?;
        walk.settle()?;
        let places: Vec<u32> = walk.met.iter().copied().filter(|place| walk.marks(*place)[0] == 1).collect();
        let at: HashMap<u32, u32> = places.iter().zip(0..).map(|(place, at)| (*place, at)).collect();
        let mut parents: Vec<Vec<u32>> = Vec::with_capacity(places.len());
        for &place in &places {
            parents.push(lineage.parents(place)?.iter().filter_map(|parent| at.get(parent).copied()).collect());
        }
        let order = parents_first(places.len(), |at| &parents[at]);
        Ok(order.into_iter().map(|at| lineage.id(places[at as usize])).collect())
    }

    /// What can be reached from some commits and is lacked by somebody, where each of several others has all that can be
    /// reached from its own commits: how many commits that are, and the ones that all have and that the rest is built on,
    /// none of which is an ancestor of another. Where there are no others, nobody has anything.
    pub(crate) fn lacked(&self, heads: &[CommitId], others: &[Vec<CommitId>]) -> Result<(usize, Vec<CommitId>)> {
        let mut lineage = self.lineage()?;
        let all = std::iter::once(heads).chain(others.iter().map(Vec::as_slice));
        let mut groups: Vec<Vec<u32>> = all.map(|ids| ids.iter().map(|id| lineage.place(*id)).collect()).collect();
        if others.is_empty() {
            groups.push(Vec::new());
        }
        let mut walk = Walk::new(&mut lineage, groups.len());
        walk.run(&groups, 0)?;
        walk.settle()?;
        let met: Vec<u32> = walk.met.iter().copied().filter(|place| walk.marks(*place)[0] & 1 != 0).collect();
        let (had, lacked): (Vec<u32>, Vec<u32>) = met.into_iter().partition(|place| walk.is_full(*place));
        let had: HashSet<u32> = had.into_iter().collect();
        let mut below: Vec<u32> = groups[0].iter().copied().filter(|place| had.contains(place)).collect();
        for &place in &lacked {
            below.extend(lineage.parents(place)?.into_iter().filter(|parent| had.contains(parent)));
        }
        below.sort_unstable();
        below.dedup();
        let below = independent(&mut lineage, below)?;
        Ok((lacked.len(), sorted_ids(&lineage, below)))
    }
}

fn sorted_ids(lineage: &Lineage<'_>, places: Vec<u32>) -> Vec<CommitId> {
    let mut ids: Vec<CommitId> = places.into_iter().map(|place| lineage.id(place)).collect();
    ids.sort_unstable();
    ids
}

/// Those of some commits that are no ancestors of others among them, in the order given and each once.
pub(super) fn independent(lineage: &mut Lineage<'_>, places: Vec<u32>) -> Result<Vec<u32>> {
    let mut left: Vec<u32> = Vec::new();
    for place in places {
        if !left.contains(&place) {
            left.push(place);
        }
    }
    if left.len() < 2 {
        return Ok(left);
    }
    let least = left.iter().map(|place| lineage.generation(*place)).min().unwrap_or(0);
    let groups: Vec<Vec<u32>> = left.iter().map(|place| vec![*place]).collect();
    let mut walk = Walk::new(lineage, groups.len());
    walk.run(&groups, least)?;
    // Each is marked by its own group; by another's, it is below that one.
    left.retain(|place| walk.marks(*place).iter().map(|word| word.count_ones()).sum::<u32>() == 1);
    Ok(left)
}

/// Whether each of some commits is another commit or an ancestor of it.
pub(super) fn are_below(lineage: &mut Lineage<'_>, places: &[u32], of: u32) -> Result<bool> {
    let least = places.iter().map(|place| lineage.generation(*place)).min().unwrap_or(0);
    let mut groups = vec![vec![of]];
    groups.extend(places.iter().map(|place| vec![*place]));
    let mut walk = Walk::new(lineage, groups.len());
    walk.run(&groups, least)?;
    Ok(places.iter().all(|place| walk.marks(*place)[0] & 1 != 0))
}

/// The way from one commit to another, oldest first and without the one, from first parents where they lead there. Without
/// a commit to start from, from the first one; the head alone where it does not descend from that commit.
pub(super) fn line(lineage: &mut Lineage<'_>, since: Option<u32>, head: u32) -> Result<Vec<u32>> {
    let Some(since) = since else {
        let mut line = vec![head];
        while let Some(&parent) = lineage.parents(line[line.len() - 1])?.first() {
            line.push(parent);
        }
        line.reverse();
        return Ok(line);
    };
    if since == head {
        return Ok(Vec::new());
    }
    let least = lineage.generation(since);
    let mut walk = Walk::new(lineage, 2);
    walk.run(&[vec![head], vec![since]], least)?;
    // Who still waits was not followed: it is no descendant, or has a generation below.
    let may_lead = |walk: &Walk<'_, '_>, place: u32| walk.marks(place) == [1] && !walk.waits[place as usize];
    if !may_lead(&walk, head) {
        return Ok(vec![head]);
    }
    let mut seen = Places::default();
    // From the head down: each commit with those of its parents that were not tried yet.
    let mut way = vec![(head, walk.lineage.parents(head)?.into_iter())];
    while let Some((_, parents)) = way.last_mut() {
        match parents.next() {
            Some(parent) if parent == since => return Ok(way.into_iter().rev().map(|(place, _)| place).collect()),
            Some(parent) if may_lead(&walk, parent) && seen.insert(parent) => {
                way.push((parent, walk.lineage.parents(parent)?.into_iter()));
            }
            Some(_) => {}
            None => drop(way.pop()),
        }
    }
    Ok(vec![head])
}

/// For each group of commits but the first, the best common ancestors of it and of all groups before it.
pub(super) fn bases(lineage: &mut Lineage<'_>, groups: &[Vec<u32>]) -> Result<Vec<Vec<u32>>> {
    let mut walk = Walk::new(lineage, groups.len());
    walk.run(groups, 0)?;
    let candidates = walk.candidates()?;
    // The walk ends before it knows of all that lie below others.
    candidates.into_iter().skip(1).map(|places| independent(lineage, places)).collect()
}

/// A walk back from several groups of commits at once, marking each commit with the groups that it was reached from.
struct Walk<'l, 'a> {
    lineage: &'l mut Lineage<'a>,
    groups: usize,
    /// How many words hold the marks of one commit, a bit a group.
    words: usize,
    /// The marks of all commits, by place.
    marks: Vec<u64>,
    /// Whether a commit waits to be looked at, by place.
    waits: Vec<bool>,
    /// By generation, then by time: no commit comes before a descendant of it where both are in the file.
    queue: BinaryHeap<(u64, i64, u32)>,
    /// How many that wait were not reached from all groups.
    open: usize,
    /// The commits that were reached, in the order in which they were.
    met: Vec<u32>,
}

impl<'l, 'a> Walk<'l, 'a> {
    fn new(lineage: &'l mut Lineage<'a>, groups: usize) -> Walk<'l, 'a> {
        let (words, places) = (groups.div_ceil(64), lineage.len());
        Walk {
            lineage,
            groups,
            words,
            // Memory that the system gives as zeros costs nothing before it is touched.
            marks: vec![0; places * words],
            waits: vec![false; places],
            queue: BinaryHeap::new(),
            open: 0,
            met: Vec::new(),
        }
    }

    fn range(&self, place: u32) -> std::ops::Range<usize> {
        let at = place as usize * self.words;
        at..at + self.words
    }

    /// The marks of a commit that was reached or was there when the walk began.
    fn marks(&self, place: u32) -> &[u64] {
        &self.marks[self.range(place)]
    }

    /// Whether a commit was reached from all groups: then so were all below it.
    fn is_full(&self, place: u32) -> bool {
        self.marks(place).iter().map(|word| word.count_ones() as usize).sum::<usize>() == self.groups
    }

    /// Adds marks to a commit, which is looked at again if it lacked one.
    fn mark(&mut self, place: u32, new: &[u64]) -> Result<()> {
        let at = place as usize;
        if at >= self.waits.len() {
            self.waits.resize(at + 1, false);
            self.marks.resize((at + 1) * self.words, 0);
        }
        let range = self.range(place);
        let marks = &self.marks[range.clone()];
        if marks.iter().zip(new).all(|(mark, new)| mark | new == *mark) {
            return Ok(());
        }
        if marks.iter().all(|mark| *mark == 0) {
            self.met.push(place);
        }
        let was_open = self.waits[at] && !self.is_full(place);
        for (mark, new) in self.marks[range].iter_mut().zip(new) {
            *mark |= new;
        }
        self.open = self.open + usize::from(!self.is_full(place)) - usize::from(was_open);
        if !self.waits[at] {
            self.waits[at] = true;
            let time = self.lineage.time(place)?;
            self.queue.push((self.lineage.generation(place), time, place));
        }
        Ok(())
    }

    /// Walks until everything that is left was reached from all groups, or has a generation below `least`.
    ///
    /// Every commit of that generation or above has all its marks then, but for those below one that has all: marks come
    /// along paths, and a path with a commit that lacks some is never left waiting.
    fn run(&mut self, groups: &[Vec<u32>], least: u64) -> Result<()> {
        let mut marks = vec![0; self.words];
        for (group, places) in groups.iter().enumerate() {
            marks.fill(0);
            marks[group / 64] = 1 << (group % 64);
            for place in places {
                self.mark(*place, &marks)?;
            }
        }
        while self.open > 0 {
            let Some((generation, _, place)) = self.queue.pop() else { break };
            if generation < least {
                break;
            }
            self.waits[place as usize] = false;
            self.open -= usize::from(!self.is_full(place));
            marks.copy_from_slice(self.marks(place));
            for parent in self.lineage.parents(place)? {
                self.mark(parent, &marks)?;
            }
        }
        Ok(())
    }

    /// Marks what was met below commits that have all marks with all of them: the walk ends before it does.
    fn settle(&mut self) -> Result<()> {
        let (full, others): (Vec<u32>, Vec<u32>) = self.met.iter().partition(|place| self.is_full(**place));
        // Below this generation there is nothing that is not settled.
        let Some(least) = others.iter().map(|place| self.lineage.generation(*place)).min() else { return Ok(()) };
        let Some(marks) = full.first().map(|place| self.marks(*place).to_vec()) else { return Ok(()) };
        let mut is_done = vec![false; self.waits.len()];
        let mut todo = full;
        while let Some(place) = todo.pop() {
            if self.lineage.generation(place) < least || std::mem::replace(&mut is_done[place as usize], true) {
                continue;
            }
            for parent in self.lineage.parents(place)? {
                self.mark(parent, &marks)?;
                is_done.resize(self.waits.len(), false);
                todo.push(parent);
            }
        }
        Ok(())
    }

    /// For each group, the commits that were reached from it and from a group before it, and that no other such commit
    /// is known to be a child of.
    fn candidates(&mut self) -> Result<Vec<Vec<u32>>> {
        // A commit is common to a group and those before it for each mark but its lowest.
        let common = |marks: &[u64]| -> Vec<u64> {
            let mut marks = marks.to_vec();
            if let Some(word) = marks.iter_mut().find(|word| **word != 0) {
                *word &= *word - 1;
            }
            marks
        };
        let mut below = vec![0; self.marks.len()];
        for &place in &self.met {
            // Who still waits was not followed, and its parents need not be there.
            if self.waits[place as usize] {
                continue;
            }
            let marks = common(self.marks(place));
            if marks.iter().all(|mark| *mark == 0) {
                continue;
            }
            for parent in self.lineage.parents(place)? {
                let range = self.range(parent);
                below[range].iter_mut().zip(&marks).for_each(|(below, mark)| *below |= mark);
            }
        }
        let mut candidates = vec![Vec::new(); self.groups];
        for &place in &self.met {
            for (word, (mark, below)) in common(self.marks(place)).iter().zip(&below[self.range(place)]).enumerate() {
                let mut best = mark & !below;
                while best != 0 {
                    candidates[word * 64 + best.trailing_zeros() as usize].push(place);
                    best &= best - 1;
                }
            }
        }
        Ok(candidates)
    }
}
