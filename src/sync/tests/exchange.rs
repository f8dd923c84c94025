//! What is fetched and pushed: all that is lacked, hardly more, and refs that move as they may.

use proptest::prelude::*;

use super::*;
use crate::database::tests::{make, reopen, sample, steps};
use crate::object::{Tag, TagId};
use crate::store::GcOptions;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_history_arrives(
        steps in steps(14),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        packed in any::<bool>(),
    ) {
        let (db, made) = with_history(&steps, packed);
        let (db, last) = (Arc::new(db), *made.last().unwrap());
        let other = empty();
        let first: Vec<CommitId> = picks.iter().map(|at| made[at.index(made.len())]).collect();
        fetch(&db, &other, &first, &[]).unwrap();
        assert_whole(&other, &first);
        let count = fetch(&db, &other, &made, &first).unwrap();
        assert_whole(&other, &made);
        let missing = db.commits_since(&made, &first).unwrap().len();
        prop_assert!(count as usize >= missing);
        prop_assert_eq!(fetch(&db, &other, &made, &made).unwrap(), 0, "all is there");

        // And from there into a third by pushes.
        let third = empty();
        for id in first.into_iter().chain([last]) {
            let name = format!("p{id}");
            let found = third.refs().get(&branch(&name)).unwrap().map(CommitId);
            let report = push(&other, &mut to(&third), &[edit(&name, found, Some(id))]).unwrap();
            prop_assert_eq!(report.refused, [None]);
            assert_whole(&third, &[id]);
        }
    }
}

#[test]
fn little_is_sent_for_little() {
    for is_packed in [false, true] {
        let (_, db) = database();
        let base = with(&db, None, 0..2000, "one", 1);
        set(&db, "main", base);
        let other = empty();
        let db = Arc::new(db);
        let all = fetch(&db, &other, &[base], &[]).unwrap();
        assert!(all > 4000, "{all}");
        let next = with(&db, Some(base), 7..8, "two", 2);
        let many = with(&db, Some(next), 2000..2100, "three", 3);
        set(&db, "main", many);
        if is_packed {
            let roots =
                || Ok::<_, crate::object::Error>(crate::store::Roots { required: vec![many.0], ..Default::default() });
            let options = GcOptions { prune_before: None, patience: std::time::Duration::ZERO, is_partial: false };
            db.store().gc(&roots, &options, &mut |_, _, _| ()).unwrap();
        }
        // The commit, the content and the trees above it, and what they are differences to.
        let one = fetch(&db, &other, &[next], &[base]).unwrap();
        assert!((6..15).contains(&one), "{one}");
        assert_whole(&other, &[next]);
        // A hundred of two each, and the parts that they are in; parts that were cut in two do not come as a whole.
        let more = fetch(&db, &other, &[many], &[next]).unwrap();
        assert!((200..320).contains(&more), "{more}");
        assert_whole(&other, &[many]);
    }
}

#[test]
fn what_somebody_has_and_gets_again() {
    let db = empty();
    // Another version of each document, and then the first again: each of the two could be sent as the difference to the
    // other.
    let first = with(&db, None, 0..200, "a long text that is the same for a while, and then one", 1);
    let second = with(&db, Some(first), 0..200, "a long text that is the same for a while, and then two", 2);
    let again = with(&db, Some(second), 0..200, "a long text that is the same for a while, and then one", 3);
    set(&db, "main", again);
    let other = empty();
    fetch(&db, &other, &[first], &[]).unwrap();
    fetch(&db, &other, &[again], &[first]).unwrap();
    assert_whole(&other, &[again]);
}

#[test]
fn refs_as_they_are() {
    let (_, db) = database();
    let db = Arc::new(db);
    let refs = |db: &Arc<Database>| Fetching::open(&mut to(db)).unwrap().refs(&[]).unwrap();
    let unborn = refs(&db);
    assert_eq!((unborn.len(), &unborn[0].target, unborn[0].id), (1, &Some(branch("main")), None));
    let one = with(&db, None, 0..3, "one", 1);
    set(&db, "main", one);
    let tag = Tag {
        target: one.0,
        kind: Kind::Commit,
        name: "v1".into(),
        tagger: Some(ident(2)),
        headers: Vec::new(),
        message: b"first\n".to_vec(),
    };
    let tag = TagId(db.store().put(Kind::Tag, &tag.encode()).unwrap());
    db.store().flush(&[]).unwrap();
    db.set_ref(&RefName::full("refs/tags/v1").unwrap(), Some(tag.0), Expect::Absent, &ident(1), "tag").unwrap();
    let found = refs(&db);
    let names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["HEAD", "refs/heads/main", "refs/tags/v1"]);
    assert_eq!((found[0].id, found[2].id, found[2].peeled), (Some(one.0), Some(tag.0), Some(one.0)));
    let some = Fetching::open(&mut to(&db)).unwrap().refs(&["refs/tags/".into()]).unwrap();
    assert_eq!(some, found[2..]);
    // Tags come with what they are of.
    let other = empty();
    fetch(&db, &other, &[one], &[]).unwrap();
    assert!(other.store().contains(tag.0).unwrap());
    // And alone.
    let next = with(&db, Some(one), 3..4, "two", 3);
    let third = empty();
    fetch(&db, &third, &[CommitId(tag.0)], &[]).unwrap();
    assert!(third.store().contains(tag.0).unwrap() && third.store().contains(one.0).unwrap());
    assert!(!third.store().contains(next.0).unwrap());
}

