//! Packs: many objects in one file, with an index beside it, as git lays them out.
//! Source: git's `Documentation/gitformat-pack.adoc`; ids and checksums have 32 bytes here.

pub(crate) mod delta;
pub(crate) mod entry;
pub(crate) mod files;
pub(crate) mod index;
mod inflate;
mod queue;
pub(crate) mod receive;
mod resolve;
pub(crate) mod salvage;
pub(crate) mod set;
mod table;
#[cfg(test)]
mod tests;
pub(crate) mod write;

use std::collections::HashSet;
use std::hash::RandomState;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use super::IN_MEMORY_LIMIT;
use super::cache::Cache;
use crate::disk::{Bytes, Disk};
use crate::object::{Error, Id, Kind, Object};
use entry::{EntryHeader, EntryKind};
use index::Index;

/// What is wrong with bytes of a pack or of its index. Who knows the file adds its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flaw(pub(crate) &'static str);

/// Why nothing could be read from a pack.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Its bytes are not what they must be.
    Flaw(Flaw),
    /// The object has so many bytes, more than is held in memory.
    TooLarge(u64),
    /// The disk failed; `NotFound` when somebody has removed the pack.
    Io(io::Error),
}

impl From<Flaw> for Failure {
    fn from(flaw: Flaw) -> Failure {
        Failure::Flaw(flaw)
    }
}

impl Failure {
    /// Whether the pack's files are gone.
    fn is_gone(&self) -> bool {
        matches!(self, Failure::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// The error of reading an object of this pack.
    pub(crate) fn of(self, id: Id, pack: &Pack) -> Error {
        let path = pack.beside("pack");
        match self {
            Failure::Flaw(Flaw(reason)) => Error::Damaged { id, reason: format!("{}: {reason}", path.display()) },
            Failure::TooLarge(size) => Error::TooLarge { id: Some(id), size, limit: IN_MEMORY_LIMIT },
            Failure::Io(source) => Error::Io { path, source },
        }
    }
}

/// The bodies that deltas were made into objects from lately, by pack and offset. Shared by all packs of a store.
#[derive(Debug)]
pub(crate) struct Bases {
    cache: Cache<(u32, u64), Arc<Object>, RandomState>,
    packs: AtomicU32,
}

impl Bases {
    /// A cache of at most `budget` bytes.
    pub(crate) fn new(budget: usize) -> Bases {
        Bases { cache: Cache::new(budget), packs: AtomicU32::new(0) }
    }
}

/// So many bytes of a pack are mapped before their pages are given back: they count as this process's memory.
const MAPPED: usize = 64 << 20;
/// The system maps about so many bytes around each that is looked at.
const STRETCH: usize = 64 << 10;
const HEADER: usize = 12;
const CHECKSUM: usize = 32;

/// One pack: its index, mapped when it is opened, and its data, mapped when the first object is read.
#[derive(Debug)]
pub(crate) struct Pack {
    disk: Arc<dyn Disk>,
    /// The path of both files without their endings.
    stem: PathBuf,
    index: Index,
    data: OnceLock<Bytes>,
    /// The stretches of the data that were looked at since its pages were last given back, a bit each, and how many.
    touched: OnceLock<Vec<AtomicU64>>,
    mapped: AtomicU64,
    bases: Arc<Bases>,
    /// What stands for this pack among the bases.
    number: u32,
}

/// What can be told of an object without making its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outline {
    /// What it is.
    pub(crate) kind: Kind,
    /// The body's size in bytes.
    pub(crate) size: u64,
    /// How many deltas stand between it and a body that is stored whole.
    pub(crate) depth: u32,
}

/// One delta on the way from an object to a body that is stored whole.
struct Link {
    offset: u64,
    header: EntryHeader,
}

fn with_ending(stem: &Path, ending: &str) -> PathBuf {
    let mut path = stem.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}

impl Pack {
    /// Opens the pack whose files are `stem` with `.pack` and `.idx`.
    pub(crate) fn open(disk: Arc<dyn Disk>, stem: PathBuf, bases: Arc<Bases>) -> Result<Pack, Failure> {
        let index = Index::open(disk.map(&with_ending(&stem, "idx")).map_err(Failure::Io)?)?;
        let number = bases.packs.fetch_add(1, Ordering::Relaxed);
        Ok(Pack {
            disk,
            stem,
            index,
            data: OnceLock::new(),
            touched: OnceLock::new(),
            mapped: AtomicU64::new(0),
            bases,
            number,
        })
    }

