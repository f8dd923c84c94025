//! Objects out of a pack: whole ones inflated, the others made from the bases that their deltas lead to.

use std::collections::HashSet;
use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::entry::{self, EntryHeader, EntryKind};
use super::trail::{Trails, Window, longest_stream};
use super::{Failure, Flaw, Pack, ROOM, Stream, delta, inflate};
use crate::object::{Id, Kind, Object};
use crate::store::cache::Cache;
use crate::store::{IN_MEMORY_LIMIT, STREAM_PACKED_FROM};

/// What all packs of a store share: the bodies that deltas were made into objects from lately, by pack and offset, and
/// the room for maps of large packs.
#[derive(Debug)]
pub(crate) struct Bases {
    cache: Cache<(u32, u64), Arc<Object>, RandomState>,
    /// How many packs share it.
    pub(super) packs: AtomicU32,
    /// So many bytes of large packs may still be mapped for good.
    room: AtomicUsize,
}

impl Bases {
    /// At most `budget` bytes of bodies.
    pub(crate) fn new(budget: usize) -> Bases {
        Bases { cache: Cache::new(budget), packs: AtomicU32::new(0), room: AtomicUsize::new(ROOM) }
    }

    /// Takes room for so many bytes; false where there is less.
    pub(super) fn take_room(&self, bytes: usize) -> bool {
        self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(bytes)).is_ok()
    }

    /// Gives room back.
    pub(super) fn give_room(&self, bytes: usize) {
        self.room.fetch_add(bytes, Ordering::Relaxed);
    }
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

/// An object as it is read best.
pub(crate) enum Opened {
    /// In memory; its hash is not checked.
    Object(Object),
    /// The kind and size of one that is stored whole, and its zlib stream.
    Stream(Kind, u64, Stream),
}

/// An entry on the way from an object to a body that is stored whole.
struct Link {
    offset: u64,
    header: EntryHeader,
}

impl Pack {
    /// The header of an entry.
    fn header(&self, window: &mut Window, offset: u64) -> Result<EntryHeader, Failure> {
        let data = self.data()?;
        if !data.is_copied() {
            return Ok(self.entry(offset)?.0);
        }
        let (at, end) = self.within(offset)?;
        let header = entry::decode(window.look(&data.bytes, at, entry::LONGEST, end).map_err(Failure::Io)?, offset)?;
        data.note_copies(window.copies());
        Ok(header)
    }

