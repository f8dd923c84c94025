//! At which of some keys two trees differ: only folders that lead to one of the keys, and are not equal, are read.

use std::ops::Range;

use super::folder::{self, Folder};
use super::{Document, Key, Result};
use crate::object::{Objects, TreeId};

/// A folder on both sides, and which of the keys are at or below it.
struct Pair {
    old: Option<TreeId>,
    new: Option<TreeId>,
    keys: Range<usize>,
    /// How long the folder's path is.
    len: usize,
}

/// The places of those of some keys, which are in their order, at which two root trees differ.
pub(super) fn differing<O: Objects + ?Sized>(objects: &O, roots: [TreeId; 2], keys: &[&Key]) -> Result<Vec<usize>> {
    // The empty tree need not be stored to be known.
    let [old, new] = roots.map(|id| Some(id).filter(|&id| id != TreeId::EMPTY));
    let mut found = Vec::new();
    let mut todo = vec![Pair { old, new, keys: 0..keys.len(), len: 0 }];
    while let Some(Pair { old, new, keys: Range { start: mut at, end }, len }) = todo.pop() {
        if old == new {
            continue;
        }
        // The folder's own key comes before those below it.
        let own = keys[at..end].partition_point(|key| key.path().len() == len);
        if own > 0 && document(objects, old)? != document(objects, new)? {
            found.extend(at..at + own);
        }
        at += own;
        while at < end {
            let path = keys[at].path();
            let name = path[len..].split('/').next().unwrap_or_default();
            let below = len + name.len() + 1;
            let same = keys[at..end].partition_point(|key| key.path().starts_with(&path[..below]));
            let child = |folder: Option<TreeId>| match folder {
                Some(folder) => folder::find(objects, folder, name.as_bytes()),
                None => Ok(None),
            };
            todo.push(Pair { old: child(old)?, new: child(new)?, keys: at..at + same, len: below });
            at += same;
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn document<O: Objects + ?Sized>(objects: &O, folder: Option<TreeId>) -> Result<Option<Document>> {
    Ok(folder.map(|folder| Folder::load(objects, folder)).transpose()?.and_then(|folder| folder.document))
}
