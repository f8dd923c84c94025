//! Refs that go to merges: safely, and only from where they are.

use super::*;

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
