//! Finding out what both have: few names for a long history, and none too few.

use super::*;
use crate::database::tests::put_commit;
use crate::object::TreeId;
use crate::sync::negotiate::Negotiator;

/// Commits one upon the other.
fn line(db: &Database, on: Option<CommitId>, count: usize, word: &str) -> Vec<CommitId> {
    let mut made: Vec<CommitId> = Vec::new();
    for n in 0..count {
        let parents = made.last().copied().or(on).into_iter().collect();
        made.push(put_commit(db, TreeId::EMPTY, parents, n as i64, &format!("{word} {n}")));
    }
    db.store().flush(&[]).unwrap();
    made
}

/// How many commits are named until the other side, which has all up to one, is found to have some; and how many
/// commits are between that and the last one that it has.
fn names(db: &Database, tips: &[CommitId], known: &[CommitId]) -> (usize, usize) {
    let mut negotiator = Negotiator::new(db, tips).unwrap();
    let mut count = 0;
    while !negotiator.is_over() {
        for id in negotiator.next(16).unwrap() {
            count += 1;
            if let Some(at) = known.iter().position(|known| *known == id) {
                assert!(negotiator.is_common(id) && !negotiator.is_common(id));
                return (count, known.len() - 1 - at);
            }
        }
    }
    (count, usize::MAX)
}

#[test]
fn names_grow_with_the_logarithm_of_the_depth() {
    let (_, db) = database();
    let all = line(&db, None, 4000, "a");
    let tip = *all.last().unwrap();
    assert_eq!(names(&db, &[tip], &all), (1, 0));
    for depth in [1, 10, 100, 1000, 3000] {
        let known = &all[..all.len() - depth];
        let (count, over) = names(&db, &[tip], known);
        assert!(count <= 25, "{count} names for {depth}");
        assert!(over <= depth * 2 / 3 + 1, "{over} commits too many for {depth}");
    }
    // Where nothing is known there the beginning is named, and that is all.
    let (count, over) = names(&db, &[tip], &[]);
    assert!(count <= 30 && over == usize::MAX, "{count}");
    let mut negotiator = Negotiator::new(&db, &[tip]).unwrap();
    let all_named: Vec<CommitId> = std::iter::from_fn(|| negotiator.next(1).unwrap().pop()).collect();
    assert_eq!(all_named.last(), Some(&all[0]));
}

#[test]
fn what_is_below_a_common_commit_is_not_named() {
    let (_, db) = database();
    let all = line(&db, None, 100, "a");
    let mut negotiator = Negotiator::new(&db, &[all[99]]).unwrap();
    assert_eq!(negotiator.next(3).unwrap().len(), 3);
    assert!(negotiator.is_common(all[99]));
    assert_eq!(negotiator.next(100).unwrap(), []);
    assert!(negotiator.is_over());
}

#[test]
fn both_have_gone_on_for_long() {
    let (_, db) = database();
    let common = line(&db, None, 200, "a");
    set(&db, "main", common[199]);
    let db = Arc::new(db);
    let other = empty();
    fetch(&db, &other, &[common[199]], &[]).unwrap();
    let here = line(&other, Some(common[199]), 300, "b");
    let there = line(&db, Some(common[199]), 300, "c");
    set(&db, "main", there[299]);
    let count = fetch(&db, &other, &[there[299]], &[here[299]]).unwrap();
    assert!((300..=500).contains(&count), "{count}");
    assert_whole(&other, &[there[299]]);
}
