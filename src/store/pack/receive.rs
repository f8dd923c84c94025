//! Taking in a pack that somebody else made, as a stream: every byte is checked before any of it can be read.
//!
//! Two passes. The first writes the stream to a file and computes the ids of what is whole in it; the second makes the
//! objects of the deltas, from each base on to those that hang on it. Bases that the stream does not have are added.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use flate2::{Crc, Decompress, FlushDecompress, Status};
use sha2::{Digest, Sha256};

use super::entry::{self, EntryHeader, EntryKind};
use super::files::{Files, Finished};
use super::index::IndexEntry;
use super::resolve::{Resolve, Resolved, Resolver};
use super::{CHECKSUM, Flaw, HEADER};
use crate::disk::Disk;
use crate::object::{Error, Hasher, Id, Kind, check};
use crate::store::{IN_MEMORY_LIMIT, Result, deflate, io_error};

/// How much is read, or inflated, at once.
const PIECE: usize = 1 << 17;
/// So many bytes of bodies wait where chains of deltas fork.
const WAITING: usize = 32 << 20;

/// The error of a pack that came in and is not what it must be.
pub(super) fn damaged(flaw: Flaw) -> Error {
    Error::DamagedFile { path: "the received pack".into(), reason: flaw.0.to_owned() }
}

/// A pack that was taken in, whole and checked, under temporary names. Dropping it removes it.
#[derive(Debug)]
pub struct Received(Finished);

impl Received {
    /// How many objects it has, with the bases that were added.
    pub fn count(&self) -> u32 {
        self.0.count()
    }

    /// Makes the pack durable and gives it its name: from then on its objects are stored. A pack without objects is
    /// not kept.
    pub fn keep(self) -> Result<()> {
        if self.count() == 0 { Ok(()) } else { self.0.keep() }
    }
}

/// Takes in a pack from a stream, into the directory of packs. What follows the pack is refused where it comes with its last
/// bytes.
/// `outside` gives the bases that a thin pack leaves out.
///
/// # Errors
/// [`Error::DamagedFile`] when the stream is no sound pack, [`Error::Damaged`] when an object in it is malformed,
/// [`Error::Missing`] when a base is nowhere, [`Error::TooLarge`] for a delta, or an object other than a blob, that is
/// more than is held in memory.
pub(crate) fn index_pack(
    disk: Arc<dyn Disk>,
    source: &mut dyn Read,
    dirs: Dirs<'_>,
    outside: Resolve<'_>,
) -> Result<Received> {
    take_in(disk, source, dirs, Resolver::new(outside, WAITING))
}

/// The directory of packs, which is made if need be, and that of the lock of who writes one, which is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dirs<'a> {
    pub(crate) packs: &'a Path,
    pub(crate) temporary: &'a Path,
}

/// The same with a resolver, which is new.
pub(super) fn take_in(
    disk: Arc<dyn Disk>,
    source: &mut dyn Read,
    dirs: Dirs<'_>,
    mut resolver: Resolver<'_>,
) -> Result<Received> {
    let (files, file) = Files::create(disk, dirs.packs, dirs.temporary)?;
    let of_pack = || io_error(files.pack());
    let mut input = Input::new(source, file, files.pack());
    let checksum = read(&mut input, &mut resolver)?;
    let (mut file, mut end) = input.finish()?;

    resolver.run(&files.disk().map(files.pack()).map_err(of_pack())?)?;
    let Resolved { mut entries, added, outside } = resolver.finish()?;
    let mut compress = deflate::compressor();
    for id in &added {
        let base = outside(*id)?.ok_or(Error::Missing { id: *id, kind: None })?;
        let mut bytes = Vec::new();
        entry::encode(EntryKind::Whole(base.kind), end, base.body.len() as u64, &mut bytes);
        deflate::deflate_body(&mut compress, &base.body, &mut bytes);
        let mut crc = Crc::new();
        crc.update(&bytes);
        entries.push(IndexEntry::new(*id, crc.sum(), end));
        file.write_all(&bytes).map_err(of_pack())?;
        end += bytes.len() as u64;
    }
    if u32::try_from(entries.len()).is_err() {
        return Err(damaged(Flaw("it has too many objects")));
    }
    let mut ids: Vec<Id> = entries.iter().map(|entry| entry.id).collect();
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(damaged(Flaw("it has an object twice")));
    }
    drop(ids);
    files.finish(file, entries, added.is_empty().then_some(checksum)).map(Received)
}

/// The first pass: gives the entries to the resolver. Answers the stream's checksum, which is right.
fn read(input: &mut Input<'_>, resolver: &mut Resolver<'_>) -> Result<[u8; 32]> {
    let head = input.fill(HEADER)?;
    let Some((b"PACK\0\0\0\x02" | b"PACK\0\0\0\x03", count)) = head.get(..HEADER).map(|head| head.split_at(8)) else {
        return Err(damaged(Flaw("it is no pack of version 2 or 3")));
    };
    let count = u32::from_be_bytes(*count.first_chunk().expect("four bytes follow the version"));
    input.take(HEADER);
    let mut inflate = Inflate { state: Decompress::new(true), piece: vec![0; PIECE] };
    // The count is a claim: memory grows with the entries that do come.
    for _ in 0..count {
        let own = input.at;
        input.crc = Crc::new();
        let header = entry::decode(input.fill(entry::LONGEST)?, own).map_err(damaged)?;
        input.take(header.len);
        let id = inflate.entry(input, &header)?;
        resolver.add(IndexEntry::new(id, input.crc.sum(), own), header.kind).map_err(damaged)?;
    }
    input.checksum()
}

