//! Chains of commits from one that is trusted: who may sign where, rotation, merges, clauses, and forged ones.

use super::*;

#[test]
fn a_key_is_rotated() {
    let (farm, ann, bo) = (Farm::new(), ann(), bo());
    let one = farm.commit(Some(&ann), &[], &[(LIST, &ann.line(""))]);
    let two = farm.commit(Some(&ann), &[one], &[(LIST, &(ann.line("") + &bo.line("")))]);
    let three = farm.commit(Some(&bo), &[two], &[(LIST, &bo.line(""))]);
    let four = farm.commit(Some(&bo), &[three], &[("a", "1")]);
    let (of, proof) = farm.prove("a", four, Some(one)).unwrap();
    assert_eq!(of, four);
    let (checked, _) = check(&proof, None, Some(one)).unwrap();
    let chain = checked.chain.unwrap();
    assert_eq!((chain.since, chain.signed, chain.merges), (one, 3, 0));
    assert_eq!(checked.signer.unwrap().principal.as_deref(), Some("bo@farm"));
    // Who trusts a later commit of the chain may use it as well.
    for trusted in [two, three, four] {
        check(&proof, None, Some(trusted)).unwrap();
    }
    // A list of the verifier's own is asked on top.
    check(&proof, Some(&signers(&bo.line(""))), Some(one)).unwrap();
    refused(&proof, Some(&signers(&ann.line(""))), Some(one));
    let other = farm.commit(Some(&ann), &[], &[("x", "1")]);
    assert!(refused(&proof, None, Some(other)).contains("does not begin with"));
    // Ann was removed: she may not go on, whatever date she writes, nor may Bo where he is not in the list yet.
    let late = farm.commit(Some(&ann), &[four], &[("a", "2")]);
    assert!(farm.cannot_prove("a", late, Some(one)).contains("cannot be relied on"));
    farm.time.set(1_600_000_000);
    let back_dated = farm.commit(Some(&ann), &[four], &[("a", "2")]);
    assert!(farm.cannot_prove("a", back_dated, Some(one)).contains("cannot be relied on"));
    let early = farm.commit(Some(&bo), &[one], &[("a", "2")]);
    assert!(farm.cannot_prove("a", early, Some(one)).contains("cannot be relied on"));
}

#[test]
fn links_that_are_none() {
    let (farm, ann, bo) = (Farm::new(), ann(), bo());
    let list = ann.line("");
    let one = farm.commit(Some(&ann), &[], &[(LIST, &list)]);
    // Not signed; signed with another's name; no list to judge by; not a descendant.
    let unsigned = farm.commit(None, &[one], &[("x", "1")]);
    let head = farm.commit(Some(&ann), &[unsigned], &[("a", "1")]);
    assert!(farm.cannot_prove("a", head, Some(one)).contains("is not signed"));
    let as_bo = farm.commit(Some(&Who { email: "bo@farm", ..Who::new("ann@farm") }), &[one], &[("a", "1")]);
    assert!(farm.cannot_prove("a", as_bo, Some(one)).contains("the committer is \"bo@farm\""));
    let without = farm.commit(Some(&ann), &[one], &[(LIST, "")]);
    let head = farm.commit(Some(&ann), &[without], &[("a", "1")]);
    assert!(farm.cannot_prove("a", head, Some(without)).contains("has no list"));
    let alone = farm.commit(Some(&ann), &[], &[(LIST, &list), ("a", "1")]);
    assert!(farm.cannot_prove("a", alone, Some(one)).contains("no signed commits lead"));
    // Bo lets himself in by a parent of his own, which stands first.
    let mine = farm.commit(Some(&bo), &[], &[(LIST, &bo.line(""))]);
    let forged = farm.commit(Some(&bo), &[mine, one], &[("a", "1")]);
    assert!(farm.cannot_prove("a", forged, Some(one)).contains("no signed commits lead"));
    let forged = farm.commit(Some(&bo), &[one, mine], &[("a", "1")]);
    assert!(farm.cannot_prove("a", forged, Some(one)).contains("cannot be relied on"));
    let forged = farm.commit(Some(&bo), &[one], &[(LIST, &(list + &bo.line("")))]);
    let head = farm.commit(Some(&bo), &[forged], &[("a", "1")]);
    assert!(farm.cannot_prove("a", head, Some(one)).contains("cannot be relied on"));
}

