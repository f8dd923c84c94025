//! Documents in conflict, with and without the note, against a walk through all documents.

use super::*;
use crate::disk::Access;
use crate::tree::{Conflict, Document, Range};

const NOTE: &str = "/farm.isodb/isodb/conflicts";

/// What one step does: puts contents, conflicts (of two contents) or nothing at some keys.
fn changes() -> impl Strategy<Value = Vec<(u16, Option<(u8, u8)>)>> {
    let few = prop::collection::vec((number(), prop::option::weighted(0.8, (0u8..3, 0u8..3))), 0..6);
    let many = prop::collection::vec((number(), prop::option::weighted(0.9, (0u8..3, 0u8..3))), 80..200);
    prop_oneof![5 => few, 1 => many]
}

fn edit(db: &Database, tree: TreeId, changes: &[(u16, Option<(u8, u8)>)]) -> TreeId {
    let put = |byte: u8| BlobId(db.store().put(Kind::Blob, &[byte]).unwrap());
    let edits: Edits = changes
        .iter()
        .map(|(number, contents)| {
            let document = contents.and_then(|(one, other)| {
                let versions = [put(one), put(other)].into();
                Conflict { versions, base: None, deleted: false }.write(db.store()).unwrap()
            });
            (key(*number), document.map_or(Edit::Remove, Edit::Put))
        })
        .collect();
    Tree::new(db.store(), tree).edit(&edits).unwrap().id()
}

fn slowly(db: &Database, tree: TreeId, prefix: Option<&Key>) -> Vec<(Key, Document)> {
    let range = Range { prefix: prefix.cloned(), ..Range::default() };
    let documents = db.tree(tree).documents(range).unwrap().map(Result::unwrap);
    documents.filter(|(_, document)| document.conflict.is_some()).collect()
}

fn commit(db: &Database, tree: TreeId) {
    let head = db.head().unwrap().1;
    let id = put_commit(db, tree, head.into_iter().collect(), 1, "test");
    db.store().flush(&[]).unwrap();
    db.set_ref(&RefName::head(), Some(id.0), Expect::Any, &ident(1), "test").unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn as_a_walk_through_all_documents(
        steps in prop::collection::vec((changes(), any::<bool>(), 0u8..4), 1..12),
        prefixes in prop::collection::vec(number(), 3),
    ) {
        let (disk, db) = database();
        let mut tree = TreeId::EMPTY;
        let mut trees = vec![tree];
        for (changes, is_asked, damage) in &steps {
            tree = edit(&db, tree, changes);
            trees.push(tree);
            commit(&db, tree);
            let prefixes = prefixes.iter().map(|n| key(*n)).chain(["many", "few", "none"].map(|text| text.parse().unwrap()));
            for prefix in prefixes {
                prop_assert_eq!(db.conflicts(tree, Some(&prefix)).unwrap(), slowly(&db, tree, Some(&prefix)));
            }
            if *is_asked {
                prop_assert_eq!(db.conflicts(tree, None).unwrap(), slowly(&db, tree, None));
            }
            for older in &trees {
                prop_assert_eq!(db.conflicts(*older, None).unwrap(), slowly(&db, *older, None));
            }
            // Whatever becomes of the note.
            let Ok(mut note) = disk.read(Path::new(NOTE)) else { continue };
            disk.remove(Path::new(NOTE)).unwrap();
            let at = note.len() / 2;
            match damage {
                0 => continue,
                1 => note[at] ^= 1,
                2 => note.truncate(at),
                _ => {}
            }
            disk.write_new(Path::new(NOTE), &note, Access::ReadWrite).unwrap();
        }
    }
}

#[test]
fn only_what_differs_from_the_noted_tree_is_read() {
    let (disk, db) = database();
    // One by one, so that they can be taken away.
    db.store().set_unpack_limit(usize::MAX);
    let mut all: Vec<_> = (0..NUMBERS).map(|n| (n, Some((1, 1 + u8::from(n % 50 == 7))))).collect();
    // A content of its own, and so a folder of its own.
    all[3].1 = Some((9, 9));
    let first = edit(&db, TreeId::EMPTY, &all);
    commit(&db, first);
    assert!(disk.read(Path::new(NOTE)).is_err());
    assert_eq!(db.conflicts(first, None).unwrap().len(), 6);
    let note = String::from_utf8(disk.read(Path::new(NOTE)).unwrap()).unwrap();
    assert!(note.starts_with(&format!("isodb conflicts 1\n{first}\nmany/107/x\0many/157/x\0")), "{note}");
    let second = edit(&db, first, &[(7, Some((1, 1))), (8, Some((1, 2)))]);
    commit(&db, second);
    let expected = slowly(&db, second, None);
    // A document that was not changed cannot be read any more: who walks all of them sees that.
    let leaf = db.tree(second).folder(Some(&key(3))).unwrap().unwrap().to_string();
    disk.remove(&Path::new("/farm.isodb/objects").join(&leaf[..2]).join(&leaf[2..])).unwrap();
    let db = reopen(&disk);
    assert_eq!(db.conflicts(second, None).unwrap(), expected);
    assert!(String::from_utf8(disk.read(Path::new(NOTE)).unwrap()).unwrap().contains(&second.to_string()));
    disk.remove(Path::new(NOTE)).unwrap();
    assert!(reopen(&disk).conflicts(second, None).is_err());
}

