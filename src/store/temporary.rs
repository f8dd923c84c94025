//! Names of temporary files, and the lock that tells whether who made them lives.
//!
//! What can be large lies under names with a stem of which the lock `isodb/tmp/STEM.lock` is held: when the lock is
//! free, the writer is dead and its files are swept at once. Small files have no lock, and go when they are old.

use std::hash::{BuildHasher, Hasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Result, io_error};
use crate::disk::{Disk, FileKind, Lock};

/// How the name of a lock ends, after the stem.
const LOCK: &str = ".lock";
/// How the names of the files in `objects/pack` begin; git knows them for temporary ones as well. The stem follows.
const IN_PACKS: [&str; 2] = ["tmp_pack_", "tmp_idx_"];
/// The same for the files beside loose objects.
pub(super) const BESIDE: &str = "tmp_obj_";
/// How long somebody who sweeps could hold a lock.
const PATIENCE: Duration = Duration::from_secs(10);

/// What names begin with that no other process and no other writer of this process makes.
pub(crate) fn new_stem() -> String {
    format!("{}-{:016x}", std::process::id(), RandomState::new().build_hasher().finish())
}

/// A stem whose lock is held until it is dropped.
#[derive(Debug)]
pub(super) struct Stem {
    disk: Arc<dyn Disk>,
    name: String,
    path: PathBuf,
    lock: Option<Box<dyn Lock>>,
}

impl Stem {
    /// Takes the lock of a new stem in the directory `temporary`, which is there.
    pub(super) fn lock(disk: &Arc<dyn Disk>, temporary: &Path, name: String) -> Result<Stem> {
        let path = temporary.join(format!("{name}{LOCK}"));
        let lock = disk.lock(&path, PATIENCE).map_err(io_error(&path))?;
        Ok(Stem { disk: disk.clone(), name, path, lock: Some(lock) })
    }

    /// The temporary names of a pack and of its index, in their directory.
    pub(super) fn in_packs(&self, dir: &Path) -> [PathBuf; 2] {
        in_packs(dir, &self.name)
    }
}

impl Drop for Stem {
    fn drop(&mut self) {
        // Best effort: what is left is swept later.
        let _ = self.disk.remove(&self.path);
        self.lock = None;
    }
}

fn in_packs(dir: &Path, stem: &str) -> [PathBuf; 2] {
    IN_PACKS.map(|start| dir.join(format!("{start}{stem}")))
}

/// Removes from the directory `temporary` what has not been written to since `before`, and all of writers that are
/// known to be dead, with their files in `objects/pack`. Answers how many files were removed. What cannot be removed
/// is left: another sweeper may be at work.
pub(super) fn sweep(disk: &dyn Disk, objects: &Path, temporary: &Path, before: SystemTime) -> Result<usize> {
    let entries = match disk.list(temporary) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(io_error(temporary)(error)),
    };
    let mut swept = 0;
    let mut locked = Vec::new();
    for name in entries.iter().map(|entry| &entry.name) {
        let Some(stem) = name.strip_suffix(LOCK) else { continue };
        let path = temporary.join(name);
        let Ok(lock) = disk.lock(&path, Duration::ZERO) else {
            locked.push(stem);
            continue;
        };
        let of_pack = in_packs(&objects.join("pack"), stem);
        swept += of_pack.iter().filter(|path| disk.remove(path).is_ok()).count();
        let own = |name: &&String| name.strip_prefix(stem).is_some_and(|rest| rest.starts_with('-'));
        for entry in entries.iter().filter(|entry| own(&&entry.name)) {
            swept += remove_tree(disk, &temporary.join(&entry.name), entry.kind);
        }
        swept += usize::from(disk.remove(&path).is_ok());
        drop(lock);
    }
    let is_locked = |name: &str| locked.iter().any(|stem| name.starts_with(stem));
    for entry in entries.iter().filter(|entry| !entry.name.ends_with(LOCK) && !is_locked(&entry.name)) {
        let path = temporary.join(&entry.name);
        if disk.stat(&path).is_ok_and(|stat| stat.modified < before) {
            swept += remove_tree(disk, &path, entry.kind);
        }
    }
    Ok(swept)
}

/// Removes what a path names, of this kind, with all that is in it; answers how many files went. What cannot be removed is
/// left.
pub(crate) fn remove_tree(disk: &dyn Disk, path: &Path, kind: FileKind) -> usize {
    let mut removed = 0;
    let mut dirs = Vec::new();
    let mut todo = vec![(path.to_owned(), kind)];
    while let Some((path, kind)) = todo.pop() {
        if kind == FileKind::Dir {
            let entries = disk.list(&path).unwrap_or_default();
            todo.extend(entries.into_iter().map(|entry| (path.join(entry.name), entry.kind)));
            dirs.push(path);
        } else {
            removed += usize::from(disk.remove(&path).is_ok());
        }
    }
    for dir in dirs.iter().rev() {
        let _ = disk.remove_dir(dir);
    }
    removed
}

/// Removes temporary files beside objects and packs that have not been written to since `before`: those of writers that
/// died, git's among them. It looks into all directories of objects, so it is for upkeep. Answers how many files were
/// removed.
pub(super) fn sweep_beside(disk: &dyn Disk, objects: &Path, before: SystemTime) -> usize {
    let mut swept = 0;
    for dir in (0..=255u8).map(|byte| format!("{byte:02x}")).chain(["pack".into()]) {
        let dir = objects.join(dir);
        for file in disk.list(&dir).unwrap_or_default().iter().filter(|file| file.name.starts_with("tmp_")) {
            let path = dir.join(&file.name);
            let is_old = disk.stat(&path).is_ok_and(|stat| stat.modified < before);
            swept += usize::from(is_old && disk.remove(&path).is_ok());
        }
    }
    swept
}
