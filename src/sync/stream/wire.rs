//! Numbers, ids and runs of bytes as the stream has them. Strict: a number has one form, and nothing is read beyond what is
//! there.

use crate::object::Id;
use crate::sync::error::{Error, Result};

/// The most bytes that a number has.
const LONGEST: usize = 10;

/// Appends a number: seven bits a byte, the lowest first, with the highest bit set in all bytes but the last.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends bytes behind their number.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// An error about what is in a stream.
pub(super) fn wrong(what: &str) -> Error {
    Error::Protocol(format!("in the stream, {what}"))
}

/// What is left of some bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'b> {
    rest: &'b [u8],
}

impl<'b> Cursor<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Cursor<'b> {
        Cursor { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        let (&byte, rest) = self.rest.split_first().ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(byte)
    }

    pub(super) fn number(&mut self) -> Result<u64> {
        let mut number = 0;
        for place in 0..LONGEST {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << (7 * place) >> (7 * place) != bits || (byte == 0 && place > 0) {
                break;
            }
            number |= bits << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(wrong("a number is not in its form"))
    }

    /// A number that may not be above a limit.
    pub(super) fn count(&mut self, limit: usize, what: &'static str) -> Result<usize> {
        let number = self.number()?;
        let count = usize::try_from(number).ok().filter(|count| *count <= limit);
        count.ok_or(Error::TooMuch { what, limit: limit as u64 })
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'b [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Bytes behind their number.
    pub(super) fn bytes(&mut self) -> Result<&'b [u8]> {
        let len = self.count(self.rest.len(), "the size of a run of bytes in the stream")?;
        self.take(len)
    }

    /// Bytes of a fixed number.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub(super) fn id(&mut self) -> Result<Id> {
        Ok(Id::from_bytes(self.array()?))
    }

    /// Refuses what is left.
    pub(super) fn finish(self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { Err(wrong("bytes follow where an end should be")) }
    }
}

fn cut_off() -> Error {
    wrong("something is cut off")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_have_one_form() {
        for bad in
            [&[][..], &[0x80], &[0x80, 0], &[0xff; 10], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]]
        {
            assert!(Cursor::new(bad).number().is_err(), "{bad:?}");
        }
        assert!(Cursor::new(&[9, 1]).bytes().is_err() && Cursor::new(&[1]).finish().is_err());
        assert!(Cursor::new(&[3]).count(2, "x").is_err() && Cursor::new(&[0; 31]).id().is_err());
    }

    proptest! {
        #[test]
        fn round_trip(number in prop_oneof![any::<u64>(), 0..300u64], bytes: Vec<u8>) {
            let mut out = Vec::new();
            put_number(&mut out, number);
            put_bytes(&mut out, &bytes);
            let mut cursor = Cursor::new(&out);
            prop_assert_eq!((cursor.number().unwrap(), cursor.bytes().unwrap()), (number, &bytes[..]));
            cursor.finish().unwrap();
        }
    }
}
