//! Merging whole trees against a slow model of the format's rules: sets of versions by key, in plain maps.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{Decision, three_way};
use crate::object::{BlobId, Kind, Memory, Objects, TreeId};
use crate::tree::{Conflict, Document, Edit, Edits, Key, Tree};

/// A version: a content, or `None` for the deletion.
type Version = Option<u8>;

/// What the versions of one document are in one tree, and in a conflict what they came from.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Doc {
    versions: BTreeSet<Version>,
    base: Option<u8>,
}

impl Doc {
    fn new(versions: impl IntoIterator<Item = Version>, base: Option<u8>) -> Doc {
        let versions: BTreeSet<Version> = versions.into_iter().collect();
        Doc { base: base.filter(|_| versions.len() > 1), versions }
    }
}

/// Documents by the text of their keys.
type Docs = BTreeMap<String, Doc>;

fn asserted(side: &BTreeSet<Version>, base: &BTreeSet<Version>) -> BTreeSet<Version> {
    if base.is_subset(side) { side - base } else { side.clone() }
}

/// The merged document, and whether both sides changed it so that several versions are left.
fn merge_doc(base: Option<&Doc>, left: Option<&Doc>, right: Option<&Doc>) -> (Option<Doc>, bool) {
    if left == right || right == base {
        return (left.cloned(), false);
    }
    if left == base {
        return (right.cloned(), false);
    }
    let versions = |doc: Option<&Doc>, in_base: bool| match doc {
        Some(doc) => doc.versions.clone(),
        None => in_base.then_some(None).into_iter().collect(),
    };
    let (b, l, r) = (versions(base, false), versions(left, base.is_some()), versions(right, base.is_some()));
    let merged: BTreeSet<Version> = (&l & &r).into_iter().chain(asserted(&l, &b)).chain(asserted(&r, &b)).collect();
    if merged == [None].into() {
        return (None, false);
    }
    let origin = match base {
        Some(base) if base.versions.len() == 1 => base.versions.first().copied().flatten(),
        Some(base) => base.base,
        None => None,
    };
    let is_disputed = merged.len() > 1;
    (Some(Doc::new(merged, origin)), is_disputed)
}

fn merge(base: &Docs, left: &Docs, right: &Docs) -> (Docs, BTreeSet<String>) {
    let (mut merged, mut disputed) = (Docs::new(), BTreeSet::new());
    for key in base.keys().chain(left.keys()).chain(right.keys()) {
        let (doc, is_disputed) = merge_doc(base.get(key), left.get(key), right.get(key));
        merged.extend(doc.map(|doc| (key.clone(), doc)));
        disputed.extend(is_disputed.then(|| key.clone()));
    }
    (merged, disputed)
}

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

fn blob(objects: &Memory, content: u8) -> BlobId {
    BlobId(objects.put(Kind::Blob, &[content]).unwrap())
}

fn write(objects: &Memory, doc: &Doc) -> Document {
    let conflict = Conflict {
        versions: doc.versions.iter().flatten().map(|&content| blob(objects, content)).collect(),
        base: doc.base.map(|content| blob(objects, content)),
        deleted: doc.versions.contains(&None),
    };
    conflict.write(objects).unwrap().unwrap()
}

/// The tree of these documents, made from nothing.
fn tree(objects: &Memory, docs: &Docs) -> TreeId {
    let edits: Edits = docs.iter().map(|(text, doc)| (key(text), Edit::Put(write(objects, doc)))).collect();
    Tree::new(objects, TreeId::EMPTY).edit(&edits).unwrap().id()
}

