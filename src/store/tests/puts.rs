//! Putting: the same object in any way and any order is stored once, and is there before and after the flush.

use std::io::{self, Read};

use super::*;
use crate::object::{Error, hash};
use crate::store::{STREAM_FROM, hash_stream};

#[test]
fn an_object_put_twice_costs_nothing() {
    let disk = empty_disk();
    let store = store_on(&disk);
    put_blobs(&store, 0..10).unwrap();
    let operations = disk.operations();
    put_blobs(&store, 0..10).unwrap();
    assert_eq!(disk.operations(), operations);
    store.flush(&[]).unwrap();
    let files = disk.files();
    put_blobs(&store, 0..10).unwrap();
    put_blobs(&store_on(&disk), 0..10).unwrap();
    assert_eq!(disk.files(), files);
}

#[test]
fn a_small_commit_costs_few_operations() {
    let disk = empty_disk();
    let store = store_on(&disk);
    put_blobs(&store, 0..1).unwrap();
    store.flush(&[]).unwrap();
    // In a directory that is there: make, write, rename; flush the content, the directory and the one above.
    let id = (1..)
        .map(|number| hash(Kind::Blob, &blob(number)))
        .position(|id| path_of(id).parent() == path_of(hash(Kind::Blob, &blob(0))).parent());
    let (number, before) = (id.unwrap() + 1, disk.operations());
    put_blobs(&store, number..number + 1).unwrap();
    store.flush(&[]).unwrap();
    assert_eq!(disk.operations() - before, 6);
}

#[test]
fn a_pending_object_is_read_and_may_be_streamed_again() {
    let disk = empty_disk();
    let store = store_on(&disk);
    let id = store.put(Kind::Blob, b"hello\n").unwrap();
    assert!(store.contains(id).unwrap());
    assert!(store.ids().unwrap().is_empty(), "nobody sees it before the flush");
    assert!(!store_on(&disk).contains(id).unwrap());
    assert_eq!(store.get(id).unwrap().unwrap().body, b"hello\n");
    assert_eq!(store.put_stream(Kind::Blob, 6, &mut b"hello\n".as_slice()).unwrap(), id);
    assert!(temporary_files(&disk).is_empty());
    store.flush(&[]).unwrap();
    assert_eq!(store.verify(id).unwrap(), Some(Kind::Blob));
    assert!(temporary_files(&disk).is_empty());
}

#[test]
fn many_objects_become_one_pack() {
    let disk = empty_disk();
    let store = store_on(&disk);
    let ids = put_blobs(&store, 0..1000).unwrap();
    let large = store.put(Kind::Blob, &noise(300_000)).unwrap();
    for (number, id) in ids.iter().enumerate().step_by(97) {
        assert_eq!(store.get(*id).unwrap().unwrap().body, blob(number));
    }
    put_blobs(&store, 900..1100).unwrap();
    store.flush(&[]).unwrap();
    let mut all: Vec<Id> = (0..1100).map(|number| hash(Kind::Blob, &blob(number))).chain([large]).collect();
    all.sort_unstable();
    assert_eq!(store.ids().unwrap(), all);
    for id in all {
        assert_eq!(store.verify(id).unwrap(), Some(Kind::Blob));
    }
    assert!(temporary_files(&disk).is_empty());
    let files = disk.files().into_iter().filter(|(path, content)| path.starts_with("/db/objects") && content.is_some());
    assert_eq!(files.count(), 2, "a pack and its index");
}

#[test]
fn eight_writers_of_the_same_objects() {
    for one_store in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("objects")).unwrap();
        let shared = store_in(folder.path());
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let (shared, own) = (&shared, store_in(folder.path()));
                own.set_unpack_limit(if writer < 4 { 100 } else { 20 });
                scope.spawn(move || {
                    let store = if one_store { shared } else { &own };
                    for round in 0..4 {
                        let ids = put_blobs(store, round * 20..round * 20 + 30).unwrap();
                        if (round + writer) % 2 == 0 {
                            store.flush(&[]).unwrap();
                        }
                        for (at, id) in ids.iter().enumerate() {
                            assert_eq!(store.get(*id).unwrap().unwrap().body, blob(round * 20 + at));
                        }
                    }
                    store.flush(&[]).unwrap();
                });
            }
        });
        let ids = shared.ids().unwrap();
        assert_eq!(ids.len(), 90);
        for id in ids {
            assert!(shared.verify(id).unwrap().is_some());
        }
        let left = std::fs::read_dir(folder.path().join("isodb/tmp")).map_or(0, Iterator::count);
        assert_eq!(left, 0);
    }
}

#[test]
fn an_object_is_found_though_it_is_flushed_at_that_moment() {
    let disk = empty_disk();
    let store = store_on(&disk);
    let body = noise(100);
    let id = store.put_stream(Kind::Blob, 100, &mut body.as_slice()).unwrap();
    // Between the answer where the object is and the reading there, another thread flushes it.
    let from_file = |path: &Path| {
        store.flush(&[]).unwrap();
        Ok(disk.stat(path).is_ok().then(|| path.to_owned()))
    };
    let found = store.find(id, &|_, _| unreachable!("there is no pack"), &from_file, &|_| PathBuf::new());
    assert_eq!(found.unwrap().expect("it was put"), path_of(id));
}

