//! Meeting a remote: what is kept of it here, and what cannot come in.

use super::*;
use crate::database::tests::reopen;
use crate::disk::FaultDisk;
use crate::object::{Tag, TreeId};

/// A database with a remote `barn`, which has to be opened again to know it.
fn with_remote() -> (FaultDisk, Database) {
    let (disk, mut db) = database();
    db.add_remote(&Remote::new("barn", "/barn").unwrap()).unwrap();
    (disk, db)
}

fn meet_with(db: &Database, from: &Arc<Database>, wish: &FetchWish<'_>, time: i64) -> Result<Meeting, Error> {
    let remote = Remote::find(db.config(), "barn").unwrap();
    let who = ident(time);
    let mut here = Here { db, who: &who, runner: &mut runner().unwrap(), listener: &mut () };
    meet(&mut here, &mut to(from), Some(&remote), wish)
}

fn arrivals(meeting: &Meeting) -> Vec<(&str, Arrival)> {
    meeting.refs.iter().map(|found| (found.there.as_str(), found.arrival)).collect()
}

fn note(db: &Database) -> PeerNote {
    PeerNote::read(db, &Remote::find(db.config(), "barn").unwrap()).unwrap().unwrap()
}

fn full(text: &str) -> RefName {
    RefName::full(text).unwrap()
}

fn force(db: &Database, name: &str, id: CommitId) {
    db.set_ref(&full(name), Some(id.0), Expect::Any, &ident(1), "test").unwrap();
}

#[test]
fn the_refs_of_a_remote_are_kept() {
    let barn = empty();
    let one = with(&barn, None, 0..20, "one", 1);
    let two = with(&barn, Some(one), 20..21, "two", 2);
    let aside = with(&barn, Some(one), 21..22, "aside", 3);
    for (name, id) in [("refs/heads/main", one), ("refs/heads/x/y", two), ("refs/tags/v1", one), ("refs/notes/n", two)]
    {
        force(&barn, name, id);
    }
    let (disk, db) = with_remote();
    let wish = FetchWish::default();
    let meeting = meet_with(&db, &barn, &wish, 100).unwrap();
    let new = [("refs/heads/main", Arrival::New), ("refs/heads/x/y", Arrival::New), ("refs/tags/v1", Arrival::New)];
    assert_eq!(arrivals(&meeting), new);
    assert!(meeting.traffic.documents >= 10);
    let refs: Vec<(String, Id)> =
        db.refs().list("refs/").unwrap().into_iter().map(|(name, id)| (name.to_string(), id)).collect();
    let expected = [("refs/remotes/barn/main", one), ("refs/remotes/barn/x/y", two), ("refs/tags/v1", one)];
    assert_eq!(refs, expected.map(|(name, id)| (name.to_owned(), id.0)));
    assert_whole(&db, &[one, two]);
    assert_eq!((note(&db).seen, note(&db).refs.len(), note(&db).went_back), (100, 3, vec![]));

    // Nothing has changed; then one goes on, one back, one aside, one is gone, and a tag is another.
    let meeting = meet_with(&db, &barn, &wish, 200).unwrap();
    assert!(meeting.refs.iter().all(|found| found.arrival == Arrival::Same) && meeting.traffic.objects == 0);
    assert_eq!(note(&db).seen, 200);
    for (name, id) in [("refs/heads/main", two), ("refs/heads/back", two), ("refs/heads/side", two)] {
        force(&barn, name, id);
    }
    meet_with(&db, &barn, &wish, 300).unwrap();
    for (name, id) in
        [("refs/heads/main", two), ("refs/heads/back", one), ("refs/heads/side", aside), ("refs/tags/v1", two)]
    {
        force(&barn, name, id);
    }
    barn.set_ref(&full("refs/heads/x/y"), None, Expect::Any, &ident(1), "test").unwrap();
    force(&barn, "refs/heads/x", one);
    let error = meet_with(&db, &barn, &wish, 400).unwrap_err();
    assert!(error.to_string().contains("cannot be made while"), "{error}");
    let meeting = meet_with(&db, &barn, &FetchWish { prunes: true, ..wish }, 400).unwrap();
    let expected = [
        ("refs/heads/back", Arrival::Backward),
        ("refs/heads/main", Arrival::Same),
        ("refs/heads/side", Arrival::Aside),
        ("refs/heads/x", Arrival::New),
        ("refs/tags/v1", Arrival::Kept),
        ("refs/heads/x/y", Arrival::Gone),
    ];
    assert_eq!(arrivals(&meeting), expected);
    let at = |name: &str| db.refs().get(&full(name)).unwrap();
    assert_eq!(at("refs/remotes/barn/back"), Some(one.0));
    assert_eq!(at("refs/remotes/barn/side"), Some(aside.0));
    assert_eq!((at("refs/tags/v1"), at("refs/remotes/barn/x/y")), (Some(one.0), None));
    let went: Vec<(String, Id)> =
        note(&db).went_back.into_iter().map(|went| (went.name.to_string(), went.was)).collect();
    assert_eq!(went, [("refs/heads/back".to_owned(), two.0), ("refs/heads/side".to_owned(), two.0)]);
    // What was lost can be found in the log.
    assert_eq!(db.reflog(&full("refs/remotes/barn/back")).unwrap()[0].message, "fetch: backward");
    // One gets back what it had lost.
    force(&barn, "refs/heads/back", two);
    meet_with(&reopen(&disk), &barn, &wish, 500).unwrap();
    assert_eq!(note(&db).went_back.len(), 1);
}

