//! Deltas: what is made is applied, git takes it, and what is no delta is refused.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::object::{Kind, hash};
use crate::store::pack::Flaw;
use crate::store::pack::delta::{DeltaIndex, apply, sizes};
use crate::store::pack::tests::{Made, assemble};
use crate::store::tests::git::Git;
use crate::store::tests::noise;

fn make(base: &[u8], target: &[u8]) -> Vec<u8> {
    DeltaIndex::new(base).make(target, usize::MAX).unwrap()
}

/// Where a piece of the base begins, how long it is, and what follows it.
type Piece = (prop::sample::Index, prop::sample::Index, Vec<u8>);

/// A body, and one that was made from pieces of it.
fn related() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let base = prop_oneof![
        vec(any::<u8>(), 0..400),
        "[ab]{0,400}".prop_map(String::into_bytes),
        (0usize..300_000).prop_map(noise),
        vec(Just(7u8), 0..200_000),
    ];
    let pieces = vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), vec(any::<u8>(), 0..200)), 0..8);
    (base, pieces).prop_map(|(base, pieces): (Vec<u8>, Vec<Piece>)| {
        let mut target: Vec<u8> = Vec::new();
        for (from, len, own) in pieces {
            let rest = &base[from.index(base.len() + 1)..];
            target.extend_from_slice(&rest[..len.index(rest.len() + 1)]);
            target.extend_from_slice(&own);
        }
        (base, target)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_is_made_is_applied((base, target) in related()) {
        let delta = make(&base, &target);
        let (from, to, _) = sizes(&delta).unwrap();
        prop_assert_eq!((from, to), (base.len() as u64, target.len() as u64));
        prop_assert!(apply(&base, &delta) == Ok(target.clone()));
        // Its own bytes are at worst all of the target, with one byte for each 127.
        prop_assert!(delta.len() <= target.len() + target.len() / 127 + 11);
        let index = DeltaIndex::new(&base);
        // It may give up a little early, where bytes that it took for new turn out to belong to a copy.
        prop_assert!(index.make(&target, delta.len()).is_none_or(|again| again == delta));
        prop_assert!(index.make(&target, target.len() * 2 + 20).as_ref() == Some(&delta));
        prop_assert!(index.make(&target, delta.len() - 1).is_none());
    }

    #[test]
    fn no_bytes_make_it_panic(base in vec(any::<u8>(), 0..50), bytes in vec(any::<u8>(), 0..50), size in 0u8..60) {
        let _ = apply(&base, &bytes);
        let delta = [&[base.len() as u8, size], &bytes[..]].concat();
        if let Ok(made) = apply(&base, &delta) {
            prop_assert_eq!(made.len(), usize::from(size));
        }
    }

    #[test]
    fn a_cut_delta_is_refused((base, target) in related(), at: prop::sample::Index) {
        let delta = make(&base, &target);
        prop_assert!(apply(&base, &delta[..at.index(delta.len())]).is_err());
    }
}

#[test]
fn what_is_wrong_is_told() {
    let reason = |delta: &[u8]| apply(b"0123456789", delta).unwrap_err().0;
    assert_eq!(reason(&[9, 1, 1, b'x']), "a delta is for a base of another size");
    assert_eq!(reason(&[10, 1, 0]), "a delta has an unknown instruction");
    assert_eq!(reason(&[10, 2, 1, b'x']), "a delta makes another size than it says");
    assert_eq!(reason(&[10, 0, 1, b'x']), "a delta makes another size than it says");
    assert_eq!(reason(&[10, 3, 0x91, 8, 3]), "a delta copies from beyond its base");
    assert_eq!(reason(&[10, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 1]), "a delta makes more than is held in memory");
    assert_eq!(reason(&[0xff; 20]), "a delta's size is beyond 64 bits");
    assert_eq!(apply(b"0123456789", &[10, 4, 0x91, 8, 2, 2, b'a', b'b']), Ok(b"89ab".to_vec()));
    assert_eq!(apply(b"", &[0, 0]), Ok(Vec::new()));
    assert_eq!(sizes(&[]), Err(Flaw("a delta is cut short")));
}

#[test]
fn like_bodies_make_small_deltas() {
    let record = |n: u32, name: &str, milk: f32| {
        format!(r#"{{"born":{n},"breed":"Simmental","milk":{milk},"name":"{name}","notes":["calm","likes apples"]}}"#)
    };
    let (a, b) = (record(2019, "Bella", 22.5), record(2021, "Alma", 18.25));
    let delta = make(a.as_bytes(), b.as_bytes());
    assert!(delta.len() < b.len() / 2, "{} of {}", delta.len(), b.len());

    // One of 60 ids of a tree replaced: a head, two copies and the id.
    let ids = noise(60 * 32);
    let tree = |ids: &[u8]| -> Vec<u8> {
        let entries = ids.chunks(32).enumerate();
        entries.flat_map(|(n, id)| [format!("40000 cow-{n:04}\0").as_bytes(), id].concat()).collect()
    };
    let mut changed = ids.clone();
    changed[30 * 32..31 * 32].copy_from_slice(&[5; 32]);
    let delta = make(&tree(&ids), &tree(&changed));
    assert!(delta.len() <= 32 + 20, "{}", delta.len());
    // One removed: what follows is found again at another distance.
    let fewer = [&ids[..20 * 32], &ids[21 * 32..]].concat();
    let names = tree(&ids);
    let entry = "40000 cow-0000\0".len() + 32;
    let target = [&names[..20 * entry], &names[21 * entry..]].concat();
    assert_eq!(target.len(), tree(&fewer).len());
    assert!(make(&names, &target).len() <= 24);

    // A large body with a byte changed in the middle.
    let large = noise(1 << 20);
    let mut other = large.clone();
    other[1 << 19] ^= 1;
    assert!(make(&large, &other).len() < 40);
    // Unlike bodies: no delta within the limit.
    assert_eq!(DeltaIndex::new(&large).make(&noise(300).iter().map(|byte| !byte).collect::<Vec<_>>(), 200), None);
}

#[test]
fn git_takes_what_is_made() {
    let Some(git) = Git::new() else { return };
    let bases = [b"a document with some words in it, and some more words".repeat(3), noise(200_000), vec![1; 70_000]];
    for base in bases {
        let mut target = base.clone();
        target.splice(40..50, *b"other");
        target.extend_from_slice(b"words in it, and an end");
        target.extend_from_slice(&base[10..base.len() / 2]);
        let delta = make(&base, &target);
        assert!(delta.len() < target.len() / 2);
        let id = |body: &[u8]| hash(Kind::Blob, body);
        let back = make(&target, &base[..50]);
        let (pack, _) = assemble(&[
            (id(&base), Made::Blob, base.clone()),
            (id(&target), Made::OnEntry(0), delta),
            (id(&base[..50]), Made::OnId(id(&target)), back),
        ]);
        let said = git.run_with(["index-pack", "--strict", "--stdin"], &pack);
        let name = said.trim_start_matches("pack\t");
        let list = git.run(["verify-pack", "-v", &format!("objects/pack/pack-{name}.idx")]);
        for body in [&base, &target, &base[..50].to_vec()] {
            assert!(list.contains(&hash(Kind::Blob, body).to_string()), "{list}");
        }
    }
}
