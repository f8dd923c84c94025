//! Documents in conflict, with and without the note, against a walk through all documents.

use super::*;
use crate::Changeset;
use crate::disk::Access;
use crate::tree::{Conflict, Document, Range};

const NOTE: &str = "/farm.isodb/isodb/conflicts";

/// What one step does: puts contents, conflicts (of two contents) or nothing at some keys.
fn changes() -> impl Strategy<Value = Vec<(u16, Option<(u8, u8)>)>> {
    let few = prop::collection::vec((number(), prop::option::weighted(0.8, (0u8..3, 0u8..3))), 0..6);
    let many = prop::collection::vec((number(), prop::option::weighted(0.9, (0u8..3, 0u8..3))), 80..200);
    prop_oneof![5 => few, 1 => many]
}

/// A document with two versions; with one where they are the same.
fn in_conflict(db: &Database, one: u8, other: u8) -> Option<Document> {
    let versions = [one, other].map(|byte| BlobId(db.store().put(Kind::Blob, &[byte]).unwrap())).into();
    Conflict { versions, base: None, deleted: false }.write(db.store()).unwrap()
}

fn edit(db: &Database, tree: TreeId, changes: &[(u16, Option<(u8, u8)>)]) -> TreeId {
    let edits: Edits = changes
        .iter()
        .map(|(number, contents)| {
            let document = contents.and_then(|(one, other)| in_conflict(db, one, other));
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

/// What a writer does on one of two refs.
#[derive(Clone, Debug)]
enum Turn {
    /// Puts contents or conflicts, or (`None`) removes documents.
    Change(Vec<(u16, Option<(u8, u8)>)>),
    /// Takes all documents of the other ref.
    Restore,
    /// Merges the other ref.
    Merge,
}

fn turns() -> impl Strategy<Value = Vec<(bool, Turn)>> {
    let turn = prop_oneof![6 => changes().prop_map(Turn::Change), 1 => Just(Turn::Restore), 2 => Just(Turn::Merge)];
    prop::collection::vec((any::<bool>(), turn), 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_noted_of_commits_and_merges_is_right(
        turns in turns(),
        lost in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
    ) {
        let (disk, db) = database();
        let names = ["one", "two"].map(|name| RefName::from_user(name).unwrap());
        let tree_of = |name| db.tree_of(db.refs().get(name).unwrap().map(CommitId)).unwrap().id();
        let mut trees = Vec::new();
        for (time, (is_second, turn)) in (1..).zip(&turns) {
            let [own, other] = [usize::from(*is_second), usize::from(!is_second)].map(|at| &names[at]);
            let (old, theirs) = (db.refs().get(own).unwrap(), db.refs().get(other).unwrap().map(CommitId));
            let before = tree_of(own);
            match turn {
                Turn::Change(_) | Turn::Restore => {
                    let changes = match turn {
                        Turn::Change(changes) => changeset(&db, changes),
                        _ => Changeset::whole_tree(tree_of(other)),
                    };
                    db.commit(own, Expect::Any, &changes, &info(time)).unwrap();
                }
                Turn::Merge => {
                    let Some(theirs) = theirs else { continue };
                    let told = db.merge(own, Expect::Any, &[theirs], false, &mut NoScripts, &ident(1)).unwrap();
                    let [were, are] = [before, tree_of(own)].map(|tree| slowly(&db, tree, None));
                    let new = are.iter().filter(|(key, _)| were.iter().all(|(old, _)| old != key)).count();
                    let new = if old.is_some() { new } else { are.len() };
                    prop_assert_eq!((told.conflicts, told.new_conflicts), (are.len() as u64, new as u64));
                }
            }
            trees.push(tree_of(own));
        }
        // Also where lines are gone.
        let note = disk.read(Path::new(NOTE)).unwrap_or_default();
        let mut lines: Vec<&[u8]> = note.split(|byte| *byte == b'\n').collect();
        for at in &lost {
            if !lines.is_empty() {
                lines.remove(at.index(lines.len()));
            }
        }
        let _ = disk.remove(Path::new(NOTE));
        disk.write_new(Path::new(NOTE), &lines.join(&b'\n'), Access::ReadWrite).unwrap();
        for tree in trees {
            prop_assert_eq!(db.conflicts(tree, None).unwrap(), slowly(&db, tree, None));
        }
    }
}

fn changeset(db: &Database, changes: &[(u16, Option<(u8, u8)>)]) -> Changeset {
    let mut set = Changeset::new();
    for (number, contents) in changes {
        match contents.and_then(|(one, other)| in_conflict(db, one, other)) {
            Some(document) => set.put(key(*number), document),
            None => set.remove(key(*number)),
        }
    }
    set
}

fn info(time: i64) -> crate::CommitInfo {
    let who = crate::object::Person::new("Ann", "ann@farm").unwrap();
    let (author, committer, message) = (who.clone(), who, String::new());
    crate::CommitInfo { author, author_time: time, committer, committer_time: time, message, signer: None }
}

#[test]
fn only_what_differs_from_a_noted_tree_is_read() {
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
    assert_eq!(disk.read(Path::new(NOTE)).unwrap(), line(&format!("{first} {}", keys(&[107, 157, 207, 257, 7, 57]))));
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

/// A line of the note as it is written, with its hash.
fn line(text: &str) -> Vec<u8> {
    use sha2::Digest;
    format!("\n{} {text}", &hex::encode(sha2::Sha256::digest(text))[..16]).into_bytes()
}

fn keys(numbers: &[u16]) -> String {
    let mut keys: Vec<Key> = numbers.iter().map(|n| key(*n)).collect();
    keys.sort();
    let keys: Vec<String> = keys.iter().map(|key| format!("\"{}\"", key.text())).collect();
    format!("[{}]", keys.join(","))
}

#[test]
fn a_line_that_tells_nothing_is_passed_over() {
    let (disk, db) = database();
    let tree = edit(&db, TreeId::EMPTY, &[(1, Some((1, 2))), (2, Some((1, 1)))]);
    commit(&db, tree);
    let expected = slowly(&db, tree, None);
    assert_eq!(expected.len(), 1);
    let gone = TreeId(crate::object::hash(Kind::Tree, b"gone"));
    let right = line(&format!("{tree} {}", keys(&[1])));
    let mut torn = line(&format!("{tree}"));
    torn.pop();
    let notes = [
        line(&gone.to_string()),
        // Told by nothing that is known, or by itself.
        line(&format!("{tree} {gone}")),
        line(&format!("{tree} {tree}")),
        [line(&format!("{tree} {gone}")), line(&format!("{gone} {tree}"))].concat(),
        // Nothing that was ever written.
        line(&format!("{tree} [\"//\"]")),
        line(&format!("{tree} [1]")),
        line(&format!("{tree} x")),
        line("x"),
        torn,
        b"isodb conflicts 1\nmany".to_vec(),
        Vec::new(),
    ];
    for note in notes {
        let _ = disk.remove(Path::new(NOTE));
        disk.write_new(Path::new(NOTE), &note, Access::ReadWrite).unwrap();
        assert_eq!(db.conflicts(tree, None).unwrap(), expected);
        let written = disk.read(Path::new(NOTE)).unwrap();
        assert_eq!(written, [note, right.clone()].concat(), "{}", String::from_utf8_lossy(&written));
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
    let replace = |n: u16, expected: Document| {
        let mut changes = Changeset::new();
        changes.require(key(n), crate::Condition::Is(expected));
        changes.put(key(n), document(2));
        db.commit(&RefName::head(), Expect::Any, &changes, &info(1))
    };
    use crate::Error;
    assert!(matches!(replace(1, document(2)), Err(Error::Unexpected { .. })));
    assert!(matches!(replace(1, document(1).blob.into()), Err(Error::OtherVersions(_))));
    assert!(replace(1, document(1)).unwrap().is_new);
    // Somebody else was first.
    assert!(matches!(replace(1, document(1)), Err(Error::Unexpected { .. })));
    assert!(!replace(1, document(2)).unwrap().is_new);
    // The version that all read is stored as it is, which is a choice.
    let mut changes = Changeset::new();
    changes.put(key(3), document(3).blob);
    assert!(db.commit(&RefName::head(), Expect::Any, &changes, &info(1)).unwrap().is_new);
    assert!(matches!(replace(3, document(3)), Err(Error::OtherVersions(_))));
    assert!(matches!(db.versions(&[], &[(key(3), document(2))]), Err(Error::NoConflict(_))));
    changes.remove(key(3));
    db.commit(&RefName::head(), Expect::Any, &changes, &info(1)).unwrap();
    assert!(matches!(replace(3, document(3)), Err(Error::Unexpected { found: None, .. })));
}
