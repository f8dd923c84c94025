//! Pushing: the one place that decides how what a remote lacks goes there, and its refs move.

use std::fmt;

use super::again::again;
use super::error::{Error, Result};
use super::exchange::{PushEdit, PushOptions, Pushing, pushable};
use super::here::{Here, Traffic};
use super::select::commit_of;
use super::stream::{Submission, submit};
use super::transport::{Metered, Transport};
use crate::object::{CommitId, Id};
use crate::refs::RefName;

/// How a reason ends that is another one after another fetch.
pub(super) const FETCH_FIRST: &str = "(fetch first)";

/// What a remote is asked to do.
#[derive(Clone, Copy, Debug)]
pub struct PushRequest<'a> {
    /// The moves of its refs, each from where it must be.
    pub edits: &'a [PushEdit],
    /// How.
    pub options: PushOptions,
    /// Where the remote's refs were when they were last seen, by its own names.
    pub known: &'a [(RefName, Id)],
    /// Whether the remote spoke the isodb stream when it was last met.
    pub speaks_stream: bool,
}

/// Why a remote's ref was not moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotMoved {
    /// It is not where it must be; nothing was sent for it.
    Elsewhere {
        /// Where it is; `None` where it does not exist.
        found: Option<Id>,
    },
    /// The remote refused, in its own words.
    Refused(String),
}

impl fmt::Display for NotMoved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotMoved::Elsewhere { found: Some(id) } => write!(f, "it has moved to {id} {FETCH_FIRST}"),
            NotMoved::Elsewhere { found: None } => write!(f, "it does not exist any more {FETCH_FIRST}"),
            NotMoved::Refused(reason) => f.write_str(reason),
        }
    }
}

/// What came of a push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// For each edit, why it was not done, if it was not.
    pub not_moved: Vec<Option<NotMoved>>,
    /// What went over the connection.
    pub traffic: Traffic,
    /// Whether the remote speaks the isodb stream.
    pub speaks_stream: bool,
}

/// Sends what is lacked there and asks for the moves.
///
/// # Errors
/// When the remote cannot be reached, or refuses all of it; a ref that it refuses to move is in the answer.
pub fn push(here: &mut Here<'_, '_>, to: &mut dyn Transport, request: &PushRequest<'_>) -> Result<Pushed> {
    let mut metered = Metered::new(to);
    let mut pushed = by_any(here, &mut metered, request)?;
    (pushed.traffic.received, pushed.traffic.sent) = (metered.received(), metered.sent());
    Ok(pushed)
}

/// Pushes by a stream where the remote speaks it, else in git's way.
fn by_any(here: &mut Here<'_, '_>, to: &mut Metered<'_>, request: &PushRequest<'_>) -> Result<Pushed> {
    let PushRequest { edits, options, .. } = *request;
    // What the remote was taken to have, and what came of that.
    let mut believed: Option<(Vec<CommitId>, Option<Pushed>)> = None;
    if request.speaks_stream && !to.needs_advertisement() {
        let mut common = Vec::new();
        for (_, id) in request.known {
            common.extend(commit_of(here.db, *id)?);
        }
        match submit(here, to, edits, options.is_atomic, &common) {
            Ok(Submission::Done { not_moved, documents }) => {
                let is_refused = not_moved.iter().any(|reason| matches!(reason, Some(NotMoved::Refused(_))));
                let traffic = Traffic { documents, ..Traffic::default() };
                let pushed = Pushed { not_moved, traffic, speaks_stream: true };
                if !is_refused {
                    return Ok(pushed);
                }
                believed = Some((common, Some(pushed)));
            }
            Ok(Submission::NotCarried) => {}
            Ok(Submission::Refused) | Err(Error::Refused(_)) => believed = Some((common, None)),
            // It did when it was last met, and does no more.
            Err(Error::Http { status: 300..400 | 404 | 405, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let said = again(to, |link| pushable(link))?;
    let mut pushing = Pushing::opened(to, said);
    let common = pushing.common(here.db)?;
    let is_new = match &believed {
        Some((believed, _)) => believed.iter().any(|commit| !common.contains(commit)),
        None => true,
    };
    let before = match believed {
        Some((_, Some(pushed))) if !is_new => return Ok(pushed),
        Some((_, Some(pushed))) => pushed.not_moved,
        _ => Vec::new(),
    };
    let is_done = |place: usize| matches!(before.get(place), Some(None)) && !options.is_atomic;
    let mut not_moved: Vec<Option<NotMoved>> = Vec::new();
    for (place, edit) in edits.iter().enumerate() {
        let found = pushing.refs().iter().find(|(name, _)| *name == edit.name).map(|(_, id)| *id);
        not_moved.push((found != edit.old && !is_done(place)).then_some(NotMoved::Elsewhere { found }));
    }
    if options.is_atomic && not_moved.iter().any(Option::is_some) {
        for reason in not_moved.iter_mut().filter(|reason| reason.is_none()) {
            *reason = Some(NotMoved::Refused("another ref of this push cannot be moved".into()));
        }
    }
    // What is there already is not asked for.
    let is_moving = |place: usize| not_moved[place].is_none() && edits[place].old != edits[place].new;
    let free: Vec<usize> = (0..not_moved.len()).filter(|place| is_moving(*place) && !is_done(*place)).collect();
    let edits: Vec<PushEdit> = free.iter().map(|place| edits[*place].clone()).collect();
    let speaks_stream = pushing.speaks_stream();
    let mut pushed = Pushed { speaks_stream, ..Pushed::default() };
    let mut moved = None;
    if speaks_stream && is_new && !edits.is_empty() {
        match submit(here, pushing.transport(), &edits, options.is_atomic, &common) {
            Ok(Submission::Done { not_moved, documents }) => {
                pushed.traffic.documents = documents;
                moved = Some(not_moved);
            }
            Ok(Submission::NotCarried) => {}
            // Of what cannot come in, a pack lets the remote say more.
            Ok(Submission::Refused) | Err(Error::Refused(_)) => pushing.reopen()?,
            Err(error) => return Err(error),
        }
    }
    let moved = match moved {
        Some(moved) => moved,
        None => {
            let report = pushing.push(here.db, &edits, options, here.listener)?;
            pushed.traffic.objects = report.objects;
            report.refused.into_iter().map(|refused| refused.map(NotMoved::Refused)).collect()
        }
    };
    for (place, reason) in free.into_iter().zip(moved) {
        not_moved[place] = reason;
    }
    pushed.not_moved = not_moved;
    Ok(pushed)
}
