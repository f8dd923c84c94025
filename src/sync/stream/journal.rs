//! Blocks that are kept in files below `isodb/partial`, for an attempt that goes on later: a directory for each stream, in it
//! a file for each connection, since each of these is a run of zstd of its own. Whatever is wrong with these files, it costs
//! no more than the bytes that they would have saved.

use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::disk::{Access, Disk, Lock};

/// A file that tells what the stream is.
pub(super) const NOTE: &str = "note";
/// The lock of whoever is at it.
const LOCK: &str = "lock";
/// So many bytes are held before they are written: less is sent again as fast. Few in tests, whose streams are short.
pub(super) const HELD: usize = if cfg!(test) { 1 << 10 } else { 256 << 10 };

/// The files of one stream.
pub(super) struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// What the file [`NOTE`] is to hold; it is not made where that is nothing.
    note: Vec<u8>,
    /// Held while files are made; nothing is written without it.
    lock: Option<Box<dyn Lock>>,
    /// Whether another is at it, or the disk fails.
    is_off: bool,
    /// The number of the file that is being written, and whether it is there.
    segment: u64,
    is_there: bool,
    held: Vec<u8>,
}

impl Journal {
    /// A place for what arrives of a stream. Nothing is written yet.
    pub(super) fn new(disk: &Arc<dyn Disk>, dir: PathBuf, note: Vec<u8>) -> Journal {
        Journal {
            disk: disk.clone(),
            dir,
            note,
            lock: None,
            is_off: false,
            segment: 1,
            is_there: false,
            held: Vec::new(),
        }
    }

    /// What is in a directory, unless another is at it.
    pub(super) fn open(disk: &Arc<dyn Disk>, dir: PathBuf) -> Option<Journal> {
        let lock = disk.lock(&dir.join(LOCK), Duration::ZERO).ok()?;
        Some(Journal { lock: Some(lock), ..Journal::new(disk, dir, Vec::new()) })
    }

    /// Whether there are files, or may be.
    pub(super) fn is_begun(&self) -> bool {
        self.lock.is_some()
    }

    /// Whether what is added is kept by nobody.
    pub(super) fn is_off(&self) -> bool {
        self.is_off
    }

    /// The bytes that were added and are in no file yet.
    pub(super) fn held(&mut self) -> &mut Vec<u8> {
        &mut self.held
    }

    /// Gives the files of the connections in their order; what is added then belongs to the last one, or to one more if
    /// `is_over`.
    ///
    /// # Errors
    /// Those of `give`.
    pub(super) fn read<E>(
        &mut self,
        is_over: bool,
        mut give: impl FnMut(&mut dyn Read) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut number = 1;
        while let Ok(file) = self.disk.open(&self.dir.join(number.to_string())) {
            let mut file = BufReader::with_capacity(1 << 16, file);
            if number == self.segment && !is_over {
                give(&mut file.chain(&self.held[..]))?;
            } else {
                give(&mut file)?;
            }
            number += 1;
        }
        if is_over {
            self.segment = number;
        } else if number == self.segment {
            give(&mut &self.held[..])?;
        }
        Ok(())
    }

    /// Writes down what is held, if keeping has not failed before.
    pub(super) fn write(&mut self) {
        if self.held.is_empty() || self.is_off {
            return;
        }
        let segment = self.dir.join(self.segment.to_string());
        let written = self.begin().and_then(|()| self.disk.append(&segment, &self.held));
        // What cannot be kept is sent again.
        self.is_off = written.is_err();
        self.is_there = true;
        self.held.clear();
    }

    /// Lets what is added be kept by nobody from now on.
    pub(super) fn turn_off(&mut self) {
        self.is_off = true;
    }

    /// Makes the directory, and keeps others from it.
    ///
    /// # Errors
    /// One of kind `TimedOut` where another is at it, and when the disk fails.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        if self.lock.is_some() {
            return Ok(());
        }
        self.disk.create_dir_all(&self.dir)?;
        let lock = self.disk.lock(&self.dir.join(LOCK), Duration::ZERO)?;
        // What is left of an attempt that was not gone on with is of no use beside this one.
        self.clear();
        if !self.note.is_empty() {
            self.disk.write_new(&self.dir.join(NOTE), &self.note, Access::ReadWrite)?;
        }
        self.lock = Some(lock);
        Ok(())
    }

    /// Ends the file of a connection that was cut.
    pub(super) fn next_connection(&mut self) {
        self.write();
        self.segment += u64::from(std::mem::take(&mut self.is_there));
    }

    /// Forgets all that was kept, and begins anew.
    pub(super) fn restart(&mut self) {
        self.held.clear();
        (self.segment, self.is_there) = (1, false);
        if self.lock.is_some() {
            self.clear();
        }
    }

    /// Removes all that was kept.
    pub(super) fn remove(self) {
        if self.lock.is_some() {
            self.clear();
            // Best effort: what is left is swept later.
            let _ = self.disk.remove(&self.dir.join(LOCK));
            let _ = self.disk.remove_dir(&self.dir);
        }
    }

    /// Removes all files but the lock.
    fn clear(&self) {
        for entry in self.disk.list(&self.dir).into_iter().flatten().filter(|entry| entry.name != LOCK) {
            // Best effort: what is left is swept later.
            let _ = self.disk.remove(&self.dir.join(entry.name));
        }
    }
}