    /// The path of one of its files, by the ending: `pack`, `idx`, `keep`, `mtimes`, …
    pub(crate) fn beside(&self, ending: &str) -> PathBuf {
        with_ending(&self.stem, ending)
    }

    /// The path of its files without their endings.
    pub(crate) fn stem(&self) -> &Path {
        &self.stem
    }

    /// Its index.
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// The size of its data file in bytes.
    pub(crate) fn size(&self) -> Result<u64, Failure> {
        Ok(self.data()?.len() as u64)
    }

    /// The whole file, its head and its end compared with the index.
    fn data(&self) -> Result<&Bytes, Failure> {
        if let Some(data) = self.data.get() {
            return Ok(data);
        }
        let data = self.disk.map(&self.beside("pack")).map_err(Failure::Io)?;
        if data.len() < HEADER + CHECKSUM {
            return Err(Flaw("it is cut short").into());
        }
        let (head, count) = data[..HEADER].split_at(8);
        if head != b"PACK\0\0\0\x02" && head != b"PACK\0\0\0\x03" {
            return Err(Flaw("it is no pack of version 2 or 3").into());
        }
        if count != self.index.len().to_be_bytes() {
            return Err(Flaw("it does not have as many objects as its index").into());
        }
        if data[data.len() - CHECKSUM..] != self.index.pack_checksum() {
            return Err(Flaw("its index is that of another pack").into());
        }
        Ok(self.data.get_or_init(|| data))
    }

    /// Where the `n`th object of the index starts.
    pub(crate) fn offset(&self, n: u32) -> Result<u64, Failure> {
        Ok(self.index.offset(n)?)
    }

    /// The header of the entry at an offset, and all that follows it in the pack, first its zlib stream.
    pub(crate) fn entry(&self, offset: u64) -> Result<(EntryHeader, &[u8]), Failure> {
        let data = self.data()?;
        let entries = &data[..data.len() - CHECKSUM];
        let at = usize::try_from(offset).ok().filter(|&at| at >= HEADER && at < entries.len());
        let rest = &entries[at.ok_or(Flaw("an offset is beyond the pack"))?..];
        let header = entry::decode(rest, offset)?;
        Ok((header, &rest[header.len..]))
    }

    /// The bytes of an entry, as they are, where the next one (or the end of the entries) is at `end`: the header, and
    /// the zlib stream.
    pub(crate) fn raw(&self, offset: u64, end: u64) -> Result<(EntryHeader, &[u8]), Failure> {
        let (header, rest) = self.entry(offset)?;
        let len = end.checked_sub(offset).and_then(|len| usize::try_from(len).ok()?.checked_sub(header.len));
        let stream = len.and_then(|len| rest.get(..len)).ok_or(Flaw("an offset is beyond the pack"))?;
        self.count(rest, stream.len());
        Ok((header, stream))
    }

    /// The checksum of the entry that lies between two offsets, which its index has as well.
    pub(crate) fn crc(&self, offset: u64, end: u64) -> Result<u32, Failure> {
        let range = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
        let bytes = range.and_then(|(offset, end)| self.data().ok()?.get(offset..end));
        let mut crc = flate2::Crc::new();
        crc.update(bytes.ok_or(Flaw("an offset is beyond the pack"))?);
        Ok(crc.sum())
    }

