//! What is found behind the last read, and bytes that are copied out of large files.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::disk::{Bytes, OsDisk};
use crate::object::{Kind, Objects, hash};
use crate::store::pack::delta::DeltaIndex;
use crate::store::pack::index::Index;
use crate::store::pack::trail::Window;
use crate::store::pack::{Bases, COPIED, Pack, ROOM};
use crate::store::tests::noise;

/// A pack and its index.
type Files = (Vec<u8>, Vec<u8>);

fn body(n: usize) -> Vec<u8> {
    format!("document {n} of many, {}", n * n).into_bytes()
}

/// So many blobs, every third of them a delta, in the order of their numbers; and one that is larger than a window.
fn pack(count: usize) -> (Vec<Id>, Files) {
    let large = noise(100_000);
    let mut entries = vec![(hash(Kind::Blob, &large), Made::Blob, large)];
    for n in 1..count {
        let id = hash(Kind::Blob, &body(n));
        entries.push(match n % 3 {
            0 => (id, Made::OnEntry(n - 1), DeltaIndex::new(&body(n - 1)).make(&body(n), 1000).unwrap()),
            _ => (id, Made::Blob, body(n)),
        });
    }
    (entries.iter().map(|entry| entry.0).collect(), assemble(&entries))
}

/// One that is made once.
static MANY: LazyLock<(Vec<Id>, Files)> = LazyLock::new(|| pack(600));

fn read(store: &Store, id: Id) -> crate::store::Result<Vec<u8>> {
    store.open(id)?.expect("it is there").into_body(1 << 20)
}

/// A store in the machine's files, which it takes for large ones.
fn large_store(root: &std::path::Path, (pack, index): &Files) -> Store {
    let dir = root.join("objects/pack");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("pack-0.pack"), pack).unwrap();
    std::fs::write(dir.join("pack-0.idx"), index).unwrap();
    without_room(Store::new(Arc::new(OsDisk::without_sync().with_all_large()), root, &root.join("tmp")))
}

/// The store, where there is no room for maps of large packs.
fn without_room(store: Store) -> Store {
    assert!(store.bases.take_room(ROOM));
    store
}

/// The same index, with another offset for one object.
fn misled(index: &[u8], id: Id) -> Vec<u8> {
    let count = u32::from_be_bytes(*index[8 + 255 * 4..].first_chunk().unwrap()) as usize;
    let ids = 8 + 256 * 4;
    let place = (0..count).find(|n| &index[ids + n * 32..][..32] == id.as_bytes()).unwrap();
    let mut index = index.to_vec();
    index[ids + count * 36 + place * 4..][..4].copy_from_slice(&12u32.to_be_bytes());
    index
}

#[test]
fn what_follows_is_found_without_the_index() {
    let (ids, (pack, index)) = pack(12);
    let root = tempfile::tempdir().unwrap();
    for at in [6, 7] {
        let files = (pack.clone(), misled(&index, ids[at]));
        for store in [store_of(std::slice::from_ref(&files)).0, large_store(root.path(), &files)] {
            assert!(read(&store, ids[at]).is_err());
            for (n, &id) in ids.iter().enumerate().skip(1) {
                assert_eq!(read(&store, id).unwrap(), body(n), "{n}");
            }
            // Asked for by itself again, it is where the index says, or it is an error.
            assert!(read(&store, ids[at]).is_err());
        }
    }
}

