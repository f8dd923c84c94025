//! Laws: the order of heads, repeated merges and merges of merges make no difference.

use super::*;

/// A history of three writers on one beginning, with a merge in between that was written on.
fn farm(db: &Database) -> [CommitId; 4] {
    let put = |key: &str, content: &str| (key.to_owned(), Some(content.to_owned()));
    let start = author(db, "o", &[], &[put("a", "1"), put("b", "1")], 100);
    let x = author(db, "x", &[start], &[put("a", "2")], 110);
    let y = author(db, "y", &[start], &[put("a", "3"), put("b", "2")], 90);
    let z = author(db, "z", &[x, y], &[put("c", "4")], 120);
    let w = author(db, "w", &[y], &[("b".to_owned(), None)], 130);
    [x, y, z, w]
}

#[test]
fn order_and_repetition_make_no_difference() {
    let (_, db) = database();
    let [x, y, z, w] = farm(&db);
    let head = |heads: &[CommitId]| merged(&db, heads).head;
    assert_eq!(head(&[x, y]), head(&[y, x]));
    assert_eq!(head(&[x, x]), x);
    assert_eq!(head(&[x, head(&[x, y])]), head(&[x, y]));
    assert_eq!(head(&[head(&[x, y]), head(&[x, y])]), head(&[x, y]));
    assert_eq!(head(&[head(&[x, y]), head(&[y, w])]), head(&[x, w]), "w is written on y");
    assert_eq!(head(&[head(&[z, w]), head(&[x, y])]), head(&[w, z]), "z is written on both");
    assert_eq!(head(&[head(&[x, y]), z]), z, "a merge that was written on is known");
    assert_eq!(head(&[z, x, w, y]), head(&[head(&[head(&[x, w]), z]), y]));
}

#[test]
fn merges_of_merges_are_not_in_the_history() {
    let (_, db) = database();
    let [x, y, z, w] = farm(&db);
    let outcome = merged(&db, &[merged(&db, &[x, y]).head, merged(&db, &[w, z]).head]);
    let mut expected = vec![z, w];
    expected.sort();
    assert_eq!(outcome.frontier, expected);
    assert_eq!(db.frontier(&[outcome.head]).unwrap(), expected);
    let commit = db.store().commit(outcome.head).unwrap();
    assert_eq!(commit.parents, expected);
    assert_eq!(commit.author.to_string(), "isodb merge <merge@isodb> 130 +0000");
    assert_eq!((&commit.author, commit.message.as_slice()), (&commit.committer, &b"merge\n"[..]));
    assert_eq!(commit.header("isodb-merge").unwrap(), format!("1 {}", "0".repeat(64)).as_bytes());
}

#[test]
fn histories_without_a_common_beginning_merge() {
    let (_, db) = database();
    let put = |key: &str, content: &str| [(key.to_owned(), Some(content.to_owned()))];
    let one = author(&db, "one", &[], &put("a", "1"), 1);
    let two = author(&db, "two", &[], &put("b", "2"), 2);
    let same = author(&db, "same", &[], &put("a", "1"), 3);
    let all = documents(&db, merged(&db, &[one, two, same]).head);
    assert_eq!(all.into_keys().collect::<Vec<_>>(), ["a", "b"]);
}
