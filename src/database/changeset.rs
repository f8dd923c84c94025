//! What one commit changes, and what must hold for it to be made.

use crate::object::{BlobId, Objects, TreeId};
use crate::tree::{Document, Edit, Edits, Key, Tree};

use super::conflicts::Bound;
use super::error::{Error, Result};
use super::signers;

/// What a key must hold before a commit for the commit to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// No document. Failing it is a failed expectation.
    Absent,
    /// This content. Failing it is a failed expectation.
    Holds(BlobId),
    /// This document, its versions in conflict included. Failing it is a failed expectation.
    Is(Document),
    /// A document, of any content. Failing it is [`Error::NoDocument`].
    Exists,
    /// A document, or documents below it. Failing it is [`Error::NothingBelow`].
    FolderExists,
}

/// The changes of one commit. Contents must have been put into the database's store.
#[derive(Clone, Debug, Default)]
pub struct Changeset {
    edits: Edits,
    conditions: Vec<(Key, Condition)>,
    /// What is stored last as the list of those who may sign.
    signers: Option<BlobId>,
    /// A root tree to start from in place of the commit's.
    whole: Option<TreeId>,
    /// The documents in conflict that are stored, as one that is restored can be.
    conflicts: Vec<Key>,
}

impl Changeset {
    /// No changes.
    pub fn new() -> Changeset {
        Changeset::default()
    }

    /// The change to just this root tree; further changes are made in it.
    pub fn whole_tree(root: TreeId) -> Changeset {
        Changeset { whole: Some(root), ..Changeset::default() }
    }

    /// Stores a document. Of several changes of one key the last counts.
    pub fn put(&mut self, key: Key, document: impl Into<Document>) {
        let document = document.into();
        if signers::is_list(&key) {
            self.signers = Some(document.blob);
        }
        if document.conflict.is_some() {
            self.conflicts.push(key.clone());
        }
        self.edits.push(&key, Edit::Put(document));
    }

    /// Removes a document if it is there.
    pub fn remove(&mut self, key: Key) {
        if signers::is_list(&key) {
            self.signers = None;
        }
        self.edits.push(&key, Edit::Remove);
    }

    /// Removes a document and all below it.
    pub fn remove_folder(&mut self, key: Key) {
        self.edits.push(&key, Edit::RemoveFolder);
    }

    /// Makes the commit depend on what a key holds before it.
    pub fn require(&mut self, key: Key, condition: Condition) {
        self.conditions.push((key, condition));
    }

    /// The list of those who may sign that is stored, if that is one of the changes.
    pub(super) fn signers(&self) -> Option<BlobId> {
        self.signers
    }

    /// What tells what is in conflict in the tree that it makes of another one.
    pub(super) fn bound(&self, base: TreeId, tree: TreeId) -> Bound {
        Bound { tree, from: vec![self.whole.unwrap_or(base)], keys: self.conflicts.clone() }
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.edits.len()
    }

    /// Whether there is no change.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty() && self.whole.is_none()
    }

    /// Checks the conditions against a tree and makes the changes in it.
    pub(super) fn apply<'a, O: Objects + Sync + ?Sized>(&self, base: &Tree<'a, O>) -> Result<Tree<'a, O>> {
        for (key, condition) in &self.conditions {
            check(base, key, *condition)?;
        }
        let base = self.whole.map_or(*base, |root| base.with_root(root));
        if self.edits.is_empty() { Ok(base) } else { Ok(base.edit(&self.edits)?) }
    }
}

fn check<O: Objects + ?Sized>(base: &Tree<'_, O>, key: &Key, condition: Condition) -> Result<()> {
    if condition == Condition::FolderExists {
        return match base.folder(Some(key))? {
            Some(_) => Ok(()),
            None => Err(Error::NothingBelow(key.clone())),
        };
    }
    let document = base.get(key)?;
    let found = document.map(|document| document.blob);
    let expected = match condition {
        Condition::Absent => None,
        Condition::Holds(id) => Some(id),
        Condition::Is(expected) if document == Some(expected) => return Ok(()),
        Condition::Is(expected) if found == Some(expected.blob) => return Err(Error::OtherVersions(key.clone())),
        Condition::Is(expected) => Some(expected.blob),
        Condition::Exists if found.is_none() => return Err(Error::NoDocument(key.clone())),
        Condition::Exists | Condition::FolderExists => return Ok(()),
    };
    if found == expected { Ok(()) } else { Err(Error::Unexpected { key: key.clone(), expected, found }) }
}