#[test]
fn only_what_is_wished_for() {
    let barn = empty();
    let one = with(&barn, None, 0..20, "one", 1);
    let two = with(&barn, Some(one), 20..40, "two", 2);
    set(&barn, "main", one);
    set(&barn, "main2", two);
    let (_, db) = with_remote();
    let names = [branch("main")];
    let wish = FetchWish { names: &names, ..FetchWish::default() };
    let meeting = meet_with(&db, &barn, &wish, 100).unwrap();
    assert_eq!(arrivals(&meeting), [("refs/heads/main", Arrival::New)]);
    assert_eq!(db.refs().list("refs/").unwrap(), [(full("refs/remotes/barn/main"), one.0)]);
    assert_eq!(note(&db).refs, [(branch("main"), one.0)]);
    let names = [branch("no")];
    let error = meet_with(&db, &barn, &FetchWish { names: &names, ..wish }, 100).unwrap_err();
    assert!(matches!(&error, Error::NoRef { name } if name == "refs/heads/no"), "{error}");

    // From a place without a name, nothing is kept but what came.
    let db = database().1;
    let mut here = Here { db: &db, who: &ident(3), runner: &mut runner().unwrap(), listener: &mut () };
    let names = [branch("main2")];
    let wish = FetchWish { names: &names, ..FetchWish::default() };
    let meeting = meet(&mut here, &mut to(&barn), None, &wish).unwrap();
    assert_eq!(
        (arrivals(&meeting), meeting.at(&branch("main2")).unwrap()),
        (vec![("refs/heads/main2", Arrival::Loose)], Some(two.0))
    );
    assert_whole(&db, &[two]);
    assert!(db.refs().list("refs/").unwrap().is_empty());
}

#[test]
fn what_cannot_come_in_leaves_no_trace() {
    let barn = empty();
    let one = with(&barn, None, 0..20, "one", 1);
    let two = with(&barn, Some(one), 20..21, "two", 2);
    let three = with(&barn, Some(one), 21..22, "three", 3);
    set(&barn, "main", two);
    let outcome =
        barn.merge(&RefName::head(), Expect::Any, &[three], false, &mut runner().unwrap(), &ident(4)).unwrap();
    // A merge commit that lies about its tree, beside a hundred branches and a tag of nothing.
    let mut wrong = barn.store().commit(outcome.head).unwrap();
    wrong.tree = barn.store().commit(two).unwrap().tree;
    let wrong = barn.store().put(Kind::Commit, &wrong.encode()).unwrap();
    barn.store().flush(&[]).unwrap();
    set(&barn, "wrong", CommitId(wrong));
    let (_, db) = with_remote();
    let all_or_none = FetchWish { is_atomic: true, ..FetchWish::default() };
    let error = meet_with(&db, &barn, &all_or_none, 100).unwrap_err();
    assert!(matches!(&error, Error::NotLetIn { refusals } if refusals.len() == 1), "{error}");
    assert!(error.to_string().contains("refs/heads/wrong: commit"), "{error}");
    assert!(!db.store().contains(two.0).unwrap() && db.refs().list("refs/").unwrap().is_empty());
    let remote = Remote::find(db.config(), "barn").unwrap();
    assert_eq!(PeerNote::read(&db, &remote).unwrap(), None);
    // A bad one alone is no better.
    let names = [branch("wrong")];
    let error = meet_with(&db, &barn, &FetchWish { names: &names, ..FetchWish::default() }, 100).unwrap_err();
    assert!(matches!(error, Error::NotLetIn { .. }), "{error}");
    assert!(!db.store().contains(two.0).unwrap());
    // The rest comes in, and what the bad one shares with it; nothing else of it.
    for time in [100, 200] {
        // Twice at the same object, it is refused twice.
        if time == 200 {
            set(&barn, "more", with(&barn, Some(two), 30..31, "four", 9));
            set(&barn, "as-wrong", CommitId(wrong));
        }
        let meeting = meet_with(&db, &barn, &FetchWish::default(), time).unwrap();
        let refused: Vec<&str> = meeting.refused.iter().map(|refusal| refusal.name.as_str()).collect();
        let expected = ["refs/heads/as-wrong", "refs/heads/wrong"];
        assert_eq!(refused, expected[usize::from(time == 100)..]);
        let arrived = |arrival| meeting.refs.iter().filter(|found| found.arrival == arrival).count();
        assert_eq!((arrived(Arrival::New), arrived(Arrival::Refused)), (1, refused.len()));
        assert!(meeting.at(&branch("wrong")).is_err());
        assert_eq!(meeting.at(&branch("main")).unwrap(), Some(outcome.head.0));
        assert_whole(&db, &[outcome.head]);
        assert!(!db.store().contains(wrong).unwrap());
        assert!(note(&db).refs.iter().all(|(name, _)| !name.as_str().ends_with("wrong")));
    }
}

