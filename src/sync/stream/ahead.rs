//! Contents that are made before it is their turn. Most of the time that a small stream takes goes into reading what its
//! deltas are to, and none of these waits for another.

use std::collections::VecDeque;

use super::record::{Content, Record, To};
use super::take::next_key;
use super::wire::{Cursor, wrong};
use crate::database::Database;
use crate::object::{Kind, Objects, TreeId};
use crate::store::pack::delta;
use crate::sync::error::Result;
use crate::tree::{Key, on_all_cores};

/// Fewer deltas are not worth a thread. Few in tests, whose blocks are short.
const MANY: usize = if cfg!(test) { 2 } else { 16 };
/// A thread takes so many at once.
const EACH: usize = if cfg!(test) { 1 } else { 4 };
/// So many bytes are made ahead of their turn.
const MOST: u64 = 8 << 20;

/// What the deltas that come next make, in their order.
#[derive(Default)]
pub(super) struct Ahead(VecDeque<Result<Vec<u8>>>);

impl Ahead {
    /// Makes what the deltas stand for among the changes at the start of `rest`, which are to a tree and follow a path. What
    /// is wrong there is told when it is its turn.
    pub(super) fn look(db: &Database, before: TreeId, path: &[u8], mut rest: Cursor<'_>) -> Ahead {
        let (mut deltas, mut path, mut size) = (Vec::new(), path.to_vec(), 0);
        while size <= MOST
            && let Ok(Record::Change { key, to }) = Record::read(&mut rest)
            && let Ok(key) = next_key(&mut path, key)
        {
            if let To::Content(Content::Delta(delta)) = to {
                size += delta::sizes(delta).map_or(0, |(_, size, _)| size);
                deltas.push((key, delta));
            }
        }
        if deltas.len() < MANY || size > MOST {
            return Ahead::default();
        }
        Ahead(on_all_cores(&deltas, EACH, |(key, delta)| make(db, before, key, delta)).into())
    }

    /// What the next delta makes, if that is known; it is asked for each of them.
    pub(super) fn next(&mut self) -> Option<Result<Vec<u8>>> {
        self.0.pop_front()
    }
}

/// Applies a delta to the document that a tree has at a key.
pub(super) fn make(db: &Database, before: TreeId, key: &Key, delta: &[u8]) -> Result<Vec<u8>> {
    let old = db.tree(before).get(key)?;
    let old = old.ok_or_else(|| wrong("a delta is to a document that is not there"))?;
    let old = db.store().require(old.blob.0, Kind::Blob)?;
    delta::apply(&old, delta).map_err(|flaw| wrong(flaw.0))
}
