//! Feeds: what a consumer that applies every batch ends up with, whatever the history, and that no move of a ref is missed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::database::Feed;
use crate::tree::Document;

const HOUR: Duration = Duration::from_secs(3600);

/// What a consumer has.
type Known = BTreeMap<Key, Document>;

fn documents(db: &Database, commit: Option<CommitId>) -> Known {
    let tree = db.tree_of(commit).unwrap();
    tree.documents(Default::default()).unwrap().map(Result::unwrap).collect()
}

/// Applies all batches that there are; each change must be one. Answers the batches' commits.
fn follow(feed: &mut Feed<'_>, known: &mut Known) -> Vec<CommitId> {
    let mut commits = Vec::new();
    while let Some(batch) = feed.next_batch().unwrap() {
        assert_eq!(batch.since, feed.at());
        for change in batch.changes(None).unwrap() {
            let change = change.unwrap();
            assert_ne!(change.old, change.new);
            let before = match change.new {
                Some(document) => known.insert(change.key, document),
                None => known.remove(&change.key),
            };
            assert_eq!(before, change.old);
        }
        commits.push(batch.commit);
        feed.done(batch);
    }
    commits
}

fn main_ref() -> RefName {
    RefName::from_user("main").unwrap()
}

fn set(db: &Database, name: &RefName, to: Option<CommitId>) {
    db.set_ref(name, to.map(|id| id.0), Expect::Any, &ident(1), "test").unwrap();
}

/// A commit with one document more than its first parent has.
fn commit(db: &Database, parents: &[CommitId], key: &str) -> CommitId {
    let tree = db.tree_of(parents.first().copied()).unwrap();
    let content = BlobId(db.store().put(Kind::Blob, key.as_bytes()).unwrap());
    let edits: Edits = [(key.parse().unwrap(), Edit::Put(content.into()))].into_iter().collect();
    let tree = tree.edit(&edits).unwrap().id();
    let made = put_commit(db, tree, parents.to_vec(), 1, key);
    db.store().flush(&[]).unwrap();
    made
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_consumer_has_what_the_ref_has(
        steps in steps(30),
        moves in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..6),
        with_file in any::<bool>(),
    ) {
        let (disk, db) = database();
        let made = make(&db, &steps);
        if with_file {
            db.write_commit_graph(&made[..made.len().div_ceil(2)]).unwrap();
        }
        let db = reopen(&disk);
        let mut feeds = [db.feed(RefName::head(), None), db.feed(RefName::head(), None).by_commit()];
        let mut known = [Known::new(), Known::new()];
        for (at, is_gone) in &moves {
            let (before, head) = (feeds[0].at(), made[at.index(made.len())]);
            set(&db, &main_ref(), Some(head));
            let nets = follow(&mut feeds[0], &mut known[0]);
            prop_assert_eq!(nets, if before == Some(head) { vec![] } else { vec![head] });
            let line = follow(&mut feeds[1], &mut known[1]);
            prop_assert_eq!(&line, &db.line(before, head).unwrap());
            // Commits that follow each other, wherever one leads to the other.
            let is_below = before.is_none_or(|before| db.is_ancestor(before, head).unwrap());
            let mut last = before;
            for id in line {
                let commit = db.store().commit(id).unwrap();
                prop_assert!(!is_below || last.is_none_or(|last| commit.parents.contains(&last)));
                prop_assert!(last.is_some() || commit.parents.is_empty());
                last = Some(id);
            }
            prop_assert_eq!(last, Some(head));
            for known in &known {
                prop_assert!(*known == documents(&db, Some(head)));
            }
            if *is_gone {
                set(&db, &main_ref(), None);
                prop_assert!(feeds.iter_mut().all(|feed| feed.next_batch().unwrap().is_none()));
            }
        }
    }
}

#[test]
fn a_line_goes_by_the_first_parent_that_leads_there() {
    let (_, db) = database();
    let start = commit(&db, &[], "start");
    let side = commit(&db, &[start], "side");
    let ours = commit(&db, &[start], "ours");
    let merged = commit(&db, &[side, ours], "merged");
    let head = commit(&db, &[merged], "head");
    assert_eq!(db.line(None, head).unwrap(), [start, side, merged, head]);
    assert_eq!(db.line(Some(start), head).unwrap(), [side, merged, head]);
    assert_eq!(db.line(Some(ours), head).unwrap(), [merged, head]);
    assert_eq!(db.line(Some(merged), ours).unwrap(), [ours], "back");
    assert_eq!(db.line(Some(side), ours).unwrap(), [ours], "aside");
    assert_eq!(db.line(Some(head), head).unwrap(), []);
}

