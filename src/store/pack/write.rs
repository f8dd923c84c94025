//! Writing a pack of unknown size in bounded memory: one temporary file, and 50 bytes of memory an object.
//!
//! The same objects in the same order make the same bytes, whatever the threads do. Nothing has its name before
//! [`Finished::install`]; what a writer that died has left is known by its lock, which is free.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use flate2::write::ZlibEncoder;
use sha2::{Digest, Sha256};

pub(crate) use super::batch::Effort;
use super::batch::Form;
use super::entry::{self, EntryKind};
use super::files::{Files, Finished};
use super::index::IndexEntry;
use super::queue::Queue;
use super::table::Table;
use super::{Flaw, delta, inflate};
use crate::disk::Disk;
use crate::object::{Error, Id, Kind, Object};
use crate::store::{Reader, Result, deflate, io_error};

/// The pack's head: its name and the version. How many objects there are follows.
const HEAD: &[u8] = b"PACK\0\0\0\x02";

/// What an object that was in another pack is made of there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copied {
    /// Its body.
    Whole(Kind),
    /// A delta against this object, which was added before.
    Delta(Id),
}

/// A pack that is being written. Dropping it removes its files.
#[derive(Debug)]
pub(crate) struct PackWriter {
    queue: Queue,
    table: Table,
    /// How many objects there are to be, if that was known.
    count: Option<u32>,
    /// After the queue, so that nothing is written any more when the files are removed.
    files: Files,
}

impl PackWriter {
    /// Starts a pack in the directory `pack_dir`, which is made if need be. The writer's lock is in the directory
    /// `temporary`, which is there.
    ///
    /// Where it is known how many objects there are to be, and as many come, nothing is read again for the checksum.
    pub(crate) fn create(
        disk: Arc<dyn Disk>,
        pack_dir: &Path,
        temporary: &Path,
        count: Option<usize>,
    ) -> Result<PackWriter> {
        let (files, mut file) = Files::create(disk, pack_dir, temporary)?;
        let count = count.and_then(|count| u32::try_from(count).ok());
        let head = [HEAD, count.unwrap_or_default().to_be_bytes().as_slice()].concat();
        file.write_all(&head).map_err(io_error(files.pack()))?;
        let hash = count.map(|_| Sha256::new_with_prefix(&head));
        let queue = Queue::new(file, head.len() as u64, hash);
        Ok(PackWriter { queue, table: Table::new(), count, files })
    }

    /// How many objects were added.
    pub(crate) fn len(&self) -> usize {
        self.queue.entries().len()
    }

    /// Whether an object was added.
    pub(crate) fn contains(&self, id: Id) -> bool {
        self.number(id).is_some()
    }

    fn number(&self, id: Id) -> Option<u32> {
        self.table.find(&self.queue.entries(), id)
    }

    /// A new entry's number; `None` when the object was added before.
    fn enter(&mut self, id: Id) -> Result<Option<u32>> {
        let mut entries = self.queue.entries();
        if self.table.find(&entries, id).is_some() {
            return Ok(None);
        }
        let number = entries.len() as u32;
        if number == u32::MAX {
            return Err(self.error(io::Error::other("a pack holds less than 2^32 objects")));
        }
        entries.push(IndexEntry::new(id, 0, 0));
        self.table.insert(&entries);
        Ok(Some(number))
    }

    fn error(&self, source: io::Error) -> Error {
        io_error(self.files.pack())(source)
    }

    /// The number of a base.
    fn base(&self, id: Id) -> Result<u32> {
        self.number(id).ok_or_else(|| self.error(io::Error::other(format!("the base {id} of a delta is not in it"))))
    }

    /// Adds an object, whole; nothing happens when it was added before. After any error the pack is of no use.
    pub(crate) fn add(&mut self, id: Id, kind: Kind, body: &[u8]) -> Result<()> {
        match self.enter(id)? {
            Some(number) => self.push(number, Form::Whole(kind), body.len() as u64, body, false),
            None => Ok(()),
        }
    }

    /// Adds an object as a delta (git's format) against one that was added before. git takes no delta
    /// below 4 bytes, and none that makes an empty object.
    pub(crate) fn add_delta(&mut self, id: Id, base: Id, delta: &[u8]) -> Result<()> {
        let base = self.base(base)?;
        match self.enter(id)? {
            Some(number) => self.push(number, Form::Delta(base), delta.len() as u64, delta, false),
            None => Ok(()),
        }
    }

