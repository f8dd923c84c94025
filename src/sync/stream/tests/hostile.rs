//! Streams that lie: each is refused, and leaves nothing.

use super::*;
use crate::database::tests::database;
use crate::object::{BlobId, Kind, Objects, TreeId, hash};
use crate::sync::stream::record::{Content, KeyPart, Parent, Record, Same, To, check};
use crate::sync::tests::with;
use crate::tree::{Edit, Edits, Tree};

const REST: &[u8] = b"author Ann <ann@farm> 1700000000 +0000\ncommitter Ann <ann@farm> 1700000000 +0000\n\nput\n";

fn takes(db: &Database, records: &[Record<'_>]) -> Result<()> {
    let mut raw = Vec::new();
    records.iter().for_each(|record| record.encode(&mut raw));
    let mut taker = Taker::new(db.quarantine()?);
    taker.take(&raw, raw.len(), &mut runner().unwrap())
}

fn put<'b>(shared: usize, rest: &'b [u8], to: To<'b>) -> Record<'b> {
    Record::Change { key: KeyPart { shared, rest }, to }
}

fn whole(text: &[u8]) -> To<'_> {
    To::Content(Content::Whole(text))
}

/// A first commit of these bytes with a tree.
fn commit(tree: TreeId, rest: &[u8]) -> Record<'_> {
    let body = [format!("tree {tree}\n").as_bytes(), rest].concat();
    Record::Commit { parents: Vec::new(), base: None, rest, check: check(&hash(Kind::Commit, &body)) }
}

/// The tree of the document `a` of one byte.
fn one() -> TreeId {
    let (_, db) = database();
    let blob = BlobId(db.store().put(Kind::Blob, b"1").unwrap());
    let edits: Edits = [("a".parse().unwrap(), Edit::Put(blob.into()))].into_iter().collect();
    Tree::new(db.store(), TreeId::EMPTY).edit(&edits).unwrap().id()
}

#[test]
fn what_is_refused() {
    let (disk, db) = database();
    let head = with(&db, None, 0..3, "one", 1);
    let before = disk.files();
    let right = || commit(one(), REST);
    takes(&db, &[right(), put(0, b"a/", whole(b"1")), Record::End]).unwrap();
    let open = || commit(TreeId::EMPTY, REST);
    let same = |same| put(0, b"a/", To::Same(same));
    let elsewhere = Id::from_bytes([7; 32]);
    let tree = db.store().commit(head).unwrap().tree;
    let on = |parents: Vec<Parent>, base| Record::Commit { parents, base, rest: REST, check: [0; 8] };
    let known = || on(vec![Parent::Known(head.0)], Some(0));
    let delta = |delta| put(0, b"many/0/", To::Content(Content::Delta(delta)));
    let long = || put(0, b"a/", To::Content(Content::Long(5)));
    let conflict = |versions| put(0, b"a/", To::Conflict { versions, base: None, is_deleted: true });
    let huge = [b"\x80\x80\x80\x80\x80\x80\x01".as_slice(), &[1; 8]].concat();
    let bad: &[(&str, Vec<Record<'_>>)] = &[
        ("another content", vec![right(), put(0, b"a/", whole(b"2")), Record::End]),
        ("another key", vec![right(), put(0, b"b/", whole(b"1")), Record::End]),
        ("bytes that are no commit", vec![commit(TreeId::EMPTY, b"author"), Record::End]),
        ("keys not in order", vec![open(), put(0, b"b/", whole(b"1")), put(0, b"a/", whole(b"1"))]),
        ("a key twice", vec![open(), put(0, b"b/", whole(b"1")), put(0, b"b/", whole(b"1"))]),
        ("a key that shares what is not there", vec![open(), put(1, b"a/", whole(b"1"))]),
        ("no key", vec![open(), put(0, b"", whole(b"1"))]),
        ("a name that no key has", vec![open(), put(0, b".git/", whole(b"1"))]),
        ("a key without its end", vec![open(), put(0, b"a", whole(b"1"))]),
        ("a content that was not sent", vec![open(), same(Same::Number(0))]),
        ("a content that is not here", vec![open(), same(Same::Known(elsewhere))]),
        ("a content that is a tree", vec![open(), same(Same::Known(tree.0))]),
        ("a delta to nothing", vec![open(), put(0, b"a/", To::Content(Content::Delta(b"\x01\x01\x01x")))]),
        ("a delta that is none", vec![known(), delta(b"\x01\x01\x01x")]),
        ("a delta that becomes too much", vec![known(), delta(&huge)]),
        ("a parent that was not sent", vec![on(vec![Parent::Back(1)], None)]),
        ("a parent that is not here", vec![on(vec![Parent::Known(elsewhere)], None)]),
        ("a parent that is a tree", vec![on(vec![Parent::Known(tree.0)], None)]),
        ("a merge of one", vec![Record::Merge { parents: vec![Parent::Known(head.0)], check: check(&head.0) }]),
        ("a merge of none", vec![Record::Merge { parents: Vec::new(), check: check(&head.0) }]),
        ("a change of no commit", vec![put(0, b"a/", whole(b"1"))]),
        ("a content of no commit", vec![Record::Content(Content::Whole(b"1"))]),
        ("a piece of nothing", vec![open(), Record::Piece(b"1")]),
        ("a content that is cut short", vec![open(), long(), Record::Piece(b"1"), Record::End]),
        ("a content that is too long", vec![open(), long(), Record::Piece(b"123456")]),
        ("an empty piece", vec![open(), long(), Record::Piece(b"")]),
        ("too large a content", vec![open(), put(0, b"a/", To::Content(Content::Long(1 << 40)))]),
        ("a conflict of deletions", vec![open(), conflict(Vec::new())]),
        ("a tag that is none", vec![Record::Tag(b"object")]),
        ("something behind the end", vec![Record::End, Record::End]),
        ("a stop", vec![Record::Stop]),
    ];
    for (what, records) in bad {
        assert!(takes(&db, records).is_err(), "{what}");
    }
    let after = disk.files();
    assert_eq!(after.len(), before.len(), "nothing is left");
}
