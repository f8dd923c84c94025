//! Entries of a pack on their way to its file, and how they are compressed.

use flate2::Compress;

use super::delta::DeltaIndex;
use crate::object::Kind;
use crate::store::deflate::{compressor, deflate, deflate_body, quick_compressor, store_body};

/// Where documents are paired, one in so many is tried as a delta against the first of its batch. Documents of one kind
/// share their members' names, so a delta saves a fifth of what zlib makes of one alone; but it takes as long again to
/// make, so most are left to gc.
const PAIRED: usize = 3;
/// Shorter documents share too little, and longer ones take too long.
const PAIRED_SIZES: std::ops::RangeInclusive<usize> = 128..=4096;
/// The shortest run that such a delta copies: shorter ones spoil what zlib makes of the rest.
const SHORTEST_RUN: usize = 8;
/// Documents up to this size are short.
const SHORT: usize = 512;

/// How much time is taken to make a pack small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Effort {
    /// As much as it needs: the pack is to stay.
    #[default]
    Full,
    /// Less, for bulk work: trees are compressed quickly, and some documents become deltas against others that come with
    /// them. A gc makes up for it.
    Bulk,
    /// Hardly any, for the few objects of one change: trees, being ids for the most part, and short documents are stored as
    /// they are.
    Little,
}

/// What an entry is made of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    Whole(Kind),
    /// A delta against the entry of this number.
    Delta(u32),
}

/// One entry of a batch.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) number: u32,
    pub(super) form: Form,
    /// What the entry inflates to.
    pub(super) size: u64,
    /// How many bytes of the batch are its own.
    pub(super) len: usize,
    pub(super) is_compressed: bool,
}

/// Entries on their way. It is used again, so that its memory is asked for once.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The batch's place in the order of all.
    pub(super) turn: u64,
    pub(super) effort: Effort,
    pub(super) items: Vec<Item>,
    pub(super) bytes: Vec<u8>,
    /// The zlib streams of all items that were not compressed, and where each of all ends.
    pub(super) streams: Vec<u8>,
    pub(super) ends: Vec<usize>,
}

/// What a thread compresses with, each made when it is first needed.
#[derive(Default)]
pub(super) struct Compressors {
    best: Option<Compress>,
    quick: Option<Compress>,
}

impl Compressors {
    fn best(&mut self) -> &mut Compress {
        self.best.get_or_insert_with(compressor)
    }

    fn quick(&mut self) -> &mut Compress {
        self.quick.get_or_insert_with(quick_compressor)
    }
}

impl Batch {
    /// Compresses what is not.
    pub(super) fn compress(&mut self, with: &mut Compressors) {
        let mut pairing = Pairing::default();
        let mut start = 0;
        for item in &mut self.items {
            let bytes = &self.bytes[start..start + item.len];
            start += item.len;
            if item.is_compressed {
                continue;
            }
            if self.effort == Effort::Bulk
                && let Some((base, delta)) = pairing.delta(item, bytes)
            {
                (item.form, item.size) = (Form::Delta(base), delta.len() as u64);
                deflate(with.best(), &[&delta], &mut self.streams);
            } else {
                let out = &mut self.streams;
                match (item.form, self.effort) {
                    (Form::Whole(Kind::Tree), Effort::Bulk) => deflate_body(with.quick(), bytes, out),
                    (Form::Whole(Kind::Tree), Effort::Little) => store_body(bytes, out),
                    (Form::Whole(_), Effort::Little) if bytes.len() <= SHORT => store_body(bytes, out),
                    (Form::Whole(_), _) => deflate_body(with.best(), bytes, out),
                    (Form::Delta(_), _) => deflate(with.best(), &[bytes], out),
                }
            }
            self.ends.push(self.streams.len());
        }
    }

    /// Empties it, to be used again.
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.bytes.clear();
        self.streams.clear();
        self.ends.clear();
    }
}

/// The documents of one batch, as they are compared with its first.
#[derive(Default)]
struct Pairing<'b> {
    base: Option<(u32, DeltaIndex<'b>)>,
    count: usize,
}

impl<'b> Pairing<'b> {
    /// A delta for an item, if it is one of those that are tried and the delta is short; and the number of its base.
    fn delta(&mut self, item: &Item, body: &'b [u8]) -> Option<(u32, Vec<u8>)> {
        if !matches!(item.form, Form::Whole(Kind::Blob)) || !PAIRED_SIZES.contains(&body.len()) {
            return None;
        }
        self.count += 1;
        match &self.base {
            None => {
                self.base = Some((item.number, DeltaIndex::new(body).for_runs_of(SHORTEST_RUN)));
                None
            }
            Some((base, index)) if self.count.is_multiple_of(PAIRED) => {
                index.make(body, body.len() * 2 / 3).map(|delta| (*base, delta))
            }
            Some(_) => None,
        }
    }
}
