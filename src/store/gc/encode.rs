//! Turns a run of objects into entries of a pack: taken over, as deltas, or whole.
//!
//! Documents that lie beside each other are alike: the names in their JSON are the same, their order too. zlib sees one
//! document at a time and finds none of that; a delta against a neighbour does. The neighbour is always stored whole,
//! so a reader needs one more body, which it mostly has already.

use std::collections::VecDeque;

use flate2::Compress;

use super::plan::{Chunk, Plan};
use super::stock::{Spot, Stock, Stocked};
use crate::object::{Error, Id, IdMap, Kind, Object, Objects};
use crate::store::deflate::{compressor, deflate, deflate_body, is_quick};
use crate::store::pack::delta::DeltaIndex;
use crate::store::pack::entry::EntryKind;
use crate::store::pack::write::Copied;
use crate::store::pack::{Failure, Flaw};
use crate::store::{Result, Store};

/// Smaller bodies are hardly more than an id: a delta against one is no smaller.
const SMALLEST: usize = 65;
/// Larger ones have more in themselves for zlib to find than a neighbour has.
const LARGEST_NEIGHBOUR: usize = 64 << 10;
/// So many neighbours are tried: enough where documents of a few sorts lie in one folder.
const NEIGHBOURS: usize = 4;
/// Copies of shorter runs cost more bytes than they save: they do not compress, and text does.
const SHORTEST_RUN: usize = 8;
/// What naming a base costs.
const NAMING: usize = 3;

/// Entries that are ready to be written, one after the other in `bytes`.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) list: Vec<Encoded>,
    pub(super) bytes: Vec<u8>,
}

/// One entry.
#[derive(Debug)]
pub(super) enum Encoded {
    /// What it is made of, what it inflates to, and where its stream ends.
    Ready { id: Id, form: Copied, size: u64, end: usize },
    /// The object is too large for memory: it is to be written alone.
    Large { id: Id, kind: Kind },
}

/// An object that is not taken over as it is.
struct Fresh {
    id: Id,
    body: Vec<u8>,
    /// The stream of the whole body, where the store has it so.
    stream: Option<Vec<u8>>,
}

