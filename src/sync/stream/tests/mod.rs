//! Streams from one database into another: any history comes out as it was, cut anywhere, and what lies is refused.

mod histories;
mod hostile;
mod links;
mod pushes;

use super::block::{Block, Unpacker};
use super::plan::{Plan, Totals, Unplanned};
use super::send::{Position, write};
use super::take::Taker;
use super::{Kept, Outcome, Submitted};
use crate::database::{Database, Quarantine, RefMove};
use crate::object::{CommitId, Id};
use crate::script::InProcess;
use crate::sync::error::{Error, Result};
use crate::sync::tests::runner;

/// The plan of what somebody lacks who has some commits.
fn plan(db: &Database, wants: &[Id], common: &[CommitId]) -> Plan {
    match Plan::new(db, wants, common) {
        Ok(plan) => plan,
        Err(Unplanned::NotCarried) => panic!("it is not carried"),
        Err(Unplanned::Failed(error)) => panic!("{error}"),
    }
}

/// The blocks of a stream.
fn blocks(db: &Database, plan: &Plan, from: Position) -> Vec<Block> {
    let mut out = Vec::new();
    write(db, plan, from, &mut out, &mut |_| ()).unwrap();
    let (mut source, mut blocks) = (&out[..], Vec::new());
    while !source.is_empty() {
        blocks.push(Block::read(&mut source).unwrap());
    }
    blocks
}

/// Takes blocks that one connection carried.
fn take(taker: &mut Taker<'_>, blocks: &[Block], runner: &mut InProcess) -> Result<()> {
    let mut unpacker = Unpacker::new().map_err(Error::Connection)?;
    blocks.iter().try_for_each(|block| taker.take(unpacker.unpack(block)?, block.packed.len(), runner))
}

/// Carries what is wanted from one database into a quarantine of another.
fn carry<'d>(from: &Database, into: &'d Database, wants: &[Id], common: &[CommitId]) -> Result<Quarantine<'d>> {
    let plan = plan(from, wants, common);
    let mut taker = Taker::new(into.quarantine()?);
    take(&mut taker, &blocks(from, &plan, Position::default()), &mut runner().unwrap())?;
    assert!(taker.has_ended());
    assert_eq!(taker.done().commits, plan.totals.commits);
    Ok(taker.into_quarantine())
}

/// Lets in what came, checked with and without what the stream knows of it.
fn accept(quarantine: Quarantine<'_>, heads: &[CommitId]) {
    let moves: Vec<RefMove> = (0..)
        .zip(heads)
        .map(|(n, id)| RefMove { name: crate::sync::tests::branch(&format!("b{n}")), old: None, new: id.0 })
        .collect();
    assert_eq!(quarantine.check(&moves, &mut runner().unwrap()).unwrap(), []);
    drop(quarantine.accept().unwrap());
}