#[test]
fn chains_go_through_merges() {
    let (farm, ann, bo) = (Farm::new(), ann(), bo());
    let both = ann.line("") + &bo.line("");
    let one = farm.commit(Some(&ann), &[], &[(LIST, &ann.line(""))]);
    let left = farm.commit(Some(&ann), &[one], &[("l", "1")]);
    let right = farm.commit(Some(&ann), &[one], &[(LIST, &both)]);
    // The merge has the list of its second parent, through which the chain goes.
    let merge = farm.merge(&[left, right], &[(LIST, &both)]);
    let head = farm.commit(Some(&bo), &[merge], &[("a", "1")]);
    let (of, proof) = farm.prove("a", head, Some(one)).unwrap();
    let (checked, _) = check(&proof, None, Some(one)).unwrap();
    let chain = checked.chain.unwrap();
    assert_eq!((of, chain.signed, chain.merges), (head, 2, 1));
    check(&proof, None, Some(right)).unwrap();
    refused(&proof, None, Some(left));
    // A merge that says who may sign what neither side says leads nowhere.
    let forged = farm.merge(&[left, right], &[(LIST, &bo.line(""))]);
    let head = farm.commit(Some(&bo), &[forged], &[("a", "1")]);
    assert!(farm.cannot_prove("a", head, Some(one)).contains("another list"));
    // Nor does one vouch for what it holds.
    let (of, proof) = farm.prove("l", merge, Some(one)).unwrap();
    assert_eq!(of, left);
    let forged = Parts::of(&proof).with(|parts| parts.claim.commit = merge);
    refused(&forged, None, Some(one));
    farm.cannot_prove(LIST, farm.merge(&[left, right], &[(LIST, "x")]), Some(one));
}

#[test]
fn clauses_hold() {
    let (farm, ann, bo) = (Farm::new(), ann(), bo());
    let list = ann.line("") + &bo.line("keys=stock/** keys=\"odd name/*\" Bo's tablet");
    let one = farm.commit(Some(&ann), &[], &[(LIST, &list)]);
    let head = farm.commit(Some(&bo), &[one], &[("stock/hay", "1"), ("odd name/x", "1"), ("a", "1")]);
    for name in ["stock/hay", "odd name/x", "stock/absent"] {
        let (_, proof) = farm.prove(name, head, Some(one)).unwrap();
        check(&proof, Some(&signers(&list)), Some(one)).unwrap();
    }
    for name in ["a", "stocks", "odd name/x/y"] {
        assert!(farm.cannot_prove(name, head, Some(one)).contains("may not change"), "{name}");
        let (_, proof) = farm.prove(name, head, None).unwrap();
        check(&proof, None, None).unwrap();
        assert!(refused(&proof, Some(&signers(&list)), None).contains("may not change"));
    }
    // Who may sign is beyond them, and so are their successors.
    let forged = farm.commit(Some(&bo), &[one], &[(LIST, &bo.line(""))]);
    let head = farm.commit(Some(&bo), &[forged], &[("a", "1")]);
    assert!(farm.cannot_prove("a", head, Some(one)).contains("may not change who may sign"));
    // A pattern that is none covers nothing.
    let list = signers(&bo.line("keys=a//b"));
    refused(&farm.prove("a", head, None).unwrap().1, Some(&list), None);
}

#[test]
fn a_list_in_conflict_allows_what_all_versions_do() {
    use crate::tree::Conflict;
    let (farm, ann, bo) = (Farm::new(), ann(), bo());
    let (both, only) = (ann.line("") + &bo.line(""), ann.line("# alone"));
    for deleted in [false, true] {
        let versions = [&both, &only].map(|text| farm.blob(text.as_bytes()));
        let conflict = Conflict { versions: versions.into(), base: None, deleted };
        let document = conflict.write(farm.db.store()).unwrap().unwrap();
        let edits: Edits = [(key(LIST), Edit::Put(document))].into_iter().collect();
        let tree = Tree::new(farm.db.store(), TreeId::EMPTY).edit(&edits).unwrap().id();
        let one = farm.commit_tree(Some(&ann), &[], tree, Vec::new());
        let by_ann = farm.commit(Some(&ann), &[one], &[("a", "1")]);
        let by_bo = farm.commit(Some(&bo), &[one], &[("a", "1")]);
        assert!(farm.cannot_prove("a", by_bo, Some(one)).contains("cannot be relied on"));
        match farm.prove("a", by_ann, Some(one)) {
            Ok((_, proof)) => assert!(!deleted && check(&proof, None, Some(one)).is_ok()),
            Err(error) => assert!(deleted, "{error}"),
        }
    }
}
