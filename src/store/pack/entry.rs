//! The header of one entry in a pack: what it is, and how many bytes it inflates to.

use super::Flaw;
use crate::object::{Id, Kind};

/// What an entry's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// An object's body.
    Whole(Kind),
    /// A delta against the entry at this offset of the same pack, which is before this one.
    OfsDelta(u64),
    /// A delta against an object by its id.
    RefDelta(Id),
}

/// An entry's header; zlib data follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryHeader {
    /// What the data are.
    pub(crate) kind: EntryKind,
    /// How many bytes the data inflate to: the body's size, or the delta's own.
    pub(crate) size: u64,
    /// The header's own length in bytes.
    pub(crate) len: usize,
}

/// No header is longer: 10 bytes of kind and size, and 32 of an id.
pub(crate) const LONGEST: usize = 42;

const OFS_DELTA: u8 = 6;
const REF_DELTA: u8 = 7;

/// Reads the header at the start of `bytes`, those of an entry at `own_offset` of its pack.
pub(crate) fn decode(bytes: &[u8], own_offset: u64) -> Result<EntryHeader, Flaw> {
    let mut at = 0;
    let mut next = || {
        let byte = bytes.get(at).copied().ok_or(Flaw("an entry's header is cut off"));
        at += 1;
        byte
    };
    let mut byte = next()?;
    let kind = byte >> 4 & 7;
    let mut size = u64::from(byte & 15);
    let mut shift = 4;
    while byte & 0x80 != 0 {
        byte = next()?;
        let bits = u64::from(byte & 0x7f);
        if shift >= 64 || bits << shift >> shift != bits {
            return Err(Flaw("an entry's size is beyond 64 bits"));
        }
        size |= bits << shift;
        shift += 7;
    }
    let kind = match kind {
        1 => EntryKind::Whole(Kind::Commit),
        2 => EntryKind::Whole(Kind::Tree),
        3 => EntryKind::Whole(Kind::Blob),
        4 => EntryKind::Whole(Kind::Tag),
        OFS_DELTA => {
            byte = next()?;
            let mut distance = u64::from(byte & 0x7f);
            while byte & 0x80 != 0 {
                byte = next()?;
                // Each length of the number starts where the shorter ones end, so that no number is written in two ways.
                distance = (distance + 1)
                    .checked_mul(128)
                    .and_then(|high| high.checked_add(u64::from(byte & 0x7f)))
                    .filter(|&distance| distance < u64::MAX / 256)
                    .ok_or(Flaw("the base of a delta is before the pack's start"))?;
            }
            let base = own_offset.checked_sub(distance).filter(|_| distance > 0);
            EntryKind::OfsDelta(base.ok_or(Flaw("the base of a delta is not before it"))?)
        }
        REF_DELTA => {
            let id = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(Flaw("an entry's header is cut off"))?;
            at += 32;
            EntryKind::RefDelta(Id::from_bytes(*id))
        }
        _ => return Err(Flaw("an entry is of no known kind")),
    };
    Ok(EntryHeader { kind, size, len: at })
}

/// Appends the header of an entry that will stand at `own_offset`. The base of an offset delta must be before it.
pub(crate) fn encode(kind: EntryKind, own_offset: u64, size: u64, out: &mut Vec<u8>) {
    let number = match kind {
        EntryKind::Whole(Kind::Commit) => 1,
        EntryKind::Whole(Kind::Tree) => 2,
        EntryKind::Whole(Kind::Blob) => 3,
        EntryKind::Whole(Kind::Tag) => 4,
        EntryKind::OfsDelta(_) => OFS_DELTA,
        EntryKind::RefDelta(_) => REF_DELTA,
    };
    let mut byte = number << 4 | (size & 15) as u8;
    let mut rest = size >> 4;
    while rest > 0 {
        out.push(byte | 0x80);
        byte = (rest & 0x7f) as u8;
        rest >>= 7;
    }
    out.push(byte);
    match kind {
        EntryKind::Whole(_) => {}
        EntryKind::RefDelta(id) => out.extend_from_slice(id.as_bytes()),
        EntryKind::OfsDelta(base) => {
            debug_assert!(base < own_offset, "a base is before its delta");
            let mut distance = own_offset - base;
            let mut digits = [0; 10];
            let mut at = digits.len() - 1;
            digits[at] = (distance & 0x7f) as u8;
            distance >>= 7;
            while distance > 0 {
                distance -= 1;
                at -= 1;
                digits[at] = 0x80 | (distance & 0x7f) as u8;
                distance >>= 7;
            }
            out.extend_from_slice(&digits[at..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind() -> impl Strategy<Value = (EntryKind, u64)> {
        let whole = prop::sample::select(vec![Kind::Blob, Kind::Tree, Kind::Commit, Kind::Tag]);
        let below = (1u64..1 << 50).prop_flat_map(|own| (Just(own), (0u32..50).prop_map(move |bits| own >> bits)));
        prop_oneof![
            (whole, 0..1u64 << 40).prop_map(|(kind, own)| (EntryKind::Whole(kind), own)),
            below.prop_map(|(own, distance)| (EntryKind::OfsDelta(own - distance.max(1)), own)),
            any::<[u8; 32]>().prop_map(|id| (EntryKind::RefDelta(Id::from_bytes(id)), 12)),
        ]
    }

    proptest! {
        #[test]
        fn round_trip((kind, own) in kind(), size in any::<u64>(), bits in 0u32..64) {
            let size = size >> bits;
            let mut bytes = Vec::new();
            encode(kind, own, size, &mut bytes);
            prop_assert!(bytes.len() <= LONGEST);
            for end in 0..bytes.len() {
                prop_assert_eq!(decode(&bytes[..end], own), Err(Flaw("an entry's header is cut off")));
            }
            let len = bytes.len();
            bytes.push(0xff);
            prop_assert_eq!(decode(&bytes, own), Ok(EntryHeader { kind, size, len }));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..50), own in any::<u64>()) {
            if let Ok(header) = decode(&bytes, own) {
                prop_assert!(header.len <= bytes.len());
            }
        }
    }

    #[test]
    fn what_git_writes() {
        // A blob of 300 bytes: kind 3, size 12 + 18 * 16.
        let header = EntryHeader { kind: EntryKind::Whole(Kind::Blob), size: 300, len: 2 };
        assert_eq!(decode(&[0xbc, 0x12, 0x78], 12), Ok(header));
        // The second length of a distance starts at 128.
        let header = EntryHeader { kind: EntryKind::OfsDelta(1000 - 128), size: 5, len: 3 };
        assert_eq!(decode(&[0x65, 0x80, 0x00], 1000), Ok(header));
    }

    #[test]
    fn bad_headers_are_refused() {
        for kind in [0u8, 5] {
            assert_eq!(decode(&[kind << 4], 12), Err(Flaw("an entry is of no known kind")));
        }
        for distance in [[0x60, 0x00], [0x60, 0x0d]] {
            assert_eq!(decode(&distance, 12), Err(Flaw("the base of a delta is not before it")));
        }
        assert_eq!(decode(&[0xff; 20], 12), Err(Flaw("an entry's size is beyond 64 bits")));
        let mut far = vec![0x60];
        far.extend([0xff; 20]);
        assert_eq!(decode(&far, 12), Err(Flaw("the base of a delta is before the pack's start")));
    }
}
