//! Packs: many objects in one file, with an index beside it, as git lays them out.
//! Source: git's `Documentation/gitformat-pack.adoc`; ids and checksums have 32 bytes here.

mod batch;
pub(crate) mod delta;
pub(crate) mod entry;
pub(crate) mod files;
pub(crate) mod index;
mod inflate;
mod queue;
mod read;
pub(crate) mod receive;
mod resolve;
pub(crate) mod salvage;
pub(crate) mod set;
mod table;
#[cfg(test)]
mod tests;
mod trail;
pub(crate) mod write;

use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use super::IN_MEMORY_LIMIT;
use crate::disk::{Bytes, Disk};
use crate::object::{Error, Id};
use entry::EntryHeader;
use index::Index;
pub(crate) use read::{Bases, Opened};
use trail::AllTrails;

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

/// So many bytes of a pack are mapped before their pages are given back: they count as this process's memory.
const MAPPED: usize = 64 << 20;
/// Of large packs that have no more bytes than this together the maps are looked at; from others, entries are copied.
const ROOM: usize = 40 << 20;
/// So many times something is copied out of a large pack in any case: for an entry here and there it is cheaper than a look
/// at the map, which takes in all the pages around it.
const COPIED: u32 = 1024;
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
    data: OnceLock<Data>,
    /// The stretches of the data that were looked at since its pages were last given back, a bit each, and how many.
    touched: OnceLock<Vec<AtomicU64>>,
    mapped: AtomicU64,
    trails: AllTrails,
    bases: Arc<Bases>,
    /// What stands for this pack among the bases.
    number: u32,
}

/// The bytes of a pack.
#[derive(Debug)]
struct Data {
    bytes: Bytes,
    /// How much of the room for maps is taken; nothing where there was not enough for a large file.
    taken: usize,
    /// How many times something is still copied before the map is looked at.
    to_copy: AtomicU32,
}

impl Data {
    fn new(bytes: Bytes, bases: &Bases) -> Data {
        let has_room = bytes.is_large() && bases.take_room(bytes.len());
        Data { taken: if has_room { bytes.len() } else { 0 }, to_copy: AtomicU32::new(COPIED), bytes }
    }

    /// Whether entries are copied out of the file.
    fn is_copied(&self) -> bool {
        self.bytes.is_large() && (self.taken == 0 || self.to_copy.load(Ordering::Relaxed) > 0)
    }

    /// Notes that something was copied so many times.
    fn note_copies(&self, copies: u32) {
        // Two threads at once may count for one: it is no exact number.
        let left = self.to_copy.load(Ordering::Relaxed);
        if left > 0 && copies > 0 {
            self.to_copy.store(left.saturating_sub(copies), Ordering::Relaxed);
        }
    }
}

impl Deref for Data {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Pack {
    fn drop(&mut self) {
        if let Some(data) = self.data.get() {
            self.bases.give_room(data.taken);
        }
    }
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
            trails: AllTrails::default(),
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
    fn data(&self) -> Result<&Data, Failure> {
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
        Ok(self.data.get_or_init(|| Data::new(data, &self.bases)))
    }

    /// Where the `n`th object of the index starts.
    pub(crate) fn offset(&self, n: u32) -> Result<u64, Failure> {
        Ok(self.index.offset(n)?)
    }

    /// An offset among the entries, and where they end.
    fn within(&self, offset: u64) -> Result<(usize, usize), Failure> {
        let end = self.data()?.len() - CHECKSUM;
        let at = usize::try_from(offset).ok().filter(|&at| at >= HEADER && at < end);
        Ok((at.ok_or(Flaw("an offset is beyond the pack"))?, end))
    }

    /// The header of the entry at an offset, and all that follows it in the pack, first its zlib stream.
    pub(crate) fn entry(&self, offset: u64) -> Result<(EntryHeader, &[u8]), Failure> {
        let (at, end) = self.within(offset)?;
        let rest = &self.data()?[at..end];
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
            data.bytes.release();
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
