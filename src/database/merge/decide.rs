//! What becomes of the documents in dispute, by the rules in force.

use crate::database::Database;
use crate::database::error::Result;
use crate::merge::{Decision, Dispute};
use crate::object::{CommitId, Objects, TreeId};
use crate::script::Runner;

/// What became of a document in dispute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decided {
    /// The decision.
    pub decision: Decision,
    /// Why the conflict is left, for people.
    pub reason: Option<String>,
}

/// The rules in force in one merge.
pub(super) struct Rules;

/// Decides by rules, with what it needs for that.
pub(super) struct Decider<'a> {
    _db: &'a Database,
    _runner: &'a mut dyn Runner,
}

impl<'a> Decider<'a> {
    pub(super) fn new(db: &'a Database, runner: &'a mut dyn Runner) -> Decider<'a> {
        Decider { _db: db, _runner: runner }
    }

    pub(super) fn rules<O: Objects>(&mut self, _objects: &O, _in_force: Option<TreeId>) -> Result<Rules> {
        Ok(Rules)
    }

    /// Decides on the disputes of one step, in their order. `heads` are the commits merged so far.
    pub(super) fn decide<O: Objects + Sync>(
        &mut self,
        _objects: &O,
        _rules: &Rules,
        disputes: &[Dispute],
        _heads: &[CommitId],
    ) -> Result<Vec<Decided>> {
        Ok(disputes.iter().map(|_| Decided { decision: Decision::Keep, reason: None }).collect())
    }
}
