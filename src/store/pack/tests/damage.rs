//! Damaged packs and indexes: an error or the right bytes, never a panic, never other bytes.

use super::*;
use crate::object::{Error, Kind, Objects, hash};
use crate::store::pack::delta::DeltaIndex;

/// Two bodies whole, and two made by deltas, by offset and by id.
fn pack() -> (Vec<(Id, Vec<u8>)>, (Vec<u8>, Vec<u8>)) {
    let body = |n: u8| format!("document {n}, of which much is the same").into_bytes();
    let bodies: Vec<(Id, Vec<u8>)> = (0..4).map(|n| (hash(Kind::Blob, &body(n)), body(n))).collect();
    let delta = |n: usize| DeltaIndex::new(&bodies[0].1).make(&bodies[n].1, 1000).unwrap();
    let pack = assemble(&[
        (bodies[0].0, Made::Blob, bodies[0].1.clone()),
        (bodies[1].0, Made::Blob, bodies[1].1.clone()),
        (bodies[2].0, Made::OnEntry(0), delta(2)),
        (bodies[3].0, Made::OnId(bodies[2].0), { DeltaIndex::new(&bodies[2].1).make(&bodies[3].1, 1000).unwrap() }),
    ]);
    (bodies, pack)
}

/// Reads all bodies in all ways; how many could not be read.
fn read_all(bodies: &[(Id, Vec<u8>)], pack: (Vec<u8>, Vec<u8>)) -> usize {
    let (store, _) = store_of(&[pack]);
    let mut unread = 0;
    for (id, body) in bodies {
        let mut copy = Vec::new();
        let streamed = store.open(*id).and_then(|reader| reader.map(|mut r| r.copy_to(&mut copy)).transpose());
        let _ = (store.header(*id), store.verify(*id), store.ids());
        match store.get(*id) {
            Ok(Some(object)) => {
                assert_eq!(object.body, *body);
                assert!(matches!(streamed, Ok(Some(()))), "{streamed:?}");
                assert_eq!(copy, *body);
            }
            Ok(None) | Err(Error::Damaged { .. } | Error::DamagedFile { .. } | Error::TooLarge { .. }) => {
                unread += 1;
                assert!(!matches!(streamed, Ok(Some(()))), "{streamed:?}");
            }
            Err(other) => panic!("{other}"),
        }
    }
    unread
}

#[test]
fn no_flipped_bit_gives_other_bytes() {
    let (bodies, pack) = pack();
    assert_eq!(read_all(&bodies, pack.clone()), 0);
    for at in 0..pack.0.len() {
        for mask in [0x01, 0xC0] {
            let mut bad = pack.clone();
            bad.0[at] ^= mask;
            // The head or the end: no object can be trusted. Elsewhere those that hang on the damaged entry.
            let unread = read_all(&bodies, bad);
            let is_outside = !(12..pack.0.len() - 32).contains(&at);
            assert!(unread == 4 || !is_outside || (at == 7 && mask == 0x01), "{at} {mask} {unread}");
        }
    }
    for at in (0..pack.1.len()).step_by(3) {
        for mask in [0x01, 0x80] {
            let mut bad = pack.clone();
            bad.1[at] ^= mask;
            read_all(&bodies, bad);
        }
    }
}

#[test]
fn every_cut_is_found() {
    let (bodies, pack) = pack();
    for len in 0..pack.0.len() {
        assert_eq!(read_all(&bodies, (pack.0[..len].to_vec(), pack.1.clone())), 4);
    }
    for len in (0..pack.1.len()).step_by(4) {
        assert_eq!(read_all(&bodies, (pack.0.clone(), pack.1[..len].to_vec())), 4);
    }
}

#[test]
fn the_file_is_named() {
    let (bodies, mut pack) = pack();
    pack.0[0] ^= 1;
    let (store, _) = store_of(std::slice::from_ref(&pack));
    let error = store.get(bodies[0].0).unwrap_err().to_string();
    assert!(error.ends_with("is damaged: /db/objects/pack/pack-0.pack: it is no pack of version 2 or 3"), "{error}");
}

#[test]
fn what_is_damaged_in_one_place_is_read_from_another() {
    let (bodies, pack) = pack();
    let mut bad = pack.clone();
    let middle = bad.0.len() - 60;
    for at in 12..middle {
        bad.0[at] ^= 0x55;
    }
    for packs in [[bad.clone(), pack.clone()], [pack, bad.clone()]] {
        let (store, _) = store_of(&packs);
        for (id, body) in &bodies {
            assert_eq!(store.get(*id).unwrap().unwrap().body, *body);
        }
    }
    let (store, disk) = store_of(&[bad]);
    let (id, body) = &bodies[1];
    assert!(store.get(*id).is_err());
    let file = crate::store::loose::encode(Kind::Blob, body);
    disk.import(&crate::store::loose::path("/db/objects".as_ref(), *id), Some(file));
    assert_eq!(store.get(*id).unwrap().unwrap().body, *body);
}
