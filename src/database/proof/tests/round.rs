//! What is proved is what the database has: of documents at every kind of key, in small folders and large, in conflict, and
//! of those that are not there.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::tree::Conflict;

/// Keys of few segments, plain and odd; many of them in one folder, which gets parts.
fn any_key() -> impl Strategy<Value = String> {
    let segment = prop_oneof!["[a-c]", "blob", ".git", "\\PC{1,4}", "%25|~|\\\\|a\nb| |\u{200c}|\u{1}"];
    let segment = segment.prop_filter("a segment holds no slash and no NUL", |text| !text.contains(['/', '\0']));
    prop_oneof![
        3 => prop::collection::vec(segment, 1..4).prop_map(|segments| segments.join("/")),
        1 => (0..400u16).prop_map(|n| format!("many/{n}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn proofs_say_what_is_there(
        documents in prop::collection::btree_map(any_key(), "[a-z]{1,200}", 0..30),
        others in prop::collection::vec(any_key(), 5),
        with_many: bool,
    ) {
        let (farm, ann) = (Farm::new(), ann());
        let mut all: BTreeMap<String, String> = documents;
        if with_many {
            all.extend((0..300).map(|n| (format!("many/{}", n * 2), n.to_string())));
        }
        let list: Vec<(&str, &str)> = all.iter().map(|(key, content)| (key.as_str(), content.as_str())).collect();
        let head = farm.commit(Some(&ann), &[], &list);
        let (known, unknown) = (signers(&ann.line("")), signers(&bo().line("")));
        for name in all.keys().step_by(9).chain(&others) {
            let (of, proof) = farm.prove(name, head, None).unwrap();
            let (checked, content) = check(&proof, Some(&known), None).unwrap();
            prop_assert_eq!((of, checked.commit, checked.key), (head, head, key(name)));
            let wanted = all.get(name).map(String::as_bytes);
            let found = checked.content.map(|(id, size)| (id, size, content.as_slice()));
            prop_assert_eq!(found, wanted.map(|wanted| (farm.blob(wanted), wanted.len() as u64, wanted)));
            let signer = checked.signer.unwrap();
            prop_assert_eq!(signer.principal.as_deref(), Some("ann@farm"));
            prop_assert_eq!((checked.conflict, checked.chain), (None, None));
            prop_assert!(refused(&proof, Some(&unknown), None).contains("cannot be relied on"));
            prop_assert_eq!(Parts::of(&proof).write(), proof, "there is one way to write it");
        }
    }
}

#[test]
fn nobody_is_asked_whose_key_it_is() {
    let (farm, ann) = (Farm::new(), ann());
    let head = farm.commit(Some(&ann), &[], &[("a", "1")]);
    let (checked, _) = check(&farm.prove("a", head, None).unwrap().1, None, None).unwrap();
    let signer = checked.signer.unwrap();
    assert_eq!((&signer.key, signer.principal), (ann.key.public_key(), None));
    assert_eq!((checked.committer.email(), checked.committer.seconds()), ("ann@farm", 1_700_000_001));
}

#[test]
fn a_conflict_goes_along() {
    let (farm, ann) = (Farm::new(), ann());
    let ids = ["1", "2", "3"].map(|content| farm.blob(content.as_bytes()));
    let conflict = Conflict { versions: ids[..2].iter().copied().collect(), base: Some(ids[2]), deleted: true };
    let document = conflict.write(farm.db.store()).unwrap().unwrap();
    let edits: Edits = [(key("a/b"), Edit::Put(document))].into_iter().collect();
    let tree = Tree::new(farm.db.store(), TreeId::EMPTY).edit(&edits).unwrap().id();
    let head = farm.commit_tree(Some(&ann), &[], tree, Vec::new());
    let (_, proof) = farm.prove("a/b", head, None).unwrap();
    let (checked, content) = check(&proof, None, None).unwrap();
    assert_eq!(checked.content, Some((document.blob, 1)));
    assert_eq!(farm.blob(&content), document.blob);
    assert_eq!(checked.conflict, Some(conflict));
}

#[test]
fn the_list_itself_is_a_document() {
    let (farm, ann) = (Farm::new(), ann());
    let list = ann.line("");
    let first = farm.commit(Some(&ann), &[], &[(LIST, &list)]);
    let head = farm.commit(Some(&ann), &[first], &[("a", "1")]);
    let (_, proof) = farm.prove(LIST, head, Some(first)).unwrap();
    let (checked, content) = check(&proof, None, Some(first)).unwrap();
    assert_eq!((checked.content.map(|(id, _)| id), content), (Some(farm.blob(list.as_bytes())), list.into_bytes()));
}

#[test]
fn contents_of_every_size() {
    let (farm, ann) = (Farm::new(), ann());
    for size in [0, 1, 65_535, 65_536, 65_537, 3 << 20] {
        let body: Vec<u8> = (0..size).map(|n: usize| (n * n / 7) as u8).collect();
        let edits: Edits = [(key("a"), Edit::Put(farm.blob(&body).into()))].into_iter().collect();
        let tree = Tree::new(farm.db.store(), TreeId::EMPTY).edit(&edits).unwrap().id();
        let head = farm.commit_tree(Some(&ann), &[], tree, Vec::new());
        let (checked, content) = check(&farm.prove("a", head, None).unwrap().1, None, None).unwrap();
        assert!(content == body && checked.content.unwrap().1 == size as u64, "{size}");
    }
}
