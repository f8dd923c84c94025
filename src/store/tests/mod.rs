//! Tests of the store, most of them on a disk that fails when it is told to, some against the real git.

mod against_git;
mod crash;
mod damage;
mod failures;
pub(crate) mod git;
mod puts;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Store;
use crate::disk::{Disk, FaultDisk, OsDisk};
use crate::object::{Id, Kind, Objects};

const ROOT: &str = "/db";
const TEMPORARY: &str = "/db/isodb/tmp";

/// An empty database's directories, durable.
pub(crate) fn empty_disk() -> FaultDisk {
    let disk = FaultDisk::new();
    disk.import(Path::new("/db/objects"), None);
    disk
}

pub(crate) fn store_on(disk: &FaultDisk) -> Store {
    Store::new(Arc::new(disk.clone()), Path::new(ROOT), Path::new(TEMPORARY))
}

/// A store that writes more than a few objects as a pack.
fn packing_store_on(disk: &FaultDisk) -> Store {
    let store = store_on(disk);
    store.set_unpack_limit(3);
    store.pending(|pending| pending.set_held(3));
    store
}

/// A store in the machine's files.
pub(crate) fn store_in(root: &Path) -> Store {
    Store::new(Arc::new(OsDisk::without_sync()), root, &root.join("isodb/tmp"))
}

fn blob(number: usize) -> Vec<u8> {
    format!("document {number}\n").repeat(number % 7 + 1).into_bytes()
}

fn put_blobs(store: &Store, numbers: std::ops::Range<usize>) -> super::Result<Vec<Id>> {
    numbers.map(|number| store.put(Kind::Blob, &blob(number))).collect()
}

/// Bytes that do not compress.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// What lies where new files are written, but for locks, and beside the places of objects and packs.
fn temporary_files(disk: &FaultDisk) -> Vec<PathBuf> {
    let is_temporary = |path: &Path| {
        let is_lock = path.extension().is_some_and(|extension| extension == "lock");
        (path.parent() == Some(Path::new(TEMPORARY)) && !is_lock) || path.to_string_lossy().contains("/tmp_")
    };
    disk.files().into_iter().map(|(path, _)| path).filter(|path| is_temporary(path)).collect()
}

/// The path of a stored object.
fn path_of(id: Id) -> PathBuf {
    super::loose::path(&Path::new(ROOT).join("objects"), id)
}
