//! A stream that is pushed: it stands behind the commands where a pack would, and is taken into a quarantine as that is.

use std::io::Read;

use super::block::{Block, Unpacker};
use super::plan::{Plan, Unplanned};
use super::take::Taker;
use crate::database::{Database, Quarantine};
use crate::object::{CommitId, Id};
use crate::script::Runner;
use crate::sync::error::{Error, Result};

/// Works out the stream of what somebody lacks; `None` where a stream cannot carry it.
pub(in crate::sync) fn planned(db: &Database, wants: &[Id], common: &[CommitId]) -> Result<Option<Plan>> {
    match Plan::new(db, wants, common) {
        Ok(plan) => Ok(Some(plan)),
        Err(Unplanned::NotCarried) => Ok(None),
        Err(Unplanned::Failed(error)) => Err(error),
    }
}

/// Takes the stream that follows into a quarantine.
///
/// # Errors
/// When it is cut or wrong, or rests on commits that are not here.
pub(in crate::sync) fn take<'d>(
    db: &'d Database,
    input: &mut dyn Read,
    runner: &mut dyn Runner,
) -> Result<Quarantine<'d>> {
    let mut taker = Taker::new(db.quarantine()?);
    let mut unpacker = Unpacker::new().map_err(Error::Connection)?;
    while !taker.has_ended() {
        let block = Block::read(input)?;
        taker.take(unpacker.unpack(&block)?, block.packed.len(), runner)?;
    }
    Ok(taker.into_quarantine())
}
