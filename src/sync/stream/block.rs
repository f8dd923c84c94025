//! Blocks: so many records compressed together, in one run of zstd over all blocks of a connection, with a sum that tells
//! whether the link has changed them. Whoever has read a block to its end can use what is in it, whatever becomes of the
//! connection.

use std::io::{self, ErrorKind, Read, Write};

use flate2::Crc;
use zstd::stream::raw::{CParameter, DParameter, Decoder, Encoder, InBuffer, Operation, OutBuffer};

use super::wire::{put_number, wrong};
use crate::sync::error::{Error, Result};

/// A block is closed when its records have so many bytes, and longer contents come in pieces of so many. Short in tests, so
/// that small histories have many blocks and pieces.
pub(super) const FULL: usize = if cfg!(test) { 1 << 8 } else { 64 << 10 };
/// The same of a stream that was cut before: it is going to be cut again, and less is lost of shorter blocks.
pub(super) const SHORT: usize = if cfg!(test) { FULL } else { 16 << 10 };
/// The most bytes that the records of a block have.
pub(super) const MAX_RAW: usize = 256 << 10;
/// The most bytes that a block has when it is compressed: what cannot be compressed grows a little.
const MAX_PACKED: usize = MAX_RAW + MAX_RAW / 64;
/// The largest window that zstd may look back over, as a power of two.
const WINDOW: u32 = 23;
/// How far it looks back here, at least and at most.
const SMALLEST: u32 = 14;
const LARGEST: u32 = 21;
/// So many bytes are worth more work each. Of many small documents the least work makes the fewest bytes as well.
const FEW: u64 = 4 << 20;

/// Compresses blocks.
pub(super) struct Packer {
    encoder: Encoder<'static>,
    packed: Vec<u8>,
}

impl Packer {
    /// A packer that begins anew, for about so many bytes in all.
    pub(super) fn new(total: u64) -> io::Result<Packer> {
        let mut encoder = Encoder::new(if total <= FEW { 9 } else { 1 })?;
        // Tables of the size that is needed: clearing large ones would take longer than all the rest of a small stream.
        if total <= FEW {
            let size = (u64::BITS - total.leading_zeros()).clamp(SMALLEST, LARGEST);
            for parameter in [CParameter::WindowLog(size), CParameter::HashLog(size), CParameter::ChainLog(size)] {
                encoder.set_parameter(parameter)?;
            }
        }
        Ok(Packer { encoder, packed: Vec::new() })
    }

    /// Writes some records, at most [`MAX_RAW`] bytes, as a block.
    pub(super) fn write(&mut self, raw: &[u8], out: &mut dyn Write) -> io::Result<()> {
        self.packed.clear();
        self.packed.reserve(MAX_PACKED);
        let mut input = InBuffer::around(raw);
        let mut output = OutBuffer::around(&mut self.packed);
        while input.pos() < raw.len() {
            self.encoder.run(&mut input, &mut output)?;
        }
        while self.encoder.flush(&mut output)? > 0 {
            if output.pos() >= MAX_PACKED {
                return Err(io::Error::other("a block has grown too much in being compressed"));
            }
        }
        write_block(raw.len(), &self.packed, out)
    }
}

fn write_block(raw: usize, packed: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let mut head = Vec::new();
    put_number(&mut head, raw as u64);
    put_number(&mut head, packed.len() as u64);
    head.extend_from_slice(&sum(packed));
    out.write_all(&head)?;
    out.write_all(packed)
}

/// What tells whether the link has changed some bytes.
pub(super) fn sum(bytes: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum().to_be_bytes()
}

/// The error of what the link has changed.
pub(super) fn changed(what: &str) -> Error {
    Error::Connection(io::Error::new(ErrorKind::InvalidData, format!("{what} was changed on its way")))
}

/// A block as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// How many bytes its records have.
    pub(super) raw: usize,
    pub(super) packed: Vec<u8>,
}

impl Block {
    /// Reads a block.
    ///
    /// # Errors
    /// [`Error::Protocol`] for one that is too large or has no records; [`Error::Connection`] where the source ends, or the
    /// link has changed something.
    pub(super) fn read(source: &mut dyn Read) -> Result<Block> {
        let raw = read_number(source)?;
        let len = read_number(source)?;
        if raw == 0 || raw > MAX_RAW || len > MAX_PACKED {
            return Err(wrong("a block is not of the size that blocks have"));
        }
        let (mut expected, mut packed) = ([0; 4], vec![0; len]);
        source.read_exact(&mut expected).map_err(Error::Connection)?;
        source.read_exact(&mut packed).map_err(Error::Connection)?;
        if sum(&packed) != expected {
            return Err(changed("a block"));
        }
        Ok(Block { raw, packed })
    }

