//! Letting in what somebody pushes: a pack is taken in and checked, then refs move, each from where it is to be.
//! What is refused leaves objects that nothing leads to, which the next gc takes away in time.

use std::io::{self, Read};

use super::error::{Error, Result};
use super::select::{commit_of, peel, tips};
use crate::database::{self, Database, is_merge_commit};
use crate::object::{CommitId, Id, Ident, Kind, Objects};
use crate::refs::{self, Expect, RefEdit, RefName, RefValue};
use crate::script::Runner;

/// What is written into the reflog.
const MESSAGE: &str = "push";

/// One ref that somebody wants to move.
#[derive(Clone, Debug)]
pub(super) struct Move {
    pub(super) name: RefName,
    pub(super) old: Option<Id>,
    pub(super) new: Option<Id>,
}

/// Reads no more than a limit, and then fails.
pub(super) struct Limited<'s> {
    source: &'s mut dyn Read,
    left: u64,
    is_exceeded: bool,
}

impl<'s> Limited<'s> {
    pub(super) fn new(source: &'s mut dyn Read, limit: u64) -> Limited<'s> {
        Limited { source, left: limit, is_exceeded: false }
    }

    /// Whether there was more.
    pub(super) fn is_exceeded(&self) -> bool {
        self.is_exceeded
    }
}

impl Read for Limited<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        // One byte more than is allowed tells that there is more.
        let most = usize::try_from(self.left.saturating_add(1)).unwrap_or(usize::MAX).min(out.len());
        let len = self.source.read(&mut out[..most])?;
        match self.left.checked_sub(len as u64) {
            Some(left) => {
                self.left = left;
                Ok(len)
            }
            None => {
                self.is_exceeded = true;
                Err(io::Error::other("it is larger than is allowed"))
            }
        }
    }
}

/// Why a ref may not move so, by itself; `None` where it may.
pub(super) fn objection(db: &Database, asked: &Move) -> Result<Option<String>> {
    let Move { name, old, new } = asked;
    let no = |reason: &str| Ok(Some(reason.to_owned()));
    if let Some(RefValue::Symbolic(target)) = db.refs().read(name)? {
        return Ok(Some(format!("it is symbolic and leads to {target}")));
    }
    let found = db.refs().get(name)?;
    if found != *old {
        return Ok(Some(moved(found)));
    }
    let Some(new) = new else {
        if db.head()?.0 == *name {
            return no("HEAD leads to it, so it cannot be deleted");
        }
        let is_denied = db.config().get_bool("receive.denyDeletes").map_err(database::Error::from)?;
        return if is_denied == Some(true) { no("refs cannot be deleted here") } else { Ok(None) };
    };
    let Some(peeled) = peel(db, *new)? else { return Ok(Some(format!("{new} is missing"))) };
    if name.is_branch() && (peeled.kind != Kind::Commit || !peeled.tags.is_empty()) {
        return no("a branch leads to a commit");
    }
    let may_lose = db.config().get_bool("receive.denyNonSafe").map_err(database::Error::from)? == Some(false);
    if let (false, Some(old)) = (may_lose, old) {
        let (Some(from), Some(to)) = (commit_of(db, *old)?, commit_of(db, *new)?) else {
            return Ok(if name.is_branch() { Some("it would lose commits".into()) } else { None });
        };
        if name.is_branch() && !db.is_safe_move(from, to)? {
            return no("it would lose commits that somebody made (fetch and merge first)");
        }
    }
    Ok(None)
}

fn moved(found: Option<Id>) -> String {
    match found {
        Some(id) => format!("it has moved to {id} (fetch first)"),
        None => "it does not exist any more (fetch first)".to_owned(),
    }
}

/// Checks all that new values of refs lead to and that no ref led to before: that it is there, and that merge commits are what
/// their parents make them.
pub(super) fn check(db: &Database, moves: &[Move], runner: &mut dyn Runner) -> Result<()> {
    let (mut heads, mut whole) = (Vec::new(), Vec::new());
    for id in moves.iter().filter_map(|asked| asked.new) {
        let peeled = peel(db, id)?.ok_or(crate::object::Error::Missing { id, kind: None })?;
        match peeled.kind {
            Kind::Commit => heads.push(CommitId(peeled.id)),
            _ => whole.push(peeled.id),
        }
    }
    let commits = db.commits_since(&heads, &tips(db)?)?;
    db.store().check_connected(&commits, &whole)?;
    for id in commits {
        if is_merge_commit(&db.store().commit(id)?)
            && let Some(wrong) = db.check_merge(id, runner)?
        {
            return Err(Error::Protocol(format!("merge commit {id} is wrong: {}", wrong.reason)));
        }
    }
    Ok(())
}

/// Moves refs, all or none of them; answers for each why it was not moved.
pub(super) fn apply(db: &Database, moves: &[Move], is_atomic: bool, who: &Ident) -> Result<Vec<Option<String>>> {
    let edit = |asked: &Move| RefEdit {
        name: asked.name.clone(),
        expect: asked.old.map_or(Expect::Absent, Expect::At),
        new: asked.new.map(RefValue::Id),
        message: MESSAGE.to_owned(),
    };
    // Mostly nobody is in the way, and then one transaction does it.
    let all = db.move_refs(moves.iter().map(edit).collect(), who);
    match all {
        Ok(()) => return Ok(vec![None; moves.len()]),
        Err(error) if is_atomic || moves.len() == 1 => {
            return Ok(vec![Some(refusal(error)?); moves.len()]);
        }
        Err(error) => refusal(error)?,
    };
    let one = |asked: &Move| match db.move_refs(vec![edit(asked)], who) {
        Ok(()) => Ok(None),
        Err(error) => Ok(Some(refusal(error)?)),
    };
    moves.iter().map(one).collect()
}

/// An error of moving refs as a reason for the client, if it is about what the client asked for.
fn refusal(error: database::Error) -> Result<String> {
    match error {
        database::Error::Ref(refs::Error::Mismatch { found, .. }) => Ok(moved(found)),
        database::Error::Ref(
            error @ (refs::Error::Conflict { .. } | refs::Error::Twice { .. } | refs::Error::Locked { .. }),
        ) => Ok(error.to_string()),
        error => Err(error.into()),
    }
}
