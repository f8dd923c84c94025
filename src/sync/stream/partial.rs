//! What has arrived of a stream that was cut, kept below `isodb/partial` for the next attempt: the blocks as they came, a file
//! for each connection, beside a note of what the stream is. Whatever is wrong with these files, it costs no more than the
//! bytes that they would have saved.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::block::Block;
use super::message::{Head, Wanted, ids, put_ids};
use super::send::Position;
use super::wire::{Cursor, put_bytes};
use crate::database::{Database, PARTIAL};
use crate::disk::{Access, Disk, Lock};
use crate::object::CommitId;
use crate::sync::error::Result;
use crate::sync::protocol::{MAX_HAVES, MAX_REFS};

/// The note, and how it begins.
const NOTE: &str = "note";
const MAGIC: &[u8] = b"isodb partial 1\n";
/// The lock of whoever is at it.
const LOCK: &str = "lock";
/// So many bytes are held before they are written: less is sent again as fast.
const HELD: usize = 256 << 10;

/// What is kept of one stream.
pub(super) struct Partial {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    note: Vec<u8>,
    /// Held while files are made; nothing is written without it.
    lock: Option<Box<dyn Lock>>,
    /// Whether another process is at it, or the disk fails.
    is_off: bool,
    /// The number of the file that is being written.
    segment: u64,
    held: Vec<u8>,
}

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
        Partial {
            disk: db.disk().clone(),
            dir: db.root().join(PARTIAL).join(token),
            note,
            lock: None,
            is_off: false,
            segment: 1,
            held: Vec::new(),
        }
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
        let lock = Some(disk.lock(&dir.join(LOCK), Duration::ZERO).ok()?);
        let is_off = false;
        let partial = Partial { disk: disk.clone(), dir, note, lock, is_off, segment: 1, held: Vec::new() };
        Some(Found { partial, head, wanted })
    }

    /// Gives all blocks that were kept, each with whether it is the first of its connection; then a new connection begins.
    pub(super) fn replay(&mut self, mut give: impl FnMut(&Block, bool) -> Result<()>) -> Result<()> {
        while let Ok(file) = self.disk.open(&self.segment_path()) {
            let mut file = BufReader::with_capacity(1 << 16, file);
            let mut is_first = true;
            // A file may be cut anywhere.
            while let Ok(block) = Block::read(&mut file as &mut dyn Read) {
                give(&block, is_first)?;
                is_first = false;
            }
            self.segment += 1;
        }
        Ok(())
    }

    fn segment_path(&self) -> PathBuf {
        self.dir.join(self.segment.to_string())
    }

    /// Keeps a block.
    pub(super) fn add(&mut self, block: &Block) {
        if self.is_off {
            return;
        }
        // To memory nothing fails.
        let _ = block.write(&mut self.held);
        if self.lock.is_some() || self.held.len() > HELD {
            self.write();
        }
    }

    /// Writes down what is held: it is going to be needed.
    pub(super) fn write(&mut self) {
        if self.held.is_empty() || self.is_off {
            return;
        }
        let written = self.begin().and_then(|()| self.disk.append(&self.segment_path(), &self.held));
        // What cannot be kept is fetched again.
        self.is_off = written.is_err();
        self.held.clear();
    }

    fn begin(&mut self) -> std::io::Result<()> {
        if self.lock.is_some() {
            return Ok(());
        }
        self.disk.create_dir_all(&self.dir)?;
        let lock = self.disk.lock(&self.dir.join(LOCK), Duration::ZERO)?;
        // What is left of an attempt that was not gone on with is of no use beside this one.
        clear(&*self.disk, &self.dir);
        self.disk.write_new(&self.dir.join(NOTE), &self.note, Access::ReadWrite)?;
        self.lock = Some(lock);
        Ok(())
    }

    /// Ends the file of a connection that was cut.
    pub(super) fn next_connection(&mut self) {
        self.write();
        self.segment += 1;
    }

    /// Removes all that was kept.
    pub(super) fn remove(mut self) {
        self.held.clear();
        if self.lock.is_some() {
            clear(&*self.disk, &self.dir);
            // Best effort: what is left is swept later.
            let _ = self.disk.remove(&self.dir.join(LOCK));
            let _ = self.disk.remove_dir(&self.dir);
        }
    }
}

/// Removes the files of a directory but for the lock.
fn clear(disk: &dyn Disk, dir: &Path) {
    for entry in disk.list(dir).into_iter().flatten().filter(|entry| entry.name != LOCK) {
        // Best effort: what is left is swept later.
        let _ = disk.remove(&dir.join(entry.name));
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
