//! A disk that is full or refuses: an error, nothing half visible, nothing left behind where the disk lets it.

use std::io::ErrorKind;
use std::time::{Duration, SystemTime};

use super::*;
use crate::object::hash;

#[test]
fn a_put_that_failed_leaves_nothing_behind() {
    let start = empty_disk();
    put_blobs(&store_on(&start), 0..1).unwrap();
    for n in 0..2 {
        let disk = start.fork();
        let store = store_on(&disk);
        disk.fail_at(n, ErrorKind::StorageFull);
        store.put(Kind::Blob, b"hello\n").unwrap_err();
        assert!(temporary_files(&disk).is_empty());
        let id = hash(Kind::Blob, b"hello\n");
        assert!(!store.contains(id).unwrap());
        // There is room again: the object is written anew.
        assert_eq!(store.put(Kind::Blob, b"hello\n").unwrap(), id);
        store.flush(&[]).unwrap();
        assert_eq!(store.verify(id).unwrap(), Some(Kind::Blob));
    }
}

#[test]
fn a_stream_that_failed_leaves_nothing_behind() {
    let body = noise(200_000);
    let count = |disk: &FaultDisk| {
        let before = disk.operations();
        let store = store_on(disk);
        let put = store.put_stream(Kind::Blob, body.len() as u64, &mut body.as_slice());
        (put.and_then(|id| store.flush(&[]).map(|()| id)), disk.operations() - before)
    };
    let (id, operations) = count(&empty_disk());
    let id = id.unwrap();
    for n in 0..operations {
        for lasting in [false, true] {
            let disk = empty_disk();
            if lasting {
                disk.fail_from(n, ErrorKind::StorageFull)
            } else {
                disk.fail_at(n, ErrorKind::Other)
            }
            let done = count(&disk).0;
            disk.heal();
            let store = store_on(&disk);
            assert!(temporary_files(&disk).is_empty(), "{n}");
            match store.contains(id).unwrap() {
                true => assert_eq!(store.verify(id).unwrap(), Some(Kind::Blob)),
                false => assert!(done.is_err()),
            }
            assert_eq!(count(&disk).0.unwrap(), id);
        }
    }
}

#[test]
fn a_flush_that_failed_stops_the_store() {
    let run = |disk: &FaultDisk| {
        let store = store_on(disk);
        let before = disk.operations();
        put_blobs(&store, 0..4).unwrap();
        let writing = disk.operations() - before;
        (store, writing)
    };
    let disk = empty_disk();
    let (store, writing) = run(&disk);
    store.flush(&[]).unwrap();
    for n in 0..disk.operations() - writing {
        let disk = empty_disk();
        let (store, _) = run(&disk);
        disk.fail_at(n, ErrorKind::Other);
        store.flush(&[]).unwrap_err();
        assert!(temporary_files(&disk).is_empty(), "{n}");
        store.put(Kind::Blob, b"another").unwrap_err();
        store.put_stream(Kind::Blob, 7, &mut b"another".as_slice()).unwrap_err();
        store.flush(&[]).unwrap_err();
        for id in store.ids().unwrap() {
            assert_eq!(store.verify(id).unwrap(), Some(Kind::Blob));
        }
        let (store, _) = run(&disk);
        store.flush(&[]).unwrap();
        assert_eq!(store.ids().unwrap().len(), 4);
    }
}

#[test]
fn an_error_in_a_thread_is_told_and_nothing_torn_is_named() {
    for n in 0..120 {
        let disk = empty_disk();
        let store = store_on(&disk);
        put_blobs(&store, 0..64).unwrap();
        disk.fail_at(n, ErrorKind::StorageFull);
        let mut put = put_blobs(&store, 64..120);
        if n % 2 == 0 {
            // A reader may be the one who hears of it; the flush must fail all the same.
            let read = store.get(hash(Kind::Blob, &blob(70)));
            put = put.and_then(|ids| read.map(|_| ids));
        }
        let flushed = store.flush(&[]);
        assert!(flushed.is_err() || put.is_err(), "{n}");
        assert!(temporary_files(&disk).is_empty(), "{n}");
        for id in store.ids().unwrap() {
            assert_eq!(store.verify(id).unwrap(), Some(Kind::Blob), "{n}");
        }
    }
}

#[test]
fn only_old_temporary_files_are_swept() {
    let disk = empty_disk();
    let day = |n: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 * n);
    let old = store_on(&disk);
    let ids = put_blobs(&old, 0..100).unwrap();
    // Reading one waits for the threads that write them.
    old.get(ids[0]).unwrap();
    assert_eq!(temporary_files(&disk).len(), 101);
    // As if the process had died.
    std::mem::forget(old);
    disk.set_clock(day(2));
    let new = store_on(&disk);
    let ids = put_blobs(&new, 100..102).unwrap();
    assert_eq!(new.sweep(day(0)).unwrap(), 0);
    assert_eq!(new.sweep(day(1)).unwrap(), 101);
    assert_eq!(new.sweep(day(1)).unwrap(), 0);
    new.flush(&[]).unwrap();
    assert_eq!(new.ids().unwrap().len(), ids.len());
    assert!(temporary_files(&disk).is_empty());
    assert_eq!(store_on(&empty_disk()).sweep(day(9)).unwrap(), 0);
}
