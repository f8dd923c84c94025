//! The documents in conflict: found without walking all that there are.
//!
//! What is in conflict in a tree is among the keys that its [bound](Bound) has, if it has one; else what differs from a tree
//! that has one is walked, and where there is none, or it cannot be read, all documents are.

mod bounds;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::Database;
use super::error::Result;
use crate::object::{Objects, TreeId};
use crate::store::Store;
use crate::tree::{self, Document, Key, Range, Tree};

use bounds::Bounds;
pub(crate) use bounds::{Bound, Gathered};

/// A bound may have so many keys that are in no conflict, besides as many as are in one, before a new one is noted.
const STALE: usize = 64;

/// So many of the newest trees that have a bound are tried as the one that a tree differs least from.
const NEAR: usize = 4;

impl Database {
    /// The documents in conflict of a root tree, in the order of their keys; with `prefix`, those at it and below it.
    ///
    /// The cost is that of the conflicts where the tree was made here or came as a stream, otherwise of what differs from one
    /// that was; where nothing is noted all documents are walked.
    ///
    /// # Errors
    /// When a tree cannot be read.
    pub fn conflicts(&self, tree: TreeId, prefix: Option<&Key>) -> Result<Vec<(Key, Document)>> {
        let tree = self.tree(tree);
        let bounds = self.conflict_bounds();
        let of_bound = bounds.of(&[tree.id()]).and_then(|keys| among(&tree, keys, prefix).ok());
        let (found, is_noted) = match of_bound {
            Some((found, len)) => {
                let is_noted = len <= 2 * found.len() + STALE;
                (found, is_noted)
            }
            None => match bounds.trees().take(NEAR).find_map(|near| since(&bounds, near, &tree, prefix)) {
                Some(found) => (found, false),
                None => (all(&tree, prefix)?, false),
            },
        };
        if prefix.is_none() && !is_noted && self.is_current(tree.id())? {
            let keys = found.iter().map(|(key, _)| key.clone()).collect();
            self.note_conflicts(&[Bound { tree: tree.id(), from: Vec::new(), keys }]);
        }
        Ok(found)
    }

    /// Whether a root tree is that of the current head.
    fn is_current(&self, tree: TreeId) -> Result<bool> {
        match self.head()?.1 {
            Some(head) => Ok(self.store.commit(head)?.tree == tree),
            None => Ok(false),
        }
    }
}

/// Those of some documents that are in conflict.
pub(super) fn in_conflict<O: Objects + Sync + ?Sized>(
    tree: &Tree<'_, O>,
    keys: &[Key],
) -> Result<Vec<(Key, Document)>, tree::Error> {
    let documents = tree.get_many(keys, 0, |_, _, found| found);
    let is_in_conflict = |document: &Document| document.conflict.is_some();
    let found = keys.iter().zip(documents).map(|(key, document)| Ok((key.clone(), document?.filter(is_in_conflict))));
    found.filter_map(|one| one.map(|(key, document)| Some((key, document?))).transpose()).collect()
}

/// Makes the keys in conflict of one tree those of another one, as far as these differ; only those at or below `prefix` if
/// one is given.
pub(super) fn follow<O: Objects + ?Sized>(
    keys: &mut BTreeSet<Key>,
    from: &Tree<'_, O>,
    to: &Tree<'_, O>,
    prefix: Option<&Key>,
) -> Result<(), tree::Error> {
    for change in from.diff(to, prefix)? {
        let change = change?;
        if change.new.is_some_and(|document| document.conflict.is_some()) {
            keys.insert(change.key);
        } else {
            keys.remove(&change.key);
        }
    }
    Ok(())
}

/// The same by a bound, and how many keys that has.
fn among(
    tree: &Tree<'_, Store>,
    keys: BTreeSet<Key>,
    prefix: Option<&Key>,
) -> Result<(Vec<(Key, Document)>, usize), tree::Error> {
    let is_asked = |key: &Key| prefix.is_none_or(|prefix| key.is_below(prefix));
    let keys: Vec<Key> = keys.into_iter().filter(is_asked).collect();
    Ok((in_conflict(tree, &keys)?, keys.len()))
}

/// The same by the bound of another tree, and what differs from that; `None` where that cannot be read.
fn since(bounds: &Bounds, near: TreeId, tree: &Tree<'_, Store>, prefix: Option<&Key>) -> Option<Vec<(Key, Document)>> {
    // All differs from nothing: that is walked in a better way.
    let mut keys = bounds.of(&[near]).filter(|_| near != TreeId::EMPTY)?;
    follow(&mut keys, &tree.with_root(near), tree, prefix).ok()?;
    Some(among(tree, keys, prefix).ok()?.0)
}

/// The same by walking all documents.
fn all(tree: &Tree<'_, Store>, prefix: Option<&Key>) -> Result<Vec<(Key, Document)>, tree::Error> {
    let mut found = Vec::new();
    let range = Range { prefix: prefix.cloned(), ..Range::default() };
    let look = |_: &_, key: Key, document: Document| Ok((document.conflict.map(|_| (key, document)), 0));
    let give = |one| {
        found.extend(one);
        Ok::<_, tree::Error>(ControlFlow::Continue(()))
    };
    tree.scan(range, 0, look, give)?;
    Ok(found)
}
