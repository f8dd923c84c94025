//! Making zlib streams of whole objects in memory: for loose files and for packs.

use flate2::{Compress, Compression, FlushCompress, Status};

/// zlib's own default. Level 1 saves a few microseconds on a small document and leaves it a quarter larger.
pub(super) const LEVEL: Compression = Compression::new(6);

/// Bodies up to this size are stored as they are: trying to compress one costs more than writing it, and a document's
/// tree, the most frequent of them, is an id and hardly more.
const STORED: usize = 64;
/// A block that is stored has at most so many bytes.
const BLOCK: usize = 0xffff;
/// What is stored in one block takes so many bytes more.
pub(super) const STORE_COST: usize = 11;

/// A compressor to use again and again: making one costs more than compressing a small document.
pub(super) fn compressor() -> Compress {
    Compress::new(LEVEL, true)
}

/// A compressor that takes a quarter of the time, for trees: most of their bytes are ids, which nothing makes shorter,
/// and they are read the faster for it.
pub(super) fn quick_compressor() -> Compress {
    Compress::new(Compression::fast(), true)
}

/// Whether a stream was made by [`quick_compressor`], or stored, as its head tells.
pub(super) fn is_quick(stream: &[u8]) -> bool {
    stream.starts_with(&[0x78, 0x01])
}

/// Appends the zlib stream of some pieces that belong together.
pub(super) fn deflate(compress: &mut Compress, pieces: &[&[u8]], out: &mut Vec<u8>) {
    compress.reset();
    for (at, input) in pieces.iter().enumerate() {
        let flush = if at + 1 == pieces.len() { FlushCompress::Finish } else { FlushCompress::None };
        let start = compress.total_in();
        loop {
            let done = (compress.total_in() - start) as usize;
            if out.len() == out.capacity() {
                out.reserve(out.len().max(128));
            }
            let status = compress.compress_vec(&input[done..], out, flush).expect("zlib takes any input");
            let is_done = match flush {
                FlushCompress::Finish => status == Status::StreamEnd,
                _ => (compress.total_in() - start) as usize == input.len(),
            };
            if is_done {
                break;
            }
        }
    }
}

/// Appends the zlib stream of a whole body, not compressed where that cannot pay.
pub(super) fn deflate_body(compress: &mut Compress, body: &[u8], out: &mut Vec<u8>) {
    if body.len() > STORED {
        return deflate(compress, &[body], out);
    }
    store_body(body, out);
}

/// Appends a zlib stream of a whole body that is not compressed (RFC 1950 and 1951, 3.2.4).
pub(super) fn store_body(body: &[u8], out: &mut Vec<u8>) {
    // zlib's header, and blocks that are stored: whether it is the last, its length, the same inverted, the bytes.
    out.extend_from_slice(&[0x78, 0x01]);
    let count = body.len().div_ceil(BLOCK).max(1);
    for at in 0..count {
        let block = &body[at * BLOCK..body.len().min((at + 1) * BLOCK)];
        let len = block.len() as u16;
        out.push(u8::from(at + 1 == count));
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&adler32(body).to_be_bytes());
}

/// The checksum at the end of a zlib stream (RFC 1950).
fn adler32(bytes: &[u8]) -> u32 {
    /// So many bytes are added at once, which the processor does side by side.
    const LANES: usize = 32;
    let (mut a, mut b) = (1u32, 0u32);
    // Of so many bytes the sums cannot overflow.
    for piece in bytes.chunks(4096) {
        let mut runs = piece.chunks_exact(LANES);
        for run in runs.by_ref() {
            let (mut sum, mut weighted) = (0, 0);
            for (at, &byte) in run.iter().enumerate() {
                sum += u32::from(byte);
                weighted += u32::from(byte) * (LANES - at) as u32;
            }
            b += a * LANES as u32 + weighted;
            a += sum;
        }
        for &byte in runs.remainder() {
            a += u32::from(byte);
            b += a;
        }
        (a, b) = (a % 65521, b % 65521);
    }
    b << 16 | a
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn every_length_round_trips() {
        let mut compress = compressor();
        for len in (0..200).chain([70_000]) {
            for body in [vec![0xff; len], (0..len).map(|n| (n * n * 31) as u8).collect()] {
                let mut out = b"before".to_vec();
                deflate_body(&mut compress, &body, &mut out);
                assert_eq!(inflate(&out[6..]), body, "{len}");
            }
        }
    }

    #[test]
    fn what_is_stored_round_trips() {
        for len in [0, 1, 4096, 4097, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 200_000] {
            for body in [vec![0xff; len], (0..len).map(|n| (n * n * 31) as u8).collect()] {
                let mut out = Vec::new();
                store_body(&body, &mut out);
                assert_eq!(inflate(&out), body, "{len}");
                assert!(is_quick(&out) && out.len() == len + 6 + 5 * len.div_ceil(BLOCK).max(1));
            }
        }
    }

    /// What a stream makes, which is all that there is.
    fn inflate(stream: &[u8]) -> Vec<u8> {
        let mut back = Vec::new();
        let mut inflated = flate2::bufread::ZlibDecoder::new(stream);
        inflated.read_to_end(&mut back).unwrap();
        assert!(inflated.into_inner().is_empty());
        back
    }
}