/// What one thread keeps from run to run.
pub(super) struct Encoder<'a> {
    store: &'a Store,
    stock: &'a Stock,
    plan: &'a Plan,
    compress: Compress,
    out: Entries,
    looked_at: u32,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(store: &'a Store, stock: &'a Stock, plan: &'a Plan) -> Encoder<'a> {
        Encoder { store, stock, plan, compress: compressor(), out: Entries::default(), looked_at: 0 }
    }

    /// The entries of a run of objects.
    pub(super) fn encode(&mut self, chunk: Chunk<'_>) -> Result<Entries> {
        // All bodies first: the neighbours are borrowed from them.
        let fresh = chunk.numbers.iter().map(|&number| self.fresh(chunk.kind, number)).collect::<Result<Vec<_>>>()?;
        let by_id: IdMap<&[u8]> = fresh.iter().flatten().map(|fresh| (fresh.id, fresh.body.as_slice())).collect();
        let mut neighbours: VecDeque<(Id, DeltaIndex<'_>)> = VecDeque::new();
        for (&number, fresh) in chunk.numbers.iter().zip(&fresh) {
            self.stock.release(&mut self.looked_at);
            match fresh {
                None => self.take_over(chunk.kind, number)?,
                Some(fresh) => match self.plan.version(number) {
                    Some(version) => self.version(chunk.kind, fresh, version, &by_id)?,
                    None => self.neighbour(chunk.kind, fresh, self.plan.is_base(number), &mut neighbours),
                },
            }
        }
        Ok(std::mem::take(&mut self.out))
    }

    fn packed<T>(&self, pack: &Stocked, place: u32, read: impl FnOnce(u64) -> Result<T, Failure>) -> Result<T> {
        let id = pack.pack.index().id(place);
        pack.pack.offset(place).and_then(read).map_err(|failure| failure.of(id, &pack.pack))
    }

    /// The bytes of a packed object's entry, compared with their checksum.
    fn stream(&self, pack: &'a Stocked, place: u32, offset: u64) -> Result<(EntryKind, u64, &'a [u8]), Failure> {
        let end = pack.end(offset)?;
        let (header, stream) = pack.pack.raw(offset, end)?;
        if pack.pack.crc(offset, end)? != pack.pack.index().crc(place) {
            return Err(Flaw("the checksum of an entry is another").into());
        }
        Ok((header.kind, header.size, stream))
    }

    /// An object whose body is needed; `None` where its entry is taken over unread.
    fn fresh(&self, kind: Kind, number: u32) -> Result<Option<Fresh>> {
        if self.plan.is_reused(number) || self.plan.is_large(number) {
            return Ok(None);
        }
        let id = self.stock.id(number);
        let Spot::Packed(pack, place) = self.stock.spot(number) else {
            return Ok(Some(Fresh { id, body: self.store.require(id, kind)?, stream: None }));
        };
        if self.plan.is_sparse() {
            return Ok(Some(Fresh { id, body: self.store.require(id, kind)?, stream: None }));
        }
        let tries_deltas = self.plan.version(number).is_some() || kind == Kind::Blob;
        let (form, size, stream) = self.packed(pack, place, |offset| self.stream(pack, place, offset))?;
        match form {
            EntryKind::Whole(_) if size < SMALLEST as u64 => Ok(None),
            EntryKind::Whole(_) if !tries_deltas && !is_quick(stream) => Ok(None),
            EntryKind::Whole(_) => {
                let object = self.packed(pack, place, |offset| pack.pack.read_checked(Some(kind), offset, id))?;
                // What was written in a hurry is compressed anew.
                let stream = (!is_quick(stream)).then(|| stream.to_vec());
                Ok(Some(Fresh { id, body: object.body, stream }))
            }
            _ => Ok(Some(Fresh { id, body: self.store.require(id, kind)?, stream: None })),
        }
    }

    fn push(&mut self, id: Id, form: Copied, size: usize) {
        let end = self.out.bytes.len();
        self.out.list.push(Encoded::Ready { id, form, size: size as u64, end });
    }

    /// Takes an entry over as it is.
    fn take_over(&mut self, kind: Kind, number: u32) -> Result<()> {
        let id = self.stock.id(number);
        let (false, Spot::Packed(pack, place)) = (self.plan.is_large(number), self.stock.spot(number)) else {
            self.out.list.push(Encoded::Large { id, kind });
            return Ok(());
        };
        let (kind, size, stream) = self.packed(pack, place, |offset| self.stream(pack, place, offset))?;
        let form = match kind {
            EntryKind::Whole(kind) => Copied::Whole(kind),
            EntryKind::RefDelta(base) => Copied::Delta(base),
            EntryKind::OfsDelta(base) => {
                let place = self.packed(pack, place, |_| pack.place_at(base))?;
                let place = place.ok_or_else(|| Error::Damaged { id, reason: "its base is no object".into() })?;
                Copied::Delta(pack.pack.index().id(place))
            }
        };
        self.out.bytes.extend_from_slice(stream);
        self.push(id, form, size as usize);
        Ok(())
    }

    /// Writes an object whole.
    fn whole(&mut self, kind: Kind, fresh: &Fresh) {
        match &fresh.stream {
            Some(stream) => self.out.bytes.extend_from_slice(stream),
            None => deflate_body(&mut self.compress, &fresh.body, &mut self.out.bytes),
        }
        self.push(fresh.id, Copied::Whole(kind), fresh.body.len());
    }

    /// Writes a delta if it is clearly smaller than the whole; else the whole. Answers whether it is a delta.
    fn smaller(&mut self, kind: Kind, fresh: &Fresh, base: Id, delta: Option<Vec<u8>>) -> bool {
        let start = self.out.bytes.len();
        self.whole(kind, fresh);
        let Some(delta) = delta else { return false };
        let end = self.out.bytes.len();
        deflate(&mut self.compress, &[&delta], &mut self.out.bytes);
        let (whole, with_delta) = (end - start, self.out.bytes.len() - end + NAMING);
        if with_delta * 10 >= whole * 9 {
            self.out.bytes.truncate(end);
            return false;
        }
        self.out.bytes.drain(start..end);
        self.out.list.pop();
        self.push(fresh.id, Copied::Delta(base), delta.len());
        true
    }

    /// Writes an object of which another version is known, as a delta against that if it is smaller.
    fn version(&mut self, kind: Kind, fresh: &Fresh, version: u32, by_id: &IdMap<&[u8]>) -> Result<()> {
        let base = self.stock.id(version);
        let read;
        let body = match by_id.get(&base) {
            Some(body) => body,
            None => {
                read = self.store.get(base)?.ok_or(Error::Missing { id: base, kind: Some(kind) })?;
                let Object { body, .. } = &read;
                body.as_slice()
            }
        };
        let index = DeltaIndex::new(body).for_runs_of(SHORTEST_RUN);
        let delta = index.make(&fresh.body, fresh.body.len() - fresh.body.len() / 8);
        self.smaller(kind, fresh, base, delta);
        Ok(())
    }

    /// Writes an object of which no other version is known, as a delta against a neighbour if that is smaller.
    fn neighbour<'b>(
        &mut self,
        kind: Kind,
        fresh: &'b Fresh,
        is_base: bool,
        neighbours: &mut VecDeque<(Id, DeltaIndex<'b>)>,
    ) {
        let body = &fresh.body;
        if kind != Kind::Blob || !(SMALLEST..=LARGEST_NEIGHBOUR).contains(&body.len()) {
            return self.whole(kind, fresh);
        }
        let mut best: Option<(Id, Vec<u8>)> = None;
        if !is_base {
            for (base, index) in &*neighbours {
                let longest = best.as_ref().map_or(body.len() - body.len() / 8, |(_, delta)| delta.len() - 1);
                if let Some(delta) = index.make(body, longest) {
                    best = Some((*base, delta));
                }
            }
        }
        let (base, delta) = best.map_or((fresh.id, None), |(base, delta)| (base, Some(delta)));
        if !self.smaller(kind, fresh, base, delta) {
            if neighbours.len() == NEIGHBOURS {
                neighbours.pop_front();
            }
            neighbours.push_back((fresh.id, DeltaIndex::new(body).for_runs_of(SHORTEST_RUN)));
        }
    }
}
