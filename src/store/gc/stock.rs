//! What one objects directory holds at one moment, each object known by a number.
//!
//! A million documents are two million objects: what is kept of each must be counted in bits and in numbers of four
//! bytes, not in ids. The numbers are the places in the packs' indexes, one pack after the other, then the loose
//! objects. An object that is stored more than once has the number of its first place.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::cruft;
use crate::disk::Bytes;
use crate::object::Id;
use crate::store::pack::{Failure, Pack};
use crate::store::source::Source;
use crate::store::{Result, Store, io_error, loose};

/// Stands for no object.
pub(super) const NONE: u32 = u32::MAX;

/// So many objects are looked at before the memory of their packs is given back: with what the system maps around each
/// it is up to 16 MB for each thread.
const RELEASE_AFTER: u32 = 256;

/// A set of numbers.
#[derive(Debug, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// The numbers in it, in ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let words = self.0.iter().enumerate().filter(|(_, word)| **word != 0);
        words
            .flat_map(|(at, word)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at as u32 * 64 + bit))
    }

    /// An empty set of numbers below `len`.
    pub(super) fn new(len: usize) -> Bits {
        Bits(vec![0; len.div_ceil(64)])
    }

    pub(super) fn has(&self, number: u32) -> bool {
        self.0[number as usize / 64] >> (number % 64) & 1 == 1
    }

    /// Adds a number; whether it was not there.
    pub(super) fn add(&mut self, number: u32) -> bool {
        let is_new = !self.has(number);
        self.0[number as usize / 64] |= 1 << (number % 64);
        is_new
    }
}

/// One pack of the stock.
#[derive(Debug)]
pub(super) struct Stocked {
    pub(super) pack: Arc<Pack>,
    /// The number of its first object.
    pub(super) first: u32,
    /// Whether somebody wants it to stay as it is.
    pub(super) is_kept: bool,
    /// When it was written, or last said to be in use.
    pub(super) modified: SystemTime,
    /// The content of its `.mtimes` file: then it holds what was unreachable when it was written.
    mtimes: Option<Bytes>,
    /// The places of the index in the order of the pack.
    by_offset: OnceLock<Vec<u32>>,
}

impl Stocked {
    fn by_offset(&self) -> Result<&[u32], Failure> {
        if let Some(places) = self.by_offset.get() {
            return Ok(places);
        }
        let places = self.pack.by_offset()?;
        Ok(self.by_offset.get_or_init(|| places))
    }

    /// Whether it holds what was unreachable.
    pub(super) fn is_cruft(&self) -> bool {
        self.mtimes.is_some()
    }

    /// How far down the pack an offset is; `Err` where no object starts there.
    fn rank(&self, offset: u64) -> Result<(&[u32], Result<usize, usize>), Failure> {
        let places = self.by_offset()?;
        // Offsets that the index cannot tell were seen when the places were sorted.
        let found = places.binary_search_by_key(&offset, |&place| self.pack.offset(place).unwrap_or(0));
        Ok((places, found))
    }

    /// The place of the object that starts at an offset.
    pub(super) fn place_at(&self, offset: u64) -> Result<Option<u32>, Failure> {
        let (places, found) = self.rank(offset)?;
        Ok(found.ok().map(|rank| places[rank]))
    }

    /// Where the entry ends that starts at an offset.
    pub(super) fn end(&self, offset: u64) -> Result<u64, Failure> {
        let (places, found) = self.rank(offset)?;
        match found.ok().and_then(|rank| places.get(rank + 1)) {
            Some(&next) => self.pack.offset(next),
            None => self.pack.end(),
        }
    }
}

/// What lies in an objects directory, not counting what it borrows.
#[derive(Debug)]
pub(super) struct Stock {
    /// First those that are kept, the largest of the others, what was unreachable last.
    pub(super) packs: Vec<Stocked>,
    /// The loose objects, sorted.
    pub(super) loose: Vec<Id>,
    first_loose: u32,
}

/// Where an object of the stock lies.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spot<'s> {
    /// In a pack, at this place of its index.
    Packed(&'s Stocked, u32),
    /// In a file of its own.
    Loose(Id),
}

impl Stock {
    /// Looks at what the own directory holds.
    pub(super) fn take(store: &Store) -> Result<Stock> {
        Stock::of(store, &[&store.own], true)
    }

    /// Looks at all that can be read, what is borrowed with it. Packs that somebody keeps are as any other here, and all of
    /// them stay readable when they are removed meanwhile.
    pub(super) fn take_all(store: &Store) -> Result<Stock> {
        let sources: Vec<&Source> = store.sources()?.collect();
        let stock = Stock::of(store, &sources, false)?;
        for Stocked { pack, .. } in &stock.packs {
            // Maps it. What is wrong with it is told to who reads an object of it.
            let _ = pack.size();
        }
        Ok(stock)
    }

