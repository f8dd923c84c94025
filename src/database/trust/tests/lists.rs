//! The list of allowed signers in all the states that it can be in, and the anchors where there is none.

use super::*;

#[test]
fn without_a_list_the_anchors_decide() {
    let (ann, bo) = (ann(), bo());
    let (_, mut db) = anchored(&[]);
    let root = change(&db, &ann, &[], &[("a", Some("1"))]);
    let next = change(&db, &bo, &[root], &[("a", Some("2"))]);
    let plain = change_at(&db, None, &[next], &[("a", Some("3"))], 2000);
    let all = |db: &Database| [root, next, plain].map(|id| word(db, id));
    assert_eq!(all(&db), ["unknown-key", "unknown-key", "unsigned"]);
    set(&mut db, "trust.anchor", &bo.key.public_key().fingerprint());
    assert_eq!(all(&db), ["unknown-key", "signed", "unsigned"]);
    assert_eq!(standing(&db, next).principal(), Some(&*bo.key.public_key().fingerprint()));
    set(&mut db, "trust.anchor", &format!("{} {}", next, ann.key.public_key().fingerprint()));
    assert_eq!(all(&db), ["pinned", "pinned", "unsigned"]);
    set(&mut db, "trust.anchor", &TreeId::EMPTY.to_string());
    assert_eq!(all(&db), ["unknown-key", "unknown-key", "unsigned"], "a pin of what has not come here");
    for wrong in ["SHA256:short", "ann@farm", "1234"] {
        set(&mut db, "trust.anchor", wrong);
        assert!(db.standing(root, &mut NoScripts).is_err(), "{wrong}");
    }
}

#[test]
fn the_key_of_the_first_commits_can_be_told_when_it_is_one() {
    let (ann, bo) = (ann(), bo());
    let (_, db) = anchored(&[]);
    let key = |heads: &[CommitId]| db.key_of_roots(heads).unwrap();
    let root = change(&db, &ann, &[], &[("a", Some("1"))]);
    let head = change(&db, &bo, &[root], &[("a", Some("2"))]);
    assert_eq!(key(&[head]).as_ref(), Some(ann.key.public_key()));
    let other = change(&db, &ann, &[], &[("b", Some("1"))]);
    assert_eq!(key(&[head, other]).as_ref(), Some(ann.key.public_key()));
    let third = change(&db, &bo, &[], &[("b", Some("1"))]);
    let plain = change_at(&db, None, &[], &[], 1);
    assert_eq!([key(&[head, third]), key(&[head, plain]), key(&[])], [None, None, None]);
}

#[test]
fn who_adds_his_own_key_gains_nothing() {
    let (ann, eve) = (ann(), eve());
    let (_, db) = anchored(&[&ann]);
    let root = list(&db, &ann, &[], &[ann.line(&[])]);
    let opened = list(&db, &eve, &[root], &[ann.line(&[]), eve.line(&[])]);
    let unsigned = change_at(&db, None, &[root], &[(ALLOWED_SIGNERS, Some(&eve.line(&[])))], 2000);
    for (first, stands) in [(opened, "unknown-key"), (unsigned, "unsigned")] {
        let second = change(&db, &eve, &[first], &[("a", Some("1"))]);
        // Not even Ann's commits are any good on a list that somebody else may have written.
        let third = list(&db, &eve, &[second], &[ann.line(&[])]);
        let fourth = change(&db, &ann, &[third], &[("a", Some("2"))]);
        assert_eq!(word(&db, first), stands);
        for id in [second, third, fourth] {
            let Standing::NotAllowed { reason, .. } = standing(&db, id) else { panic!("{}", standing(&db, id)) };
            assert!(reason.contains(&first.to_string()), "{reason}");
        }
    }
    // What an unsigned commit changes elsewhere does not touch the list.
    let plain = change_at(&db, None, &[root], &[("a", Some("1"))], 2000);
    assert_eq!(word(&db, change(&db, &ann, &[plain], &[("b", Some("1"))])), "signed");
    // Nor do two parents help, of which the first has the good list.
    let both = put(db.store(), None, "x@y", tree_of(&db, &[root], &[]), &[root, opened], 3000);
    db.store().flush(&[]).unwrap();
    assert_eq!(word(&db, change(&db, &ann, &[both], &[("b", Some("1"))])), "not-allowed");
}

#[test]
fn lines_that_cannot_be_used_allow_nobody() {
    let (ann, bo) = (ann(), bo());
    let (_, db) = anchored(&[&ann]);
    let open = ann.line(&[]);
    let cases = [
        (vec![open.clone(), "\u{0}garbage\n".into(), bo.line(&[])], "signed"),
        (vec![open.clone(), bo.line(&["a//b"])], "unknown-key"),
        (vec![open.clone(), bo.line(&["a/**", "**b"])], "unknown-key"),
        (vec![open.clone(), bo.line(&[]).replace("ssh-ed25519", "ssh-ed25518")], "unknown-key"),
        (vec![open.clone(), bo.line(&[]).replace("namespaces", "namespaced")], "unknown-key"),
        (vec![open.clone(), bo.line(&[]).replace("\"git\"", "\"file\"")], "not-allowed"),
        (vec![open.clone(), bo.line(&[]).replace("bo@", "ann@")], "not-allowed"),
        (vec![open.clone(), bo.line(&[]).replace("bo@farm ", "bo@farm valid-after=\"20300101Z\",")], "not-allowed"),
        (vec![open.clone(), bo.line(&[]), bo.revoked()], "revoked"),
        (vec![open, format!("#{}", bo.line(&[]))], "unknown-key"),
        (vec![], "unknown-key"),
    ];
    for (lines, expected) in cases {
        let root = list(&db, &ann, &[], &lines);
        let next = change(&db, &bo, &[root], &[("a", Some("1"))]);
        assert_eq!(word(&db, next), expected, "{lines:?}");
    }
    let root = list(&db, &ann, &[], &[ann.line(&[])]);
    let tree = tree_of(&db, &[root], &[("a", Some("1"))]);
    let forged = put(db.store(), Some(&ann), "bo@farm", tree, &[root], 2000);
    db.store().flush(&[]).unwrap();
    let text = standing(&db, forged).to_string();
    assert_eq!(text, "not allowed: signed with the key of ann@farm, but the committer is \"bo@farm\"");
}