#[test]
fn a_batch_that_is_not_done_comes_again_with_more() {
    let (_, db) = database();
    let one = commit(&db, &[], "one");
    let two = commit(&db, &[one], "two");
    let mut feed = db.feed(main_ref(), None);
    set(&db, &main_ref(), Some(one));
    let batch = feed.next_batch().unwrap().unwrap();
    assert_eq!((batch.since, batch.commit, batch.time), (None, one, 1));
    set(&db, &main_ref(), Some(two));
    let batch = feed.next_batch().unwrap().unwrap();
    assert_eq!((batch.since, batch.commit), (None, two));
    assert_eq!(batch.changes(None).unwrap().count(), 2);
    assert_eq!(batch.changes(Some(&"two".parse().unwrap())).unwrap().count(), 1);
    feed.done(batch);
    assert!(feed.next_batch().unwrap().is_none());

    let mut feed = db.feed(main_ref(), None).by_commit();
    for _ in 0..2 {
        assert_eq!(feed.next_batch().unwrap().unwrap().commit, one);
    }
}

/// Whoever looks before he waits is told of every move after the look; so patience is never needed.
fn misses_nothing(db: &Database) {
    let mut feed = db.feed(RefName::head(), None);
    let mut known = Known::new();
    let one = commit(db, &[], "one");
    let side = RefName::from_user("a/side").unwrap();
    type Move<'a> = Box<dyn Fn() -> CommitId + 'a>;
    let to = |name: RefName, key: &'static str| -> Move<'_> {
        Box::new(move || {
            let made = commit(db, &[one], key);
            set(db, &name, Some(made));
            made
        })
    };
    let moves: [Move<'_>; 6] = [
        to(main_ref(), "first"),
        to(main_ref(), "second"),
        Box::new(|| {
            db.pack_refs().unwrap();
            // To a ref that is not there yet, in a folder that is not.
            db.set_head(&side, &ident(1), "test").unwrap();
            let made = commit(db, &[one], "third");
            set(db, &side, Some(made));
            made
        }),
        to(side.clone(), "fourth"),
        Box::new(|| {
            set(db, &side, None);
            let made = commit(db, &[one], "fifth");
            set(db, &side, Some(made));
            made
        }),
        Box::new(|| {
            db.set_head(&main_ref(), &ident(1), "test").unwrap();
            db.pack_refs().unwrap();
            db.head().unwrap().1.unwrap()
        }),
    ];
    for make in moves {
        follow(&mut feed, &mut known);
        while feed.wait(Duration::ZERO).unwrap() {}
        let head = make();
        while feed.at() != Some(head) {
            assert!(feed.wait(HOUR).unwrap());
            follow(&mut feed, &mut known);
        }
        assert!(known == documents(db, Some(head)));
    }
}

#[test]
fn no_move_is_missed() {
    misses_nothing(&database().1);
}

#[cfg(target_os = "linux")]
#[test]
fn the_system_tells_of_every_move() {
    let dir = tempfile::tempdir().unwrap();
    misses_nothing(&database_in(&dir.path().join("farm.isodb")));
}

#[test]
fn a_follower_beside_a_writer_ends_where_it_does() {
    let (disk, db) = database();
    std::thread::scope(|scope| {
        let follower = scope.spawn(|| {
            let db = reopen(&disk);
            let (mut feed, mut known) = (db.feed(RefName::head(), None).by_commit(), Known::new());
            let mut commits = Vec::new();
            while commits.len() < 100 {
                commits.extend(follow(&mut feed, &mut known));
                if commits.len() < 100 {
                    assert!(feed.wait(HOUR).unwrap());
                }
            }
            assert!(known == documents(&db, feed.at()));
            commits
        });
        let mut made = Vec::new();
        for n in 0..100 {
            made.push(commit(&db, made.last().map_or(&[], std::slice::from_ref), &n.to_string()));
            set(&db, &main_ref(), made.last().copied());
        }
        assert_eq!(follower.join().unwrap(), made);
    });
}

#[test]
fn a_ref_that_leads_to_no_commit_is_an_error() {
    let (_, db) = database();
    let name = RefName::full("refs/x").unwrap();
    let blob = db.store().put(Kind::Blob, b"1").unwrap();
    db.set_ref(&name, Some(blob), Expect::Any, &ident(1), "test").unwrap();
    let error = db.feed(name, None).next_batch().unwrap_err();
    assert_eq!(error.to_string(), "\"refs/x\" names a blob, and a commit is wanted");
}
