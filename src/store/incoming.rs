//! Objects from outside that are looked at before they are let in. Few of them wait in memory; more, large ones, and packs
//! that others made lie in an objects directory of their own, below `isodb/tmp` under a stem whose lock is held, so that
//! what a killed process leaves is swept.
//!
//! The store on them reads through to the database's. Nothing of it can be seen in the database before
//! [`Incoming::accept`].

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::hold::Hold;
use super::source::Source;
use super::temporary::{Stem, new_stem, remove_tree};
use super::{Result, Store, io_error, loose, pending};
use crate::disk::{Disk, FileKind};
use crate::object::Id;

/// How the name of the directory ends, after the stem.
const ENDING: &str = "-incoming";
/// So many objects wait in memory, where they cost no wait for the disk before they are checked: the folders of a few hundred
/// documents.
const HELD: usize = 4096;

/// A directory that is made when something has to lie in it.
#[derive(Debug)]
pub(super) struct Apart {
    disk: Arc<dyn Disk>,
    /// The database's directory for what is temporary.
    temporary: PathBuf,
    name: String,
    /// There when the directory is; it stands for that.
    stem: Mutex<Option<Stem>>,
}

impl Apart {
    fn stem(&self) -> MutexGuard<'_, Option<Stem>> {
        self.stem.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dir(&self) -> PathBuf {
        self.temporary.join(format!("{}{ENDING}", self.name))
    }

    fn is_begun(&self) -> bool {
        self.stem().is_some()
    }

    /// Makes the directory, if it is not there.
    pub(super) fn begin(&self) -> Result<()> {
        let mut stem = self.stem();
        if stem.is_none() {
            self.disk.create_dir_all(&self.temporary).map_err(io_error(&self.temporary))?;
            *stem = Some(Stem::lock(&self.disk, &self.temporary, self.name.clone())?);
            let objects = self.dir().join("objects");
            self.disk.create_dir_all(&objects).map_err(io_error(&objects))?;
        }
        Ok(())
    }

    /// Removes the directory with all that is in it.
    fn remove(&self) {
        let mut stem = self.stem();
        if stem.is_some() {
            remove_tree(&*self.disk, &self.dir(), FileKind::Dir);
            *stem = None;
        }
    }
}

/// The files of objects that are not let in yet. Dropping it removes them.
#[derive(Debug)]
pub(crate) struct Incoming(Arc<Apart>);

impl Store {
    /// A place for objects from outside, and a store on it that reads through to this one.
    pub(crate) fn incoming(&self) -> Result<(Incoming, Store)> {
        let disk = &self.disk;
        let (temporary, stem) = (self.temporary.clone(), Mutex::new(None));
        let apart = Arc::new(Apart { disk: disk.clone(), temporary, name: new_stem(), stem });
        let dir = apart.dir();
        let borrowed: Vec<_> = std::iter::once(&self.own).chain(self.borrowed()?).cloned().collect();
        let limit = self.pending(|pending| pending.limit());
        let store = Store::new(disk.clone(), &dir, &dir.join("isodb").join("tmp"));
        let store = Store {
            own: Arc::new(Source::without_loose(disk.clone(), &store.objects, store.bases.clone())),
            borrowed: OnceLock::from(borrowed),
            hold: Hold::of_private(disk.clone(), &dir),
            apart: Some(apart.clone()),
            ..store
        };
        store.pending(|pending| pending.stay_apart(apart.clone(), limit, HELD.max(limit)));
        Ok((Incoming(apart), store))
    }

    /// Has what waits in memory become files if there is more of it than stays there until it is let in.
    pub(crate) fn settle(&self) -> Result<()> {
        match self.apart.as_ref().is_some_and(|apart| !apart.is_begun()) {
            true => Ok(()),
            false => self.flush(&[]),
        }
    }
}

impl Incoming {
    /// Moves all objects of the store on this place into the one that it borrows from, durably; `beside` are files of the
    /// caller's that must be durable when it is done.
    pub(crate) fn accept(self, store: Store, into: &Store, beside: &[PathBuf]) -> Result<()> {
        if !self.0.is_begun() {
            into.disk.create_dir_all(&into.temporary).map_err(io_error(&into.temporary))?;
            store.pending(|pending| pending.turn_to(&into.objects, &into.temporary));
            if store.pending(|pending| pending.flush(beside))? {
                into.own.packs().rescan()?;
            }
            return Ok(());
        }
        store.flush(&[])?;
        let mut names = self.accept_packs(into)?;
        let mut ids = Vec::new();
        store.own.all_loose_ids(&mut ids)?;
        if !ids.is_empty() {
            names.push(into.objects.clone());
        }
        ids.sort_unstable();
        for id in ids {
            names.extend(self.accept_loose(id, into)?);
        }
        names.dedup();
        names.extend_from_slice(beside);
        if let Some(first) = names.first() {
            // The contents were made durable under their first names.
            into.disk.sync(&names).map_err(io_error(first))?;
        }
        into.own.packs().rescan()?;
        Ok(())
    }