#[test]
fn refs_move_as_they_may() {
    let (_, db) = database();
    let one = with(&db, None, 0..3, "one", 1);
    let two = with(&db, Some(one), 3..4, "two", 2);
    let aside = with(&db, Some(one), 4..5, "aside", 3);
    let other = empty();
    let said = |edits: &[PushEdit]| -> Vec<String> {
        let report = push(&db, &mut to(&other), edits).unwrap();
        report.refused.into_iter().map(Option::unwrap_or_default).collect()
    };
    let refused = |edits: &[PushEdit], words: &str| {
        let said = said(edits);
        assert!(said.iter().all(|said| said.contains(words)), "{words:?} is not in {said:?}");
    };
    assert_eq!(said(&[edit("main", None, Some(two)), edit("b", None, Some(one))]), ["", ""]);
    refused(&[edit("main", None, Some(two))], "has moved to");
    refused(&[edit("main", Some(one), Some(two))], "has moved to");
    refused(&[edit("main", Some(two), Some(one))], "would lose commits");
    refused(&[edit("main", Some(two), Some(aside))], "would lose commits");
    refused(&[edit("main", Some(two), None)], "cannot be deleted");
    refused(&[edit("no", Some(two), None)], "does not exist any more");
    refused(&[edit("main/x", None, Some(two))], "cannot be made while");
    // One is refused, the other not; or none with an atomic push.
    let edits = [edit("b", Some(one), Some(two)), edit("main", Some(one), Some(two))];
    let mut transport = to(&other);
    let options = PushOptions { is_atomic: true };
    let report = Pushing::open(&mut transport).unwrap().push(&db, &edits, options, &mut ()).unwrap();
    assert!(report.refused.iter().all(Option::is_some), "{report:?}");
    assert_eq!(other.refs().get(&branch("b")).unwrap(), Some(one.0));
    let mixed = said(&edits);
    assert!(mixed[0].is_empty() && mixed[1].contains("has moved"), "{mixed:?}");
    // A delete sends no pack.
    let report = push(&db, &mut to(&other), &[edit("b", Some(two), None)]).unwrap();
    assert_eq!((report.refused, report.bytes), (vec![None], 0));
    assert_eq!(other.refs().get(&branch("b")).unwrap(), None);
    let entry = other.reflog(&branch("main")).unwrap();
    assert_eq!((entry[0].message.as_str(), entry.len()), ("push", 1));
}

#[test]
fn settings_of_the_receiver() {
    let (_, db) = database();
    let one = with(&db, None, 0..3, "one", 1);
    let two = with(&db, Some(one), 3..4, "two", 2);
    let (disk, mut other) = database();
    other
        .configure(|config| config.with("receive.denyNonSafe", "false")?.with("receive.denyDeletes", "true").map(Some))
        .unwrap();
    let other = Arc::new(reopen(&disk));
    let edits = [edit("main", None, Some(two)), edit("b", None, Some(two))];
    assert_eq!(push(&db, &mut to(&other), &edits).unwrap().refused, [None, None]);
    assert_eq!(push(&db, &mut to(&other), &[edit("main", Some(two), Some(one))]).unwrap().refused, [None]);
    let refused = push(&db, &mut to(&other), &[edit("b", Some(two), None)]).unwrap().refused;
    assert_eq!(refused, [Some("refs cannot be deleted here".to_owned())]);
}

#[test]
fn merge_commits_are_made_again() {
    let db = Arc::new(database().1);
    let one = with(&db, None, 0..3, "one", 1);
    let (left, right) = (with(&db, Some(one), 3..4, "left", 2), with(&db, Some(one), 4..5, "right", 3));
    set(&db, "main", left);
    let outcome = db.merge(&RefName::head(), Expect::Any, &[right], false, &mut runner().unwrap(), &ident(4)).unwrap();
    let other = empty();
    let report = push(&db, &mut to(&other), &[edit("main", None, Some(left)), edit("m", None, Some(outcome.head))]);
    assert_eq!(report.unwrap().refused, [None, None]);
    // From the merge commit to one of more commits, that does not descend from it.
    let third = with(&db, Some(one), 5..6, "third", 5);
    let wider = db.merge(&RefName::head(), Expect::Any, &[third], false, &mut runner().unwrap(), &ident(6)).unwrap();
    assert!(!db.is_ancestor(outcome.head, wider.head).unwrap());
    let report = push(&db, &mut to(&other), &[edit("m", Some(outcome.head), Some(wider.head))]).unwrap();
    assert_eq!(report.refused, [None]);

    // One that lies about its tree.
    let mut wrong = db.store().commit(wider.head).unwrap();
    wrong.tree = db.store().commit(left).unwrap().tree;
    let wrong = CommitId(db.store().put(Kind::Commit, &wrong.encode()).unwrap());
    db.store().flush(&[]).unwrap();
    let edits = [edit("wrong", None, Some(wrong)), edit("beside", None, Some(third))];
    let refused = push(&db, &mut to(&other), &edits).unwrap().refused;
    let refused: Vec<String> = refused.into_iter().map(Option::unwrap_or_default).collect();
    assert!(refused[0].contains(&format!("commit {wrong}: ")) && refused[0].contains("its tree is"), "{refused:?}");
    assert_eq!(refused[1], "another ref of this push was refused");
    assert!(!other.store().contains(wrong.0).unwrap(), "a refusal leaves no trace");
    assert_eq!(other.refs().get(&branch("wrong")).unwrap(), None);
}

#[test]
fn samples_are_the_same_in_every_run() {
    let make_one = || make(&database().1, &sample(steps(9), 3));
    assert_eq!(make_one(), make_one());
}
