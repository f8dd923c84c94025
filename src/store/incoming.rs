//! Objects from outside that are looked at before they are let in: an objects directory of its own that borrows from the
//! database's.
//!
//! It lies below `isodb/tmp` under a stem whose lock is held, so that what a killed process leaves is swept. Nothing of it
//! can be seen in the database before [`Incoming::accept`].

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::temporary::{Stem, new_stem, remove_tree};
use super::{Result, Store, io_error, loose, pending};
use crate::disk::{Access, Disk, FileKind};
use crate::object::Id;

/// How the name of the directory ends, after the stem.
const ENDING: &str = "-incoming";
/// The way from the objects directory of what comes in to that of the database.
const ALTERNATE: &[u8] = b"../../../../objects\n";

/// The files of objects that are not let in yet. Dropping it removes them.
#[derive(Debug)]
pub(crate) struct Incoming {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// Goes last, since it stands for the directory.
    _stem: Stem,
}

impl Store {
    /// A directory for objects from outside, and a store on it that reads through to this one.
    pub(crate) fn incoming(&self) -> Result<(Incoming, Store)> {
        let disk = &self.disk;
        disk.create_dir_all(&self.temporary).map_err(io_error(&self.temporary))?;
        let name = new_stem();
        let dir = self.temporary.join(format!("{name}{ENDING}"));
        let stem = Stem::lock(disk, &self.temporary, name)?;
        let store = Store::new(disk.clone(), &dir, &dir.join("isodb").join("tmp"));
        let incoming = Incoming { disk: disk.clone(), dir, _stem: stem };
        let info = incoming.dir.join("objects").join("info");
        disk.create_dir_all(&info).map_err(io_error(&info))?;
        let alternates = info.join("alternates");
        disk.write_new(&alternates, ALTERNATE, Access::ReadWrite).map_err(io_error(&alternates))?;
        Ok((incoming, store))
    }
}

impl Incoming {
    /// Moves all objects of the store on this directory into the one that it borrows from, durably.
    pub(crate) fn accept(self, store: Store, into: &Store) -> Result<()> {
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
        if let Some(first) = names.first() {
            // The contents were made durable under their first names.
            into.disk.sync(&names).map_err(io_error(first))?;
        }
        into.own.packs().rescan()?;
        Ok(())
    }

    /// Moves the packs, and answers what must be made durable for their names to last.
    fn accept_packs(&self, into: &Store) -> Result<Vec<PathBuf>> {
        let (from, to) = (self.dir.join("objects").join("pack"), into.objects.join("pack"));
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
        let (from, to) = (loose::path(&self.dir.join("objects"), id), loose::path(&into.objects, id));
        pending::in_its_dir(&*into.disk, &to, &|| into.disk.rename(&from, &to))?;
        Ok(to.parent().map(Path::to_owned))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        remove_tree(&*self.disk, &self.dir, FileKind::Dir);
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
            incoming.accept(store, &main).unwrap();
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
        incoming.accept(store, &main).unwrap();
        let after = disk.after_power_cut(Survivors::SYNCED);
        assert_eq!(store_on(&after).blob(BlobId(id)).unwrap(), b"x");
    }
}
