//! Which commits to name to another database, so that it soon knows what both have.
//!
//! History is walked back from what is known here, newest first, over ever longer stretches of which one commit is named: the
//! number of names grows with the logarithm of the depth. What the other side has is not walked below.

use std::collections::{BinaryHeap, HashMap};

use crate::database::Database;
use crate::object::{CommitId, Objects};

use super::error::Result;

/// So many commits are looked at before the client gives up looking for more that both have.
const MAX_WALKED: usize = 1 << 18;

/// What is known of a commit that was met.
#[derive(Debug, Default)]
struct Met {
    /// Whether the other side has it, or one that descends from it.
    is_common: bool,
    /// How many commits are passed over before one is named again, and of how many in this stretch.
    left: u32,
    stretch: u32,
    /// Its parents, once they were looked at.
    parents: Vec<CommitId>,
}

/// The walk.
#[derive(Debug)]
pub(super) struct Negotiator<'d> {
    db: &'d Database,
    met: HashMap<CommitId, Met>,
    /// Those that wait, by time.
    queue: BinaryHeap<(i64, CommitId)>,
    walked: usize,
}

impl<'d> Negotiator<'d> {
    /// Starts from commits that are here with all that they lead to.
    pub(super) fn new(db: &'d Database, tips: &[CommitId]) -> Result<Negotiator<'d>> {
        let mut negotiator = Negotiator { db, met: HashMap::new(), queue: BinaryHeap::new(), walked: 0 };
        for &tip in tips {
            negotiator.meet(tip, 0, 0)?;
        }
        Ok(negotiator)
    }

    fn meet(&mut self, id: CommitId, left: u32, stretch: u32) -> Result<()> {
        if let Some(met) = self.met.get_mut(&id) {
            // It is named as soon as any way to it asks for it.
            if left < met.left {
                (met.left, met.stretch) = (left, stretch);
            }
            return Ok(());
        }
        let commit = self.db.store().commit(id)?;
        self.queue.push((commit.committer.seconds(), id));
        self.met.insert(id, Met { is_common: false, left, stretch, parents: commit.parents });
        Ok(())
    }

    /// The next commits to name, at most `count`; fewer only at the end.
    pub(super) fn next(&mut self, count: usize) -> Result<Vec<CommitId>> {
        let mut named = Vec::new();
        while named.len() < count && self.walked < MAX_WALKED {
            let Some((_, id)) = self.queue.pop() else { break };
            self.walked += 1;
            let Some(met) = self.met.get(&id).filter(|met| !met.is_common) else { continue };
            let (left, stretch, parents) = (met.left, met.stretch, met.parents.clone());
            let (next_left, next_stretch) =
                if left > 0 { (left - 1, stretch) } else { (stretch * 3 / 2 + 1, stretch * 3 / 2 + 1) };
            for parent in &parents {
                self.meet(*parent, next_left, next_stretch)?;
            }
            // Where history begins there is nothing to pass it over for.
            if left == 0 || parents.is_empty() {
                named.push(id);
            }
        }
        Ok(named)
    }

    /// Notes that the other side has a commit. Answers whether it was named, and whether that is news.
    pub(super) fn is_common(&mut self, id: CommitId) -> bool {
        let mut todo = vec![id];
        let mut is_news = false;
        while let Some(id) = todo.pop() {
            if let Some(met) = self.met.get_mut(&id).filter(|met| !met.is_common) {
                met.is_common = true;
                is_news = true;
                todo.extend(met.parents.iter().copied());
            }
        }
        is_news
    }

    /// Whether there is nothing left to name.
    pub(super) fn is_over(&self) -> bool {
        self.queue.is_empty() || self.walked >= MAX_WALKED
    }
}
