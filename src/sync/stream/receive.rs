//! A stream that comes in where somebody pushes, or in a file: into a quarantine, and beside that kept for another attempt if
//! the connection is cut.

use std::io::Read;

use super::block::{Block, Unpacker};
use super::kept::{Keeping, Kept};
use super::record::{Content, Record, To};
use super::send::Position;
use super::take::Taker;
use super::wire::{Cursor, wrong};
use crate::database::{Database, Quarantine};
use crate::script::Runner;
use crate::sync::error::{Error, Result};

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
    let mut unpacker = unpacker()?;
    while !taker.has_ended() {
        let block = Block::read(input)?;
        taker.take(unpacker.unpack(&block)?, block.packed.len(), runner)?;
    }
    Ok(taker.into_quarantine())
}

/// The same for a stream of which something came before, or may be cut now: what comes is kept. Of one that goes on, the
/// records are only counted until all is here, so that many cuts cost no more work than one.
///
/// # Errors
/// As [`take`]. What came whole stays kept where the link is to blame.
pub(in crate::sync) fn take_on<'d>(
    db: &'d Database,
    input: &mut dyn Read,
    kept: &mut Kept,
    runner: &mut dyn Runner,
) -> Result<Quarantine<'d>> {
    let mut taker = match kept.position() == Position::default() {
        true => Some(Taker::new(db.quarantine()?)),
        false => None,
    };
    let taken = come(db, input, kept, &mut taker, runner);
    if let Err(Error::Connection(_)) = &taken {
        kept.end_connection();
    }
    taken?;
    let taker = match taker {
        Some(taker) => taker,
        None => replayed(db, kept, runner)?,
    };
    match taker.has_ended() {
        true => Ok(taker.into_quarantine()),
        false => Err(wrong("it does not end where it seemed to")),
    }
}

/// Takes the blocks up to the end, or counts their records where there is no taker.
fn come<'d>(
    db: &'d Database,
    input: &mut dyn Read,
    kept: &mut Kept,
    taker: &mut Option<Taker<'d>>,
    runner: &mut dyn Runner,
) -> Result<()> {
    let mut counter = Counter { at: kept.position(), has_ended: false };
    let mut unpacker = unpacker()?;
    loop {
        let block = Block::read(input)?;
        let raw = unpacker.unpack(&block)?;
        counter.count(raw)?;
        if let Some(taker) = taker {
            taker.take(raw, block.packed.len(), runner)?;
        }
        match kept.add(counter.at, &block) {
            Keeping::Done => {}
            _ if taker.is_some() => {}
            Keeping::NoRoom => {
                let mut all = replayed(db, kept, runner)?;
                all.take(raw, block.packed.len(), runner)?;
                *taker = Some(all);
            }
            Keeping::Failed => return Err(Error::Refused("what comes cannot be kept".into())),
        }
        if counter.has_ended {
            return Ok(());
        }
    }
}

/// Takes all that is kept.
fn replayed<'d>(db: &'d Database, kept: &mut Kept, runner: &mut dyn Runner) -> Result<Taker<'d>> {
    let mut taker = Taker::new(db.quarantine()?);
    kept.replay(|block, unpacker| taker.take(unpacker.unpack(block)?, block.packed.len(), runner))?;
    Ok(taker)
}

/// Makes sure that a stream is all there, and as it was written. Whether it may be taken is not looked at.
///
/// # Errors
/// When it is not, and when it cannot be read.
pub(in crate::sync) fn look_through(input: &mut dyn Read) -> Result<()> {
    let mut counter = Counter { at: Position::default(), has_ended: false };
    let mut unpacker = unpacker()?;
    while !counter.has_ended {
        counter.count(unpacker.unpack(&Block::read(input)?)?)?;
    }
    Ok(())
}

fn unpacker() -> Result<Unpacker> {
    // Only memory could be lacking for it.
    Unpacker::new().map_err(|error| Error::Protocol(error.to_string()))
}

/// Finds out where a stream is, and nothing else.
struct Counter {
    at: Position,
    has_ended: bool,
}

impl Counter {
    fn count(&mut self, raw: &[u8]) -> Result<()> {
        let mut cursor = Cursor::new(raw);
        while !cursor.is_empty() {
            if self.has_ended {
                return Err(wrong("something follows the end"));
            }
            match Record::read(&mut cursor)? {
                Record::Piece(bytes) => {
                    let arrived = self.at.pieces.as_mut().ok_or_else(|| wrong("a piece belongs to no content"))?;
                    *arrived += bytes.len() as u64;
                }
                record => {
                    self.at.records += 1;
                    self.at.pieces = None;
                    match record {
                        Record::Content(Content::Long(_))
                        | Record::Change { to: To::Content(Content::Long(_)), .. } => {
                            self.at.pieces = Some(0);
                        }
                        Record::End | Record::Stop => self.has_ended = true,
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}
