//! Proofs that somebody has put together anew, with the checksum made right: objects swapped, added, left out, twice; another
//! claim; and files that unpack to more than anybody can hold.

use super::*;
use crate::database::proof::format::MAX_OBJECTS;
use crate::object::hash;

/// A signed commit with two documents, and the proof of one.
fn farm() -> (Farm, CommitId, Parts) {
    let (farm, ann) = (Farm::new(), ann());
    let head = farm.commit(Some(&ann), &[], &[("a/b", "right"), ("a/c", "other"), ("d", "x")]);
    let parts = Parts::of(&farm.prove("a/b", head, None).unwrap().1);
    assert_eq!(
        parts.objects.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
        [Kind::Commit, Kind::Tree, Kind::Tree, Kind::Tree]
    );
    (farm, head, parts)
}

#[test]
fn objects_are_those_that_are_needed_in_their_order() {
    let (farm, head, parts) = farm();
    assert!(check(&parts.write(), None, None).is_ok());
    for n in 0..parts.objects.len() {
        refused(&parts.with(|parts| drop(parts.objects.remove(n))), None, None);
        let twice = parts.with(|parts| parts.objects.insert(n, parts.objects[n].clone()));
        assert!(refused(&twice, None, None).contains("twice"));
        for m in 0..n {
            refused(&parts.with(|parts| parts.objects.swap(n, m)), None, None);
        }
        // Nothing that is not asked for, wherever it stands.
        for object in [(Kind::Blob, b"more".to_vec()), (Kind::Tree, Vec::new())] {
            refused(&parts.with(|parts| parts.objects.insert(n, object.clone())), None, None);
            refused(&parts.with(|parts| parts.objects.push(object)), None, None);
        }
        // Nor anything else in its place: the tree of another document, say.
        let other = Parts::of(&farm.prove("d", head, None).unwrap().1);
        let last = other.objects.last().unwrap().clone();
        refused(&parts.with(|parts| parts.objects[n] = last), None, None);
    }
    let tag = b"object 6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321\ntype tree\ntag t\ntagger A <a> 1 +0000\n\n";
    refused(&parts.with(|parts| parts.objects.push((Kind::Tag, tag.to_vec()))), None, None);
    refused(&parts.with(|parts| parts.objects[1].1.push(0)), None, None);
}

#[test]
fn the_claim_is_what_the_objects_say() {
    let (farm, head, parts) = farm();
    let other = farm.commit(Some(&bo()), &[head], &[("a/b", "false")]);
    let blob = farm.blob(b"false");
    refused(&parts.with(|parts| parts.claim.key = key("a/c")), None, None);
    refused(&parts.with(|parts| parts.claim.commit = other), None, None);
    refused(&parts.with(|parts| parts.claim.since = Some(other)), None, None);
    refused(&parts.with(|parts| parts.claim.since = Some(head)), None, Some(other));
    let false_content =
        |parts: &mut Parts| (parts.claim.content, parts.content) = (Some(blob), Some(b"false".to_vec()));
    assert!(refused(&parts.with(false_content), None, None).contains("something else"));
    let absent = |parts: &mut Parts| (parts.claim.content, parts.content) = (None, None);
    assert!(refused(&parts.with(absent), None, None).contains("something else"));
    for content in ["", "righ", "right ", "RIGHT"] {
        let text = refused(&parts.with(|parts| parts.content = Some(content.into())), None, None);
        assert!(text.contains("the content is another"), "{text}");
    }
    refused(&parts.with(|parts| parts.content = None), None, None);
    // What is absent stays so.
    let absent = Parts::of(&farm.prove("a/x", head, None).unwrap().1);
    assert!(check(&absent.write(), None, None).is_ok());
    refused(&absent.with(|parts| parts.content = Some(b"right".to_vec())), None, None);
    let there = |parts: &mut Parts| (parts.claim.content, parts.content) = (Some(farm.blob(b"x")), Some(b"x".to_vec()));
    refused(&absent.with(there), None, None);
    refused(&absent.with(|parts| parts.claim.key = key("a/b")), None, None);
}

#[test]
fn a_signature_is_of_its_commit() {
    let (farm, head, parts) = farm();
    let body = &parts.objects[0].1;
    let text = String::from_utf8(body.clone()).unwrap();
    let with_commit = |body: Vec<u8>| {
        parts.with(|parts| {
            parts.claim.commit = CommitId(hash(Kind::Commit, &body));
            parts.objects[0].1 = body;
        })
    };
    assert_eq!(with_commit(body.clone()), parts.write());
    // Every byte of the commit: it is another commit then, whose signature is not good, or which is not signed.
    for at in 0..body.len() {
        for bits in [0x01, 0x20] {
            let mut body = body.clone();
            body[at] ^= bits;
            refused(&with_commit(body), None, None);
        }
    }
    let unsigned = text.split_once("gpgsig").unwrap().0.to_owned() + "\nm\n";
    assert!(refused(&with_commit(unsigned.into()), None, None).contains("is not signed"));
    // A merge commit is signed by nobody, whatever it carries.
    let header = vec![("isodb-merge".to_owned(), format!("1 {}", "0".repeat(64)).into_bytes())];
    let tree = farm.db.store().commit(head).unwrap().tree;
    let merge = farm.commit_tree(Some(&ann()), &[head], tree, header);
    let body = farm.db.store().require(merge.0, Kind::Commit).unwrap();
    assert!(refused(&with_commit(body), None, None).contains("is not signed"));
}

#[test]
fn nothing_unpacks_without_end() {
    let (_, _, parts) = farm();
    let zeros = (Kind::Blob, vec![0; 9 << 20]);
    assert!(refused(&parts.with(|parts| parts.objects.push(zeros)), None, None).contains("larger"));
    // Seven megabytes ten times, and more small objects than the limit has room for.
    let large = |n: u8| (Kind::Blob, vec![n; 7 << 20]);
    assert!(refused(&parts.with(|parts| parts.objects.extend((0..10).map(large))), None, None).contains("larger"));
    let count = (MAX_OBJECTS / 256 + 1) as u32;
    let small = |n: u32| (Kind::Blob, n.to_le_bytes().to_vec());
    assert!(refused(&parts.with(|parts| parts.objects.extend((0..count).map(small))), None, None).contains("larger"));
}