    /// Writes the block as it was.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        write_block(self.raw, &self.packed, out)
    }
}

/// A number of at most four bytes.
pub(super) fn read_number(source: &mut dyn Read) -> Result<usize> {
    let mut bytes = Vec::new();
    loop {
        let mut byte = [0];
        match source.read_exact(&mut byte) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read.map_err(Error::Connection)?,
        }
        bytes.push(byte[0]);
        if byte[0] & 0x80 == 0 || bytes.len() == 4 {
            return super::wire::Cursor::new(&bytes).count(usize::MAX, "the size of a block");
        }
    }
}

/// Decompresses blocks.
pub(super) struct Unpacker {
    decoder: Decoder<'static>,
    raw: Vec<u8>,
}

impl Unpacker {
    /// An unpacker for the blocks of one connection, from the first.
    pub(super) fn new() -> io::Result<Unpacker> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW))?;
        Ok(Unpacker { decoder, raw: Vec::new() })
    }

    /// The records of the next block.
    ///
    /// # Errors
    /// [`Error::Protocol`] for a block that is none, or does not have as many bytes as it says.
    pub(super) fn unpack(&mut self, block: &Block) -> Result<&[u8]> {
        // One byte more than there may be tells that there is more.
        self.raw.resize(block.raw + 1, 0);
        let bad = |_| wrong("a block cannot be decompressed");
        let (mut read, mut written) = (0, 0);
        loop {
            let status = self.decoder.run_on_buffers(&block.packed[read..], &mut self.raw[written..]).map_err(bad)?;
            read += status.bytes_read;
            written += status.bytes_written;
            if written > block.raw || (status.bytes_read == 0 && status.bytes_written == 0) {
                break;
            }
        }
        if written != block.raw || read != block.packed.len() {
            return Err(wrong("a block is not of the size that it says"));
        }
        Ok(&self.raw[..block.raw])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pack(raws: &[Vec<u8>]) -> Vec<u8> {
        let (mut packer, mut out) = (Packer::new(0).unwrap(), Vec::new());
        raws.iter().for_each(|raw| packer.write(raw, &mut out).unwrap());
        out
    }

    fn unpack(mut bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
        let (mut unpacker, mut raws) = (Unpacker::new().unwrap(), Vec::new());
        while !bytes.is_empty() {
            raws.push(unpacker.unpack(&Block::read(&mut bytes)?)?.to_vec());
        }
        Ok(raws)
    }

    /// Bytes that cannot be compressed.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn the_largest_blocks() {
        for raw in [vec![7; MAX_RAW], noise(MAX_RAW)] {
            let raws = [raw.clone(), vec![1], raw];
            assert_eq!(unpack(&pack(&raws)).unwrap(), raws);
        }
        assert!(unpack(&pack(&[vec![7; MAX_RAW + 1]])).is_err());
        assert!(unpack(&pack(&[Vec::new()])).is_err());
    }

    #[test]
    fn blocks_that_lie_about_their_size() {
        let mut bytes = pack(&[vec![7; 100]]);
        for size in [99, 101] {
            bytes[0] = size;
            assert!(matches!(unpack(&bytes), Err(Error::Protocol(_))), "{size}");
        }
    }

    proptest! {
        #[test]
        fn any_cut_is_seen(raws in prop::collection::vec(prop::collection::vec(0..4u8, 1..300), 1..5), at: prop::sample::Index) {
            let bytes = pack(&raws);
            prop_assert_eq!(&unpack(&bytes).unwrap(), &raws);
            let cut = at.index(bytes.len());
            match unpack(&bytes[..cut]) {
                Ok(found) => prop_assert!(found.len() < raws.len() && raws.starts_with(&found)),
                Err(error) => prop_assert!(matches!(error, Error::Connection(_))),
            }
        }

        #[test]
        fn no_bytes_make_it_panic(raws in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..80), 1..3), at: prop::sample::Index, byte: u8) {
            let mut bytes = pack(&raws);
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
            prop_assert!(byte == 0 || unpack(&bytes).is_err());
            // Nor do they where the sum is right.
            let packed = bytes.split_off(bytes.len().min(6));
            let _ = Unpacker::new().unwrap().unpack(&Block { raw: 20, packed });
        }
    }
}