    fn of(store: &Store, sources: &[&Source], keeps: bool) -> Result<Stock> {
        let disk = &*store.disk;
        let mut loose = Vec::new();
        for source in sources {
            source.all_loose_ids(&mut loose)?;
        }
        loose.sort_unstable();
        loose.dedup();
        let mut packs = Vec::new();
        for source in sources {
            // After the loose ones: what another process packs meanwhile is seen twice then, and never not at all.
            source.packs().rescan()?;
            let listed = source.packs().listed()?;
            listed.check()?;
            for pack in &listed.packs {
                let path = pack.beside("pack");
                let Some(stat) = gone_is_none(disk.stat(&path), &path)? else { continue };
                packs.push(Stocked {
                    first: 0,
                    is_kept: keeps && disk.stat(&pack.beside("keep")).is_ok(),
                    modified: stat.modified,
                    mtimes: cruft::read_mtimes(disk, pack)?,
                    by_offset: OnceLock::new(),
                    pack: pack.clone(),
                });
            }
        }
        packs.sort_by_key(|pack| (!pack.is_kept, pack.is_cruft(), std::cmp::Reverse(pack.pack.index().len())));
        let mut first = 0u32;
        let too_many = || io_error(&store.objects)(std::io::Error::other("there are 2^32 objects or more"));
        for pack in &mut packs {
            pack.first = first;
            first = first.checked_add(pack.pack.index().len()).ok_or_else(too_many)?;
        }
        let count = u32::try_from(loose.len()).ok().and_then(|count| first.checked_add(count));
        count.filter(|&count| count != NONE).ok_or_else(too_many)?;
        Ok(Stock { packs, loose, first_loose: first })
    }

    /// Keeps the packs that are so large that the others are worth less than half of them, and are worth less than half
    /// of one another: what is new is written again and again, but only so often as it doubles.
    pub(super) fn keep_large(&mut self) {
        let mut total = self.loose.len() as u64;
        // They are sorted by size, the largest first.
        let others = self.packs.iter_mut().rev().filter(|pack| !pack.is_kept && !pack.is_cruft());
        let mut others: Vec<&mut Stocked> = others.collect();
        let sizes: Vec<u64> = others.iter().map(|pack| pack.pack.index().len().into()).collect();
        let unequal = |at: &usize| sizes[*at] >= 2 * sizes[at - 1];
        let mut first = (1..sizes.len()).rev().find(|at| !unequal(at)).map_or(0, |at| at + 1);
        total += sizes[..first].iter().sum::<u64>();
        while first < sizes.len() && sizes[first] < 2 * total {
            total += sizes[first];
            first += 1;
        }
        others[first..].iter_mut().for_each(|pack| pack.is_kept = true);
    }

    /// Gives back the memory of the packs' data, each time so many objects were looked at.
    pub(super) fn release(&self, looked_at: &mut u32) {
        *looked_at += 1;
        if looked_at.is_multiple_of(RELEASE_AFTER) {
            self.packs.iter().for_each(|pack| pack.pack.release());
        }
    }

    /// One more than the greatest number.
    pub(super) fn len(&self) -> usize {
        self.first_loose as usize + self.loose.len()
    }

    /// The number of an object; `None` for one that is not here.
    pub(super) fn number(&self, id: Id) -> Option<u32> {
        let packed = self.packs.iter().find_map(|pack| Some(pack.first + pack.pack.index().find(id)?));
        packed.or_else(|| self.loose.binary_search(&id).ok().map(|at| self.first_loose + at as u32))
    }

    /// Where the object of a number lies.
    pub(super) fn spot(&self, number: u32) -> Spot<'_> {
        if number >= self.first_loose {
            return Spot::Loose(self.loose[(number - self.first_loose) as usize]);
        }
        let pack = &self.packs[self.packs.partition_point(|pack| pack.first <= number) - 1];
        Spot::Packed(pack, number - pack.first)
    }

    /// The id of a number.
    pub(super) fn id(&self, number: u32) -> Id {
        match self.spot(number) {
            Spot::Packed(pack, place) => pack.pack.index().id(place),
            Spot::Loose(id) => id,
        }
    }

    /// When an object was last written or said to be in use, wherever it is stored; `None` when it is gone by now.
    pub(super) fn modified(&self, store: &Store, number: u32) -> Result<Option<SystemTime>> {
        let id = self.id(number);
        let mut latest = None;
        for pack in &self.packs {
            let Some(place) = pack.pack.index().find(id) else { continue };
            let time = match &pack.mtimes {
                None => pack.modified,
                Some(bytes) => UNIX_EPOCH + Duration::from_secs(cruft::mtime(bytes, place).into()),
            };
            latest = latest.max(Some(time));
        }
        if self.loose.binary_search(&id).is_ok() {
            let path = loose::path(&store.objects, id);
            let stat = gone_is_none(store.disk.stat(&path), &path)?;
            latest = latest.max(stat.map(|stat| stat.modified));
        }
        Ok(latest)
    }
}

/// What a disk says of a path; `None` when it names nothing.
pub(super) fn gone_is_none<T>(result: std::io::Result<T>, path: &Path) -> Result<Option<T>> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some).map_err(io_error(path)),
    }
}
