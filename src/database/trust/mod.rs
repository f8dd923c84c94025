//! Trust: who made a commit, whether that person might, and whether the merges in between are honest; all of it offline.
//!
//! A commit is judged at its place: by the list of allowed signers in its first parent, so that a change of the list is a
//! signed commit like any other and never breaks older history (`docs/format/trust.md`). **Invariant:** trust only shrinks
//! where anything is in doubt: a list in conflict, a line that cannot be used, revocations that contradict each other.

mod anchors;
mod clause;
mod judge;
mod lists;
mod memory;
mod quarantine;
mod refusal;
mod seal;
mod standing;
#[cfg(test)]
mod tests;
mod view;
mod walk;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Database;
use super::error::Result;
use crate::object::{CommitId, IdSet, Objects, TagId};
use crate::script::Runner;

pub use anchors::Anchors;
pub use judge::Judge;
pub use quarantine::{Accepted, Quarantine};
pub use refusal::{RefMove, Refusal, Refused};
pub use standing::{Judged, Require, Standing};

pub(super) use lists::{Claim, Clause, Lists, Permission, Place, by_list};
pub(super) use seal::{Seal, seal};

/// So many commits are judged before progress is told.
const TELL: usize = 4096;

impl Database {
    /// What this database asks of commits: the setting `trust.require`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a value that is none.
    pub fn require(&self) -> Result<Require> {
        Ok(Require::from_config(self.config())?)
    }

    /// A judge of commits in the history of all refs and of some heads.
    ///
    /// # Errors
    /// When an object cannot be read; [`Error::Script`](crate::Error::Script) when this machine failed to run a merge
    /// script; [`Error::Config`](crate::Error::Config) for a setting `trust.anchor` that is none.
    pub fn judge(&self, heads: &[CommitId], runner: &mut dyn Runner) -> Result<Judge<'_>> {
        Judge::new(self, heads, runner)
    }

    /// How one commit stands.
    ///
    /// # Errors
    /// As [`Database::judge`].
    pub fn standing(&self, commit: CommitId, runner: &mut dyn Runner) -> Result<Standing> {
        let judged = self.judge(&[commit], runner)?.judge(&[commit], runner)?;
        Ok(judged.into_iter().map(|one| one.standing).next().expect("one commit has one standing"))
    }

    /// How an annotated tag stands: by the list in the commit that it leads to.
    ///
    /// # Errors
    /// As [`Database::judge`].
    pub fn tag_standing(&self, tag: TagId, runner: &mut dyn Runner) -> Result<Standing> {
        let target = self.peel(tag.0)?;
        let heads = if self.is_commit(target)? { vec![CommitId(target)] } else { Vec::new() };
        self.judge(&heads, runner)?.tag(tag)
    }

    /// Tells how all commits stand that can be reached from `heads` and not from `without`, newest first; answers how many
    /// there are. Those that are trusted are remembered, so that the next time only new ones are looked at. `progress` is
    /// told of how many are done, and of how many.
    ///
    /// # Errors
    /// As [`Database::judge`].
    pub fn verify(
        &self,
        heads: &[CommitId],
        without: &[CommitId],
        runner: &mut dyn Runner,
        found: &mut dyn FnMut(Judged),
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<u64> {
        let commits = self.newest_first(heads, without)?;
        let mut judge = self.judge(heads, runner)?;
        let (mut done, total) = (0, commits.len() as u64);
        for some in commits.chunks(TELL) {
            judge.judge(some, runner)?.into_iter().for_each(&mut *found);
            done += some.len() as u64;
            progress(done, total);
        }
        judge.remember();
        Ok(total)
    }

    /// The commits that can be reached from some and not from others, newest first by the committers' times.
    fn newest_first(&self, heads: &[CommitId], without: &[CommitId]) -> Result<Vec<CommitId>> {
        let left: IdSet = self.commits_since(heads, without)?.into_iter().map(|id| id.0).collect();
        let mut queue: BinaryHeap<(i64, Reverse<usize>, CommitId)> = BinaryHeap::new();
        let (mut seen, mut found) = (IdSet::default(), Vec::with_capacity(left.len()));
        let mut next = heads.to_vec();
        loop {
            for id in next {
                if left.contains(&id.0) && seen.insert(id.0) {
                    queue.push((self.store.commit(id)?.committer.seconds(), Reverse(seen.len()), id));
                }
            }
            let Some((_, _, id)) = queue.pop() else { return Ok(found) };
            found.push(id);
            next = self.store.commit(id)?.parents;
        }
    }
}
