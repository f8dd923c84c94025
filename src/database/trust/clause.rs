//! Whether a change stays within what somebody may change.
//!
//! The documents are compared, and then the change is made again: what comes out must be the very tree that the commit
//! has. So nothing can hide in a folder that is stored in another form than the format's, where one reader would find a
//! document and another would not.

use super::lists::Clause;
use crate::database::error::Result;
use crate::object::{Objects, Overlay, TreeId};
use crate::tree::{self, Edit, Edits, Key, Tree};

/// What a change does that it may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Breach {
    /// It changes this document.
    Document(Key),
    /// It stores folders in another form.
    Form,
}

/// What the change from one root tree to another does outside of a clause, if anything: the first document, in the order
/// of keys. Conflict data counts as its document's.
///
/// # Errors
/// When an object cannot be read.
pub(super) fn breach<O: Objects + Sync + ?Sized>(
    objects: &O,
    old: TreeId,
    new: TreeId,
    clause: &Clause,
) -> Result<Option<Breach>> {
    if clause.is_open() || old == new {
        return Ok(None);
    }
    match compare(objects, old, new, clause) {
        Err(tree::Error::Format { .. }) => Ok(Some(Breach::Form)),
        compared => Ok(compared?),
    }
}

fn compare<O: Objects + Sync + ?Sized>(
    objects: &O,
    old: TreeId,
    new: TreeId,
    clause: &Clause,
) -> Result<Option<Breach>, tree::Error> {
    let overlay = Overlay::new(objects);
    let base = Tree::new(&overlay, old);
    let mut edits = Edits::new();
    for change in base.diff(&base.with_root(new), None)? {
        let change = change?;
        if !clause.allows(&change.key) {
            return Ok(Some(Breach::Document(change.key)));
        }
        edits.push(&change.key, change.new.map_or(Edit::Remove, Edit::Put));
    }
    let made = base.edit(&edits)?.id();
    Ok((made != new).then_some(Breach::Form))
}