#[test]
fn a_damaged_object_is_not_found_by_a_guess() {
    let (ids, files) = pack(12);
    for at in (files.0.len() - 150..files.0.len() - 33).step_by(7) {
        let mut files = files.clone();
        files.0[at] ^= 0x10;
        let (store, _) = store_of(&[files]);
        let read: Vec<_> = (1..12).map(|n| (n, read(&store, ids[n]))).collect();
        assert!(read.iter().any(|(_, read)| read.is_err()));
        for (n, read) in read {
            assert!(read.is_err() || read.unwrap() == body(n));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_order_gives_the_right_bytes(runs in prop::collection::vec((0usize..600, 1usize..30, 0u8..3), 1..30)) {
        let (ids, files) = &*MANY;
        let root = tempfile::tempdir().unwrap();
        for store in [store_of(std::slice::from_ref(files)).0, large_store(root.path(), files)] {
            for &(start, len, way) in &runs {
                for (n, &id) in ids.iter().enumerate().skip(start).take(len) {
                    let found = match way {
                        0 => read(&store, id).unwrap(),
                        1 => store.require(id, Kind::Blob).unwrap(),
                        _ => store.get(id).unwrap().unwrap().body,
                    };
                    let expected = if n == 0 { noise(100_000) } else { body(n) };
                    prop_assert!(found == expected);
                    prop_assert!(store.tree(crate::object::TreeId(id)).is_err());
                }
            }
        }
    }

    #[test]
    fn a_window_shows_what_the_file_has(looks in prop::collection::vec((0usize..200_000, 0usize..3000, 0usize..9), 1..40)) {
        let file = Bytes::Owned(noise(200_000));
        let mut window = Window::default();
        for (at, len, steps) in looks {
            let mut at = at;
            for _ in 0..=steps {
                let end = 199_000;
                let seen = window.look(&file, at.min(end), len, end).unwrap();
                prop_assert!(seen.len() >= len.min(end - at.min(end)));
                prop_assert!(file[at.min(end)..].starts_with(seen));
                at += len / 2;
            }
        }
    }
}

#[test]
fn what_git_packs_is_read_in_pieces() {
    let Some(git) = repository(60) else { return };
    git.run(["repack", "-adfq", "--window=50", "--depth=50"]);
    let disk = Arc::new(OsDisk::without_sync().with_all_large());
    assert_reads_all(&git, &without_room(Store::new(disk, &git.root(), &git.root().join("tmp"))));
}

#[test]
fn what_is_announced_is_read_as_ever() {
    let (ids, (pack, index)) = &*MANY;
    let dir = tempfile::tempdir().unwrap();
    // One object is said to lie elsewhere, another beyond the end.
    let mut index = misled(index, ids[5]);
    let offsets = 8 + 256 * 4 + ids.len() * 36;
    let place = Index::open(Bytes::Owned(index.clone())).unwrap().find(ids[6]).unwrap() as usize;
    index[offsets + place * 4..][..4].copy_from_slice(&0x7fff_ffffu32.to_be_bytes());
    let store = large_store(dir.path(), &(pack.clone(), index));
    store.bases.give_room(ROOM);
    for round in 0..2 {
        for n in (0..ids.len()).rev() {
            store.soon(Kind::Blob, &[ids[n], ids[(n * 7) % ids.len()], hash(Kind::Blob, &n.to_le_bytes())]);
            let read = read(&store, ids[n]);
            let is_right = read.as_ref().is_ok_and(|read| *read == if n == 0 { noise(100_000) } else { body(n) });
            assert_eq!(is_right, n != 5 && n != 6, "{round} {n} {read:?}");
        }
        store.soon(Kind::Tree, ids);
    }
    let listed = store.own.packs().listed().unwrap();
    assert!(!listed.packs[0].data().unwrap().is_copied());
}

#[test]
fn large_packs_are_mapped_while_there_is_room() {
    let (ids, files) = &*MANY;
    let dir = tempfile::tempdir().unwrap();
    drop(large_store(dir.path(), files));
    let disk = Arc::new(OsDisk::without_sync().with_all_large());
    let bases = Arc::new(Bases::new(1000));
    let open = || Pack::open(disk.clone(), dir.path().join("objects/pack/pack-0"), bases.clone()).unwrap();
    let is_copied = |pack: &Pack| pack.data().unwrap().is_copied();
    let len = files.0.len();
    assert!(bases.take_room(ROOM - len));
    let (first, second) = (open(), open());
    for pack in [&first, &second] {
        // The first few are copied in any case.
        assert!(is_copied(pack));
        for _ in 0..=COPIED {
            for n in [599, 7] {
                let place = pack.index().find(ids[n]).unwrap();
                assert_eq!(pack.read(pack.offset(place).unwrap()).unwrap().body, body(n));
            }
        }
    }
    assert_eq!([is_copied(&first), is_copied(&second)], [false, true]);
    drop(second);
    assert!(!bases.take_room(1));
    drop(first);
    assert!(bases.take_room(len));
}
