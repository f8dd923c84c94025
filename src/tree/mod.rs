//! Keys and folders: how documents lie in git's trees (`docs/format/folders.md`).
//!
//! A [`Tree`] is a root tree's id with the objects to read it from: get, list, range, compare, edit. The room sees
//! [`Objects`], never a store. **Invariant:** the id that an edit answers depends on the documents alone, never on
//! the order or the batches in which they came.

mod among;
mod check;
mod cores;
mod cursor;
mod diff;
mod edit;
mod edits;
mod folder;
mod key;
mod list;
mod lost;
mod many;
mod part;
mod pool;
mod queue;
mod scan;
#[cfg(test)]
mod tests;
mod three;
mod walk;

use crate::object::{self, Objects, TreeId};

pub use check::{Finding, FolderCheck, FolderChecker, Role};
pub(crate) use cores::{cores, on_all_cores};
pub use diff::{Change, Diff};
pub use edit::Edit;
pub use edits::Edits;
pub(crate) use folder::without_parts;
pub use folder::{Conflict, Document};
pub use key::{Key, KeyError};
pub use list::{Child, Children};
pub(crate) use lost::{Soundness, lost};
pub(crate) use three::merge_edits;
pub use walk::{Documents, Range};

use folder::Folder;

/// What can go wrong with trees and folders.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An object could not be read or written.
    #[error(transparent)]
    Object(#[from] object::Error),
    /// A tree is sound for git but is no folder by isodb's format.
    #[error("tree {id} is not a folder of isodb's format: {reason}")]
    Format {
        /// The tree.
        id: TreeId,
        /// What is wrong with it.
        reason: String,
    },
}

type Result<T, E = Error> = std::result::Result<T, E>;

/// The documents of one root tree.
#[derive(Debug)]
pub struct Tree<'a, O: ?Sized> {
    objects: &'a O,
    root: TreeId,
}

impl<O: ?Sized> Clone for Tree<'_, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O: ?Sized> Copy for Tree<'_, O> {}

impl<'a, O: Objects + ?Sized> Tree<'a, O> {
    /// The documents below the root tree `root`. Nothing is read yet.
    pub fn new(objects: &'a O, root: TreeId) -> Self {
        Tree { objects, root }
    }

    /// The root tree's id.
    pub fn id(&self) -> TreeId {
        self.root
    }

    /// Another root tree among the same objects.
    pub fn with_root(&self, root: TreeId) -> Self {
        Tree { objects: self.objects, root }
    }

    /// The document at a key, if there is one. Reads one tree for each segment, and a few more in large folders.
    pub fn get(&self, key: &Key) -> Result<Option<Document>> {
        match self.folder(Some(key))? {
            Some(id) => Ok(Folder::load(self.objects, id)?.document),
            None => Ok(None),
        }
    }

    /// The document of a folder itself, where this is a folder's tree and no root.
    pub(crate) fn own_document(&self) -> Result<Option<Document>> {
        Ok(Folder::load(self.objects, self.root)?.document)
    }

    /// The tree of the folder at a key (of the root for `None`), whether or not a document is there.
    pub fn folder(&self, key: Option<&Key>) -> Result<Option<TreeId>> {
        let mut at = self.root;
        for name in key.into_iter().flat_map(Key::names) {
            match folder::find(self.objects, at, name.as_bytes())? {
                Some(id) => at = id,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// The children of a folder, in order. Empty when there is no such folder.
    pub fn children(&self, prefix: Option<&Key>) -> Result<Children<'a, O>> {
        self.children_starting(prefix, "")
    }

    /// The children of a folder whose last segments start with `start`.
    pub fn children_starting(&self, prefix: Option<&Key>, start: &str) -> Result<Children<'a, O>> {
        Children::open(self.objects, self.folder(prefix)?, start)
    }

    /// The documents of a range, in the order of their keys.
    pub fn documents(&self, range: Range) -> Result<Documents<'a, O>> {
        Documents::open(*self, range)
    }

    /// The documents that differ from those of `newer`, in the order of their keys; only those at or below `prefix`
    /// if one is given. Equal folders and parts are not read.
    pub fn diff(&self, newer: &Tree<'a, O>, prefix: Option<&Key>) -> Result<Diff<'a, O>> {
        Diff::open(self.objects, self.folder(prefix)?, newer.folder(prefix)?, prefix)
    }

    /// The places of those of some keys, which must be in their order, at which `newer` has another document. Reads only
    /// folders that lead to one of them, and passes over those that are equal.
    pub(crate) fn differing(&self, newer: &Tree<'a, O>, keys: &[&Key]) -> Result<Vec<usize>> {
        among::differing(self.objects, [self.root, newer.root], keys)
    }

    /// The versions of a document in conflict.
    ///
    /// # Errors
    /// [`Error::Format`] when the tree is no conflict's.
    pub fn conflict(&self, id: TreeId) -> Result<Conflict> {
        Conflict::load(self.objects, id)
    }
}

impl<'a, O: Objects + Sync + ?Sized> Tree<'a, O> {
    /// The tree with these changes made; the objects that are new have been put. Edits are taken in the order of
    /// their keys, and a later one for the same key replaces an earlier one, but for [`Edit::RemoveFolder`] and
    /// [`Edit::PutFolder`], which the later one comes on top of.
    pub fn edit(&self, edits: &Edits) -> Result<Tree<'a, O>> {
        Ok(Tree { objects: self.objects, root: edit::edit(self.objects, self.root, edits)? })
    }
}