#[test]
fn a_source_of_unknown_size() {
    let disk = empty_disk();
    let store = store_on(&disk);
    for size in [0, 1, STREAM_FROM as usize - 1, STREAM_FROM as usize, STREAM_FROM as usize + 1, 6_000_000] {
        let body = vec![b'x'; size];
        let id = store.put_unsized(Kind::Blob, &mut Slow(&body), u64::MAX).unwrap();
        assert_eq!(id, hash(Kind::Blob, &body));
        assert_eq!(store.put_unsized(Kind::Blob, &mut Slow(&body), size as u64).unwrap(), id);
        if size > 0 {
            let refused = store.put_unsized(Kind::Blob, &mut Slow(&body), size as u64 - 1).unwrap_err();
            assert!(matches!(refused, Error::TooLarge { size: found, .. } if found == size as u64), "{refused}");
        }
        assert_eq!(hash_stream(Kind::Blob, size as u64, &mut Slow(&body)).unwrap(), id);
    }
    // Two were streamed, and the others are just as much as is held in memory.
    assert_eq!(temporary_files(&disk).len(), 2);
    store.flush(&[]).unwrap();
    assert!(temporary_files(&disk).is_empty());
    assert_eq!(store.ids().unwrap().len(), 6);
}

#[test]
fn a_source_of_another_size_is_refused() {
    let disk = empty_disk();
    let store = store_on(&disk);
    for (size, body) in [(5, b"four".as_slice()), (3, b"four"), (0, b"f"), (1, b"")] {
        assert!(store.put_stream(Kind::Blob, size, &mut Slow(body)).is_err());
        assert!(hash_stream(Kind::Blob, size, &mut Slow(body)).is_err());
    }
    assert!(temporary_files(&disk).is_empty());
    store.flush(&[]).unwrap();
    assert!(store.ids().unwrap().is_empty());
}

#[test]
fn what_is_discarded_is_gone() {
    let disk = empty_disk();
    let store = store_on(&disk);
    let ids = put_blobs(&store, 0..100).unwrap();
    store.discard();
    assert!(temporary_files(&disk).is_empty());
    assert!(store.get(ids[0]).unwrap().is_none());
    put_blobs(&store, 0..3).unwrap();
    drop(store);
    assert!(temporary_files(&disk).is_empty());
}

/// A source that gives little at a time and is interrupted in between.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.0.len() % 2 == 1 {
            // An odd rest is made even by the next call, so this happens once a piece.
            let n = usize::from(!out.is_empty());
            out[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            return if n == 0 { Err(io::ErrorKind::Interrupted.into()) } else { Ok(n) };
        }
        let n = out.len().min(self.0.len()).min(70_001);
        out[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

#[test]
fn what_is_put_again_is_young_again() {
    let day = |n: u64| std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(86_400 * n);
    let disk = empty_disk();
    let many = packing_store_on(&disk);
    put_blobs(&many, 0..10).unwrap();
    many.flush(&[]).unwrap();
    let loose = put_blobs(&many, 10..11).unwrap()[0];
    many.flush(&[]).unwrap();
    let times = || {
        let paths = disk.files().into_iter().filter(|(path, _)| path.starts_with("/db/objects"));
        let packs = paths.map(|(path, _)| path).filter(|path| path.extension().is_some_and(|end| end == "pack"));
        packs.chain([path_of(loose)]).map(|path| disk.stat(&path).unwrap().modified).collect::<Vec<_>>()
    };
    for (store, numbers, expected) in [
        (store_on(&disk), 0..0, [day(0), day(0)]),
        (store_on(&disk), 3..5, [day(2), day(0)]),
        (packing_store_on(&disk), 0..11, [day(3), day(3)]),
    ] {
        disk.set_clock(expected.into_iter().max().unwrap());
        put_blobs(&store, numbers).unwrap();
        store.flush(&[]).unwrap();
        assert_eq!(times(), expected);
    }
    // A time that cannot be set is no reason to rely on the object: it is written anew.
    disk.set_clock(day(5));
    let store = store_on(&disk);
    disk.fail_at(0, io::ErrorKind::PermissionDenied);
    assert_eq!(store.put(Kind::Blob, &blob(10)).unwrap(), loose);
    store.flush(&[]).unwrap();
    assert_eq!(times(), [day(3), day(5)]);
}

#[test]
fn threads_that_miss_the_same_new_pack_all_find_it() {
    let disk = empty_disk();
    let (reader, writer) = (store_on(&disk), packing_store_on(&disk));
    for round in 0..60 {
        let ids = put_blobs(&writer, round * 10..round * 10 + 10).unwrap();
        writer.flush(&[]).unwrap();
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    start.wait();
                    assert!(reader.contains(ids[0]).unwrap(), "round {round}");
                });
                scope.spawn(|| {
                    start.wait();
                    assert!(reader.get(ids[0]).unwrap().is_some(), "round {round}");
                });
            }
        });
    }
}
