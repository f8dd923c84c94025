//! A content as it is sent: whole, as a delta to the one that it replaces, or in pieces.

use super::block::FULL;
use crate::object::{BlobId, Kind};
use crate::store::Store;
use crate::store::pack::delta::DeltaIndex;
use crate::sync::error::Result;

/// Contents up to this size are compared with what they replace.
const COMPARED: u64 = 4 << 20;
/// A delta is sent that has at most this part of the content's bytes: zstd makes contents smaller, and deltas hardly.
const DELTA_PART: usize = 3;

/// A content that is ready to be sent.
pub(super) enum Ready {
    Whole(Vec<u8>),
    /// A delta to the content before it, and the size of what it makes.
    Delta(Vec<u8>, u64),
    /// So many bytes, which are sent in pieces.
    Long(u64),
}

impl Ready {
    /// Reads a content and, where there is one, that which it replaces.
    pub(super) fn of(store: &Store, blob: BlobId, before: Option<BlobId>) -> Result<Ready> {
        let missing = crate::object::Error::Missing { id: blob.0, kind: Some(Kind::Blob) };
        let reader = store.open(blob.0)?.ok_or(missing)?;
        let size = reader.size();
        if size > if before.is_some() { COMPARED } else { FULL as u64 } {
            return Ok(Ready::Long(size));
        }
        let body = reader.into_body(COMPARED)?;
        match before.and_then(|before| delta(store, before, &body)) {
            Some(delta) => Ok(Ready::Delta(delta, size)),
            None if size <= FULL as u64 => Ok(Ready::Whole(body)),
            None => Ok(Ready::Long(size)),
        }
    }

    /// The content's size in bytes.
    pub(super) fn size(&self) -> u64 {
        match self {
            Ready::Whole(body) => body.len() as u64,
            Ready::Delta(_, size) | Ready::Long(size) => *size,
        }
    }

    /// How many bytes are held.
    pub(super) fn held(&self) -> usize {
        match self {
            Ready::Whole(bytes) | Ready::Delta(bytes, _) => bytes.len(),
            Ready::Long(_) => 0,
        }
    }
}

/// The difference between a content and the one before it, where that is clearly shorter. Where the old one cannot be read,
/// there is none: the other side gets the new one whole.
fn delta(store: &Store, before: BlobId, new: &[u8]) -> Option<Vec<u8>> {
    let old = store.open(before.0).ok()??;
    let old = if old.size() <= COMPARED { old.into_body(COMPARED).ok()? } else { return None };
    DeltaIndex::new(&old).make(new, (new.len() / DELTA_PART).min(FULL))
}