    /// What the entry inflates to, and where it ends. More than `limit` bytes are refused.
    fn inflate(&self, window: &mut Window, link: &Link, limit: u64) -> Result<(Vec<u8>, u64), Failure> {
        let Link { offset, header } = link;
        if header.size > limit {
            return Err(Failure::TooLarge(header.size));
        }
        let start = offset + header.len as u64;
        let data = self.data()?;
        if data.is_copied() && header.size <= STREAM_PACKED_FROM {
            let (at, end) = self.within(start)?;
            let stream = window.look(&data.bytes, at, longest_stream(header.size), end).map_err(Failure::Io)?;
            // What is not within so many bytes is found, or told to be wrong, by all that there are.
            if let Ok((body, len)) = inflate::exact(stream, header.size) {
                return Ok((body, start + len as u64));
            }
        }
        let (_, rest) = self.entry(*offset)?;
        let (body, len) = inflate::exact(rest, header.size)?;
        self.count(rest, len);
        Ok((body, start + len as u64))
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

    /// Follows the bases from an entry on, until `stop` says that it goes no further. Answers the deltas on the way
    /// and what they end at.
    fn chain(
        &self,
        window: &mut Window,
        first: Link,
        stop: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(Vec<Link>, Link), Failure> {
        let (mut links, mut link) = (Vec::new(), first);
        // A base is before its delta unless it is named by its id: a circle has at least one such step forwards.
        let mut forwards = HashSet::new();
        while let Some(base) = self.base_of(link.header.kind)? {
            if base >= link.offset && !forwards.insert(base) {
                return Err(Flaw("deltas are each other's bases").into());
            }
            let next = Link { offset: base, header: self.header(window, base)? };
            links.push(std::mem::replace(&mut link, next));
            if stop(base) {
                break;
            }
        }
        Ok((links, link))
    }

    /// What the object at an offset is; its body is not made.
    pub(crate) fn outline(&self, offset: u64) -> Result<Outline, Failure> {
        let mut trails = self.trails.mine();
        let (trail, bases) = trails.of(None);
        let first = Link { offset, header: self.header(&mut trail.window, offset)? };
        let (links, last) = self.chain(bases, first, &mut |_| false)?;
        let EntryKind::Whole(kind) = last.header.kind else { return Err(Flaw("a delta has no base").into()) };
        let size = match links.first() {
            None => last.header.size,
            Some(link) => {
                let mut head = [0; delta::HEAD];
                let (_, rest) = self.entry(link.offset)?;
                let len = inflate::head(rest, &mut head)?;
                self.count(rest, len);
                delta::sizes(&head[..len])?.1
            }
        };
        Ok(Outline { kind, size, depth: links.len() as u32 })
    }

    /// The object that is asked for as one of this kind, at an offset, and where its entry ends. Neither it nor its
    /// bases may be larger than `limit`. Its hash is not checked.
    fn object(
        &self,
        trails: &mut Trails,
        (kind, offset): (Option<Kind>, u64),
        limit: u64,
    ) -> Result<(Object, u64), Failure> {
        let (trail, bases) = trails.of(kind);
        let first = Link { offset, header: self.header(&mut trail.window, offset)? };
        let (made, end) = self.inflate(&mut trail.window, &first, limit)?;
        if let EntryKind::Whole(kind) = first.header.kind {
            return Ok((Object { kind, body: made }, end));
        }
        let size = delta::sizes(&made)?.1;
        if size > limit {
            return Err(Failure::TooLarge(size));
        }
        let base = self.base(bases, first, limit)?;
        Ok((Object { kind: base.kind, body: delta::apply(&base.body, &made)? }, end))
    }

    /// The base of a delta, which is itself a body that is stored whole or a chain of deltas on one.
    fn base(&self, window: &mut Window, of: Link, limit: u64) -> Result<Arc<Object>, Failure> {
        let mut known = None;
        let (mut links, last) = self.chain(window, of, &mut |at| {
            known = self.bases.cache.get(&(self.number, at));
            known.is_some()
        })?;
        let mut base = match (known, last.header.kind) {
            (Some(object), _) => object,
            (None, EntryKind::Whole(kind)) => {
                let body = self.inflate(window, &last, limit)?.0;
                self.keep(last.offset, Object { kind, body })
            }
            _ => return Err(Flaw("a delta has no base").into()),
        };
        while links.len() > 1
            && let Some(link) = links.pop()
        {
            let delta = self.inflate(window, &link, limit)?.0;
            let size = delta::sizes(&delta)?.1;
            if size > limit {
                return Err(Failure::TooLarge(size));
            }
            let body = delta::apply(&base.body, &delta)?;
            base = self.keep(link.offset, Object { kind: base.kind, body });
        }
        Ok(base)
    }

    /// Keeps a base for other deltas.
    fn keep(&self, offset: u64, object: Object) -> Arc<Object> {
        let size = object.body.len() + 128;
        let object = Arc::new(object);
        self.bases.cache.insert((self.number, offset), object.clone(), size);
        object
    }

    /// The object at an offset, in memory. Its hash is not checked.
    pub(crate) fn read(&self, offset: u64) -> Result<Object, Failure> {
        self.read_as(None, offset)
    }

    fn read_as(&self, kind: Option<Kind>, offset: u64) -> Result<Object, Failure> {
        let mut trails = self.trails.mine();
        let (object, end) = self.object(&mut trails, (kind, offset), IN_MEMORY_LIMIT)?;
        trails.of(kind).0.follow(offset, end);
        Ok(object)
    }

    /// The object at an offset, checked against its id. It is asked for as one of this kind, and may be of another.
    pub(crate) fn read_checked(&self, kind: Option<Kind>, offset: u64, id: Id) -> Result<Object, Failure> {
        let object = self.read_as(kind, offset)?;
        if object.id() == id { Ok(object) } else { Err(Flaw("its hash is another").into()) }
    }

    /// The object of this id and kind, if it is small and lies behind the last of this kind that this thread was given,
    /// where that was so lately. Found without the index, and checked as every other is: by its hash.
    pub(crate) fn read_next(&self, kind: Kind, id: Id) -> Option<Object> {
        let mut trails = self.trails.mine();
        let offset = trails.of(Some(kind)).0.guess()?;
        let read = self.object(&mut trails, (Some(kind), offset), STREAM_PACKED_FROM);
        let trail = trails.of(Some(kind)).0;
        match read {
            Ok((object, end)) if object.kind == kind && object.id() == id => {
                trail.follow(offset, end);
                Some(object)
            }
            _ => {
                trail.miss();
                None
            }
        }
    }

    /// Looks once at all that leads to these objects, as far as they are here, in the index and in the data. To read
    /// objects here and there is mostly to wait for memory, and to look at many places takes little longer than at one.
    /// Nothing is done where what comes next is found without the index, or is copied.
    pub(crate) fn touch(&self, kind: Kind, ids: &[Id]) {
        let Some(data) = self.data.get().filter(|data| !data.is_copied() && !self.index.is_large()) else { return };
        if self.trails.mine().of(Some(kind)).0.guess().is_some() {
            return;
        }
        let mut seen = 0;
        for id in ids {
            seen ^= self.index.touch(*id);
        }
        let places: Vec<u32> = ids.iter().filter_map(|id| self.index.find(*id)).collect();
        let offsets: Vec<usize> =
            places.iter().filter_map(|place| self.index.offset(*place).ok()?.try_into().ok()).collect();
        for offset in offsets {
            seen ^= data.get(offset).copied().unwrap_or(0);
        }
        // What was seen is of no use: it must only look as if it were.
        std::hint::black_box(seen);
    }

    /// The object at an offset, asked for as one of this kind, to be read piece by piece if it is large and stored whole.
    pub(crate) fn open_at(self: &Arc<Pack>, kind: Kind, offset: u64) -> Result<Opened, Failure> {
        let header = self.header(&mut self.trails.mine().of(Some(kind)).0.window, offset)?;
        match self.stream_of(offset, &header) {
            Some((kind, size, stream)) if size > STREAM_PACKED_FROM => Ok(Opened::Stream(kind, size, stream)),
            _ => self.read_as(Some(kind), offset).map(Opened::Object),
        }
    }

    /// The kind and size of an object that is stored whole, and its zlib stream; `None` for a delta.
    pub(crate) fn stream(self: &Arc<Pack>, offset: u64) -> Result<Option<(Kind, u64, Stream)>, Failure> {
        Ok(self.stream_of(offset, &self.entry(offset)?.0))
    }

    fn stream_of(self: &Arc<Pack>, offset: u64, header: &EntryHeader) -> Option<(Kind, u64, Stream)> {
        let EntryKind::Whole(kind) = header.kind else { return None };
        let at = offset + header.len as u64;
        Some((kind, header.size, Stream { pack: self.clone(), at }))
    }
}
