//! `.mtimes` files: when each object of a pack of unreachable ones was last in use.
//!
//! ```text
//! "MTME" | version, 1 | hash, 2 for SHA-256 | a time of 4 bytes for each object, in the order of the index
//!        | the pack's checksum, 32 bytes | the SHA-256 of all before
//! ```
//!
//! Source: git's `Documentation/gitformat-pack.adoc`, "pack-*.mtimes files".

use sha2::{Digest, Sha256};

use super::stock::gone_is_none;
use crate::disk::{Bytes, Disk};
use crate::object::Error;
use crate::store::Result;
use crate::store::pack::Pack;

const HEAD: &[u8; 12] = b"MTME\0\0\0\x01\0\0\0\x02";
const CHECKSUM: usize = 32;

/// The times beside a pack; `None` where it has none.
pub(super) fn read_mtimes(disk: &dyn Disk, pack: &Pack) -> Result<Option<Bytes>> {
    let path = pack.beside("mtimes");
    let Some(bytes) = gone_is_none(disk.map(&path), &path)? else { return Ok(None) };
    let len = HEAD.len() + 4 * pack.index().len() as usize + 2 * CHECKSUM;
    if bytes.len() != len || !bytes.starts_with(HEAD) {
        return Err(Error::DamagedFile { path, reason: "it does not hold the times of its pack".into() });
    }
    Ok(Some(bytes))
}

/// The time of the object at a place of the index, in seconds since 1970.
pub(super) fn mtime(bytes: &[u8], place: u32) -> u32 {
    let at = HEAD.len() + 4 * place as usize;
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u32::from_be_bytes(*chunk))
}

/// The file of these times, in the order of the index of the pack with this checksum.
pub(super) fn encode(times: impl Iterator<Item = u32>, pack: &[u8; 32]) -> Vec<u8> {
    let mut file = HEAD.to_vec();
    for time in times {
        file.extend_from_slice(&time.to_be_bytes());
    }
    file.extend_from_slice(pack);
    let sum = Sha256::digest(&file);
    file.extend_from_slice(&sum);
    file
}
