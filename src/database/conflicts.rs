//! The documents in conflict: found without walking all that there are.
//!
//! The file `isodb/conflicts` notes which documents of one root tree are in conflict, the head's when somebody last
//! asked, at first that of the first commit. For another tree only what differs from that one is walked. The note can be
//! deleted at any time, and nothing rests on it: one that is damaged, is of another version, names a tree that is gone,
//! or a document that is in no conflict, is passed over, and all documents are walked.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::Database;
use super::error::Result;
use crate::disk::Access;
use crate::object::{Objects, TreeId};
use crate::store::{Store, new_stem};
use crate::tree::{self, Document, Key, Range, Tree};
use sha2::{Digest, Sha256};

/// The first line of a note.
const HEADER: &str = "isodb conflicts 1\n";

/// The length of the hash in hex at the end of a note, over all that comes before it.
const HASH: usize = 64;

/// What is in conflict in one root tree.
struct Note {
    tree: TreeId,
    /// In order.
    keys: Vec<Key>,
}

impl Database {
    /// The documents in conflict of a root tree, in the order of their keys; with `prefix`, those at it and below it.
    ///
    /// The cost is that of what differs from the tree that was last asked for as a whole and was the current head's; the
    /// first time all documents are walked.
    ///
    /// # Errors
    /// When a tree cannot be read.
    pub fn conflicts(&self, tree: TreeId, prefix: Option<&Key>) -> Result<Vec<(Key, Document)>> {
        let tree = self.tree(tree);
        let note = self.conflict_note();
        let noted = note.as_ref().map(|note| note.tree);
        let (found, is_noted) = match note.and_then(|note| since(note, &tree, prefix)) {
            Some(found) => (found, noted == Some(tree.id())),
            None => (all(&tree, prefix)?, false),
        };
        if prefix.is_none() && !is_noted && self.is_current(tree.id())? {
            let keys = found.iter().map(|(key, _)| key.clone()).collect();
            // Who may not write here can read all the same.
            let _ = self.write_conflict_note(&Note { tree: tree.id(), keys });
        }
        Ok(found)
    }

    /// Leaves a note of a tree that has no document in conflict, where there is no note yet: who makes the first commit
    /// knows that, and spares others the walk through all that it brings.
    pub(super) fn note_no_conflicts(&self, tree: TreeId) {
        if self.conflict_note().is_none() {
            // Without it the documents are walked once.
            let _ = self.write_conflict_note(&Note { tree, keys: Vec::new() });
        }
    }

    /// Whether a root tree is that of the current head.
    fn is_current(&self, tree: TreeId) -> Result<bool> {
        match self.head()?.1 {
            Some(head) => Ok(self.store.commit(head)?.tree == tree),
            None => Ok(false),
        }
    }

    fn conflict_note_path(&self) -> PathBuf {
        self.root.join("isodb").join("conflicts")
    }

    /// The note, if there is one that can be used.
    fn conflict_note(&self) -> Option<Note> {
        Note::parse(&self.disk.read(&self.conflict_note_path()).ok()?)
    }

    /// Replaces the note. It is not waited for until it is durable: what a power cut leaves of it is seen not to be whole.
    fn write_conflict_note(&self, note: &Note) -> io::Result<()> {
        let temporary = self.root.join("isodb").join("tmp").join(format!("conflicts-{}", new_stem()));
        let written = self
            .disk
            .write_new(&temporary, &note.encode(), Access::ReadWrite)
            .and_then(|()| self.disk.rename(&temporary, &self.conflict_note_path()));
        written.inspect_err(|_| {
            // Best effort: what is left is swept later.
            let _ = self.disk.remove(&temporary);
        })
    }
}

/// The documents in conflict of a tree by what was noted of another one; `None` where the note does not help.
fn since(note: Note, tree: &Tree<'_, Store>, prefix: Option<&Key>) -> Option<Vec<(Key, Document)>> {
    let is_asked = |key: &Key| prefix.is_none_or(|prefix| key.is_below(prefix));
    let mut keys: BTreeSet<Key> = note.keys.into_iter().filter(is_asked).collect();
    for change in tree.with_root(note.tree).diff(tree, prefix).ok()? {
        let change = change.ok()?;
        if change.new.is_some_and(|document| document.conflict.is_some()) {
            keys.insert(change.key);
        } else {
            keys.remove(&change.key);
        }
    }
    let keys: Vec<Key> = keys.into_iter().collect();
    let documents = tree.get_many(&keys, 0, |_, _, found| found.ok().flatten());
    let is_in_conflict = |document: &Document| document.conflict.is_some();
    keys.into_iter().zip(documents).map(|(key, document)| Some((key, document.filter(is_in_conflict)?))).collect()
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

impl Note {
    fn encode(&self) -> Vec<u8> {
        let mut text = format!("{HEADER}{}\n", self.tree).into_bytes();
        for key in &self.keys {
            text.extend_from_slice(key.text().as_bytes());
            text.push(0);
        }
        let hash = hex::encode(Sha256::digest(&text));
        text.extend_from_slice(hash.as_bytes());
        text
    }

    /// `None` for anything that [`Note::encode`] would not have written.
    fn parse(bytes: &[u8]) -> Option<Note> {
        let (text, hash) = bytes.split_at_checked(bytes.len().checked_sub(HASH)?)?;
        if hex::encode(Sha256::digest(text)).as_bytes() != hash {
            return None;
        }
        let rest = std::str::from_utf8(text).ok()?.strip_prefix(HEADER)?;
        let (tree, rest) = rest.split_once('\n')?;
        let keys: Vec<Key> = rest.split_terminator('\0').map(|key| key.parse().ok()).collect::<Option<_>>()?;
        let note = Note { tree: tree.parse().ok()?, keys };
        note.keys.is_sorted_by(|a, b| a < b).then_some(note)
    }
}
