//! Letting in what somebody pushes: what came waits in a quarantine until it has been judged, then refs move, each from where
//! it is to be.

use std::io::{self, Read};

use super::error::Result;
use super::exchange::PushEdit;
use super::push::NotMoved;
use super::select::peel;
use crate::database::{self, Database, Quarantine, RefMove, Refused};
use crate::object::{self, Ident, Kind};
use crate::refs::{self, Expect, RefEdit, RefName, RefValue};
use crate::script::Runner;

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

/// Why a ref may not move so, whatever it would lead to; `None` where it may.
pub(super) fn objection(db: &Database, asked: &PushEdit) -> Result<Option<NotMoved>> {
    let PushEdit { name, old, new } = asked;
    let refused = |text: &str| Ok(Some(NotMoved::Refused(text.to_owned())));
    if *name == RefName::head() {
        return refused("this is no name of a ref that can be pushed to");
    }
    if let Some(RefValue::Symbolic(target)) = db.refs().read(name)? {
        return refused(&format!("it is symbolic and leads to {target}"));
    }
    let found = db.refs().get(name)?;
    if found != *old {
        return Ok(Some(NotMoved::Elsewhere { found }));
    }
    if new.is_none() {
        if db.head()?.0 == *name {
            return refused("HEAD leads to it, so it cannot be deleted");
        }
        if setting(db, "receive.denyDeletes")? == Some(true) {
            return refused("refs cannot be deleted here");
        }
    }
    Ok(None)
}

fn setting(db: &Database, name: &str) -> Result<Option<bool>> {
    Ok(db.config().get_bool(name).map_err(database::Error::from)?)
}

/// What stands against moves to what a quarantine has.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Refs that may not move so, each with the reason.
    pub(super) refused: Vec<(RefName, String)>,
    /// Whether something that came may not be let in at all.
    pub(super) is_bad: bool,
}

/// Asks what stands against some moves, deletions left out.
pub(super) fn judge(quarantine: &Quarantine<'_>, moves: &[PushEdit], runner: &mut dyn Runner) -> Result<Verdict> {
    let view = quarantine.database();
    let one = |asked: &PushEdit| Some(RefMove { name: asked.name.clone(), old: asked.old, new: asked.new? });
    let moves: Vec<RefMove> = moves.iter().filter_map(one).collect();
    let may_lose = setting(view, "receive.denyNonSafe")? == Some(false);
    let mut verdict = Verdict::default();
    for refusal in quarantine.check(&moves, runner)? {
        let reason = match &refusal.refused {
            Refused::Backwards | Refused::Sideways { .. } if may_lose => continue,
            Refused::Backwards | Refused::Sideways { .. } => {
                "it would lose commits that somebody made (fetch and merge first)".to_owned()
            }
            Refused::NoCommit { kind } => format!("it takes commits only, and this is a {kind}"),
            _ => {
                verdict.is_bad = true;
                let text = refusal.to_string();
                text.strip_prefix(&format!("{}: ", refusal.name)).unwrap_or(&text).to_owned()
            }
        };
        verdict.refused.push((refusal.name, reason));
    }
    for (name, reason) in unconnected(view, &moves)? {
        verdict.is_bad = true;
        verdict.refused.push((name, reason));
    }
    Ok(verdict)
}

/// Looks into what is no commit, which [`Quarantine::check`] does not: the refs of which something is missing.
pub(super) fn unconnected(view: &Database, moves: &[RefMove]) -> Result<Vec<(RefName, String)>> {
    let mut found = Vec::new();
    for RefMove { name, new, .. } in moves {
        let Some(peeled) = peel(view, *new)?.filter(|peeled| peeled.kind != Kind::Commit) else { continue };
        match view.store().check_connected(&[], &[peeled.id]) {
            Ok(()) => {}
            Err(error @ object::Error::Io { .. }) => return Err(error.into()),
            Err(error) => found.push((name.clone(), error.to_string())),
        }
    }
    Ok(found)
}

/// Lets in what came, and moves refs, all of them or, unless it `is_atomic`, those that can be, with a message in their logs;
/// answers for each why it was not moved.
pub(super) fn apply(
    db: &Database,
    quarantine: Option<Quarantine<'_>>,
    moves: &[PushEdit],
    is_atomic: bool,
    who: &Ident,
    message: &str,
) -> Result<Vec<Option<NotMoved>>> {
    let edit = |asked: &PushEdit| RefEdit {
        name: asked.name.clone(),
        expect: asked.old.map_or(Expect::Absent, Expect::At),
        new: asked.new.map(RefValue::Id),
        message: message.to_owned(),
    };
    // Mostly nobody is in the way, and then one transaction does it.
    let edits = moves.iter().map(edit).collect();
    // Until the refs have moved, nothing of what they lead to is removed.
    let (_accepted, all) = match quarantine {
        None => (None, db.move_refs(edits, who)),
        Some(quarantine) => {
            let (accepted, all) = quarantine.accept_and_move(edits, who)?;
            (Some(accepted), all)
        }
    };
    match all {
        Ok(()) => return Ok(vec![None; moves.len()]),
        Err(error) if is_atomic || moves.len() == 1 => {
            return Ok(vec![Some(refusal(error)?); moves.len()]);
        }
        Err(error) => refusal(error)?,
    };
    let one = |asked: &PushEdit| match db.move_refs(vec![edit(asked)], who) {
        Ok(()) => Ok(None),
        Err(error) => Ok(Some(refusal(error)?)),
    };
    moves.iter().map(one).collect()
}

/// An error of moving refs as a reason for the client, if it is about what the client asked for.
fn refusal(error: database::Error) -> Result<NotMoved> {
    match error {
        database::Error::Ref(refs::Error::Mismatch { found, .. }) => Ok(NotMoved::Elsewhere { found }),
        database::Error::Ref(
            error @ (refs::Error::Conflict { .. } | refs::Error::Twice { .. } | refs::Error::Locked { .. }),
        ) => Ok(NotMoved::Refused(error.to_string())),
        error => Err(error.into()),
    }
}