#[test]
fn a_branch_that_turns_bad_is_left_where_it_was() {
    let barn = empty();
    let one = with(&barn, None, 0..20, "one", 1);
    let two = with(&barn, Some(one), 20..21, "two", 2);
    set(&barn, "main", one);
    set(&barn, "side", one);
    let (_, db) = with_remote();
    meet_with(&db, &barn, &FetchWish::default(), 100).unwrap();
    // Folders that are not in the form of their documents.
    let mut bad = barn.store().commit(two).unwrap();
    let empty = barn.store().put(Kind::Tree, b"").unwrap();
    let entry = [&b"40000 a\0"[..], empty.as_bytes()].concat();
    bad.tree = TreeId(barn.store().put(Kind::Tree, &entry).unwrap());
    let bad = barn.store().put(Kind::Commit, &bad.encode()).unwrap();
    barn.store().flush(&[]).unwrap();
    set(&barn, "main", two);
    force(&barn, "refs/heads/side", CommitId(bad));
    for _ in 0..2 {
        let meeting = meet_with(&db, &barn, &FetchWish::default(), 200).unwrap();
        assert_eq!(meeting.refused.len(), 1, "{meeting:?}");
        assert_eq!(db.refs().get(&full("refs/remotes/barn/main")).unwrap(), Some(two.0));
        assert_eq!(db.refs().get(&full("refs/remotes/barn/side")).unwrap(), Some(one.0));
        assert!(!db.store().contains(bad).unwrap());
    }
    // What it was is still known of it, and so is that it is good again.
    assert!(note(&db).refs.contains(&(branch("side"), one.0)));
    force(&barn, "refs/heads/side", two);
    let meeting = meet_with(&db, &barn, &FetchWish::default(), 300).unwrap();
    assert_eq!(arrivals(&meeting), [("refs/heads/main", Arrival::Same), ("refs/heads/side", Arrival::Forward)]);
}

#[test]
fn tags_of_anything() {
    let barn = empty();
    let one = with(&barn, None, 0..5, "one", 1);
    let blob = barn.store().put(Kind::Blob, b"a key").unwrap();
    let tag = Tag {
        target: blob,
        kind: Kind::Blob,
        name: "key".into(),
        tagger: Some(ident(2)),
        headers: Vec::new(),
        message: b"the key\n".to_vec(),
    };
    let tag = barn.store().put(Kind::Tag, &tag.encode()).unwrap();
    barn.store().flush(&[]).unwrap();
    set(&barn, "main", one);
    for (name, id) in [("refs/tags/key", tag), ("refs/tags/tree", barn.store().commit(one).unwrap().tree.0)] {
        barn.set_ref(&full(name), Some(id), Expect::Any, &ident(1), "test").unwrap();
    }
    let (_, db) = with_remote();
    let meeting = meet_with(&db, &barn, &FetchWish::default(), 100).unwrap();
    assert_eq!(meeting.refs.len(), 3);
    assert!(db.store().contains(blob).unwrap() && db.refs().get(&full("refs/tags/key")).unwrap() == Some(tag));
    let again = meet_with(&db, &barn, &FetchWish::default(), 100).unwrap();
    assert_eq!(again.traffic.objects, 0);
}

#[test]
fn two_that_meet_a_remote_at_the_same_time() {
    let barn = empty();
    let mut last = with(&barn, None, 0..3, "0", 0);
    set(&barn, "main", last);
    let (disk, _) = with_remote();
    for n in 1..6 {
        last = with(&barn, Some(last), n..n + 3, &n.to_string(), n.into());
        set(&barn, "main", last);
        std::thread::scope(|scope| {
            let both = [0, 1].map(|_| {
                let (barn, disk) = (barn.clone(), &disk);
                scope.spawn(move || meet_with(&reopen(disk), &barn, &FetchWish::default(), 100).map(drop))
            });
            both.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        });
        assert_eq!(reopen(&disk).refs().get(&full("refs/remotes/barn/main")).unwrap(), Some(last.0));
    }
}
