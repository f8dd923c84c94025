//! The header that stands before an object's body, and the id: the SHA-256 of both.
//!
//! ```text
//! +------+-------+----------------+------+----------
//! | kind | space | size in digits | NUL  | body …
//! +------+-------+----------------+------+----------
//! ```

use sha2::{Digest, Sha256};

use super::{Error, Id, Kind};

/// The most bytes that [`decode_header`] looks at; the longest header has 28.
const LONGEST: usize = 32;

/// The header of an object whose body has `size` bytes: `blob 12\0`.
pub fn encode_header(kind: Kind, size: u64) -> Vec<u8> {
    let mut bytes = [0; LONGEST];
    let start = write_header(kind, size, &mut bytes);
    bytes[start..].to_vec()
}

/// Writes the header to the end of `bytes`, and answers where it starts: each object that is read is hashed, header and
/// all, so this is to take no memory.
fn write_header(kind: Kind, mut size: u64, bytes: &mut [u8; LONGEST]) -> usize {
    // The last byte stays the NUL.
    let mut at = LONGEST - 1;
    loop {
        at -= 1;
        bytes[at] = b'0' + (size % 10) as u8;
        size /= 10;
        if size == 0 {
            break;
        }
    }
    let name = kind.name().as_bytes();
    bytes[at - 1] = b' ';
    at -= 1 + name.len();
    bytes[at..at + name.len()].copy_from_slice(name);
    at
}

/// Reads the header at the start of `bytes`: the kind, the body's size in bytes, and the header's own length with its
/// NUL.
///
/// Strict: a known kind, one space, digits without leading zeros, NUL. Looks at 32 bytes at most, and does not compare
/// the size with what follows. The error is [`Error::Header`].
pub fn decode_header(bytes: &[u8]) -> Result<(Kind, u64, usize), Error> {
    let bytes = &bytes[..bytes.len().min(LONGEST)];
    let end = bytes.iter().position(|&byte| byte == 0).ok_or_else(|| wrong("it has no end"))?;
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| wrong("it is not text"))?;
    let (kind, size) = text.split_once(' ').ok_or_else(|| wrong("it has no size"))?;
    let kind: Kind = kind.parse()?;
    let size = decimal(size.as_bytes()).ok_or_else(|| wrong("the size is not a plain number"))?;
    Ok((kind, size, end + 1))
}

fn wrong(reason: &str) -> Error {
    Error::Header(reason.to_owned())
}

/// Reads digits and nothing else: no sign, no space, no leading zero, no overflow.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) && (digits[0] != b'0' || digits.len() == 1);
    if plain { std::str::from_utf8(digits).ok()?.parse().ok() } else { None }
}

/// The id of the object with this kind and body.
pub fn hash(kind: Kind, body: &[u8]) -> Id {
    let mut hasher = Hasher::new(kind, body.len() as u64);
    hasher.update(body);
    hasher.finish()
}

/// Computes an object's id from a body that comes in pieces.
#[derive(Clone)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Starts an object whose body will have `size` bytes. Only the caller can see that as many come: where they do
    /// not, the id is that of no object.
    pub fn new(kind: Kind, size: u64) -> Hasher {
        let mut bytes = [0; LONGEST];
        let start = write_header(kind, size, &mut bytes);
        Hasher(Sha256::new_with_prefix(&bytes[start..]))
    }

    /// Adds the next piece of the body.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The id of what was added.
    pub fn finish(self) -> Id {
        Id::from_bytes(self.0.finalize().into())
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn headers_are_read_strictly() {
        assert_eq!(encode_header(Kind::Blob, 12), b"blob 12\0");
        assert_eq!(decode_header(b"blob 12\0hello").unwrap(), (Kind::Blob, 12, 8));
        assert_eq!(decode_header(b"tag 0\0").unwrap(), (Kind::Tag, 0, 6));
        let largest = encode_header(Kind::Commit, u64::MAX);
        assert_eq!(decode_header(&largest).unwrap(), (Kind::Commit, u64::MAX, largest.len()));
        for bytes in [
            b"".as_slice(),
            b"blob 12",
            b"blob\0",
            b"blob \0",
            b"blob  1\0",
            b"blob 1 \0",
            b"blob +1\0",
            b"blob -1\0",
            b"blob 01\0",
            b"blob 00\0",
            b"blob 1a\0",
            b"Blob 1\0",
            b"blobs 1\0",
            b" 1\0",
            b"blob 18446744073709551616\0",
            b"blob 1111111111111111111111111111\0",
            b"\xff 1\0",
        ] {
            assert!(matches!(decode_header(bytes), Err(Error::Header(_))), "{bytes:?}");
        }
    }

    #[test]
    fn ids_are_gits() {
        let hello = hash(Kind::Blob, b"hello\n").to_string();
        assert_eq!(hello, "2cf8d83d9ee29543b34a87727421fdecb7e3f3a183d337639025de576db9ebb4");
    }

    proptest! {
        #[test]
        fn pieces_hash_as_the_whole(pieces in vec(vec(any::<u8>(), 0..200), 0..6)) {
            let body = pieces.concat();
            let mut hasher = Hasher::new(Kind::Blob, body.len() as u64);
            pieces.iter().for_each(|piece| hasher.update(piece));
            prop_assert_eq!(hasher.finish(), hash(Kind::Blob, &body));
        }

        #[test]
        fn accepted_headers_are_written_back(bytes in "(blob|tree|commit|tag|x)[ +]{1,2}[0-9]{0,22}\0?[a-z]{0,3}") {
            if let Ok((kind, size, length)) = decode_header(bytes.as_bytes()) {
                prop_assert_eq!(encode_header(kind, size), &bytes.as_bytes()[..length]);
            }
        }

        #[test]
        fn any_size_round_trips(size: u64) {
            let bytes = encode_header(Kind::Tree, size);
            prop_assert_eq!(decode_header(&bytes).unwrap(), (Kind::Tree, size, bytes.len()));
        }
    }
}
