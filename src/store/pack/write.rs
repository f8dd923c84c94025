//! Writing a pack of unknown size in bounded memory: one temporary file, and 50 bytes of memory an object.
//!
//! The same objects in the same order make the same bytes, whatever the threads do. Nothing has its name before
//! [`Finished::install`]; what a writer that died has left is known by its lock, which is free.

use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::write::ZlibEncoder;
use flate2::{Decompress, FlushDecompress, Status};
use sha2::{Digest, Sha256};

use super::entry::{self, EntryKind};
use super::index::{IndexEntry, write_index};
use super::queue::{Form, Queue};
use super::table::Table;
use super::{Flaw, delta};
use crate::disk::{Access, Disk};
use crate::object::{Error, Hasher, Id, Kind, Object};
use crate::store::temporary::{Stem, new_stem};
use crate::store::{Reader, Result, deflate, io_error, stream};

/// The pack's head: its name, the version, and how many objects there are, which is known at the end.
const HEAD: [u8; 12] = *b"PACK\0\0\0\x02\0\0\0\0";
const COUNT_AT: u64 = 8;
/// How much of the file is read at once for its checksum.
const PIECE: usize = 1 << 18;

/// What an object that was in another pack is made of there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copied {
    /// Its body.
    Whole(Kind),
    /// A delta against this object, which was added before.
    Delta(Id),
}

/// The files of one writer. Dropping it removes all of them.
#[derive(Debug)]
struct Files {
    disk: Arc<dyn Disk>,
    /// `objects/pack`.
    dir: PathBuf,
    pack: PathBuf,
    index: PathBuf,
    /// Goes last, since it stands for the others.
    _stem: Stem,
}

impl Drop for Files {
    fn drop(&mut self) {
        // Best effort: what is left is swept later.
        for path in [&self.pack, &self.index] {
            let _ = self.disk.remove(path);
        }
    }
}

/// A pack that is being written. Dropping it removes its files.
#[derive(Debug)]
pub(crate) struct PackWriter {
    queue: Queue,
    table: Table,
    /// After the queue, so that nothing is written any more when the files are removed.
    files: Files,
}

impl PackWriter {
    /// Starts a pack in the directory `pack_dir`, which is made if need be. The writer's lock is in the directory
    /// `temporary`, which is there.
    pub(crate) fn create(disk: Arc<dyn Disk>, pack_dir: &Path, temporary: &Path) -> Result<PackWriter> {
        let stem = Stem::lock(&disk, temporary, new_stem())?;
        let [pack, index] = stem.in_packs(pack_dir);
        let files = Files { dir: pack_dir.to_owned(), pack, index, _stem: stem, disk };
        let create = || files.disk.create(&files.pack, Access::ReadWrite);
        let mut file = match create() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                files.disk.create_dir_all(pack_dir).map_err(io_error(pack_dir))?;
                create()
            }
            created => created,
        }
        .map_err(io_error(&files.pack))?;
        file.write_all(&HEAD).map_err(io_error(&files.pack))?;
        Ok(PackWriter { queue: Queue::new(file, HEAD.len() as u64), table: Table::new(), files })
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
        io_error(&self.files.pack)(source)
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

    /// Adds an object as a delta (git's format; git takes none below 4 bytes) against one that was added before.
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

    /// Adds a large object piece by piece, in constant memory.
    ///
    /// # Errors
    /// When the source fails, does not give exactly `size` bytes, or gives others than the id's.
    pub(crate) fn add_stream(&mut self, id: Id, kind: Kind, size: u64, source: &mut dyn Read) -> Result<()> {
        let Some(number) = self.enter(id)? else { return Ok(()) };
        let path = self.files.pack.clone();
        let mut failed = None;
        let mut write = |out: &mut dyn Write| -> io::Result<()> {
            let mut hasher = Hasher::new(kind, size);
            let mut zlib = ZlibEncoder::new(out, deflate::LEVEL);
            let copied = stream::copy_exactly(size, source, &mut |bytes| {
                hasher.update(bytes);
                zlib.write_all(bytes).map_err(io_error(&path))
            });
            failed = match copied {
                Ok(()) if hasher.finish() == id => return zlib.finish().map(drop),
                Ok(()) => Some(Error::Damaged { id, reason: "its hash is another".into() }),
                Err(error) => Some(error),
            };
            Err(io::Error::other("an object could not be copied"))
        };
        let written = self.queue.append_by(number, kind, size, &mut write);
        match failed {
            Some(error) => Err(error),
            None => written.map_err(|source| self.error(source)),
        }
    }

    /// Adds a large object that is read piece by piece, and checked by who reads it.
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
                .disk
                .read_at(&self.files.pack, at, (next - at) as usize)
                .map_err(|source| self.error(source))?;
            let header = entry::decode(&bytes, at).map_err(damaged)?;
            let data = inflate(&bytes[header.len..], header.size).map_err(damaged)?;
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

    /// Ends the pack and writes its index. Nothing is durable and nothing has its name yet.
    pub(crate) fn finish(mut self) -> Result<Finished> {
        self.queue.drain().map_err(|source| self.error(source))?;
        let PackWriter { queue, table, files } = self;
        drop(table);
        let (mut file, mut entries) = queue.close();
        let count = entries.len() as u32;
        let of_pack = || io_error(&files.pack);
        file.flush().map_err(of_pack())?;
        files.disk.write_at(&files.pack, COUNT_AT, &count.to_be_bytes()).map_err(of_pack())?;
        // The count was not known when the first bytes were hashed, so all are read again, out of the system's cache.
        let (checksum, size) = sum(&*files.disk, &files.pack).map_err(of_pack())?;
        file.write_all(&checksum).and_then(|()| file.flush()).map_err(of_pack())?;
        drop(file);
        files.disk.set_read_only(&files.pack).map_err(of_pack())?;
        entries.sort_unstable_by_key(|entry| entry.id);
        let of_index = || io_error(&files.index);
        let mut index = files.disk.create(&files.index, Access::ReadOnly).map_err(of_index())?;
        write_index(&entries, &checksum, &mut index).and_then(|_| index.flush()).map_err(of_index())?;
        Ok(Finished { files, checksum, count, size: size + checksum.len() as u64 })
    }
}