    /// Adds an object by the zlib stream that it has in another pack, which inflates to `size` bytes.
    pub(crate) fn add_copied(&mut self, id: Id, copied: Copied, size: u64, stream: &[u8]) -> Result<()> {
        let form = match copied {
            Copied::Whole(kind) => Form::Whole(kind),
            Copied::Delta(base) => Form::Delta(self.base(base)?),
        };
        match self.enter(id)? {
            Some(number) => self.push(number, form, size, stream, true),
            None => Ok(()),
        }
    }

    fn push(&mut self, number: u32, form: Form, size: u64, bytes: &[u8], is_compressed: bool) -> Result<()> {
        self.queue.push(number, form, size, bytes, is_compressed).map_err(|source| self.error(source))
    }

    /// Adds a large object in constant memory: it is read piece by piece, and checked by its reader.
    ///
    /// # Errors
    /// When the object cannot be read, or is not what its id says.
    pub(crate) fn add_stored(&mut self, id: Id, reader: &mut Reader) -> Result<()> {
        let Some(number) = self.enter(id)? else { return Ok(()) };
        let (kind, size) = (reader.kind(), reader.size());
        let mut failed = None;
        let mut write = |out: &mut dyn Write| -> io::Result<()> {
            let mut zlib = ZlibEncoder::new(out, deflate::LEVEL);
            match reader.copy_to(&mut zlib) {
                Ok(()) => zlib.finish().map(drop),
                Err(error) => {
                    failed = Some(error);
                    Err(io::Error::other("an object could not be copied"))
                }
            }
        };
        let written = self.queue.append_by(number, kind, size, &mut write);
        match failed {
            Some(error) => Err(error),
            None => written.map_err(|source| self.error(source)),
        }
    }

    /// An object that was added. It waits for all that was added to be written, so it is not for frequent use.
    pub(crate) fn get(&mut self, id: Id) -> Result<Option<Object>> {
        let Some(number) = self.number(id) else { return Ok(None) };
        self.queue.drain().map_err(|source| self.error(source))?;
        let end = self.queue.end();
        let damaged = |Flaw(reason): Flaw| Error::Damaged { id, reason: reason.into() };
        let mut deltas = Vec::new();
        let mut at = self.queue.entries()[number as usize].offset();
        loop {
            let next = {
                let entries = self.queue.entries();
                let after = entries.partition_point(|entry| entry.offset() <= at);
                entries.get(after).map_or(end, IndexEntry::offset)
            };
            let bytes = self
                .files
                .disk()
                .read_at(self.files.pack(), at, (next - at) as usize)
                .map_err(|source| self.error(source))?;
            let header = entry::decode(&bytes, at).map_err(damaged)?;
            let (data, _) = inflate::exact(&bytes[header.len..], header.size).map_err(damaged)?;
            match header.kind {
                EntryKind::OfsDelta(base) => {
                    deltas.push(data);
                    at = base;
                }
                EntryKind::Whole(kind) => {
                    let apply = |body: Vec<u8>, delta: Vec<u8>| delta::apply(&body, &delta);
                    let body = deltas.into_iter().rev().try_fold(data, apply).map_err(damaged)?;
                    return Ok(Some(Object { kind, body }));
                }
                EntryKind::RefDelta(_) => return Err(damaged(Flaw("a pack of ours has no such entry"))),
            }
        }
    }

    /// Takes so much time to make what follows small.
    pub(crate) fn set_effort(&mut self, effort: Effort) {
        self.queue.set_effort(effort);
    }

    /// Ends the pack and writes its index. Nothing is durable and nothing has its name yet.
    pub(crate) fn finish(mut self) -> Result<Finished> {
        self.queue.drain().map_err(|source| self.error(source))?;
        let PackWriter { queue, table, count, files } = self;
        drop(table);
        let (file, hash, entries) = queue.close();
        let hash = hash.filter(|_| count == Some(entries.len() as u32));
        files.finish(file, entries, hash.map(|hash| hash.finalize().into()))
    }
}