/// A note as it is written, with its hash.
fn note(text: &str) -> Vec<u8> {
    use sha2::Digest;
    [text.as_bytes(), hex::encode(sha2::Sha256::digest(text)).as_bytes()].concat()
}

#[test]
fn a_note_that_cannot_be_right_is_passed_over() {
    let (disk, db) = database();
    let tree = edit(&db, TreeId::EMPTY, &[(1, Some((1, 2))), (2, Some((1, 1)))]);
    commit(&db, tree);
    let expected = slowly(&db, tree, None);
    assert_eq!(expected.len(), 1);
    let gone = crate::object::hash(Kind::Tree, b"gone");
    let notes = [
        format!("isodb conflicts 1\n{tree}\nmany/2/x\0"),
        format!("isodb conflicts 1\n{tree}\nmany/1/x\0many/9/x\0"),
        format!("isodb conflicts 1\n{gone}\n"),
        format!("isodb conflicts 2\n{tree}\n"),
        format!("isodb conflicts 1\n{tree}\n//\0"),
        format!("isodb conflicts 1\n{tree}\nmany/2/x\0many/1/x\0"),
        "isodb conflicts 1\nmany\n".to_owned(),
        String::new(),
    ];
    for text in notes {
        let _ = disk.remove(Path::new(NOTE));
        disk.write_new(Path::new(NOTE), &note(&text), Access::ReadWrite).unwrap();
        assert_eq!(db.conflicts(tree, None).unwrap(), expected, "{text:?}");
        let right = note(&format!("isodb conflicts 1\n{tree}\nmany/1/x\0"));
        assert!(disk.read(Path::new(NOTE)).unwrap() == right, "{text:?} is still there");
    }
    // Nothing is noted of a tree that is not the head's.
    let _ = disk.remove(Path::new(NOTE));
    let other = edit(&db, tree, &[(3, Some((1, 2)))]);
    assert_eq!(db.conflicts(other, None).unwrap().len(), 2);
    assert!(disk.read(Path::new(NOTE)).is_err());
}

#[test]
fn a_condition_holds_for_all_versions() {
    let (_, db) = database();
    let tree = edit(&db, TreeId::EMPTY, &[(1, Some((1, 2))), (2, Some((1, 1))), (3, Some((1, 2)))]);
    commit(&db, tree);
    let document = |n: u16| db.tree(tree).get(&key(n)).unwrap().unwrap();
    let ann = crate::object::Person::new("Ann", "ann@farm").unwrap();
    let (author, committer, message) = (ann.clone(), ann, String::new());
    let info = crate::CommitInfo { author, author_time: 1, committer, committer_time: 1, message, signer: None };
    let replace = |n: u16, expected: Document| {
        let mut changes = crate::Changeset::new();
        changes.require(key(n), crate::Condition::Is(expected));
        changes.put(key(n), document(2));
        db.commit(&RefName::head(), Expect::Any, &changes, &info)
    };
    use crate::Error;
    assert!(matches!(replace(1, document(2)), Err(Error::Unexpected { .. })));
    assert!(matches!(replace(1, document(1).blob.into()), Err(Error::OtherVersions(_))));
    assert!(replace(1, document(1)).unwrap().is_new);
    // Somebody else was first.
    assert!(matches!(replace(1, document(1)), Err(Error::Unexpected { .. })));
    assert!(!replace(1, document(2)).unwrap().is_new);
    // The version that all read is stored as it is, which is a choice.
    let mut changes = crate::Changeset::new();
    changes.put(key(3), document(3).blob);
    assert!(db.commit(&RefName::head(), Expect::Any, &changes, &info).unwrap().is_new);
    assert!(matches!(replace(3, document(3)), Err(Error::OtherVersions(_))));
    assert!(matches!(db.versions(&[], &[(key(3), document(2))]), Err(Error::NoConflict(_))));
    changes.remove(key(3));
    db.commit(&RefName::head(), Expect::Any, &changes, &info).unwrap();
    assert!(matches!(replace(3, document(3)), Err(Error::Unexpected { found: None, .. })));
}
