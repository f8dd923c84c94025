//! Refs that go to merges: safely, and only from where they are.

use std::path::Path;

use super::*;
use crate::disk::Disk;

const NOTE: &str = "/farm.isodb/isodb/conflicts";

fn info() -> CommitInfo {
    let (author, committer) = [0, 1].map(|_| Person::new("o", "o@farm").unwrap()).into();
    CommitInfo { author, author_time: 3, committer, committer_time: 3, message: "o".to_owned(), signer: None }
}

fn put(key: &str, content: &str) -> [(String, Option<String>); 1] {
    [(key.to_owned(), Some(content.to_owned()))]
}

fn main_ref() -> RefName {
    RefName::from_user("main").unwrap()
}

fn merge(db: &Database, expect: Expect, heads: &[CommitId], dry_run: bool) -> Result<MergeOutcome> {
    db.merge(&RefName::head(), expect, heads, dry_run, &mut NoScripts, &ident(7))
}

#[test]
fn a_ref_takes_what_it_can_reach_and_merges_the_rest() {
    let (disk, db) = database();
    let start = author(&db, "o", &[], &put("a", "1"), 1);
    let x = author(&db, "x", &[start], &put("b", "1"), 2);
    let y = author(&db, "y", &[start], &put("c", "1"), 3);
    assert!(matches!(merge(&db, Expect::Any, &[], false), Err(Error::NoCommit(_))));
    let first = merge(&db, Expect::Absent, &[start], false).unwrap();
    assert_eq!((first.old, first.head, first.is_new()), (None, start, true));
    assert_eq!(merge(&db, Expect::Any, &[x], false).unwrap().head, x, "a fast-forward");
    assert!(!merge(&db, Expect::Any, &[start, x], false).unwrap().is_new());
    let told = merge(&db, Expect::Any, &[y], true).unwrap();
    let db = reopen(&disk);
    assert!(!db.store().contains(told.head.0).unwrap(), "a dry run stores nothing");
    assert_eq!(db.head().unwrap().1, Some(x));
    let done = merge(&db, Expect::At(x.0), &[y], false).unwrap();
    assert_eq!((done.head, done.old, &done.frontier), (told.head, Some(x), &told.frontier));
    assert!(!merge(&db, Expect::Any, &[y, x, done.head], false).unwrap().is_new());
    let log: Vec<String> = db.reflog(&main_ref()).unwrap().into_iter().map(|entry| entry.message).collect();
    assert_eq!(log, ["merge: of 2 commits", "merge: fast-forward", "merge: fast-forward"]);
    let refused = merge(&db, Expect::At(x.0), &[start], false);
    assert!(matches!(refused, Err(Error::Ref(refs::Error::Mismatch { .. }))), "{refused:?}");
}

#[test]
fn moves_are_safe_when_no_authored_commit_is_lost() {
    let (_, db) = database();
    let start = author(&db, "o", &[], &put("a", "1"), 1);
    let [x, y, z] = ["x", "y", "z"].map(|name| author(&db, name, &[start], &put(name, "1"), 2));
    let head = |heads: &[CommitId]| merged(&db, heads).head;
    let safe = |old, new| db.is_safe_move(old, new).unwrap();
    assert!(safe(start, x) && !safe(x, start) && !safe(x, y) && safe(x, x));
    assert!(safe(x, head(&[x, y])) && safe(head(&[x, y]), head(&[x, y, z])));
    assert!(!safe(head(&[x, y, z]), head(&[x, y])) && !safe(head(&[x, y]), x));
}

