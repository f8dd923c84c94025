//! Pushing: the one place that decides how what a remote lacks goes there, and its refs move.

use super::again::again;
use super::error::Result;
use super::exchange::{PushEdit, PushOptions, PushReport, Pushing, pushable};
use super::here::{Here, Traffic};
use super::transport::{Metered, Transport};
use crate::object::Id;

/// What a remote is asked to do.
#[derive(Clone, Copy, Debug)]
pub struct PushRequest<'a> {
    /// The moves of its refs, each from where it must be.
    pub edits: &'a [PushEdit],
    /// How.
    pub options: PushOptions,
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
    // What was asked for may have been done, so that alone is not repeated.
    let said = again(&mut metered, |link| pushable(link))?;
    let mut pushing = Pushing::opened(&mut metered, said);
    let mut not_moved: Vec<Option<NotMoved>> = Vec::new();
    for edit in request.edits {
        let found = pushing.refs().iter().find(|(name, _)| *name == edit.name).map(|(_, id)| *id);
        not_moved.push((found != edit.old).then_some(NotMoved::Elsewhere { found }));
    }
    if request.options.is_atomic && not_moved.iter().any(Option::is_some) {
        for reason in not_moved.iter_mut().filter(|reason| reason.is_none()) {
            *reason = Some(NotMoved::Refused("another ref of this push cannot be moved".into()));
        }
    }
    // What is there already is not asked for.
    let is_free = |place: &usize| not_moved[*place].is_none() && request.edits[*place].old != request.edits[*place].new;
    let free: Vec<usize> = (0..not_moved.len()).filter(is_free).collect();
    let edits: Vec<PushEdit> = free.iter().map(|place| request.edits[*place].clone()).collect();
    let report = pushing.push(here.db, &edits, request.options, here.listener)?;
    for (place, refused) in free.into_iter().zip(report.refused) {
        not_moved[place] = refused.map(NotMoved::Refused);
    }
    let speaks_stream = pushing.speaks_stream();
    let PushReport { objects, documents, .. } = report;
    let traffic = Traffic { received: metered.received(), sent: metered.sent(), objects, documents };
    Ok(Pushed { not_moved, traffic, speaks_stream })
}