    /// Compares the checksum at the end with all that is before it.
    pub(crate) fn verify_checksum(&self) -> Result<(), Failure> {
        let (content, checksum) = self.data()?.split_at(self.data()?.len() - CHECKSUM);
        let mut hash = Sha256::new();
        let mut rest = content;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.len().min(1 << 20));
            hash.update(piece);
            self.count(rest, piece.len());
            rest = behind;
        }
        if hash.finalize().as_slice() == checksum { Ok(()) } else { Err(Flaw("its checksum is another").into()) }
    }

    /// Where the entries end.
    pub(crate) fn end(&self) -> Result<u64, Failure> {
        Ok(self.size()? - CHECKSUM as u64)
    }

    /// The places of the index, sorted by where the objects lie.
    pub(crate) fn by_offset(&self) -> Result<Vec<u32>, Failure> {
        let mut places: Vec<(u64, u32)> =
            (0..self.index.len()).map(|n| Ok((self.offset(n)?, n))).collect::<Result<_, Failure>>()?;
        places.sort_unstable();
        Ok(places.into_iter().map(|(_, n)| n).collect())
    }

    /// Gives back the pages of the data. The system maps many around each that is looked at, so who reads here and there
    /// has all of them soon.
    pub(crate) fn release(&self) {
        if let Some(data) = self.data.get() {
            data.release();
        }
    }

    /// Notes that `rest`, what follows an entry's header, was read so far, and gives the pages back now and then.
    fn count(&self, rest: &[u8], bytes: usize) {
        let len = self.data.get().map_or(0, |data| data.len());
        // What fits as a whole may stay.
        if len <= MAPPED {
            return;
        }
        let touched = self.touched.get_or_init(|| (0..=len / STRETCH / 64).map(|_| AtomicU64::new(0)).collect());
        let at = len - rest.len();
        for stretch in at / STRETCH..=(at + bytes).min(len - 1) / STRETCH {
            let bit = 1 << (stretch % 64);
            if touched[stretch / 64].load(Ordering::Relaxed) & bit == 0
                && touched[stretch / 64].fetch_or(bit, Ordering::Relaxed) & bit == 0
                && self.mapped.fetch_add(STRETCH as u64, Ordering::Relaxed) >= MAPPED as u64
            {
                self.mapped.store(0, Ordering::Relaxed);
                touched.iter().for_each(|bits| bits.store(0, Ordering::Relaxed));
                // The index stays: nearly every look-up is in another page of it.
                self.release();
            }
        }
    }

    fn inflate(&self, header: &EntryHeader, rest: &[u8]) -> Result<Vec<u8>, Failure> {
        if header.size > IN_MEMORY_LIMIT {
            return Err(Failure::TooLarge(header.size));
        }
        let (body, len) = inflate::exact(rest, header.size)?;
        self.count(rest, len);
        Ok(body)
    }

    /// Where the base of an entry lies; `None` for what is stored whole.
    fn base_of(&self, kind: EntryKind) -> Result<Option<u64>, Failure> {
        match kind {
            EntryKind::Whole(_) => Ok(None),
            EntryKind::OfsDelta(base) => Ok(Some(base)),
            EntryKind::RefDelta(id) => {
                let place = self.index.find(id).ok_or(Flaw("the base of a delta is not in the pack"))?;
                self.offset(place).map(Some)
            }
        }
    }

    /// Follows the bases from an offset on, until `stop` says that it goes no further. Answers the deltas on the way
    /// and the offset and the header of what they end at.
    fn chain(&self, offset: u64, stop: &mut dyn FnMut(u64) -> bool) -> Result<(Vec<Link>, Link), Failure> {
        let (mut links, mut at) = (Vec::new(), offset);
        // A base is before its delta unless it is named by its id: a circle has at least one such step forwards.
        let mut forwards = HashSet::new();
        loop {
            let (header, _) = self.entry(at)?;
            let link = Link { offset: at, header };
            if !links.is_empty() && stop(at) {
                return Ok((links, link));
            }
            let Some(base) = self.base_of(header.kind)? else { return Ok((links, link)) };
            if base >= at && !forwards.insert(base) {
                return Err(Flaw("deltas are each other's bases").into());
            }
            links.push(link);
            at = base;
        }
    }

    /// What the object at an offset is; its body is not made.
    pub(crate) fn outline(&self, offset: u64) -> Result<Outline, Failure> {
        let (links, last) = self.chain(offset, &mut |_| false)?;
        let EntryKind::Whole(kind) = last.header.kind else { return Err(Flaw("a delta has no base").into()) };
        let size = match links.first() {
            None => last.header.size,
            Some(link) => {
                let mut head = [0; delta::HEAD];
                let len = inflate::head(self.entry(link.offset)?.1, &mut head)?;
                delta::sizes(&head[..len])?.1
            }
        };
        Ok(Outline { kind, size, depth: links.len() as u32 })
    }

    /// The object at an offset, in memory. Its hash is not checked.
    pub(crate) fn read(&self, offset: u64) -> Result<Object, Failure> {
        let (header, rest) = self.entry(offset)?;
        if let EntryKind::Whole(kind) = header.kind {
            return Ok(Object { kind, body: self.inflate(&header, rest)? });
        }
        let mut known = None;
        let (mut links, last) = self.chain(offset, &mut |at| {
            known = self.bases.cache.get(&(self.number, at));
            known.is_some()
        })?;
        let mut base = match known {
            Some(object) => object,
            None => {
                let object = self.read_whole(&last)?;
                self.keep(last.offset, object)
            }
        };
        while let Some(link) = links.pop() {
            let delta = self.inflate(&link.header, self.entry(link.offset)?.1)?;
            let size = delta::sizes(&delta)?.1;
            if size > IN_MEMORY_LIMIT {
                return Err(Failure::TooLarge(size));
            }
            let object = Object { kind: base.kind, body: delta::apply(&base.body, &delta)? };
            if links.is_empty() {
                return Ok(object);
            }
            base = self.keep(link.offset, object);
        }
        Err(Flaw("a delta has no base").into())
    }

    fn read_whole(&self, link: &Link) -> Result<Object, Failure> {
        let EntryKind::Whole(kind) = link.header.kind else { return Err(Flaw("a delta has no base").into()) };
        Ok(Object { kind, body: self.inflate(&link.header, self.entry(link.offset)?.1)? })
    }

    /// The object at an offset, checked against its id.
    pub(crate) fn read_checked(&self, offset: u64, id: Id) -> Result<Object, Failure> {
        let object = self.read(offset)?;
        if object.id() == id { Ok(object) } else { Err(Flaw("its hash is another").into()) }
    }

    /// The kind and size of an object that is stored whole, and its zlib stream; `None` for a delta.
    pub(crate) fn stream(self: &Arc<Pack>, offset: u64) -> Result<Option<(Kind, u64, Stream)>, Failure> {
        let (header, _) = self.entry(offset)?;
        let EntryKind::Whole(kind) = header.kind else { return Ok(None) };
        let at = offset + header.len as u64;
        Ok(Some((kind, header.size, Stream { pack: self.clone(), at })))
    }

    /// Keeps a base for other deltas.
    fn keep(&self, offset: u64, object: Object) -> Arc<Object> {
        let size = object.body.len() + 128;
        let object = Arc::new(object);
        self.bases.cache.insert((self.number, offset), object.clone(), size);
        object
    }
}

/// The bytes of a pack from a place on.
#[derive(Debug)]
pub(crate) struct Stream {
    pack: Arc<Pack>,
    at: u64,
}

impl io::Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let data = self.pack.data.get().map_or(&[][..], |data| &data[..data.len() - CHECKSUM]);
        let rest = usize::try_from(self.at).ok().and_then(|at| data.get(at..)).unwrap_or_default();
        let len = rest.len().min(out.len());
        out[..len].copy_from_slice(&rest[..len]);
        self.at += len as u64;
        self.pack.count(rest, len);
        Ok(len)
    }
}
