//! Damaged files: always an error that says so, never a panic, never other bytes than the id's.

use super::*;
use crate::object::{Error, hash};
use crate::store::loose;

/// What all the ways to read the object say of a file, which must be the same.
fn read_all_ways(file: &[u8], id: Id) -> super::super::Result<Option<Vec<u8>>> {
    let disk = empty_disk();
    disk.import(&path_of(id), Some(file.to_vec()));
    let store = store_on(&disk);
    let got = store.get(id).map(|object| object.map(|object| object.body));
    let verified = store.verify(id);
    assert_eq!(got.is_ok(), verified.is_ok(), "{got:?} {verified:?}");
    let mut copy = Vec::new();
    let streamed = store.open(id).and_then(|reader| reader.map(|mut reader| reader.copy_to(&mut copy)).transpose());
    assert_eq!(got.is_ok(), streamed.is_ok(), "{got:?} {streamed:?}");
    if let (Ok(Some(body)), Ok(Some(()))) = (&got, &streamed) {
        assert_eq!(*body, copy);
    }
    got
}

#[track_caller]
fn assert_damaged(file: &[u8], id: Id) {
    match read_all_ways(file, id) {
        Err(Error::Damaged { id: of, .. }) => assert_eq!(of, id),
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_flipped_byte_gives_other_bytes() {
    for body in [b"".to_vec(), b"hello\n".to_vec(), b"some content, ".repeat(40), noise(100)] {
        let id = hash(Kind::Blob, &body);
        let file = loose::encode(Kind::Blob, &body);
        for at in 0..file.len() {
            for mask in [0x01, 0x10, 0x80, 0xFF] {
                let mut flipped = file.clone();
                flipped[at] ^= mask;
                match read_all_ways(&flipped, id) {
                    // A few bits of a zlib stream mean nothing.
                    Ok(read) => assert_eq!(read.as_ref(), Some(&body), "{at} {mask}"),
                    Err(Error::Damaged { .. }) => {}
                    Err(other) => panic!("{at} {mask} {other:?}"),
                }
            }
        }
    }
}

#[test]
fn every_cut_is_found() {
    for body in [b"".to_vec(), b"hello\n".to_vec(), b"some content, ".repeat(40), noise(300)] {
        let (id, file) = (hash(Kind::Blob, &body), loose::encode(Kind::Blob, &body));
        for len in 0..file.len() {
            assert_damaged(&file[..len], id);
            let mut zeros = file[..len].to_vec();
            zeros.resize(file.len(), 0);
            if zeros != file {
                assert_damaged(&zeros, id);
            }
        }
    }
}

#[test]
fn what_stands_behind_the_end_is_found() {
    for body in [b"".to_vec(), b"hello\n".to_vec(), noise(300_000)] {
        let (id, file) = (hash(Kind::Blob, &body), loose::encode(Kind::Blob, &body));
        for behind in [b"\0".as_slice(), b"\n", &file, &[0; 20_000]] {
            assert_damaged(&[file.as_slice(), behind].concat(), id);
        }
    }
}

#[test]
fn another_objects_file_is_found() {
    let id = hash(Kind::Blob, b"hello\n");
    assert_damaged(&loose::encode(Kind::Blob, b"hullo\n"), id);
    assert_damaged(&loose::encode(Kind::Tree, b"hello\n"), id);
    assert_damaged(b"", id);
    assert_damaged(b"blob 6\0hello\n", id);
    assert_damaged(&[0; 4096], id);
}

#[test]
fn a_tree_that_is_none_is_found_when_verified() {
    let id = hash(Kind::Tree, b"no tree");
    let disk = empty_disk();
    disk.import(&path_of(id), Some(loose::encode(Kind::Tree, b"no tree")));
    assert!(matches!(store_on(&disk).verify(id), Err(Error::Damaged { .. })));
}

#[test]
fn files_that_are_no_objects_are_told() {
    let disk = empty_disk();
    let store = store_on(&disk);
    let id = store.put(Kind::Blob, b"hello\n").unwrap();
    store.flush(&[]).unwrap();
    let dir = path_of(id).parent().unwrap().to_owned();
    for name in ["tmp_obj_x1", "notes.txt"] {
        disk.import(&dir.join(name), Some(Vec::new()));
    }
    disk.import(Path::new("/db/objects/info/alternates"), Some(Vec::new()));
    disk.import(Path::new("/db/objects/pack/x"), Some(Vec::new()));
    let strange = store.strange_files().unwrap();
    assert_eq!(strange.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>(), [dir.join("notes.txt")]);
    assert_eq!(store.ids().unwrap(), [id]);
    assert_eq!(store.usage().unwrap().loose, 1);
}