    /// Moves the packs, and answers what must be made durable for their names to last.
    fn accept_packs(&self, into: &Store) -> Result<Vec<PathBuf>> {
        let (from, to) = (self.0.dir().join("objects").join("pack"), into.objects.join("pack"));
        let listed = match into.disk.list(&from) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed.map_err(io_error(&from))?,
        };
        let mut stems: Vec<&str> = listed.iter().filter_map(|entry| entry.name.strip_suffix(".idx")).collect();
        stems.sort_unstable();
        if stems.is_empty() {
            return Ok(Vec::new());
        }
        into.disk.create_dir_all(&to).map_err(io_error(&to))?;
        for stem in stems {
            // The index last: who sees that has the pack.
            for ending in ["pack", "idx"] {
                let name = format!("{stem}.{ending}");
                let path = to.join(&name);
                // The name tells the whole content, so what has it already is as good.
                if into.disk.stat(&path).is_err() {
                    into.disk.rename(&from.join(&name), &path).map_err(io_error(&path))?;
                }
            }
        }
        Ok(vec![to, into.objects.clone()])
    }

    fn accept_loose(&self, id: Id, into: &Store) -> Result<Option<PathBuf>> {
        let (from, to) = (loose::path(&self.0.dir().join("objects"), id), loose::path(&into.objects, id));
        pending::in_its_dir(&*into.disk, &to, &|| into.disk.rename(&from, &to))?;
        Ok(to.parent().map(Path::to_owned))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.0.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{FaultDisk, Survivors};
    use crate::object::{BlobId, Kind, Objects};
    use crate::store::tests::{empty_disk, store_on};
    use std::time::SystemTime;

    fn left(disk: &FaultDisk) -> Vec<PathBuf> {
        let files = disk.files().into_iter().map(|(path, _)| path);
        files.filter(|path| path.to_string_lossy().contains(ENDING)).collect()
    }

    #[test]
    fn nothing_is_seen_before_it_is_let_in() {
        for limit in [100, 1] {
            let disk = empty_disk();
            let main = store_on(&disk);
            let known = main.put(Kind::Blob, b"known").unwrap();
            main.flush(&[]).unwrap();
            let (incoming, store) = main.incoming().unwrap();
            store.set_unpack_limit(limit);
            assert_eq!(store.blob(BlobId(known)).unwrap(), b"known");
            let ids: Vec<Id> = (0..5).map(|n| store.put(Kind::Blob, &[n]).unwrap()).collect();
            store.flush(&[]).unwrap();
            let is_there = |store: &Store| ids.iter().all(|id| store.get(*id).unwrap().is_some());
            assert!(is_there(&store) && !ids.iter().any(|id| main.contains(*id).unwrap()));
            incoming.accept(store, &main, &[]).unwrap();
            assert!(is_there(&main) && is_there(&store_on(&disk)));
            assert!(left(&disk).is_empty());
        }
    }

    #[test]
    fn what_is_dropped_leaves_nothing_and_what_died_is_swept() {
        let disk = empty_disk();
        let main = store_on(&disk);
        let (incoming, store) = main.incoming().unwrap();
        let id = store.put(Kind::Blob, b"x").unwrap();
        store.flush(&[]).unwrap();
        main.sweep(SystemTime::UNIX_EPOCH).unwrap();
        assert!(store.contains(id).unwrap(), "its writer lives");
        drop(incoming);
        assert!(left(&disk).is_empty());
        let (_dying, store) = main.incoming().unwrap();
        store.put(Kind::Blob, b"x").unwrap();
        store.flush(&[]).unwrap();
        // A fork is the disk of a machine on which no process runs.
        let after = disk.fork();
        assert!(!left(&after).is_empty());
        store_on(&after).sweep(SystemTime::UNIX_EPOCH).unwrap();
        assert!(left(&after).is_empty());
    }

    #[test]
    fn what_is_let_in_survives_a_power_cut() {
        let disk = empty_disk();
        let main = store_on(&disk);
        let (incoming, store) = main.incoming().unwrap();
        let id = store.put(Kind::Blob, b"x").unwrap();
        incoming.accept(store, &main, &[]).unwrap();
        let after = disk.after_power_cut(Survivors::SYNCED);
        assert_eq!(store_on(&after).blob(BlobId(id)).unwrap(), b"x");
    }
}
