//! Histories that cross again and again, and wide ones: neither the stack nor the time grows out of bounds.

use super::*;
use crate::tree::{Edit, Edits, Tree};

fn tree(db: &Database, before: TreeId, puts: &[(&str, &str)]) -> TreeId {
    let edit = |(at, text): &(&str, &str)| {
        (key(at), Edit::Put(BlobId(db.store().put(Kind::Blob, text.as_bytes()).unwrap()).into()))
    };
    Tree::new(db.store(), before).edit(&puts.iter().map(edit).collect::<Edits>()).unwrap().id()
}

const SIDES: [&str; 2] = ["left", "right"];

/// Two sides, each of which writes its own document and one that both have on what both had one level below.
fn ladder(db: &Database, levels: usize) -> [CommitId; 2] {
    let mut sides: Vec<CommitId> = Vec::new();
    let mut below = TreeId::EMPTY;
    for level in 0..levels {
        let number = level.to_string();
        let made = SIDES.map(|side| {
            let tree = tree(db, below, &[(side, &number), ("both", &format!("{number} {side}"))]);
            put_commit(db, tree, sides.clone(), level as i64, side)
        });
        sides = made.to_vec();
        // What one side has of the other one is of the level below.
        below = tree(db, below, &[("left", &number), ("right", &number), ("both", &number)]);
    }
    db.store().flush(&[]).unwrap();
    sides.try_into().unwrap()
}

#[test]
fn a_ladder_of_2000_crossings() {
    let (_, db) = database();
    let sides = ladder(&db, 2000);
    assert_eq!(db.merge_bases(sides[0], &sides[1..]).unwrap().len(), 2);
    let all = documents(&db, merged(&db, &sides).head);
    let texts = |key: &str| {
        let contents = all[key].iter().map(|version| String::from_utf8(version.clone().unwrap()).unwrap());
        contents.collect::<std::collections::BTreeSet<_>>()
    };
    let set = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    assert_eq!((texts("left"), texts("right")), (set(&["1999"]), set(&["1999"])));
    assert_eq!(texts("both"), set(&["1999 left", "1999 right"]));
}

#[test]
fn a_hundred_heads_at_once() {
    let (_, db) = database();
    let start = tree(&db, TreeId::EMPTY, &[("a", "0"), ("shared", "0")]);
    let first = put_commit(&db, start, Vec::new(), 1, "start");
    let heads: Vec<CommitId> = (0..100)
        .map(|n| {
            let own = format!("own/{n}");
            put_commit(&db, tree(&db, start, &[(&own, "x"), ("shared", &(n % 3).to_string())]), vec![first], n, &own)
        })
        .collect();
    db.store().flush(&[]).unwrap();
    let outcome = merged(&db, &heads);
    assert_eq!(outcome.frontier.len(), 100);
    let all = documents(&db, outcome.head);
    assert_eq!((all.len(), all["shared"].len(), outcome.conflicts), (102, 2, 1));
    let reversed: Vec<CommitId> = heads.iter().rev().copied().chain([first]).collect();
    assert_eq!(merged(&db, &reversed), outcome);
}