#[test]
fn a_commit_that_cannot_be_a_merge_is_refused() {
    let (_, db) = database();
    let [x, y] = ["x", "y"].map(|name| author(&db, name, &[], &put(name, "1"), 2));
    let sound = merged(&db, &[x, y]).head;
    let make = |parents: Vec<CommitId>, value: &str| {
        let mut commit = db.store().commit(sound).unwrap();
        commit.parents = parents;
        commit.headers = vec![("isodb-merge".to_owned(), value.as_bytes().to_vec())];
        let id = db.store().put(Kind::Commit, &commit.encode()).unwrap();
        db.store().flush(&[]).unwrap();
        CommitId(id)
    };
    let zero = format!("1 {}", "0".repeat(64));
    for (id, reason) in [
        (make(vec![x], &zero), "it has 1 parents".to_owned()),
        (make(vec![], &zero), "it has 0 parents".to_owned()),
        (make(vec![x, sound], &zero), format!("its parent {sound} is one as well")),
        (make(vec![x, y], "2 x"), "version \"2\" of the merge algorithm is not known here".to_owned()),
        (make(vec![x, y], ""), "version \"\" of the merge algorithm is not known here".to_owned()),
    ] {
        let refused = db.merge_of(&[id, y], &mut NoScripts).unwrap_err().to_string();
        assert_eq!(refused, format!("commit {id} says that it is a merge commit, but {reason}"));
    }
}

#[test]
fn conflicts_count_that_no_merge_commit_of_the_history_made() {
    let (disk, db) = database();
    let start = author(&db, "o", &[], &put("k", "1"), 1);
    let [x, y] = ["x", "y"].map(|name| author(&db, name, &[start], &put("k", name), 2));
    let in_conflict = db.tree_of(Some(merged(&db, &[x, y]).head)).unwrap().get(&key("k")).unwrap().unwrap();
    assert!(in_conflict.conflict.is_some());
    // As `restore` does it: from another branch into a history without merges.
    let mut changes = Changeset::new();
    changes.put(key("k"), in_conflict);
    db.set_ref(&RefName::head(), Some(start.0), Expect::Absent, &ident(1), "test").unwrap();
    db.commit(&RefName::head(), Expect::Any, &changes, &info()).unwrap();
    let other = author(&db, "z", &[start], &put("b", "1"), 4);
    for with_note in [false, true] {
        let _ = disk.remove(Path::new(NOTE));
        if with_note {
            assert_eq!(db.conflicts(db.tree_of(db.head().unwrap().1).unwrap().id(), None).unwrap().len(), 1);
        }
        let told = merge(&db, Expect::Any, &[other], true).unwrap();
        assert_eq!((told.conflicts, told.new_conflicts), (1, 0), "with a note: {with_note}");
    }
}

#[test]
fn where_all_is_noted_a_merge_walks_no_tree_twice() {
    let (disk, db) = database();
    db.store().set_unpack_limit(usize::MAX);
    let (one, two) = (RefName::from_user("one").unwrap(), RefName::from_user("two").unwrap());
    let commit = |name: &RefName, key: &str| {
        let mut changes = Changeset::new();
        changes.put(self::key(key), BlobId(db.store().put(Kind::Blob, key.as_bytes()).unwrap()));
        db.commit(name, Expect::Any, &changes, &info()).unwrap().head.unwrap()
    };
    let start = commit(&one, "a/b");
    db.set_ref(&two, Some(start.0), Expect::Absent, &ident(1), "test").unwrap();
    commit(&one, "c/d");
    let other = commit(&two, "e/f");
    // A folder that one side alone has changed: a walk to see what is in conflict would read it, the merge does not.
    let folder = db.tree_of(Some(other)).unwrap().folder(Some(&key("e"))).unwrap().unwrap().to_string();
    disk.remove(&Path::new("/farm.isodb/objects").join(&folder[..2]).join(&folder[2..])).unwrap();
    let db = reopen(&disk);
    let told = db.merge(&one, Expect::Any, &[other], true, &mut NoScripts, &ident(7)).unwrap();
    assert_eq!((told.conflicts, told.new_conflicts), (0, 0));
    disk.remove(Path::new(NOTE)).unwrap();
    assert!(db.merge(&one, Expect::Any, &[other], true, &mut NoScripts, &ident(7)).is_err());
}
