//! Which commit a proof is of: one that is signed, and has the same.

use super::*;

#[test]
fn a_merge_commit_is_proved_by_what_it_merged() {
    let (farm, ann, bo) = (Farm::new(), ann(), bo());
    let first = farm.commit(Some(&ann), &[], &[("a", "1"), ("b", "1")]);
    let left = farm.commit(Some(&ann), &[first], &[("a", "2")]);
    let right = farm.commit(Some(&bo), &[first], &[("b", "2")]);
    let merge = farm.merge(&[left, right], &[("b", "2"), ("made", "by a rule")]);
    let of = |key: &str| farm.prove(key, merge, None).unwrap().0;
    assert_eq!((of("a"), of("b")), (left, right));
    // Both sides lack it: the later one says so.
    assert_eq!(of("absent"), right);
    let text = farm.cannot_prove("made", merge, None);
    assert!(text.starts_with("there is no proof of \"made\": neither commit"), "{text}");
    // A signed commit on top has what the merge has.
    let head = farm.commit(Some(&ann), &[merge], &[("c", "1")]);
    assert_eq!(farm.prove("made", head, None).unwrap().0, head);
    assert_eq!(farm.prove("a", head, None).unwrap().0, head);
}

#[test]
fn an_unsigned_commit_is_proved_by_one_before_it() {
    let (farm, ann) = (Farm::new(), ann());
    let first = farm.commit(Some(&ann), &[], &[("a", "1"), ("b", "1")]);
    let second = farm.commit(None, &[first], &[("a", "2")]);
    let back = farm.commit(None, &[second], &[("a", "1")]);
    let head = farm.commit(None, &[back], &[("c", "1")]);
    assert_eq!(farm.prove("b", head, None).unwrap().0, first);
    assert_eq!(farm.prove("x", head, None).unwrap().0, first);
    // It was something else in between.
    farm.cannot_prove("a", head, None);
    farm.cannot_prove("c", head, None);
    assert_eq!(farm.prove("a", first, None).unwrap().0, first);
    // One whose signature is not good is as good as unsigned.
    let mut commit = farm.db.store().commit(first).unwrap();
    commit.message = b"another\n".to_vec();
    commit.parents = vec![first];
    let forged = CommitId(farm.db.store().put(Kind::Commit, &commit.encode()).unwrap());
    assert_eq!(farm.prove("a", forged, None).unwrap().0, first);
}

#[test]
fn a_conflict_that_a_merge_made_is_nobodys() {
    use crate::tree::Conflict;
    let (farm, ann) = (Farm::new(), ann());
    let sides = ["1", "2"].map(|content| farm.commit(Some(&ann), &[], &[("a", content)]));
    let versions = ["1", "2"].map(|content| farm.blob(content.as_bytes()));
    let conflict = Conflict { versions: versions.into(), base: None, deleted: false };
    let document = conflict.write(farm.db.store()).unwrap().unwrap();
    let edits: Edits = [(key("a"), Edit::Put(document))].into_iter().collect();
    let tree = Tree::new(farm.db.store(), TreeId::EMPTY).edit(&edits).unwrap().id();
    let header = ("isodb-merge".to_owned(), format!("1 {}", "0".repeat(64)).into_bytes());
    let merge = farm.commit_tree(None, &sides, tree, vec![header]);
    // One side has the same content, but it is not the whole truth.
    farm.cannot_prove("a", merge, None);
}

#[test]
fn a_commit_that_is_trusted_needs_no_signature() {
    let farm = Farm::new();
    let first = farm.commit(None, &[], &[("a", "1")]);
    let head = farm.commit(None, &[first], &[("b", "1")]);
    farm.cannot_prove("a", head, None);
    let (of, proof) = farm.prove("b", head, Some(head)).unwrap();
    assert_eq!(of, head);
    let (checked, content) = check(&proof, None, Some(head)).unwrap();
    assert_eq!((checked.signer, content.as_slice()), (None, &b"1"[..]));
    for (list, trusted) in [(None, None), (None, Some(first)), (Some(signers("")), Some(head))] {
        refused(&proof, list.as_ref(), trusted);
    }
    // The other side trusts an earlier one, and the document has been the same since.
    assert_eq!(farm.prove("a", head, Some(first)).unwrap().0, first);
    farm.cannot_prove("b", head, Some(first));
}
