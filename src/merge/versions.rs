//! Merging the sets of versions that one document has on three sides (FORMAT: "Conflicts").
//!
//! The deletion is a version like any other. Nothing here looks into a content.

use std::collections::BTreeSet;

use crate::object::{BlobId, Objects};
use crate::tree::{Conflict, Document, Error};

/// What becomes of a document that is merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Merged {
    /// What the left side has, as it is.
    Left,
    /// What the right side has, as it is.
    Right,
    /// There is no document.
    Absent,
    /// A single version is left.
    One(BlobId),
    /// Several versions are left, with the content that they came from.
    Dispute(Conflict),
}

/// Merges a document three ways: what the base has, the left side, and the right one. Conflicts are read.
pub(super) fn merge<O: Objects + ?Sized>(
    objects: &O,
    [base, left, right]: [Option<Document>; 3],
) -> Result<Merged, Error> {
    if left == right || right == base {
        return Ok(Merged::Left);
    }
    if left == base {
        return Ok(Merged::Right);
    }
    let [base, left, right] = [state(objects, base)?, state(objects, left)?, state(objects, right)?];
    Ok(merge_sets(base.as_ref(), [left.as_ref(), right.as_ref()]))
}

/// The versions of what a tree has at a key: a document outside a conflict has one.
fn state<O: Objects + ?Sized>(objects: &O, document: Option<Document>) -> Result<Option<Conflict>, Error> {
    match document {
        None => Ok(None),
        Some(Document { conflict: Some(id), .. }) => Conflict::load(objects, id).map(Some),
        Some(Document { blob, conflict: None }) => {
            Ok(Some(Conflict { versions: [blob].into(), base: None, deleted: false }))
        }
    }
}

/// A version: a content, or `None` for the deletion.
type Version = Option<BlobId>;

/// Both sides differ from the base and from one another.
fn merge_sets(base: Option<&Conflict>, sides: [Option<&Conflict>; 2]) -> Merged {
    let base_versions = base.map(versions).unwrap_or_default();
    let [left, right] = sides.map(|side| match side {
        Some(side) => versions(side),
        // What the base has and the side has not was deleted; what neither has is no version of it.
        None => base.map(|_| None).into_iter().collect(),
    });
    let mut merged: BTreeSet<Version> = left.intersection(&right).copied().collect();
    merged.extend(asserted(&left, &base_versions));
    merged.extend(asserted(&right, &base_versions));
    let deleted = merged.remove(&None);
    let versions: BTreeSet<BlobId> = merged.into_iter().flatten().collect();
    match (versions.first(), versions.len(), deleted) {
        (None, ..) => Merged::Absent,
        (Some(&one), 1, false) => Merged::One(one),
        _ => {
            let base = base.and_then(|base| single(base).or(base.base));
            Merged::Dispute(Conflict { versions, base, deleted })
        }
    }
}

fn versions(state: &Conflict) -> BTreeSet<Version> {
    let deletion = state.deleted.then_some(None);
    state.versions.iter().copied().map(Some).chain(deletion).collect()
}

/// What a side has said anew: all that it holds if it dropped a version of the base (it chose), else what it added.
fn asserted(side: &BTreeSet<Version>, base: &BTreeSet<Version>) -> BTreeSet<Version> {
    if base.is_subset(side) { side - base } else { side.clone() }
}

/// The content of a document that is not in conflict.
fn single(state: &Conflict) -> Option<BlobId> {
    state.versions.first().copied().filter(|_| state.versions.len() == 1 && !state.deleted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{Id, Memory, TreeId};

    fn blob(byte: u8) -> BlobId {
        BlobId(Id::from_bytes([byte; 32]))
    }

    /// `1,2,- < 3`: versions, `-` for the deletion, and the base; the empty text for no document.
    fn set(text: &str) -> Option<Conflict> {
        let (versions, base) = text.split_once(" < ").unwrap_or((text, ""));
        let versions: Vec<&str> = versions.split(',').filter(|one| !one.is_empty()).collect();
        let number = |text: &&str| blob(text.parse().unwrap());
        (!versions.is_empty()).then(|| Conflict {
            versions: versions.iter().filter(|one| **one != "-").map(number).collect(),
            base: (!base.is_empty()).then(|| number(&base)),
            deleted: versions.contains(&"-"),
        })
    }

    fn check(base: &str, left: &str, right: &str, expected: &str) {
        let [base, left, right] = [base, left, right].map(set);
        let expected =
            set(expected).map_or(Merged::Absent, |set| single(&set).map_or(Merged::Dispute(set), Merged::One));
        for sides in [[left.as_ref(), right.as_ref()], [right.as_ref(), left.as_ref()]] {
            assert_eq!(merge_sets(base.as_ref(), sides), expected, "{base:?} {sides:?}");
        }
    }

    #[test]
    fn sets_of_versions() {
        check("", "1", "2", "1,2");
        check("1", "2", "3", "2,3 < 1");
        check("1", "2", "", "2,- < 1");
        check("1", "2,3 < 1", "4", "2,3,4 < 1");
        // A choice between the versions of a conflict drops the others.
        check("2,3 < 1", "2", "3", "2,3 < 1");
        check("2,3 < 1", "2", "2,3,4 < 1", "2,4 < 1");
        check("2,3 < 1", "", "2,3,4 < 1", "4,- < 1");
        check("2,- < 1", "", "5", "5,- < 1");
        check("2,3", "2", "", "2,-");
        // Two conflicts on one base: what both added is there once, and what one added stays.
        check("2,3 < 1", "2,3,4 < 1", "2,3,5 < 1", "2,3,4,5 < 1");
        check("2,3 < 1", "2,4 < 1", "2,3,5 < 1", "2,4,5 < 1");
        // The same contents from different bases.
        check("", "1,2 < 3", "1,2 < 4", "1,2");
        check("1", "1,- < 2", "2,- < 1", "2,- < 1");
    }

    #[test]
    fn a_single_version_is_left_where_all_choose_it() {
        check("2,3 < 1", "2,4 < 1", "2,- < 1", "2,4,- < 1");
        check("1,2,3", "1", "1 < 9", "1");
    }

    #[test]
    fn what_one_side_alone_changed_is_taken_unread() {
        let objects = Memory::new();
        let conflict = Some(Document { blob: blob(1), conflict: Some(TreeId(Id::from_bytes([7; 32]))) });
        let other = Some(Document::from(blob(2)));
        let merge = |base, left, right| merge(&objects, [base, left, right]);
        assert_eq!(merge(other, conflict, other).unwrap(), Merged::Left);
        assert_eq!(merge(other, other, conflict).unwrap(), Merged::Right);
        assert_eq!(merge(other, conflict, conflict).unwrap(), Merged::Left);
        assert_eq!(merge(None, conflict, None).unwrap(), Merged::Left);
        assert_eq!(merge(None, None, conflict).unwrap(), Merged::Right);
        assert!(merge(other, conflict, None).is_err(), "a conflict that is missing");
    }
}
