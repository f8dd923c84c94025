//! Making zlib streams of whole objects in memory: for loose files and for packs.

use flate2::{Compress, Compression, FlushCompress, Status};

/// zlib's own default. Level 1 saves a few microseconds on a small document and leaves it a quarter larger.
pub(super) const LEVEL: Compression = Compression::new(6);

/// Bodies up to this size are stored as they are: trying to compress one costs more than writing it, and a document's
/// tree, the most frequent of them, is an id and hardly more.
const STORED: usize = 64;

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
    let len = body.len() as u16;
    // zlib's header, and one block, the last, that is stored: its length, the same inverted, the bytes.
    out.extend_from_slice(&[0x78, 0x01, 0x01]);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&(!len).to_le_bytes());
    out.extend_from_slice(body);
    out.extend_from_slice(&adler32(body).to_be_bytes());
}

/// The checksum at the end of a zlib stream, of few bytes: the sums cannot overflow.
fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1u32, 0u32);
    for &byte in bytes {
        a += u32::from(byte);
        b += a;
    }
    (b % 65521) << 16 | (a % 65521)
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
                let mut back = Vec::new();
                let mut inflated = flate2::bufread::ZlibDecoder::new(&out[6..]);
                inflated.read_to_end(&mut back).unwrap();
                assert!(back == body && inflated.into_inner().is_empty(), "{len}");
            }
        }
    }
}