#[test]
fn an_empty_list_allows_nobody_and_without_the_list_the_anchors_decide_again() {
    let (ann, bo) = (ann(), bo());
    let (_, mut db) = anchored(&[&ann]);
    let root = list(&db, &ann, &[], &[ann.line(&[]), bo.line(&[])]);
    let empty = list(&db, &bo, &[root], &[]);
    assert_eq!(word(&db, empty), "signed");
    let next = change(&db, &ann, &[empty], &[("a", Some("1"))]);
    assert_eq!(word(&db, next), "unknown-key", "not even an anchor");
    set(&mut db, "trust.anchor", &format!("{next} {}", ann.key.public_key().fingerprint()));
    assert_eq!(word(&db, next), "pinned");

    let gone = change(&db, &bo, &[root], &[(ALLOWED_SIGNERS, None)]);
    let [by_ann, by_bo] = [&ann, &bo].map(|who| change(&db, who, &[gone], &[("a", Some("1"))]));
    assert_eq!([gone, by_ann, by_bo].map(|id| word(&db, id)), ["signed", "signed", "unknown-key"]);
    let stolen = change_at(&db, None, &[root], &[(ALLOWED_SIGNERS, None)], 2000);
    let after = change(&db, &ann, &[stolen], &[("a", Some("1"))]);
    assert_eq!((word(&db, stolen), word(&db, after)), ("unsigned", "not-allowed"));
}

#[test]
fn in_a_list_in_conflict_all_versions_must_allow() {
    let (ann, bo, eve) = (ann(), bo(), eve());
    let (_, db) = anchored(&[&ann]);
    let root = list(&db, &ann, &[], &[ann.line(&[]), bo.line(&["a/**"])]);
    let left = list(&db, &ann, &[root], &[ann.line(&[]), bo.line(&["**/x"]), eve.line(&[])]);
    let right = list(&db, &ann, &[root], &[ann.line(&[]), bo.line(&["a/**", "b/**"])]);
    let merge = db.merge_of(&[left, right], &mut NoScripts).unwrap();
    assert_eq!((word(&db, merge.head), merge.conflicts), ("merge", 1));
    let by = |who: &Who, key: &str| change(&db, who, &[merge.head], &[(key, Some("1"))]);
    assert_eq!(word(&db, by(&eve, "a/x")), "unknown-key");
    let of_bo = ["a/x", "b/x", "a/y", "c/x"].map(|key| word(&db, by(&bo, key)));
    assert_eq!(of_bo, ["signed", "signed", "outside-clause", "outside-clause"]);
    assert_eq!(word(&db, by(&ann, "z")), "signed");
    // With the deletion as a version, the anchors have a say as well.
    let gone = change(&db, &ann, &[root], &[(ALLOWED_SIGNERS, None)]);
    let merge = db.merge_of(&[gone, right], &mut NoScripts).unwrap().head;
    let [by_ann, by_bo] = [&ann, &bo].map(|who| word(&db, change(&db, who, &[merge], &[("a/x", Some("1"))])));
    assert_eq!((by_ann, by_bo), ("signed", "unknown-key"));
    // A resolution is a change like any other.
    let resolved = list(&db, &ann, &[merge], &[bo.line(&[])]);
    assert_eq!(word(&db, change(&db, &bo, &[resolved], &[("z", Some("1"))])), "signed");
}

#[test]
fn merges_need_no_signature_and_lies_are_found() {
    let (ann, eve) = (ann(), eve());
    let (_, db) = anchored(&[&ann]);
    let root = list(&db, &ann, &[], &[ann.line(&[])]);
    let sides = ["a", "b"].map(|key| change(&db, &ann, &[root], &[(key, Some("1"))]));
    let merge = db.merge_of(&sides, &mut NoScripts).unwrap().head;
    let mut forged = db.store().commit(merge).unwrap();
    forged.tree = tree_of(&db, &[merge], &[(ALLOWED_SIGNERS, Some(&eve.line(&[])))]);
    let forged = CommitId(db.store().put(Kind::Commit, &forged.encode()).unwrap());
    db.store().flush(&[]).unwrap();
    assert_eq!((word(&db, merge), word(&db, forged)), ("merge", "wrong-merge"));
    let after = [merge, forged].map(|id| change(&db, if id == merge { &ann } else { &eve }, &[id], &[]));
    assert_eq!(after.map(|id| word(&db, id)), ["signed", "not-allowed"]);
}
