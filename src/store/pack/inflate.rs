//! zlib streams of known size inside a pack, inflated with one state for each thread: making one costs more than
//! inflating a small document.

use std::cell::RefCell;

use flate2::{Decompress, FlushDecompress, Status};

use super::Flaw;

/// zlib makes no more than so many bytes of one.
const MOST_FROM_ONE: u64 = 1040;

/// Bodies up to this size are made in a buffer with room behind them: near the end of its room zlib goes byte by byte,
/// and a small document is all end.
const SMALL: u64 = 16 << 10;
/// The longest run that zlib writes at once, and a little more.
const ROOM: usize = 320;

/// Inflates the stream at the start of `data`, which makes exactly `size` bytes. Also answers the stream's own length.
pub(super) fn exact(data: &[u8], size: u64) -> Result<(Vec<u8>, usize), Flaw> {
    if size > (data.len() as u64).saturating_mul(MOST_FROM_ONE) {
        return Err(Flaw("an entry is cut short"));
    }
    if size <= SMALL {
        return small(data, size as usize);
    }
    with_state(|state, _| {
        // One byte more than it may have shows whether there are more.
        let mut out = Vec::with_capacity(usize::try_from(size).map_or(usize::MAX, |size| size + 1));
        let status = state.decompress_vec(data, &mut out, FlushDecompress::Finish);
        if out.len() as u64 > size {
            return Err(Flaw("an entry inflates to more than its header says"));
        }
        match status {
            Ok(Status::StreamEnd) if out.len() as u64 == size => Ok((out, state.total_in() as usize)),
            Ok(Status::StreamEnd) => Err(Flaw("an entry inflates to less than its header says")),
            Ok(_) => Err(Flaw("an entry is cut short")),
            Err(_) => Err(Flaw("an entry is no zlib stream")),
        }
    })
}

fn small(data: &[u8], size: usize) -> Result<(Vec<u8>, usize), Flaw> {
    with_state(|state, buffer| {
        let status = state.decompress(data, buffer, FlushDecompress::Finish);
        let made = state.total_out() as usize;
        match status {
            _ if made > size => Err(Flaw("an entry inflates to more than its header says")),
            Ok(Status::StreamEnd) if made == size => Ok((buffer[..size].to_vec(), state.total_in() as usize)),
            Ok(Status::StreamEnd) => Err(Flaw("an entry inflates to less than its header says")),
            Ok(_) => Err(Flaw("an entry is cut short")),
            Err(_) => Err(Flaw("an entry is no zlib stream")),
        }
    })
}

/// Inflates the first bytes of a stream, as many as `out` has room for, and answers how many there were.
pub(super) fn head(data: &[u8], out: &mut [u8]) -> Result<usize, Flaw> {
    with_state(|state, _| {
        state.decompress(data, out, FlushDecompress::None).map_err(|_| Flaw("an entry is no zlib stream"))?;
        Ok(state.total_out() as usize)
    })
}

fn with_state<T>(inflate: impl FnOnce(&mut Decompress, &mut [u8]) -> T) -> T {
    thread_local! {
        static STATE: RefCell<(Decompress, Box<[u8]>)> =
            RefCell::new((Decompress::new(true), vec![0; SMALL as usize + ROOM].into()));
    }
    STATE.with_borrow_mut(|(state, buffer)| {
        state.reset(true);
        inflate(state, buffer)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn deflate(body: &[u8]) -> Vec<u8> {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        zlib.write_all(body).unwrap();
        zlib.finish().unwrap()
    }

    proptest! {
        #[test]
        fn round_trip(body in proptest::collection::vec(0u8..9, 0..2000), behind: Vec<u8>, cut: prop::sample::Index) {
            let stream = deflate(&body);
            let size = body.len() as u64;
            let data = [stream.clone(), behind].concat();
            prop_assert_eq!(exact(&data, size), Ok((body.clone(), stream.len())));
            prop_assert!(exact(&data, size + 1).is_err());
            if size > 0 {
                prop_assert!(exact(&data, size - 1).is_err());
            }
            prop_assert!(exact(&stream[..cut.index(stream.len())], size).is_err());
            let mut start = [0; 20];
            let len = head(&data, &mut start).unwrap();
            prop_assert_eq!(&start[..len], &body[..body.len().min(20)]);
        }
    }

    #[test]
    fn false_sizes_cost_no_memory() {
        for size in [1 << 40, u64::MAX - 1, u64::MAX] {
            assert_eq!(exact(&deflate(b"x"), size), Err(Flaw("an entry is cut short")));
        }
        assert_eq!(exact(b"no stream at all", 5), Err(Flaw("an entry is no zlib stream")));
    }
}
