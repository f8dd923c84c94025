//! Filters of changed paths: a few bits that tell for certain what a commit did not change against its first parent.
//!
//! The hashes and the places of bits are git's, version 2. Only the size is our own choice, which a reader takes as it
//! is: twice git's bits for each path, so that one false answer in 5,000 is left in place of one in 120.

/// Bytes before the filters in `BDAT`.
pub(super) const HEADER: usize = 12;
/// How many bits stand for a path.
const HASHES: u32 = 7;
/// git's own size of a filter, which it writes into the header and asks of nobody.
const NOMINAL_BITS: u32 = 10;
/// How many bits a filter has for each path.
const BITS: usize = 20;
/// The most paths that one filter is made for, as in git.
pub(crate) const MAX_PATHS: usize = 512;

/// What `BDAT` starts with: the version of the hash, how many there are, the bits for each path.
pub(super) fn header() -> [u8; HEADER] {
    let mut header = [0; HEADER];
    for (part, number) in header.chunks_exact_mut(4).zip([2, HASHES, NOMINAL_BITS]) {
        part.copy_from_slice(&number.to_be_bytes());
    }
    header
}

/// A path's hashes: all that a filter knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path(u32, u32);

impl Path {
    /// Of a path without a slash at its end.
    pub(crate) fn new(path: &[u8]) -> Path {
        Path(murmur3(0x293a_e76f, path), murmur3(0x7e64_6e2c, path))
    }

    /// The bits that stand for it among so many.
    fn bits(self, count: u64) -> impl Iterator<Item = u64> {
        (0..HASHES).map(move |n| u64::from(self.0.wrapping_add(n.wrapping_mul(self.1))) % count)
    }
}

/// The filter of one commit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter<'a>(&'a [u8]);

impl<'a> Filter<'a> {
    pub(super) fn new(bits: &'a [u8]) -> Filter<'a> {
        Filter(bits)
    }

    /// The bytes as they are stored.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether the commit may have changed something at or below a path; `false` is certain.
    pub(crate) fn may_hold(self, path: Path) -> bool {
        let count = self.0.len() as u64 * 8;
        path.bits(count).all(|bit| self.0[(bit / 8) as usize] & (1 << (bit % 8)) != 0)
    }
}

/// Appends the filter of these paths; of `None` the one that may hold every path.
pub(super) fn encode(paths: Option<Vec<Path>>, out: &mut Vec<u8>) {
    let Some(mut paths) = paths else { return out.push(0xff) };
    paths.sort_unstable();
    paths.dedup();
    let start = out.len();
    let len = (paths.len() * BITS).div_ceil(8).max(1);
    out.resize(start + len, 0);
    for bit in paths.into_iter().flat_map(|path| path.bits(len as u64 * 8)) {
        out[start + (bit / 8) as usize] |= 1 << (bit % 8);
    }
}

/// The 32-bit hash MurmurHash3.
fn murmur3(seed: u32, bytes: &[u8]) -> u32 {
    let mix = |k: u32| k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let (words, tail) = bytes.as_chunks::<4>();
    let mut hash = seed;
    for word in words {
        hash = (hash ^ mix(u32::from_le_bytes(*word))).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    if !tail.is_empty() {
        hash ^= mix(tail.iter().rev().fold(0, |word, byte| (word << 8) | u32::from(*byte)));
    }
    // The length counts modulo 2^32, as in git.
    hash ^= bytes.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_gits() {
        // From git's t/t0095-bloom.sh.
        assert_eq!(murmur3(0, b""), 0);
        assert_eq!(murmur3(0, b"Hello world!"), 0x627b_0c2c);
        assert_eq!(murmur3(0, b"The quick brown fox jumps over the lazy dog"), 0x2e4f_f723);
        assert_eq!(murmur3(0, b"\x99\xaa\xbb\xcc\xdd\xee\xff"), 0xa183_ccfd);
    }

    #[test]
    fn what_is_in_is_found_and_hardly_anything_else() {
        let path = |n: usize| Path::new(format!("fields/{n}/readings").as_bytes());
        let mut bytes = Vec::new();
        encode(Some((0..300).chain(0..10).map(path).collect()), &mut bytes);
        assert_eq!(bytes.len(), 750);
        let filter = Filter::new(&bytes);
        assert!((0..300).all(|n| filter.may_hold(path(n))));
        let wrong = (300..20_300).filter(|n| filter.may_hold(path(*n))).count();
        assert!(wrong < 20, "{wrong} of 20,000");
        let mut bytes = Vec::new();
        encode(Some(Vec::new()), &mut bytes);
        encode(None, &mut bytes);
        assert_eq!(bytes, [0, 0xff]);
        assert!(!Filter::new(&bytes[..1]).may_hold(path(0)));
        assert!(Filter::new(&bytes[1..]).may_hold(path(0)));
    }
}
