//! The index of a pack (`.idx`, version 2): which object lies at which offset, sorted by id; reading and writing.
//!
//! ```text
//! ff 74 4f 63  00 00 00 02 | 256 counts | ids | CRC-32 of each entry | offsets | 64-bit offsets | checksums
//! ```

use std::cmp;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU32, Ordering};

use sha2::{Digest, Sha256};

use super::Flaw;
use crate::disk::Bytes;
use crate::object::{Id, Prefix};

const MAGIC: [u8; 8] = [0xff, b't', b'O', b'c', 0, 0, 0, 2];
const FANOUT: usize = 8;
const IDS: usize = FANOUT + 256 * 4;
const CHECKSUMS: usize = 64;
/// Who has looked for so many ids looks for more.
const MANY: u32 = 32;
/// An offset with this bit is a place in the table of 64-bit offsets.
const LARGE: u32 = 1 << 31;

/// What is wrong where an index does not know where an object is.
pub(crate) const BEYOND_TABLE: &str = "an offset is beyond its table";

/// An index, mapped: opening it looks at its head alone.
#[derive(Debug)]
pub(crate) struct Index {
    bytes: Bytes,
    len: u32,
    /// How many 64-bit offsets there are.
    large: usize,
    /// How often ids were looked for, up to [`MANY`].
    searches: AtomicU32,
}

impl Index {
    /// Checks what can be checked without reading the whole: the version, the counts, and that the size fits them.
    pub(crate) fn open(bytes: Bytes) -> Result<Index, Flaw> {
        if bytes.get(..8) != Some(&MAGIC) {
            return Err(Flaw("it is no index of version 2"));
        }
        if bytes.len() < IDS + CHECKSUMS {
            return Err(Flaw("it is cut short"));
        }
        let mut last = 0;
        for byte in 0..256 {
            let count = u32_at(&bytes, FANOUT + byte * 4);
            if count < last {
                return Err(Flaw("its counts are not in order"));
            }
            last = count;
        }
        let fixed = (IDS + CHECKSUMS) as u64 + u64::from(last) * 40;
        let rest = (bytes.len() as u64).checked_sub(fixed).ok_or(Flaw("it is cut short"))?;
        if rest % 8 != 0 || rest / 8 > u64::from(last) {
            return Err(Flaw("its size is not that of its count of objects"));
        }
        Ok(Index { bytes, len: last, large: (rest / 8) as usize, searches: AtomicU32::new(0) })
    }

    /// How many objects it lists.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// The size of the file in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Whether ids are looked for by copying some of them.
    pub(crate) fn is_large(&self) -> bool {
        self.bytes.is_large()
    }

    /// Gives back the memory of the pages that were looked at.
    pub(crate) fn release(&self) {
        self.bytes.release();
    }

    /// How many ids start with a byte up to this one.
    fn fanout(&self, byte: u8) -> u32 {
        u32_at(&self.bytes, FANOUT + usize::from(byte) * 4)
    }

    fn id_bytes(&self, n: u32) -> &[u8; 32] {
        assert!(n < self.len, "an index is asked for what it has");
        let at = IDS + n as usize * 32;
        self.bytes[at..].first_chunk().expect("the size was checked at open")
    }

    /// The `n`th id in ascending order; `n` is less than [`Index::len`], here and below.
    pub(crate) fn id(&self, n: u32) -> Id {
        Id::from_bytes(*self.id_bytes(n))
    }

    /// The CRC-32 of the entry's bytes in the pack.
    pub(crate) fn crc(&self, n: u32) -> u32 {
        assert!(n < self.len, "an index is asked for what it has");
        u32_at(&self.bytes, IDS + self.len as usize * 32 + n as usize * 4)
    }

    /// Where the entry starts in the pack.
    pub(crate) fn offset(&self, n: u32) -> Result<u64, Flaw> {
        assert!(n < self.len, "an index is asked for what it has");
        let small = u32_at(&self.bytes, IDS + self.len as usize * 36 + n as usize * 4);
        if small & LARGE == 0 {
            return Ok(u64::from(small));
        }
        let place = (small ^ LARGE) as usize;
        if place >= self.large {
            return Err(Flaw(BEYOND_TABLE));
        }
        Ok(u64_at(&self.bytes, IDS + self.len as usize * 40 + place * 8))
    }

    /// The place of an id.
    pub(crate) fn find(&self, id: Id) -> Option<u32> {
        self.search(id).ok()
    }

