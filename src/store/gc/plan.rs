//! How each object gets into the new pack: which deltas are taken over, which are tried, what is handled alone.
//!
//! All is decided before the first byte is written, so that the work can be shared out and the result depends on
//! nothing but what is stored.

use super::mark::Order;
use super::stock::{Bits, NONE, Spot, Stock};
use crate::object::{Id, Kind};
use crate::store::pack::entry::EntryKind;
use crate::store::pack::{Failure, Pack};
use crate::store::{Result, STREAM_FROM, Store};

/// So many deltas may stand between an object and its whole base: what reads one reads them all.
const DEPTH: u8 = 50;
/// The same for documents, of which single old versions are asked for.
const BLOB_DEPTH: u8 = 20;
/// Less than one object in so many of the stock are few.
const SPARSE: usize = 32;
/// So many objects are worked on at once, and so many bytes of bodies.
const CHUNK: usize = 256;
const CHUNK_BYTES: u64 = 1 << 20;

/// A run of objects of one kind that one thread works on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk<'p> {
    pub(super) kind: Kind,
    pub(super) numbers: &'p [u32],
}

/// What is to be done with each object of an order.
#[derive(Debug)]
pub(super) struct Plan {
    order: Order,
    /// By number: the other version that a delta is tried against, which comes before.
    versions: Vec<u32>,
    /// Those whose deltas are taken over as they are.
    reused: Bits,
    /// Those that such deltas are based on. They stay whole if they are whole.
    bases: Bits,
    /// Those too large to be held in memory.
    large: Bits,
    /// For each kind, where chunks end.
    ends: [Vec<usize>; 4],
    /// Whether the objects are so few of the stock that packs are not gone through for them: nothing is taken over.
    is_sparse: bool,
}

/// What is known of an entry before it is read.
struct Entry {
    size: u64,
    /// The base of the delta that it is stored as.
    base: Option<Id>,
}

fn entry(store: &Store, stock: &Stock, number: u32, is_sparse: bool) -> Result<Entry> {
    match stock.spot(number) {
        Spot::Loose(id) => Ok(Entry { size: store.header(id)?.map_or(0, |(_, size)| size), base: None }),
        Spot::Packed(stocked, place) => {
            let pack: &Pack = &stocked.pack;
            let look = || -> Result<Entry, Failure> {
                let offset = pack.offset(place)?;
                let (header, _) = pack.entry(offset)?;
                let base = match header.kind {
                    EntryKind::Whole(_) => return Ok(Entry { size: header.size, base: None }),
                    EntryKind::RefDelta(id) => Some(id),
                    // To name the base, all places of the pack would be sorted.
                    EntryKind::OfsDelta(_) if is_sparse => None,
                    EntryKind::OfsDelta(base) => stocked.place_at(base)?.map(|place| pack.index().id(place)),
                };
                Ok(Entry { size: header.size, base })
            };
            look().map_err(|failure| failure.of(pack.index().id(place), pack))
        }
    }
}

impl Plan {
    /// Plans a pack of these objects. `versions` tells, by number, another version of an object, which comes before it in
    /// the order: a delta against that is small. A pack that is to be sent has no need of the objects that are `held` by
    /// whoever gets it.
    pub(super) fn new(
        store: &Store,
        stock: &Stock,
        order: Order,
        mut versions: Vec<u32>,
        held: Option<&Bits>,
    ) -> Result<Plan> {
        let is_sparse = held.is_some() && order.len() < stock.len() / SPARSE;
        let (mut reused, mut bases, mut large) =
            (Bits::new(stock.len()), Bits::new(stock.len()), Bits::new(stock.len()));
        // By number: how deep an object will be, plus one; 0 for what is not in the pack, or comes later.
        let mut depths = vec![0u8; stock.len()];
        held.into_iter().flat_map(Bits::iter).for_each(|number| depths[number as usize] = 1);
        // What is held and comes all the same must not be a base before it comes: it could be based on what is based on it.
        order.lists().into_iter().flat_map(|(_, list)| list).for_each(|number| depths[*number as usize] = 0);
        let mut ends: [Vec<usize>; 4] = Default::default();
        let mut looked_at = 0;
        for ((kind, numbers), ends) in order.lists().into_iter().zip(&mut ends) {
            let limit = if kind == Kind::Blob { BLOB_DEPTH } else { DEPTH };
            let (mut start, mut bytes) = (0, 0);
            for (at, &number) in numbers.iter().enumerate() {
                stock.release(&mut looked_at);
                let Entry { mut size, base } = entry(store, stock, number, is_sparse)?;
                let under = |base: u32| depths.get(base as usize).copied().filter(|&depth| depth > 0);
                let base = base.and_then(|base| stock.number(base)).and_then(|base| Some((base, under(base)?)));
                let slot = &mut versions[number as usize];
                let mut depth = 1;
                let version_above = under(*slot).filter(|&above| above <= limit);
                // A delta against another version is smaller than one against a neighbour.
                let is_best = |base: u32| base == *slot || version_above.is_none();
                if let Some((base, above)) = base.filter(|&(base, above)| above <= DEPTH && is_best(base)) {
                    depth = above + 1;
                    reused.add(number);
                    bases.add(base);
                    *slot = NONE;
                } else if let Some(above) = version_above {
                    depth = above + 1;
                } else {
                    *slot = NONE;
                }
                depths[number as usize] = depth;
                if !reused.has(number)
                    && let Spot::Packed(pack, place) = stock.spot(number)
                {
                    let look = || pack.pack.outline(pack.pack.offset(place)?);
                    let id = pack.pack.index().id(place);
                    size = size.max(look().map_err(|failure| failure.of(id, &pack.pack))?.size);
                }
                if size > STREAM_FROM {
                    large.add(number);
                    size = 0;
                }
                if at - start >= CHUNK || bytes + size > CHUNK_BYTES {
                    ends.push(at);
                    (start, bytes) = (at, 0);
                }
                bytes += size;
            }
            ends.push(numbers.len());
        }
        Ok(Plan { order, versions, reused, bases, large, ends, is_sparse })
    }

    /// How many objects there are.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// All objects, in the order in which they are to be written.
    pub(super) fn chunks(&self) -> impl Iterator<Item = Chunk<'_>> {
        self.order.lists().into_iter().zip(&self.ends).flat_map(|((kind, numbers), ends)| {
            let starts = std::iter::once(0).chain(ends.iter().copied());
            let runs = starts.zip(ends).map(move |(start, &end)| Chunk { kind, numbers: &numbers[start..end] });
            runs.filter(|chunk| !chunk.numbers.is_empty())
        })
    }

    /// The other version that a delta is to be tried against.
    pub(super) fn version(&self, number: u32) -> Option<u32> {
        Some(self.versions[number as usize]).filter(|&version| version != NONE)
    }

    /// Whether packs are not gone through for so few objects.
    pub(super) fn is_sparse(&self) -> bool {
        self.is_sparse
    }

    /// Whether the object's delta is taken over as it is.
    pub(super) fn is_reused(&self, number: u32) -> bool {
        self.reused.has(number)
    }

    /// Whether a delta that is taken over is based on the object.
    pub(super) fn is_base(&self, number: u32) -> bool {
        self.bases.has(number)
    }

    /// Whether the object is too large to be held in memory.
    pub(super) fn is_large(&self, number: u32) -> bool {
        self.large.has(number)
    }
}
