//! Tests of refs, most of them on a disk that fails when it is told to, some against the real git.

mod against_git;
mod crash;
mod failures;
mod locks;
mod logs;
mod packed;
mod transactions;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Expect, RefEdit, RefName, RefValue, Refs, Result, io_error};
use crate::disk::{Disk, FaultDisk, OsDisk};
use crate::object::{Id, Ident, Kind, hash};

/// An empty database's directories, durable.
fn empty_disk() -> FaultDisk {
    let disk = FaultDisk::new();
    disk.import(Path::new("/db/HEAD"), Some(b"ref: refs/heads/main\n".to_vec()));
    for dir in ["refs/heads", "refs/tags"] {
        disk.import(&Path::new("/db").join(dir), None);
    }
    disk
}

fn refs_on(disk: &FaultDisk) -> Refs {
    Refs::new(Arc::new(disk.clone()), Path::new("/db"), Path::new("/db/isodb/tmp"))
}

/// Refs in the machine's files.
fn refs_in(root: &Path) -> Refs {
    Refs::new(Arc::new(OsDisk::without_sync()), root, &root.join("isodb/tmp"))
}

fn name(text: &str) -> RefName {
    RefName::full(text).unwrap()
}

/// One of many ids.
fn id(number: usize) -> Id {
    hash(Kind::Blob, &number.to_le_bytes())
}

fn who() -> Ident {
    Ident::new("Ann", "ann@farm", 1_700_000_000).unwrap()
}

fn edit(ref_name: &str, expect: Expect, new: Option<RefValue>) -> RefEdit {
    RefEdit { name: name(ref_name), expect, new, message: format!("change\n {ref_name}") }
}

fn set(ref_name: &str, to: Id) -> RefEdit {
    edit(ref_name, Expect::Any, Some(RefValue::Id(to)))
}

fn link(ref_name: &str, to: &str) -> RefEdit {
    edit(ref_name, Expect::Any, Some(RefValue::Symbolic(name(to))))
}

fn delete(ref_name: &str) -> RefEdit {
    edit(ref_name, Expect::Any, None)
}

/// A whole transaction, as a caller must do it.
fn apply(refs: &Refs, edits: Vec<RefEdit>) -> Result<()> {
    apply_with(refs, edits, Duration::ZERO)
}

fn apply_with(refs: &Refs, edits: Vec<RefEdit>, patience: Duration) -> Result<()> {
    let lock = refs.lock(patience)?;
    let prepared = lock.prepare(edits)?;
    refs.disk.sync(&prepared.files()).map_err(io_error(Path::new("new files")))?;
    let changed = prepared.commit(&who())?;
    refs.disk.sync(&changed).map_err(io_error(Path::new("changed paths")))
}

fn pack(refs: &Refs) -> Result<()> {
    refs.lock(Duration::ZERO)?.pack(&|_| None)
}

/// Where every ref is, and what HEAD holds.
fn state(refs: &Refs) -> BTreeMap<String, String> {
    let mut state: BTreeMap<String, String> =
        refs.list("refs/").unwrap().into_iter().map(|(name, id)| (name.to_string(), id.to_string())).collect();
    for (name, id) in &state {
        assert_eq!(refs.get(&RefName::full(name).unwrap()).unwrap().unwrap().to_string(), *id);
    }
    state.insert("HEAD".into(), format!("{:?}", refs.read(&RefName::head()).unwrap()));
    state
}

/// The names of files with this ending, of all that are on a disk.
fn files_ending_in(disk: &FaultDisk, ending: &str) -> Vec<String> {
    let names = disk.files().into_iter().map(|(path, _)| path.display().to_string());
    names.filter(|path| path.ends_with(ending)).collect()
}

/// What is left in the directory of temporary files.
fn temporary_files(disk: &FaultDisk) -> usize {
    disk.list(Path::new("/db/isodb/tmp")).map_or(0, |entries| entries.len())
}