    /// The place of an id, or (as `Err`) the first place whose id is not less.
    ///
    /// Ids are evenly spread, so where one lies can be guessed from its value: two or three looks at memory instead of
    /// the ten or more of halving. Halving ends what guessing does not, so odd ids cost no more than that.
    fn search(&self, id: Id) -> Result<u32, u32> {
        if self.searches.load(Ordering::Relaxed) < MANY && self.searches.fetch_add(1, Ordering::Relaxed) + 1 == MANY {
            self.bytes.look_over();
        }
        let mut gap = Gap::of(self, id);
        let mut piece = None;
        while let Some(middle) = gap.guess() {
            if self.is_large()
                && let Some((first, ids)) = self.piece(piece.get_or_insert([[0; 32]; PIECE]), middle, &gap)
            {
                match ids.binary_search(id.as_bytes()) {
                    Ok(at) => return Ok(first + at as u32),
                    Err(at) => gap.narrow(first, at, ids),
                }
                continue;
            }
            let found = self.id_bytes(middle);
            match u64_at(found, 0).cmp(&gap.key).then_with(|| found.cmp(id.as_bytes())) {
                cmp::Ordering::Equal => return Ok(middle),
                order => gap.narrow(middle, usize::from(order.is_lt()), std::slice::from_ref(found)),
            }
        }
        Err(gap.low)
    }

    /// Looks at where an id is likely to be, and answers some of what stands there. The looks for several ids depend on
    /// nothing, so the processor waits for memory once for all of them.
    pub(crate) fn touch(&self, id: Id) -> u8 {
        Gap::of(self, id).guess().map_or(0, |place| self.id_bytes(place)[0])
    }

    /// Copies the ids around a place, without what lies outside the gap, and answers the place of the first too. `None`
    /// where the file cannot be read: the map will tell.
    fn piece<'p>(&self, room: &'p mut [[u8; 32]; PIECE], middle: u32, gap: &Gap) -> Option<(u32, &'p [[u8; 32]])> {
        let first = middle.saturating_sub(PIECE as u32 / 2).max(gap.low);
        let count = (gap.high - first).min(PIECE as u32) as usize;
        self.bytes.copy(IDS + first as usize * 32, room[..count].as_flattened_mut()).ok()?;
        Some((first, &room[..count]))
    }

    /// The ids that start with these digits, in ascending order.
    pub(crate) fn with_prefix<'a>(&'a self, prefix: &'a Prefix) -> impl Iterator<Item = Id> + 'a {
        let least = format!("{:0<64}", prefix.as_hex()).parse().expect("digits of a prefix and zeros make an id");
        (self.search(least).unwrap_or_else(|at| at)..self.len).map(|n| self.id(n)).take_while(|&id| prefix.matches(id))
    }

    /// The checksum of the pack that this is the index of.
    pub(crate) fn pack_checksum(&self) -> [u8; 32] {
        let at = self.bytes.len() - CHECKSUMS;
        *self.bytes[at..].first_chunk().expect("the size was checked at open")
    }

    /// Reads the whole file: its own checksum, the order of the ids, and that the counts are theirs.
    pub(crate) fn verify(&self) -> Result<(), Flaw> {
        let (content, checksum) = self.bytes.split_at(self.bytes.len() - 32);
        if Sha256::digest(content).as_slice() != checksum {
            return Err(Flaw("its checksum is another"));
        }
        for n in 0..self.len {
            let id = self.id_bytes(n);
            if n > 0 && self.id_bytes(n - 1) >= id {
                return Err(Flaw("its ids are not in order"));
            }
            let from = id[0].checked_sub(1).map_or(0, |before| self.fanout(before));
            if n < from || n >= self.fanout(id[0]) {
                return Err(Flaw("its counts are not those of its ids"));
            }
        }
        Ok(())
    }
}

/// So many ids are copied at once out of a large index: a guess among a few thousand is mostly no further off.
const PIECE: usize = 64;

/// The places among which an id is looked for.
struct Gap {
    low: u32,
    high: u32,
    /// The start of the id as a number, and those between which the ids from `low` to `high` lie.
    key: u64,
    least: u64,
    most: u64,
    /// How often a place may still be guessed.
    guesses: u8,
}

