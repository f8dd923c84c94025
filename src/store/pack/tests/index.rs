//! The index: what is written is read back, git reads it, and damage is seen.

use proptest::collection::btree_map;
use proptest::prelude::*;

use crate::disk::{Bytes, Disk, OsDisk};
use crate::object::{Id, Prefix};
use crate::store::pack::Flaw;
use crate::store::pack::index::{Index, IndexEntry, write_index};
use crate::store::tests::git::Git;

fn write(entries: &[IndexEntry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let checksum = write_index(entries, &[9; 32], &mut bytes).unwrap();
    assert_eq!(bytes[bytes.len() - 32..], checksum);
    bytes
}

fn open(bytes: Vec<u8>) -> Result<Index, Flaw> {
    Index::open(Bytes::Owned(bytes))
}

/// Ids of which many share their first bytes, so that guessing where they lie goes wrong.
fn id() -> impl Strategy<Value = Id> {
    let start = prop::sample::select(vec![vec![], vec![0; 9], vec![7; 9], vec![7, 7], vec![0xff; 9], vec![0xff]]);
    (start, any::<[u8; 32]>()).prop_map(|(start, mut bytes)| {
        bytes[..start.len()].copy_from_slice(&start);
        Id::from_bytes(bytes)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn round_trip(
        map in btree_map(id(), (any::<u32>(), any::<u64>(), 0u32..64), 0..400),
        others in prop::collection::vec(id(), 0..50),
    ) {
        let entries: Vec<IndexEntry> =
            map.iter().map(|(&id, &(crc, offset, bits))| IndexEntry::new(id, crc, offset >> bits)).collect();
        let index = open(write(&entries)).unwrap();
        prop_assert_eq!(index.verify(), Ok(()));
        prop_assert_eq!((index.len() as usize, index.pack_checksum()), (entries.len(), [9; 32]));
        for (n, entry) in (0..).zip(&entries) {
            prop_assert_eq!(IndexEntry::new(index.id(n), index.crc(n), index.offset(n).unwrap()), *entry);
            prop_assert_eq!(index.find(entry.id), Some(n));
            let prefix: Prefix = entry.id.to_string()[..8].parse().unwrap();
            let expected: Vec<Id> = map.keys().copied().filter(|&id| prefix.matches(id)).collect();
            prop_assert_eq!(index.with_prefix(&prefix).collect::<Vec<_>>(), expected);
        }
        // The same in a file that is taken for a large one, of which ids are copied by pieces.
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), write(&entries)).unwrap();
        let large = Index::open(OsDisk::without_sync().with_all_large().map(file.path()).unwrap()).unwrap();
        for (n, entry) in (0..).zip(&entries) {
            prop_assert_eq!(large.find(entry.id), Some(n));
        }
        for id in others {
            prop_assert_eq!(index.find(id).is_some(), map.contains_key(&id));
            prop_assert_eq!(large.find(id), index.find(id));
        }
    }

    #[test]
    fn damage_is_seen_or_harmless(at in 0usize..1400, bit in 0u8..8, cut in 0usize..1400) {
        let entries: Vec<IndexEntry> =
            (0..5u8).map(|n| IndexEntry::new(Id::from_bytes([n * 50; 32]), 1, u64::from(n) << 30)).collect();
        let bytes = write(&entries);
        // Some cuts leave a file that could have fewer large offsets: its checksum tells.
        prop_assert!(open(bytes[..cut % bytes.len()].to_vec()).and_then(|index| index.verify()).is_err());
        let mut bytes = bytes;
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(index) = open(bytes) {
            prop_assert!(index.verify().is_err());
            for n in 0..index.len() {
                let _ = (index.find(index.id(n)), index.offset(n), index.crc(n));
            }
            for entry in &entries {
                let _ = index.find(entry.id);
            }
        }
    }
}

#[test]
fn entries_are_compact() {
    assert_eq!(size_of::<IndexEntry>(), 44);
}

#[test]
fn git_writes_the_same() {
    let Some(git) = Git::new() else { return };
    for n in 0..40 {
        git.run_with(["hash-object", "-w", "--stdin"], format!("document {n}").as_bytes());
    }
    let objects = git.run(["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]);
    let name = git.run_with(["pack-objects", "-q", "objects/pack/pack"], objects.as_bytes());
    let theirs = std::fs::read(git.path(&format!("objects/pack/pack-{name}.idx"))).unwrap();
    let index = open(theirs.clone()).unwrap();
    index.verify().unwrap();
    assert_eq!(index.len(), 40);
    let entries: Vec<IndexEntry> =
        (0..40).map(|n| IndexEntry::new(index.id(n), index.crc(n), index.offset(n).unwrap())).collect();
    let mut ours = Vec::new();
    write_index(&entries, &index.pack_checksum(), &mut ours).unwrap();
    assert_eq!(ours, theirs);
}
