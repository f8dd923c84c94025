//! What can still be read of a damaged pack, with an index or without one.
//!
//! Entries follow one another, and each ends where its zlib stream does; behind a damaged one the next is found by
//! the index, or by trying every byte: a stream ends with a checksum, so what is none is not taken for one.

use std::collections::hash_map::RandomState;
use std::io::{self, Read};
use std::sync::Arc;

use flate2::bufread::ZlibDecoder;
use sha2::{Digest, Sha256};

use super::entry::{self, EntryHeader, EntryKind};
use super::index::IndexEntry;
use super::{CHECKSUM, HEADER, delta, inflate};
use crate::object::{Hasher, Id, IdMap, Kind, Object};
use crate::store::cache::Cache;
use crate::store::{IN_MEMORY_LIMIT, Result, STREAM_FROM};

/// So many bytes of bodies that deltas may be based on are kept.
const KEPT: usize = 32 << 20;

/// The content of an object that was found.
pub(crate) enum Content<'a> {
    /// Its body.
    Body(&'a [u8]),
    /// The zlib stream of its body, which has so many bytes.
    Stream(u64, &'a [u8]),
}

/// Is given every object that was found, with its true id.
pub(crate) type Each<'e> = &'e mut dyn FnMut(Id, Kind, Content<'_>) -> Result<()>;

/// What was found in a pack.
#[derive(Debug)]
pub(crate) struct Salvaged {
    /// The objects, sorted as in an index.
    pub(crate) entries: Vec<IndexEntry>,
    /// Whether nothing is wrong with the pack. Its checksum is the bytes at its end then.
    pub(crate) is_whole: bool,
}

/// One entry that inflates.
struct Spot {
    offset: u64,
    end: u64,
}

struct Pack<'a> {
    data: &'a [u8],
    spots: Vec<Spot>,
    /// The ids of objects whose entries may not inflate, by where they start.
    known: &'a [(u64, Id)],
    /// Where the objects start that others may name as their bases.
    offsets: IdMap<u64>,
    bodies: Cache<u64, Arc<Object>, RandomState>,
    elsewhere: &'a dyn Fn(Id) -> Option<Object>,
}

/// Finds the objects of a pack. `known` says where objects start, sorted, by an index that is sound, or is empty;
/// `elsewhere` answers objects that deltas are based on and that cannot be read here.
///
/// # Errors
/// Those of `each`.
pub(crate) fn salvage(
    data: &[u8],
    known: &[(u64, Id)],
    elsewhere: &dyn Fn(Id) -> Option<Object>,
    each: Each<'_>,
) -> Result<Salvaged> {
    let (spots, is_gapless) = find_spots(data, known);
    let count = data.get(8..HEADER).and_then(|count| count.try_into().ok()).map(u32::from_be_bytes);
    let is_head = matches!(data.get(..8), Some(b"PACK\0\0\0\x02" | b"PACK\0\0\0\x03"));
    let end = spots.last().map_or(HEADER as u64, |spot| spot.end);
    let mut is_whole = is_head
        && is_gapless
        && count.is_some_and(|count| count as usize == spots.len())
        && end + CHECKSUM as u64 == data.len() as u64
        && Sha256::digest(&data[..data.len() - CHECKSUM]).as_slice() == &data[data.len() - CHECKSUM..];
    let bodies = Cache::new(KEPT);
    let mut pack = Pack { data, spots, known, offsets: IdMap::default(), bodies, elsewhere };
    let has_named_bases = (0..pack.spots.len())
        .any(|at| pack.header(at).is_some_and(|(header, _)| matches!(header.kind, EntryKind::RefDelta(_))));
    let mut entries: Vec<IndexEntry> = Vec::with_capacity(pack.spots.len());
    let mut todo: Vec<usize> = (0..pack.spots.len()).collect();
    // A base that is named by its id may come later: it is known in the next round.
    loop {
        let before = todo.len();
        let mut left = Vec::new();
        for at in todo {
            let Some(id) = pack.object(at, &mut *each)? else {
                left.push(at);
                continue;
            };
            let Spot { offset, end } = pack.spots[at];
            let mut crc = flate2::Crc::new();
            crc.update(&data[offset as usize..end as usize]);
            entries.push(IndexEntry::new(id, crc.sum(), offset));
            if has_named_bases {
                pack.offsets.insert(id, offset);
            }
        }
        todo = left;
        if todo.is_empty() || todo.len() == before || !has_named_bases {
            break;
        }
    }
    is_whole &= todo.is_empty();
    entries.sort_by_key(|entry| (entry.id, entry.offset()));
    entries.dedup_by_key(|entry| entry.id);
    Ok(Salvaged { entries, is_whole })
}

/// The entries that inflate, and whether they follow one another from the first on.
fn find_spots(data: &[u8], known: &[(u64, Id)]) -> (Vec<Spot>, bool) {
    let (mut spots, mut is_gapless, mut at) = (Vec::new(), true, HEADER);
    while at < data.len() {
        if let Some(end) = entry_end(data, at) {
            spots.push(Spot { offset: at as u64, end: end as u64 });
            at = end;
        } else {
            // At the end of a sound pack its checksum stands.
            is_gapless &= at + CHECKSUM >= data.len();
            let next = known.partition_point(|(offset, _)| *offset <= at as u64);
            at = match known.get(next) {
                Some((offset, _)) => usize::try_from(*offset).unwrap_or(usize::MAX),
                None if known.is_empty() => at + 1,
                None => break,
            };
        }
    }
    (spots, is_gapless)
}

/// Where the entry ends that starts at a place, if one does.
fn entry_end(data: &[u8], at: usize) -> Option<usize> {
    let header = entry::decode(&data[at..], at as u64).ok()?;
    let stream = &data[at + header.len..];
    // The head of a zlib stream is a multiple of 31: most bytes that start none are told by that alone.
    let [first, second] = *stream.first_chunk()?;
    if first & 0x0f != 8 || !u16::from_be_bytes([first, second]).is_multiple_of(31) {
        return None;
    }
    let len = if header.size <= STREAM_FROM {
        inflate::exact(stream, header.size).ok()?.1
    } else {
        let mut inflated = ZlibDecoder::new(stream);
        let size = io::copy(&mut (&mut inflated).take(header.size.checked_add(1)?), &mut io::sink()).ok()?;
        (size == header.size).then(|| inflated.total_in() as usize)?
    };
    Some(at + header.len + len)
}

impl Pack<'_> {
    fn header(&self, at: usize) -> Option<(EntryHeader, &[u8])> {
        let Spot { offset, end } = self.spots[at];
        let bytes = self.data.get(offset as usize..end as usize)?;
        let header = entry::decode(bytes, offset).ok()?;
        Some((header, &bytes[header.len..]))
    }

    fn spot(&self, offset: u64) -> Option<usize> {
        self.spots.binary_search_by_key(&offset, |spot| spot.offset).ok()
    }

    /// Makes the object of an entry and gives it to `each`; answers its id.
    fn object(&self, at: usize, each: Each<'_>) -> Result<Option<Id>> {
        let Some((header, stream)) = self.header(at) else { return Ok(None) };
        if let EntryKind::Whole(kind) = header.kind
            && header.size > STREAM_FROM
        {
            let mut hasher = Hasher::new(kind, header.size);
            let (mut inflated, mut piece) = (ZlibDecoder::new(stream), vec![0; 1 << 16]);
            loop {
                match inflated.read(&mut piece) {
                    Ok(0) => break,
                    Ok(len) => hasher.update(&piece[..len]),
                    Err(_) => return Ok(None),
                }
            }
            let id = hasher.finish();
            each(id, kind, Content::Stream(header.size, stream))?;
            return Ok(Some(id));
        }
        let Some(object) = self.body(self.spots[at].offset) else { return Ok(None) };
        let id = object.id();
        match header.kind {
            EntryKind::Whole(kind) => each(id, kind, Content::Stream(header.size, stream))?,
            _ => each(id, object.kind, Content::Body(&object.body))?,
        }
        Ok(Some(id))
    }

    /// The object whose entry starts at an offset.
    fn body(&self, offset: u64) -> Option<Arc<Object>> {
        let (mut links, mut at) = (Vec::new(), offset);
        let mut base = loop {
            if let Some(object) = self.bodies.get(&at) {
                break object;
            }
            let Some(spot) = self.spot(at) else {
                let known = self.known.binary_search_by_key(&at, |(offset, _)| *offset).ok()?;
                break Arc::new((self.elsewhere)(self.known[known].1)?);
            };
            let (header, stream) = self.header(spot)?;
            if header.size > IN_MEMORY_LIMIT || links.len() > self.spots.len() {
                return None;
            }
            let base = match header.kind {
                EntryKind::Whole(kind) => {
                    break self.keep(at, Object { kind, body: inflate::exact(stream, header.size).ok()?.0 });
                }
                EntryKind::OfsDelta(base) => base,
                EntryKind::RefDelta(id) => match self.offsets.get(&id) {
                    Some(base) => *base,
                    None => {
                        links.push((at, spot));
                        break Arc::new((self.elsewhere)(id)?);
                    }
                },
            };
            links.push((at, spot));
            at = base;
        };
        while let Some((offset, spot)) = links.pop() {
            let (header, stream) = self.header(spot)?;
            let delta = inflate::exact(stream, header.size).ok()?.0;
            if delta::sizes(&delta).ok()?.1 > IN_MEMORY_LIMIT {
                return None;
            }
            base = self.keep(offset, Object { kind: base.kind, body: delta::apply(&base.body, &delta).ok()? });
        }
        Some(base)
    }

    fn keep(&self, offset: u64, object: Object) -> Arc<Object> {
        let (size, object) = (object.body.len() + 128, Arc::new(object));
        self.bodies.insert(offset, object.clone(), size);
        object
    }
}
