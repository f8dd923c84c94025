//! Coming to agree with a remote: fetch, merge and push, again while the other side moves. What both know in the end is the
//! same set of authored commits, and so the same head.

use std::collections::BTreeSet;
use std::time::Duration;

use super::error::{Error, Result};
use super::exchange::PushOptions;
use super::here::{Here, Traffic};
use super::meet::{FetchWish, Meeting, meet};
use super::offer::{Offered, PushWish, offer};
use super::push::FETCH_FIRST;
use super::remote::Remote;
use super::transport::Transport;
use crate::database::{Database, MergeOutcome};
use crate::object::{CommitId, Id};
use crate::refs::{Expect, RefName};

/// How two sides come to agree.
#[derive(Clone, Copy, Debug)]
pub struct AgreeOptions<'a> {
    /// What is fetched; of the names, none but the branches are heeded.
    pub wish: FetchWish<'a>,
    /// Whether all branches of both sides take part, in place of the current one.
    pub is_all: bool,
    /// How often it is tried again while the other side moves.
    pub attempts: u32,
}

/// A branch on which both sides were to agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The branch, here.
    pub name: RefName,
    /// Its name there.
    pub there: RefName,
    /// Where it was here; nothing where it was not.
    pub old: Option<CommitId>,
    /// Where it is here now; nothing where neither side has a commit.
    pub head: Option<CommitId>,
    /// Where it was there when it was first fetched.
    pub their_old: Option<Id>,
    /// Whether both sides are at the same.
    pub is_agreed: bool,
    /// Why the remote does not move there, if it said so.
    pub refused: Option<String>,
    /// How many documents are in conflict.
    pub conflicts: u64,
    /// How many of them were not so before.
    pub new_conflicts: u64,
    /// How many documents rules have merged.
    pub merged: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// The branches.
    pub branches: Vec<Agreed>,
    /// What was fetched first.
    pub first: Meeting,
    /// What went over the connections.
    pub traffic: Traffic,
    /// How often the remote was met.
    pub rounds: u32,
}

/// Brings branches to the same commit here and there: the merge of what both have. `pause` is waited for before the
/// remote, which has moved meanwhile, is met again for the nth time.
///
/// # Errors
/// As [`meet`] and [`offer`], and as [`Database::merge`]; [`Error::Unfinished`], [`Error::Detached`]. What was merged before
/// the error stays.
pub fn agree(
    here: &mut Here<'_, '_>,
    to: &mut dyn Transport,
    remote: &Remote,
    options: &AgreeOptions<'_>,
    pause: &mut dyn FnMut(u32),
) -> Result<Agreement> {
    if !options.is_all {
        // Found out before anything is sent.
        current(here.db)?;
    }
    let mut agreement = Agreement::default();
    let mut to = to;
    for round in 1.. {
        let meeting = meet(here, &mut to, Some(remote), &options.wish)?;
        agreement.traffic += meeting.traffic;
        if let Some(left) = meeting.left {
            return Err(Error::Unfinished { left });
        }
        agreement.rounds = round;
        let mut wishes = Vec::new();
        for (name, there) in branches(here.db, remote, options, &meeting)? {
            let theirs = meeting.at(&there)?;
            let outcome = merge(here, &name, theirs)?;
            let place = agreement.branches.iter().position(|known| known.name == name);
            let place = place.unwrap_or_else(|| {
                let old = outcome.as_ref().and_then(|outcome| outcome.old);
                agreement.branches.push(Agreed::new(name, there.clone(), old, theirs));
                agreement.branches.len() - 1
            });
            let branch = &mut agreement.branches[place];
            branch.take(outcome.as_ref());
            branch.is_agreed = branch.head.map(|head| head.0) == theirs;
            if let (Some(head), false) = (branch.head, branch.is_agreed) {
                let wish = PushWish { name: there, new: Some(head.0), expect: Some(theirs), is_forced: false };
                wishes.push((place, wish));
            }
        }
        if round == 1 {
            agreement.first = meeting;
        }
        if wishes.is_empty() {
            return Ok(agreement);
        }
        let (places, wishes): (Vec<usize>, Vec<PushWish>) = wishes.into_iter().unzip();
        let made = offer(here, to, Some(remote), &wishes, PushOptions::default())?;
        agreement.traffic += made.traffic;
        for (place, offered) in places.into_iter().zip(made.refs) {
            let branch = &mut agreement.branches[place];
            // Said twice, with nothing else in between, it is not going to change.
            let said = branch.refused.take();
            match offered {
                Offered::Same | Offered::Moved { .. } => branch.is_agreed = true,
                // Somebody was quicker.
                Offered::Refused(reason) if reason.ends_with(FETCH_FIRST) => {}
                Offered::Refused(reason) => {
                    if said.as_ref() == Some(&reason) {
                        branch.refused = said;
                        return Ok(agreement);
                    }
                    branch.refused = Some(reason);
                }
                Offered::Unexpected { .. } | Offered::Loses { .. } => {}
            }
        }
        if agreement.branches.iter().all(|branch| branch.is_agreed) || round >= options.attempts {
            return Ok(agreement);
        }
        pause(round);
    }
    unreachable!("the attempts have an end")
}

