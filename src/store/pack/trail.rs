//! What a thread asks next of a pack mostly lies behind what it was given last, since packs are written in the order in
//! which they are read. So a place is remembered for each thread and kind, and of a large file the bytes around it.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::entry;
use crate::disk::Bytes;
use crate::object::Kind;
use crate::store::seats::Seats;

/// So many bytes of a large file are copied for one entry here and there, and so many where entry after entry is read.
const LEAST: usize = 3 << 10;
const MOST: usize = 64 << 10;

/// How often a guess must have been right lately to be tried, the most that is counted, and what one that was wrong
/// takes away: to read an object for nothing costs a few times what finding one does.
const SURE: u8 = 2;
const SUREST: u8 = 8;
const WRONG: u8 = 4;

/// Bytes that were copied out of a large file.
#[derive(Debug, Default)]
pub(super) struct Window {
    start: usize,
    bytes: Vec<u8>,
    /// How often bytes were copied.
    copies: u32,
}

impl Window {
    /// How often bytes were copied since this was asked last.
    pub(super) fn copies(&mut self) -> u32 {
        std::mem::take(&mut self.copies)
    }

    /// The bytes of a file from `at` on, at least `len` of them unless `end` comes before.
    pub(super) fn look(&mut self, file: &Bytes, at: usize, len: usize, end: usize) -> io::Result<&[u8]> {
        let room = end.saturating_sub(at);
        let held = self.start + self.bytes.len();
        if at < self.start || at + len.min(room) > held {
            let goes_on = at >= self.start && at <= held + LEAST && !self.bytes.is_empty();
            let piece = if goes_on { (2 * self.bytes.len()).min(MOST) } else { LEAST };
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.resize(piece.max(len).min(room), 0);
            file.copy(at, &mut bytes)?;
            self.copies += 1;
            (self.start, self.bytes) = (at, bytes);
        }
        Ok(&self.bytes[at - self.start..])
    }
}

/// Where a thread is among the objects of one kind.
#[derive(Debug, Default)]
pub(super) struct Trail {
    pub(super) window: Window,
    /// Where the entry ends that was read last, and how likely the next object is there.
    next: u64,
    luck: u8,
}

impl Trail {
    /// Where the object that is asked for next is likely to be.
    pub(super) fn guess(&self) -> Option<u64> {
        (self.luck >= SURE).then_some(self.next)
    }

    /// Notes that the guess was wrong.
    pub(super) fn miss(&mut self) {
        self.luck = self.luck.saturating_sub(WRONG);
    }

    /// Notes that the object asked for lay between these offsets.
    pub(super) fn follow(&mut self, offset: u64, end: u64) {
        if offset == self.next {
            self.luck = (self.luck + 1).min(SUREST);
        } else {
            self.miss();
        }
        self.next = end;
    }
}

/// A thread's trails.
#[derive(Debug, Default)]
pub(super) struct Trails {
    trees: Trail,
    blobs: Trail,
    others: Trail,
    /// Around the bases of deltas.
    pub(super) bases: Window,
}

impl Trails {
    /// The trail of what is asked for as an object of this kind, and the window for bases.
    pub(super) fn of(&mut self, kind: Option<Kind>) -> (&mut Trail, &mut Window) {
        let trail = match kind {
            Some(Kind::Tree) => &mut self.trees,
            Some(Kind::Blob) => &mut self.blobs,
            _ => &mut self.others,
        };
        (trail, &mut self.bases)
    }
}

/// The trails of all threads that read a pack.
#[derive(Debug, Default)]
pub(super) struct AllTrails(Seats<Mutex<Trails>>);

impl AllTrails {
    /// Those of this thread. Another that has the same place spoils them, and nothing else.
    pub(super) fn mine(&self) -> MutexGuard<'_, Trails> {
        self.0.mine().lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A zlib stream of a body of this size is not longer than this, and an entry's header not longer than the rest, unless
/// somebody made them longer than they need be.
pub(super) fn longest_stream(size: u64) -> usize {
    (size + size / 256) as usize + 64 + entry::LONGEST
}
