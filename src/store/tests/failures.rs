//! A disk that is full or refuses: an error, nothing half visible, nothing left behind where the disk lets it.

use std::io::ErrorKind;
use std::time::{Duration, SystemTime};

use super::*;
use crate::object::hash;

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
    for many in [3, 40] {
        let put = |disk: &FaultDisk| {
            let store = packing_store_on(disk);
            put_blobs(&store, 0..many).unwrap();
            store
        };
        let disk = empty_disk();
        let store = put(&disk);
        let before = disk.operations();
        store.flush(&[]).unwrap();
        for n in 0..disk.operations() - before {
            let disk = empty_disk();
            let store = put(&disk);
            disk.fail_at(n, ErrorKind::Other);
            if store.flush(&[]).is_err() {
                store.put(Kind::Blob, b"another").unwrap_err();
                store.put_stream(Kind::Blob, 7, &mut b"another".as_slice()).unwrap_err();
                store.flush(&[]).unwrap_err();
            } else {
                // Only what removes a file that is of no use any more may fail.
                assert_eq!(store.ids().unwrap().len(), many, "{many}: {n}");
            }
            assert!(temporary_files(&disk).is_empty(), "{many}: {n}");
            for id in store.ids().unwrap() {
                assert_eq!(store.verify(id).unwrap(), Some(Kind::Blob));
            }
            put(&disk).flush(&[]).unwrap();
            assert_eq!(store_on(&disk).ids().unwrap().len(), many);
        }
    }
}

#[test]
fn an_error_while_a_pack_is_written_is_told_and_nothing_torn_is_named() {
    for n in 0..40 {
        let disk = empty_disk();
        let store = packing_store_on(&disk);
        put_blobs(&store, 0..2).unwrap();
        disk.fail_at(n, ErrorKind::StorageFull);
        let mut put = put_blobs(&store, 2..60);
        if n % 2 == 0 {
            // A reader may be the one who hears of it; the flush must fail all the same.
            let read = store.get(hash(Kind::Blob, &blob(40)));
            put = put.and_then(|ids| read.map(|_| ids));
        }
        let flushed = store.flush(&[]);
        let is_done = disk.operations() <= n;
        assert!(is_done || flushed.is_err() || put.is_err() || store.ids().unwrap().len() == 60, "{n}");
        assert!(temporary_files(&disk).is_empty(), "{n}");
        for id in store_on(&disk).ids().unwrap() {
            assert_eq!(store_on(&disk).verify(id).unwrap(), Some(Kind::Blob), "{n}");
        }
    }
}

/// The disk as a process that is killed leaves it.
fn killed(disk: &FaultDisk, store: Store) -> FaultDisk {
    let after = disk.fork();
    drop(store);
    after
}

#[test]
fn what_a_dead_writer_left_is_swept() {
    let day = |n: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 * n);
    let disk = empty_disk();
    let store = packing_store_on(&disk);
    put_blobs(&store, 0..100).unwrap();
    store.put_stream(Kind::Blob, 7, &mut b"another".as_slice()).unwrap();
    // As long as the writer lives, its files are left, however old.
    disk.set_clock(day(9));
    assert_eq!(store_on(&disk).sweep(day(8)).unwrap(), 0);
    assert_eq!(temporary_files(&disk).len(), 2);
    let disk = killed(&disk, store);
    // The pack, the stream's file, and the locks of both.
    assert_eq!(store_on(&disk).sweep(day(0)).unwrap(), 4);
    assert_eq!(store_on(&disk).sweep(day(0)).unwrap(), 0);
    assert!(temporary_files(&disk).is_empty());
    assert_eq!(store_on(&empty_disk()).sweep(day(9)).unwrap(), 0);
}

#[test]
fn what_is_small_is_swept_when_it_is_old() {
    let day = |n: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 * n);
    let disk = empty_disk();
    let store = store_on(&disk);
    put_blobs(&store, 0..2).unwrap();
    let before = disk.operations();
    let whole = disk.fork();
    store.flush(&[]).unwrap();
    let flushing = disk.operations() - before;
    // Killed after the contents were written, and before they got their names.
    let disk = whole;
    let store = store_on(&disk);
    put_blobs(&store, 0..2).unwrap();
    disk.cut_at(flushing - 5);
    store.flush(&[]).unwrap_err();
    let disk = disk.after_power_cut(crate::disk::Survivors::EVERYTHING);
    assert_eq!(temporary_files(&disk).len(), 2);
    disk.import(&Path::new(TEMPORARY).join("ref-1"), Some(Vec::new()));
    disk.set_clock(day(2));
    let store = store_on(&disk);
    assert_eq!((store.sweep(day(0)).unwrap(), store.sweep_beside(day(0))), (0, 0));
    assert_eq!((store.sweep(day(1)).unwrap(), store.sweep_beside(day(1))), (1, 2));
    assert!(temporary_files(&disk).is_empty());
}
