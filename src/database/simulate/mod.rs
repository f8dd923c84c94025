//! Trying out a database's merge rules: nodes in memory that write, meet and part at random.
//!
//! Whatever the rules and scripts are, nodes that know the same writes must have the same head, a merge that is made again
//! must be the same, and what nobody took away must not be lost. A run is a function of its seed; one in which something
//! does not hold is made as short as it can be.

mod change;
mod plan;
mod play;
mod random;
mod sample;
mod shrink;
#[cfg(test)]
mod tests;

use std::fmt;

use super::Database;
use super::error::Result;
use crate::object::{BlobId, CommitId, Ident, Objects, TreeId};
use crate::refs::{Expect, RefName};
use crate::script::Runner;
use crate::tree::Key;

use play::{Merge, Played};

/// What is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulateOptions {
    /// How many nodes there are, 2 at least.
    pub nodes: usize,
    /// How many rounds of writing and meeting.
    pub rounds: usize,
    /// Decides everything that is random.
    pub seed: u64,
    /// With how many of the database's documents at most, those that rules name first.
    pub documents: usize,
}

/// What came of a simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulation {
    /// With how many documents it was.
    pub documents: usize,
    /// How many commits were made.
    pub writes: usize,
    /// How many merges.
    pub merges: usize,
    /// How many of the documents were in conflict when all nodes had met.
    pub conflicts: usize,
    /// What did not hold, if anything.
    pub failure: Option<SimulationFailure>,
}

/// A run in which something did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulationFailure {
    /// What did not hold.
    pub finding: Finding,
    /// What happened, in the shortest run that was found.
    pub events: Vec<Event>,
    /// How many steps the run had before it was made shorter.
    pub steps: usize,
}

/// A node, or a meeting of all of them at the end of a run; from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A node.
    Node(usize),
    /// A meeting.
    Meeting(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Node(number) => write!(f, "node {number}"),
            Place::Meeting(number) => write!(f, "meeting {number}"),
        }
    }
}

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A node wrote a document.
    Wrote {
        /// Who.
        place: Place,
        /// The document.
        key: Key,
        /// What a reader got before; nothing where it was not there.
        old: Option<Vec<u8>>,
        /// Its content from then on; nothing where it was deleted.
        new: Option<Vec<u8>>,
        /// Whether it was in conflict.
        is_resolution: bool,
    },
    /// A node took in another's head.
    Merged {
        /// Who.
        place: Place,
        /// Whose head.
        with: Place,
        /// Its head since.
        head: CommitId,
    },
    /// A meeting began with a node's head.
    Began {
        /// The meeting.
        place: Place,
        /// The node.
        with: Place,
    },
}

/// What did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Two knew the same writes and had different heads.
    HeadsDiffer {
        /// The second one.
        place: Place,
        /// Its head.
        head: CommitId,
        /// The head that the first one had.
        expected: CommitId,
    },
    /// A merge commit was made again and was another.
    NotSame {
        /// The merge commit.
        merge: CommitId,
    },
    /// A version is gone that nobody took away.
    Lost {
        /// The document.
        key: Key,
        /// The version; nothing for the deletion.
        version: Option<BlobId>,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::HeadsDiffer { place, head, expected } => {
                write!(f, "{place} has the head {head}, and whoever knew the same before had {expected}")
            }
            Finding::NotSame { merge } => write!(f, "the merge {merge} comes out otherwise when it is made again"),
            Finding::Lost { key, version: Some(version) } => {
                write!(f, "the version {version} of {:?} is gone, and nobody took it away", key.text())
            }
            Finding::Lost { key, version: None } => {
                write!(f, "the deletion of {:?} is gone, and nobody took it back", key.text())
            }
        }
    }
}

/// What a simulation is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimulationStage {
    /// Playing the steps of the run.
    Playing,
    /// Making a failing run shorter: how many shorter ones were tried.
    Shortening,
}

impl Database {
    /// Simulates nodes that have some documents of a root tree, and its rules. Nothing of it touches the database.
    /// `progress` is told how much of a stage is done, and of how much.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] for less than two nodes or no document, and those of merging. That something does not hold
    /// is no error but part of the answer.
    pub fn simulate(
        &self,
        tree: TreeId,
        options: &SimulateOptions,
        runner: &mut dyn Runner,
        progress: &mut dyn FnMut(SimulationStage, u64, u64),
    ) -> Result<Simulation> {
        if options.nodes < 2 {
            return Err(super::Error::Invalid("a simulation has two nodes at least".into()));
        }
        let start = sample::start(self, tree, options.documents, options.seed)?;
        run(&start, options, &mut ByRules { runner }, progress)
    }
}

/// Plays a run, and where it fails makes it shorter.
fn run(
    start: &sample::Start,
    options: &SimulateOptions,
    merge: &mut dyn Merge,
    progress: &mut dyn FnMut(SimulationStage, u64, u64),
) -> Result<Simulation> {
    let SimulateOptions { nodes, rounds, seed, .. } = *options;
    let mut steps = plan::plan(nodes, rounds, start.samples.len(), seed);
    let total = steps.len();
    let mut told = |done: usize| progress(SimulationStage::Playing, done as u64, total as u64);
    let Played { writes, merges, conflicts, failure, .. } = play::play(start, nodes, &steps, seed, merge, &mut told)?;
    let failure = match failure {
        None => None,
        Some((_, played)) => {
            steps.truncate(played);
            let mut tried = 0;
            let shortest = shrink::shrink(steps, &mut |steps| {
                tried += 1;
                progress(SimulationStage::Shortening, tried, shrink::TRIES as u64);
                Ok::<_, super::Error>(play::play(start, nodes, steps, seed, merge, &mut |_| ())?.failure.is_some())
            })?;
            let Played { events, failure, .. } = play::play(start, nodes, &shortest, seed, merge, &mut |_| ())?;
            failure.map(|(finding, _)| SimulationFailure { finding, events, steps: played })
        }
    };
    Ok(Simulation { documents: start.samples.len(), writes, merges, conflicts, failure })
}

/// Merges as the database's own are made.
struct ByRules<'r> {
    runner: &'r mut dyn Runner,
}

impl Merge for ByRules<'_> {
    fn merge(&mut self, db: &Database, name: &RefName, other: CommitId, who: &Ident) -> Result<CommitId> {
        Ok(db.merge(name, Expect::Any, &[other], false, self.runner, who)?.head)
    }

    fn is_same_again(&mut self, db: &Database, merge: CommitId) -> Result<bool> {
        let commit = db.store.commit(merge)?;
        if !super::merge::is_merge_commit(&commit) {
            return Ok(true);
        }
        Ok(db.merge_of(&commit.parents, self.runner)?.head == merge)
    }
}
