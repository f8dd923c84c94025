//! The file of one loose object: `objects/ab/cdef…`, zlib of the header and the body.
//! Source: git's `Documentation/gitformat-loose.adoc`.

use std::cell::RefCell;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::Compress;
use flate2::bufread::ZlibDecoder;

use super::deflate::{STORE_COST, compressor, deflate, store_body};
use super::{IN_MEMORY_LIMIT, Result};
use crate::object::{Error, Hasher, Id, Kind, Object, decode_header, encode_header};

/// A file takes whole blocks of the disk, mostly of so many bytes: what fits into one as it is takes no less of it when it is
/// compressed. And a compressor begins with a third of a megabyte of fresh memory, which a put of a small document feels.
const DISK_BLOCK: usize = 4096;

pub(super) fn path(objects: &Path, id: Id) -> PathBuf {
    let hex = id.to_string();
    let mut path = objects.join(&hex[..2]);
    path.push(&hex[2..]);
    path
}

/// The bytes of the file of an object that is in memory.
pub(super) fn encode(kind: Kind, body: &[u8]) -> Vec<u8> {
    thread_local! {
        static COMPRESS: RefCell<Compress> = RefCell::new(compressor());
    }
    let header = encode_header(kind, body.len() as u64);
    let size = header.len() + body.len();
    if size + STORE_COST <= DISK_BLOCK {
        let mut out = Vec::with_capacity(size + STORE_COST);
        store_body(&[header.as_ref(), body].concat(), &mut out);
        return out;
    }
    COMPRESS.with_borrow_mut(|compress| {
        let mut out = Vec::with_capacity(body.len() / 2 + 128);
        deflate(compress, &[&header, body], &mut out);
        out
    })
}

/// The object that a file holds, checked against the id.
pub(super) fn decode(file: &[u8], id: Id) -> Result<Object> {
    let damaged = |reason: String| Error::Damaged { id, reason };
    let mut inflated = ZlibDecoder::new(file);
    let mut head = Vec::with_capacity(512);
    read_up_to(&mut inflated, 512, &mut head).map_err(|error| damaged(inflate_error(&error)))?;
    let (kind, size, start) = decode_header(&head).map_err(|error| damaged(error.to_string()))?;
    if size > IN_MEMORY_LIMIT {
        return Err(Error::TooLarge { id: Some(id), size, limit: IN_MEMORY_LIMIT });
    }
    let mut body = head.split_off(start);
    if (body.len() as u64) <= size {
        // The size is only a claim until the bytes have come, so it sets the limit of what is read, and memory grows
        // with what does come.
        let rest = size + 1 - body.len() as u64;
        read_up_to(&mut inflated, rest, &mut body).map_err(|error| damaged(inflate_error(&error)))?;
    }
    if body.len() as u64 != size {
        let relation = if (body.len() as u64) < size { "fewer" } else { "more" };
        return Err(damaged(format!("it has {relation} bytes than the {size} that its header says")));
    }
    if !inflated.into_inner().is_empty() {
        return Err(damaged("there are bytes behind its end".into()));
    }
    let mut hasher = Hasher::new(kind, size);
    hasher.update(&body);
    if hasher.finish() != id {
        return Err(damaged("its hash is another".into()));
    }
    Ok(Object { kind, body })
}

fn read_up_to(source: &mut impl Read, limit: u64, out: &mut Vec<u8>) -> std::io::Result<()> {
    source.take(limit).read_to_end(out).map(drop)
}

/// What is wrong with a file that does not inflate, in words for a message.
pub(super) fn inflate_error(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "its file is cut short".into(),
        _ => "its file is no zlib stream".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::hash;
    use crate::store::deflate::LEVEL;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trip(body in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let id = hash(Kind::Blob, &body);
            let object = decode(&encode(Kind::Blob, &body), id).unwrap();
            prop_assert_eq!(object.body, body);
        }

        #[test]
        fn a_flipped_or_cut_file_is_an_error(at in 0usize..200, bit in 0u8..8) {
            let body = b"some content, some content, some other content\n".repeat(3);
            let id = hash(Kind::Blob, &body);
            let file = encode(Kind::Blob, &body);
            let at = at % file.len();
            let mut flipped = file.clone();
            flipped[at] ^= 1 << bit;
            // A flip in the zlib header's unused bits may leave a stream that means the same.
            if let Ok(object) = decode(&flipped, id) {
                prop_assert_eq!(object.body, body);
            }
            prop_assert!(decode(&file[..at], id).is_err());
        }
    }

    #[test]
    fn what_fits_into_a_block_of_the_disk_is_not_compressed() {
        let file = |size: usize| encode(Kind::Blob, &vec![b'x'; size]);
        // With the header, `blob 4075` and a zero byte, this is just a block.
        assert_eq!((file(4075).len(), file(0).len()), (DISK_BLOCK, 7 + STORE_COST));
        assert!(file(4076).len() < 100);
        for size in [0, 1, 4075, 4076] {
            let body = vec![b'x'; size];
            assert_eq!(decode(&file(size), hash(Kind::Blob, &body)).unwrap().body, body);
        }
    }

    #[test]
    fn lies_about_the_size_cost_no_memory() {
        for claim in ["blob 5\0", "blob 268435456\0", "blob 99999999999999\0", "blob 3\0"] {
            let mut file = flate2::write::ZlibEncoder::new(Vec::new(), LEVEL);
            std::io::Write::write_all(&mut file, format!("{claim}four").as_bytes()).unwrap();
            let file = file.finish().unwrap();
            assert!(decode(&file, hash(Kind::Blob, b"four")).is_err(), "{claim}");
        }
    }

    #[test]
    fn bytes_behind_the_end_are_refused() {
        let mut file = encode(Kind::Blob, b"x");
        file.push(0);
        assert!(decode(&file, hash(Kind::Blob, b"x")).is_err());
    }
}