/// Inflates entries piece by piece.
struct Inflate {
    state: Decompress,
    piece: Vec<u8>,
}

impl Inflate {
    /// Reads the zlib stream of an entry, and answers the id of what is whole; a delta has none yet.
    fn entry(&mut self, input: &mut Input<'_>, header: &EntryHeader) -> Result<Id> {
        let mut whole = None;
        let mut kept = None;
        match header.kind {
            EntryKind::Whole(kind) => whole = Some((kind, Hasher::new(kind, header.size))),
            EntryKind::OfsDelta(_) | EntryKind::RefDelta(_) => {}
        }
        if !matches!(header.kind, EntryKind::Whole(Kind::Blob)) && header.size > IN_MEMORY_LIMIT {
            return Err(Error::TooLarge { id: None, size: header.size, limit: IN_MEMORY_LIMIT });
        }
        if matches!(header.kind, EntryKind::Whole(kind) if kind != Kind::Blob) {
            kept = Some(Vec::new());
        }
        self.state.reset(true);
        loop {
            let data = input.fill(1)?;
            let is_end = data.is_empty();
            let (read, made) = (self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(data, &mut self.piece, FlushDecompress::None);
            let status = status.map_err(|_| damaged(Flaw("an entry is no zlib stream")))?;
            input.take((self.state.total_in() - read) as usize);
            let piece = &self.piece[..(self.state.total_out() - made) as usize];
            if self.state.total_out() > header.size {
                return Err(damaged(Flaw("an entry inflates to more than its header says")));
            }
            if let Some((_, hasher)) = &mut whole {
                hasher.update(piece);
            }
            if let Some(body) = &mut kept {
                body.extend_from_slice(piece);
            }
            if status == Status::StreamEnd {
                break;
            }
            if is_end && piece.is_empty() {
                return Err(damaged(Flaw("it is cut short")));
            }
        }
        if self.state.total_out() != header.size {
            return Err(damaged(Flaw("an entry inflates to less than its header says")));
        }
        let Some((kind, hasher)) = whole else { return Ok(Id::ZERO) };
        let id = hasher.finish();
        if let Some(body) = kept {
            check(kind, &body).map_err(|error| error.of_object(id))?;
        }
        Ok(id)
    }
}

/// The stream, which is hashed and written to a file as it is taken.
struct Input<'s> {
    source: &'s mut dyn Read,
    file: Box<dyn Write + Send>,
    path: &'s Path,
    /// What was read of the stream: up to `taken` it belongs to the pack, up to `written` it is in the file.
    buffer: Vec<u8>,
    written: usize,
    taken: usize,
    end: usize,
    hash: Sha256,
    /// Of the bytes of this entry.
    crc: Crc,
    /// How many bytes were taken in all.
    at: u64,
}

impl<'s> Input<'s> {
    fn new(source: &'s mut dyn Read, file: Box<dyn Write + Send>, path: &'s Path) -> Input<'s> {
        let (buffer, hash, crc) = (vec![0; 2 * PIECE], Sha256::new(), Crc::new());
        Input { source, file, path, buffer, written: 0, taken: 0, end: 0, hash, crc, at: 0 }
    }

    /// What comes next, at least so many bytes unless the stream ends before.
    fn fill(&mut self, want: usize) -> Result<&[u8]> {
        while self.end - self.taken < want {
            if self.end == self.buffer.len() {
                self.write()?;
                self.buffer.copy_within(self.taken..self.end, 0);
                self.end -= self.taken;
                (self.written, self.taken) = (0, 0);
            }
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => break,
                Ok(len) => self.end += len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io_error(Path::new("the received pack"))(error)),
            }
        }
        Ok(&self.buffer[self.taken..self.end])
    }

    fn take(&mut self, len: usize) {
        self.crc.update(&self.buffer[self.taken..self.taken + len]);
        self.taken += len;
        self.at += len as u64;
    }

    fn write(&mut self) -> Result<()> {
        let bytes = &self.buffer[self.written..self.taken];
        self.hash.update(bytes);
        self.file.write_all(bytes).map_err(io_error(self.path))?;
        self.written = self.taken;
        Ok(())
    }

    /// The checksum at the end, compared with that of what was taken.
    fn checksum(&mut self) -> Result<[u8; 32]> {
        self.write()?;
        let sum: [u8; 32] = self.hash.clone().finalize().into();
        // Not a byte more is waited for: the other end of a pipe may wait for an answer.
        let rest = self.fill(CHECKSUM)?;
        match rest.first_chunk() {
            None => Err(damaged(Flaw("it is cut short"))),
            Some(found) if *found != sum => Err(damaged(Flaw("its checksum is another"))),
            Some(_) if rest.len() > CHECKSUM => Err(damaged(Flaw("there are bytes behind its end"))),
            Some(found) => Ok(*found),
        }
    }

    /// The file, which has all but the checksum, and its length.
    fn finish(mut self) -> Result<(Box<dyn Write + Send>, u64)> {
        self.file.flush().map_err(io_error(self.path))?;
        Ok((self.file, self.at))
    }
}
