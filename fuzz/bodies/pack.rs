//! Any bytes as a pack that somebody sends, to a database that has bases for its deltas. The trailer, which no fuzzer would
//! find, is added to them.

use std::sync::LazyLock;

use isodb::{FaultDisk, Kind, Objects};
use sha2::{Digest, Sha256};

use super::farm::{self, open};

/// A database with a few objects, on a disk in memory that each run has a copy of.
static DISK: LazyLock<FaultDisk> = LazyLock::new(|| {
    let disk = farm::empty();
    let db = open(&disk);
    // What deltas can rest on.
    let numbers: String = (1..=200).map(|number| format!("{number}\n")).collect();
    for content in [numbers.as_bytes(), b"{\"kg\":431}\n"] {
        db.store().put(Kind::Blob, content).unwrap();
    }
    db.store().flush(&[]).unwrap();
    disk
});

/// Takes the pack in, and reads all of it again.
fn take(data: &[u8]) -> Result<u32, isodb::ObjectError> {
    let pack = [data, &Sha256::digest(data)[..]].concat();
    let db = open(&DISK.fork());
    let quarantine = db.quarantine().unwrap();
    let received = quarantine.store().receive(&mut &pack[..])?;
    let count = received.count();
    received.keep()?;
    // What was let in is whole: it can be read, and its names are the hashes of what it holds.
    for id in quarantine.store().ids().unwrap() {
        let object = quarantine.store().get(id).unwrap().unwrap();
        assert_eq!(isodb::hash(object.kind, &object.body), id);
    }
    Ok(count)
}

/// What must hold whatever the bytes are.
pub fn run(data: &[u8]) {
    let _ = take(data);
}

/// Whether it is a pack with something in it: so it is with seeds.
#[allow(dead_code)]
pub fn is_sound(data: &[u8]) -> bool {
    take(data).is_ok_and(|count| count > 0)
}