/// The checksum of a whole file, and its size.
fn sum(disk: &dyn Disk, path: &Path) -> io::Result<([u8; 32], u64)> {
    let mut file = disk.open(path)?;
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok((hash.finalize().into(), size)),
            Ok(n) => {
                hash.update(&piece[..n]);
                size += n as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Inflates what this process has written a moment ago.
fn inflate(stream: &[u8], size: u64) -> Result<Vec<u8>, Flaw> {
    let mut out = Vec::with_capacity(size as usize);
    let status = Decompress::new(true).decompress_vec(stream, &mut out, FlushDecompress::Finish);
    match status {
        Ok(Status::StreamEnd) if out.len() as u64 == size => Ok(out),
        _ => Err(Flaw("an entry of a new pack does not inflate")),
    }
}

/// A whole pack and its index, under temporary names. Dropping it removes them.
#[derive(Debug)]
pub(crate) struct Finished {
    files: Files,
    checksum: [u8; 32],
    count: u32,
    size: u64,
}

impl Finished {
    /// How many objects it has.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The size of the pack's file in bytes, without the index.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The checksum that gives the pack its name.
    pub(crate) fn checksum(&self) -> Id {
        Id::from_bytes(self.checksum)
    }

    /// The path that the pack will have; that of its index ends in `idx`.
    pub(crate) fn path(&self) -> PathBuf {
        self.files.dir.join(format!("pack-{}.pack", self.checksum()))
    }

    /// The files that must be durable before [`Finished::install`].
    pub(crate) fn files(&self) -> [PathBuf; 2] {
        [self.files.pack.clone(), self.files.index.clone()]
    }

    /// Gives the files their names, the index last: who sees that has the pack. Answers what must be made durable for
    /// the names to last.
    pub(crate) fn install(self) -> Result<Vec<PathBuf>> {
        let Files { disk, dir, .. } = &self.files;
        let pack = self.path();
        let index = pack.with_extension("idx");
        // The name tells the whole content, so what has it already is as good, if it is durable.
        let names = match (disk.stat(&index), disk.stat(&pack)) {
            (Ok(_), Ok(_)) => vec![pack, index, dir.clone()],
            _ => {
                disk.rename(&self.files.pack, &pack).map_err(io_error(&pack))?;
                disk.rename(&self.files.index, &index).map_err(io_error(&index))?;
                vec![dir.clone()]
            }
        };
        // The directory may have been made a moment ago.
        Ok(names.into_iter().chain(dir.parent().map(Path::to_owned)).collect())
    }
}