impl Agreed {
    fn new(name: RefName, there: RefName, old: Option<CommitId>, their_old: Option<Id>) -> Agreed {
        Agreed {
            name,
            there,
            old,
            head: None,
            their_old,
            is_agreed: false,
            refused: None,
            conflicts: 0,
            new_conflicts: 0,
            merged: 0,
        }
    }

    /// Adds what came of a merge.
    fn take(&mut self, outcome: Option<&MergeOutcome>) {
        let Some(outcome) = outcome else { return };
        self.head = Some(outcome.head);
        self.conflicts = outcome.conflicts;
        self.new_conflicts += outcome.new_conflicts;
        self.merged += outcome.merged;
    }
}

/// Merges what a remote has into a branch; nothing where neither has a commit.
fn merge(here: &mut Here<'_, '_>, name: &RefName, theirs: Option<Id>) -> Result<Option<MergeOutcome>> {
    let db = here.db;
    let mut heads = Vec::new();
    if let Some(id) = theirs {
        if !db.is_commit(id)? {
            return Err(Error::Protocol(format!("its {name} is no commit")));
        }
        heads.push(CommitId(id));
    }
    if heads.is_empty() && db.refs().get(name)?.is_none() {
        return Ok(None);
    }
    Ok(Some(db.merge(name, Expect::Any, &heads, false, here.runner, here.who)?))
}

/// The branches that take part, each with its name there.
fn branches(
    db: &Database,
    remote: &Remote,
    options: &AgreeOptions<'_>,
    meeting: &Meeting,
) -> Result<Vec<(RefName, RefName)>> {
    if !options.is_all {
        let name = current(db)?;
        let there = upstream(db, remote, &name);
        return Ok(vec![(name, there)]);
    }
    let ours = db.refs().list("refs/heads/")?.into_iter().map(|(name, _)| name);
    // One that may not come in keeps no other from agreeing.
    let is_refused = |name: &RefName| meeting.refused.iter().any(|refusal| refusal.name == *name);
    let theirs = meeting.refs.iter().filter(|found| found.id.is_some()).map(|found| found.there.clone());
    let all: BTreeSet<RefName> = ours.chain(theirs.filter(RefName::is_branch)).chain([db.head()?.0]).collect();
    let all = all.into_iter().filter(|name| name.is_branch() && !is_refused(name));
    Ok(all.map(|name| (name.clone(), name)).collect())
}

/// The current branch.
fn current(db: &Database) -> Result<RefName> {
    let (name, _) = db.head()?;
    if name.is_branch() { Ok(name) } else { Err(Error::Detached) }
}

/// The name that a branch has at a remote: what the configuration says as git does, else the same.
pub fn upstream(db: &Database, remote: &Remote, name: &RefName) -> RefName {
    let config = db.config();
    let is_its = config.get(&format!("branch.{}.remote", name.short())) == Some(remote.name());
    let merged = config.get(&format!("branch.{}.merge", name.short())).filter(|_| is_its);
    merged.and_then(|text| RefName::full(text).ok()).unwrap_or_else(|| name.clone())
}

/// Fetches, and merges into the current branch what the remote has of it.
///
/// # Errors
/// As [`meet`] and [`Database::merge`]; [`Error::NoRef`] where the remote has no such branch.
pub fn pull(
    here: &mut Here<'_, '_>,
    from: &mut dyn super::Source,
    remote: &Remote,
    wish: &FetchWish<'_>,
) -> Result<(Meeting, Option<MergeOutcome>)> {
    let name = current(here.db)?;
    let there = upstream(here.db, remote, &name);
    let meeting = meet(here, from, Some(remote), wish)?;
    if let Some(left) = meeting.left {
        return Err(Error::Unfinished { left });
    }
    let theirs = meeting.at(&there)?;
    if theirs.is_none() && meeting.refs.iter().any(|found| found.there.is_branch()) {
        return Err(Error::NoRef { name: there.to_string() });
    }
    let outcome = merge(here, &name, theirs)?;
    Ok((meeting, outcome))
}

/// How long to wait before the nth attempt, of somebody who has drawn a number: the more have failed, the longer, and for
/// each another time, so that those who met once do not meet again.
pub fn pause_before(attempt: u32, drawn: u64) -> Duration {
    let most = 20u64 << attempt.min(7);
    Duration::from_millis(drawn % most)
}