impl Gap {
    fn of(index: &Index, id: Id) -> Gap {
        let first = id.as_bytes()[0];
        let start = u64::from(first) << 56;
        Gap {
            low: first.checked_sub(1).map_or(0, |before| index.fanout(before)),
            high: index.fanout(first),
            key: u64_at(id.as_bytes(), 0),
            least: start,
            most: start | u64::MAX >> 8,
            guesses: 4,
        }
    }

    /// Where the id is likely to be; `None` when no place is left.
    fn guess(&mut self) -> Option<u32> {
        let len = self.high.checked_sub(self.low).filter(|&len| len > 0)?;
        if self.guesses == 0 || self.most <= self.least {
            return Some(self.low + len / 2);
        }
        self.guesses -= 1;
        let share =
            u128::from(self.key.saturating_sub(self.least)) * u128::from(len) / u128::from(self.most - self.least);
        Some(self.low + u32::try_from(share).map_or(len - 1, |share| share.min(len - 1)))
    }

    /// Leaves what can be where `ids` stand from `first` on, and `at` of them are less than the id.
    fn narrow(&mut self, first: u32, at: usize, ids: &[[u8; 32]]) {
        if let Some(before) = at.checked_sub(1).and_then(|at| ids.get(at)) {
            (self.low, self.least) = (first + at as u32, u64_at(before, 0));
        }
        if let Some(behind) = ids.get(at) {
            (self.high, self.most) = (first + at as u32, u64_at(behind, 0));
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(*bytes[at..].first_chunk().expect("the caller has checked the length"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(*bytes[at..].first_chunk().expect("the caller has checked the length"))
}

/// What an index says of one object: 44 bytes, since a writer holds one for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    /// The object.
    pub(crate) id: Id,
    /// The CRC-32 of the entry's bytes in the pack: header and compressed data.
    pub(crate) crc: u32,
    /// The offset in two halves: a `u64` would make each entry four bytes larger.
    offset: [u32; 2],
}

impl IndexEntry {
    /// The entry of an object that starts at `offset` of the pack.
    pub(crate) fn new(id: Id, crc: u32, offset: u64) -> IndexEntry {
        IndexEntry { id, crc, offset: [(offset >> 32) as u32, offset as u32] }
    }

    /// Where the entry starts in the pack.
    pub(crate) fn offset(&self) -> u64 {
        u64::from(self.offset[0]) << 32 | u64::from(self.offset[1])
    }
}

/// Writes the index of a pack with this checksum, and answers the index's own. The entries are sorted by id.
pub(crate) fn write_index(
    entries: &[IndexEntry],
    pack_checksum: &[u8; 32],
    out: &mut dyn Write,
) -> io::Result<[u8; 32]> {
    let count = u32::try_from(entries.len()).map_err(|_| io::Error::other("a pack holds less than 2^32 objects"))?;
    debug_assert!(entries.is_sorted_by_key(|entry| entry.id), "an index is sorted");
    let mut out = Summing { out, buffer: Vec::with_capacity(BUFFER), hash: Sha256::new() };
    out.write(&MAGIC)?;
    let mut below = 0;
    for byte in 0..=255u8 {
        below += entries[below as usize..].partition_point(|entry| entry.id.as_bytes()[0] <= byte) as u32;
        out.write(&below.to_be_bytes())?;
    }
    debug_assert_eq!(below, count);
    for entry in entries {
        out.write(entry.id.as_bytes())?;
    }
    for entry in entries {
        out.write(&entry.crc.to_be_bytes())?;
    }
    let is_large = |entry: &&IndexEntry| entry.offset() >= u64::from(LARGE);
    let mut large = 0;
    for entry in entries {
        let offset = if is_large(&entry) {
            large += 1;
            LARGE | (large - 1)
        } else {
            entry.offset[1]
        };
        out.write(&offset.to_be_bytes())?;
    }
    for entry in entries.iter().filter(is_large) {
        out.write(&entry.offset().to_be_bytes())?;
    }
    out.write(pack_checksum)?;
    out.finish()
}

const BUFFER: usize = 1 << 16;

/// Gathers small writes and hashes them.
struct Summing<'a> {
    out: &'a mut dyn Write,
    buffer: Vec<u8>,
    hash: Sha256,
}

impl Summing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER - 64 { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> io::Result<()> {
        self.hash.update(&self.buffer);
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<[u8; 32]> {
        self.send()?;
        let checksum: [u8; 32] = self.hash.finalize().into();
        self.out.write_all(&checksum)?;
        Ok(checksum)
    }
}