/// Sees that the merge of two trees is that of the documents, from both sides, and decided in any way.
fn check(base: &Docs, left: &Docs, right: &Docs, decisions: &[Decision]) {
    let objects = &Memory::new();
    let (merged, disputed) = merge(base, left, right);
    let trees = [base, left, right].map(|docs| tree(objects, docs));
    let merge = three_way(objects, trees[0], trees[1], trees[2]).unwrap();
    let swapped = three_way(objects, trees[0], trees[2], trees[1]).unwrap();
    assert_eq!(merge.disputes, swapped.disputes);
    assert!(merge.disputes.is_sorted_by(|a, b| a.key < b.key));
    let texts: BTreeSet<String> = merge.disputes.iter().map(|dispute| dispute.key.text().into_owned()).collect();
    assert_eq!(texts, disputed);
    for dispute in &merge.disputes {
        let expected = write(objects, &merged[&*dispute.key.text()]);
        assert_eq!(dispute.set.write(objects).unwrap(), Some(expected));
    }

    let mut decided = merged.clone();
    for (dispute, decision) in merge.disputes.iter().zip(decisions) {
        match decision {
            Decision::Keep => {}
            Decision::Merged(_) => drop(decided.insert(dispute.key.text().into_owned(), Doc::new([Some(9)], None))),
            Decision::Deleted => drop(decided.remove(&*dispute.key.text())),
        }
    }
    let nine = Decision::Merged(blob(objects, 9));
    let decisions: Vec<Decision> =
        decisions.iter().map(|one| if let Decision::Merged(_) = one { nine } else { *one }).collect();
    assert_eq!(merge.clone().finish(objects, &decisions).unwrap(), tree(objects, &decided));
    assert_eq!(swapped.finish(objects, &decisions).unwrap(), tree(objects, &decided));
    let kept = merge.finish(objects, &[]).unwrap();
    assert_eq!(kept, tree(objects, &merged));

    // What has been merged is merged with what it came from at no cost, and with itself.
    for side in [trees[1], trees[2], kept] {
        let again = three_way(objects, side, side, kept).unwrap();
        assert!(again.disputes.is_empty() && again.edits.is_empty());
        assert_eq!(again.finish(objects, &[]).unwrap(), kept);
        assert_eq!(three_way(objects, side, kept, kept).unwrap().finish(objects, &[]).unwrap(), kept);
    }
}

fn doc() -> impl Strategy<Value = Doc> {
    let version = || prop_oneof![4 => (0..4_u8).prop_map(Some), 1 => Just(None)];
    prop_oneof![
        3 => (0..4_u8).prop_map(|content| Doc::new([Some(content)], None)),
        2 => (0..4_u8, btree_set(version(), 1..4), proptest::option::of(0..4_u8))
            .prop_map(|(one, more, base)| Doc::new(more.into_iter().chain([Some(one)]), base)),
    ]
}

/// Few keys, of which some lie below others.
fn nested() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "b", "a-", "é"]), 1..4).prop_map(|segments| segments.join("/"))
}

fn decision() -> impl Strategy<Value = Decision> {
    select(vec![Decision::Keep, Decision::Merged(BlobId::EMPTY), Decision::Deleted])
}

/// The documents with these changed: removed, or put.
fn changed(mut docs: Docs, changes: impl IntoIterator<Item = (String, Option<Doc>)>) -> Docs {
    for (key, change) in changes {
        match change {
            Some(doc) => drop(docs.insert(key, doc)),
            None => drop(docs.remove(&key)),
        }
    }
    docs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nested_documents(
        base in btree_map(nested(), doc(), 0..20),
        [left, right] in [vec((nested(), proptest::option::of(doc())), 0..20), vec((nested(), proptest::option::of(doc())), 0..20)],
        decisions in vec(decision(), 0..8),
    ) {
        let (left, right) = (changed(base.clone(), left), changed(base.clone(), right));
        check(&base, &left, &right, &decisions);
        check(&Docs::new(), &left, &right, &decisions);
    }
}

/// Changes of every n-th document from some on, all to one state.
fn stretch() -> impl Strategy<Value = (Index, usize, usize, Option<Doc>)> {
    (any::<Index>(), 1..300_usize, 1..40_usize, proptest::option::of(doc()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn large_folders(
        count in select(vec![60_usize, 64, 65, 70, 500, 2500]),
        [left, right] in [vec(stretch(), 0..4), vec(stretch(), 0..4)],
        decisions in vec(decision(), 0..20),
    ) {
        let name = |i: usize| format!("farm/item-{i:05}");
        let base: Docs = (0..count).map(|i| (name(i), Doc::new([Some(1)], None))).collect();
        let side = |stretches: &[(Index, usize, usize, Option<Doc>)]| {
            stretches.iter().fold(base.clone(), |docs, (from, len, step, doc)| {
                // Some lie behind those that are there.
                let from = from.index(count + 20);
                changed(docs, (from..from + len).step_by(*step).map(|i| (name(i), doc.clone())))
            })
        };
        check(&base, &side(&left), &side(&right), &decisions);
    }
}

#[test]
fn a_tree_that_is_no_folder_is_an_error() {
    let objects = &Memory::new();
    let content = blob(objects, 1);
    let one = tree(objects, &[("a".to_owned(), Doc::new([Some(1)], None))].into());
    let other = tree(objects, &[("a".to_owned(), Doc::new([Some(2)], None))].into());
    for wrong in [TreeId(content.0), TreeId(crate::object::Id::from_bytes([7; 32]))] {
        for trees in [[wrong, one, other], [one, wrong, other], [one, other, wrong]] {
            assert!(three_way(objects, trees[0], trees[1], trees[2]).is_err());
        }
    }
}
