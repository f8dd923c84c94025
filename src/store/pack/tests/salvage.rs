//! Random damage to a pack: what it does not touch is found, and nothing else is taken for an object.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::object::hash;
use crate::store::pack::delta::DeltaIndex;
use crate::store::pack::salvage::{Content, salvage};

type Bodies = Vec<(Id, Vec<u8>)>;
/// Where objects start, by the index.
type Known = Vec<(u64, Id)>;

/// Bodies with their ids, and a pack of them: every third is a delta against the one before.
fn pack() -> (Bodies, Vec<u8>, Known) {
    let body = |n: usize| format!("document {n}, of which much is the same as in others {}", n * n).into_bytes();
    let bodies: Bodies = (0..12).map(|n| (hash(Kind::Blob, &body(n)), body(n))).collect();
    let entries: Vec<(Id, Made, Vec<u8>)> = (0..12)
        .map(|n| match n % 3 {
            2 => {
                (bodies[n].0, Made::OnEntry(n - 1), DeltaIndex::new(&bodies[n - 1].1).make(&bodies[n].1, 1000).unwrap())
            }
            _ => (bodies[n].0, Made::Blob, bodies[n].1.clone()),
        })
        .collect();
    let (pack, index) = assemble(&entries);
    let index = crate::store::pack::index::Index::open(crate::disk::Bytes::Owned(index)).unwrap();
    let mut known: Known = (0..index.len()).map(|n| (index.offset(n).unwrap(), index.id(n))).collect();
    known.sort_unstable();
    (bodies, pack, known)
}

fn found(data: &[u8], known: &[(u64, Id)]) -> (BTreeMap<Id, Vec<u8>>, bool) {
    let mut all = BTreeMap::new();
    let salvaged = salvage(data, known, &|_| None, &mut |id, kind, content| {
        let body = match content {
            Content::Body(body) => body.to_vec(),
            Content::Stream(size, stream) => crate::store::pack::inflate::exact(stream, size).unwrap().0,
        };
        assert_eq!(hash(kind, &body), id);
        all.insert(id, body);
        Ok(())
    })
    .unwrap();
    assert_eq!(
        salvaged.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(),
        all.keys().copied().collect::<Vec<_>>()
    );
    (all, salvaged.is_whole)
}

#[test]
fn a_sound_pack_is_whole() {
    let (bodies, pack, known) = pack();
    for known in [&known[..], &[]] {
        assert_eq!(found(&pack, known), (bodies.iter().cloned().collect(), true));
    }
}

proptest! {
    #[test]
    fn what_is_not_touched_is_found(
        at in any::<prop::sample::Index>(), len in 1usize..60, fill: u8, with_index: bool, cut: bool,
    ) {
        let (bodies, sound, known) = pack();
        let mut data = sound.clone();
        let start = at.index(data.len());
        let end = if cut { data.len() } else { data.len().min(start + len) };
        if cut { data.truncate(start) } else { data[start..end].iter_mut().for_each(|byte| *byte ^= fill | 1) }
        let (found, is_whole) = found(&data, if with_index { &known } else { &[] });
        prop_assert!(!is_whole);
        let ends = known.iter().map(|(offset, _)| *offset as usize).skip(1).chain([sound.len() - 32]);
        let mut touched = BTreeMap::new();
        for ((offset, id), entry_end) in known.iter().zip(ends) {
            touched.insert(*id, (*offset as usize) < end && start < entry_end);
        }
        for (n, (id, body)) in bodies.iter().enumerate() {
            let is_touched = touched[id] || n % 3 == 2 && touched[&bodies[n - 1].0];
            if !is_touched {
                prop_assert_eq!(found.get(id), Some(body));
            }
        }
    }
}
