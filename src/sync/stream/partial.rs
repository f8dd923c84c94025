//! What has arrived of a stream that was fetched and cut: its blocks as they came, beside a note of what the stream is.

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::block::Block;
use super::journal::{HELD, Journal, NOTE};
use super::message::{Head, Wanted, ids, put_ids};
use super::send::Position;
use super::wire::{Cursor, put_bytes};
use crate::database::{Database, PARTIAL};
use crate::disk::Disk;
use crate::object::CommitId;
use crate::sync::error::Result;
use crate::sync::protocol::{MAX_HAVES, MAX_REFS};

/// How the note begins.
const MAGIC: &[u8] = b"isodb partial 1\n";

/// What is kept of one stream.
pub(super) struct Partial(Journal);

/// A stream that was cut before.
pub(super) struct Found {
    pub(super) partial: Partial,
    pub(super) head: Head,
    pub(super) wanted: Wanted,
}

impl Partial {
    /// A place for what arrives of a stream. Nothing is written yet.
    pub(super) fn new(db: &Database, head: &Head, wanted: &Wanted) -> Partial {
        let mut key = Vec::new();
        put_ids(&mut key, wanted.wants.iter());
        put_ids(&mut key, wanted.common.iter().map(|id| &id.0));
        let token = hex::encode(&Sha256::digest(&key)[..16]);
        let mut note = MAGIC.to_vec();
        put_bytes(&mut note, &head.encode());
        note.extend_from_slice(&key);
        Partial(Journal::new(db.disk(), db.root().join(PARTIAL).join(token), note))
    }

    /// The stream that was cut last whose refs are all among those that are asked for, unless another process is at it.
    pub(super) fn find(db: &Database, is_asked: &dyn Fn(&str) -> bool) -> Option<Found> {
        let (disk, dir) = (db.disk(), db.root().join(PARTIAL));
        let mut dirs: Vec<_> = disk
            .list(&dir)
            .ok()?
            .into_iter()
            .filter_map(|entry| {
                let note = dir.join(&entry.name).join(NOTE);
                Some((disk.stat(&note).ok()?.modified, dir.join(entry.name)))
            })
            .collect();
        dirs.sort_unstable();
        dirs.into_iter().rev().find_map(|(_, dir)| Partial::open(disk, dir, is_asked))
    }

    fn open(disk: &Arc<dyn Disk>, dir: PathBuf, is_asked: &dyn Fn(&str) -> bool) -> Option<Found> {
        let note = disk.read(&dir.join(NOTE)).ok()?;
        let (head, wanted) = read_note(&note).ok()?;
        if head.refs.is_empty() || !head.refs.iter().all(|(found, _)| is_asked(found.name.as_str())) {
            return None;
        }
        Some(Found { partial: Partial(Journal::open(disk, dir)?), head, wanted })
    }

    /// Gives all blocks that were kept, each with whether it is the first of its connection; then a new connection begins.
    pub(super) fn replay(&mut self, mut give: impl FnMut(&Block, bool) -> Result<()>) -> Result<()> {
        self.0.read(true, |file| {
            let mut is_first = true;
            // A file may be cut anywhere.
            while let Ok(block) = Block::read(file) {
                give(&block, is_first)?;
                is_first = false;
            }
            Ok(())
        })
    }

    /// Keeps a block.
    pub(super) fn add(&mut self, block: &Block) {
        if self.0.is_off() {
            return;
        }
        // To memory nothing fails.
        let _ = block.write(self.0.held());
        if self.0.is_begun() || self.0.held().len() > HELD {
            self.0.write();
        }
    }

    /// Ends the file of a connection that was cut.
    pub(super) fn next_connection(&mut self) {
        self.0.next_connection();
    }

    /// Removes all that was kept.
    pub(super) fn remove(self) {
        self.0.remove();
    }
}

fn read_note(note: &[u8]) -> Result<(Head, Wanted)> {
    let mut cursor = Cursor::new(note);
    if cursor.take(MAGIC.len())? != MAGIC {
        return Err(super::wire::wrong("a note is of another version"));
    }
    let head = Head::decode(cursor.bytes()?)?;
    let wants = ids(&mut cursor, MAX_REFS)?;
    let common = ids(&mut cursor, MAX_HAVES)?.into_iter().map(CommitId).collect();
    cursor.finish()?;
    Ok((head, Wanted { wants, common, from: Position::default() }))
}
