//! Moving what is damaged out of the way, after all that is sound in it has been stored anew.
//!
//! Every step leaves a store that is no worse: what is sound is durable in a new pack before the damaged one is
//! renamed, and nothing is deleted.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::hold::Removal;
use super::pack::index::{Index, IndexEntry, write_index};
use super::pack::salvage::{Content, Salvaged, salvage};
use super::pack::write::{Copied, PackWriter};
use super::verify::Fault;
use super::{Result, Store, io_error};
use crate::disk::{Access, Disk};
use crate::object::{Id, Objects};

/// What other files a pack may have; git makes them.
const BESIDE: [&str; 7] = ["idx", "rev", "bitmap", "mtimes", "keep", "promisor", "pack"];

/// A directory that takes what is moved aside: `isodb/damaged/N`, made when it is first needed.
#[derive(Debug)]
pub(crate) struct Aside {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    dir: Option<PathBuf>,
    /// What was moved or copied, by its path below the root.
    pub(crate) moved: Vec<PathBuf>,
}

impl Aside {
    /// For the database directory `root`.
    pub(crate) fn new(disk: Arc<dyn Disk>, root: &Path) -> Aside {
        Aside { disk, root: root.to_owned(), dir: None, moved: Vec::new() }
    }

    /// The directory, if something is in it.
    pub(crate) fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// Where a file is to go. All directories on the way are there, durably.
    fn place(&mut self, path: &Path) -> io::Result<PathBuf> {
        let dir = match &self.dir {
            Some(dir) => dir.clone(),
            None => {
                let all = self.root.join("isodb").join("damaged");
                let made = self.disk.create_dir_all(&all)?;
                let numbers = self.disk.list(&all)?.into_iter().filter_map(|entry| entry.name.parse::<u64>().ok());
                let dir = all.join((numbers.max().unwrap_or(0) + 1).to_string());
                self.disk.create_dir(&dir)?;
                self.disk.sync(&made.into_iter().chain([all]).collect::<Vec<_>>())?;
                self.dir.insert(dir).clone()
            }
        };
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        let place = dir.join(relative);
        if let Some(above) = place.parent() {
            let made = self.disk.create_dir_all(above)?;
            self.disk.sync(&made)?;
        }
        self.moved.push(relative.to_owned());
        Ok(place)
    }

    /// Moves a file there. Nothing happens when it is gone already.
    pub(crate) fn take(&mut self, path: &Path) -> io::Result<()> {
        if self.disk.stat(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Ok(());
        }
        let place = self.place(path)?;
        self.disk.rename(path, &place)?;
        let dirs: Vec<PathBuf> = [place.parent(), path.parent()].into_iter().flatten().map(Path::to_owned).collect();
        self.disk.sync(&dirs)
    }

    /// Copies a file there which is about to be replaced. Nothing happens when there is none.
    pub(crate) fn copy(&mut self, path: &Path) -> io::Result<()> {
        let content = match self.disk.map(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            content => content?,
        };
        let place = self.place(path)?;
        self.disk.write_new(&place, &content, Access::ReadWrite)?;
        let dir = place.parent().map(Path::to_owned);
        self.disk.sync(&[place].into_iter().chain(dir).collect::<Vec<_>>())
    }
}

/// What a repair of the store did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoreRepair {
    /// How many objects of damaged packs were stored anew.
    pub(crate) rescued: u64,
    /// How many indexes were made anew.
    pub(crate) indexes: u64,
}

impl Store {
    /// Waits until nobody writes objects; `None` when somebody did for all of `patience`.
    pub(crate) fn removal(&self, patience: Duration) -> Result<Option<Removal>> {
        self.hold.removal(patience)
    }

    /// Repairs the files that faults were found in. A new store is to be opened then: this one may know files that
    /// were replaced.
    pub(crate) fn repair(&self, faults: &[Fault], aside: &mut Aside, _removal: &Removal) -> Result<StoreRepair> {
        let mut repair = StoreRepair::default();
        let mut packs = BTreeSet::new();
        for Fault { rule, file, .. } in faults {
            if *rule == "object-large" {
                // Nothing is wrong with it.
                continue;
            }
            if file.extension().is_some_and(|ending| ending == "pack" || ending == "idx") {
                packs.insert(file.with_extension(""));
            } else {
                aside.take(file).map_err(io_error(file))?;
            }
        }
        for stem in packs {
            self.repair_pack(&stem, aside, &mut repair)?;
        }
        Ok(repair)
    }

    fn repair_pack(&self, stem: &Path, aside: &mut Aside, repair: &mut StoreRepair) -> Result<()> {
        let (file, index_file) = (stem.with_extension("pack"), stem.with_extension("idx"));
        let data = match self.disk.map(&file) {
            Ok(data) => data,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return aside.take(&index_file).map_err(io_error(&index_file));
            }
            Err(error) => return Err(io_error(&file)(error)),
        };
        let known = self.known_offsets(&index_file);
        let elsewhere = |id: Id| self.get(id).ok().flatten();
        let Salvaged { entries, is_whole } = salvage(&data, &known, &elsewhere, &mut |_, _, _| Ok(()))?;
        if is_whole {
            repair.indexes += u64::from(self.renew_index(&index_file, &entries, &data[data.len() - 32..], aside)?);
            return Ok(());
        }
        if !entries.is_empty() {
            self.disk.create_dir_all(&self.temporary).map_err(io_error(&self.temporary))?;
            let mut writer = PackWriter::create(self.disk.clone(), &self.objects.join("pack"), &self.temporary, None)?;
            salvage(&data, &known, &elsewhere, &mut |id, kind, content| match content {
                Content::Body(body) => writer.add(id, kind, body),
                Content::Stream(size, stream) => writer.add_copied(id, Copied::Whole(kind), size, stream),
            })?;
            repair.rescued += writer.len() as u64;
            let new = writer.finish()?;
            if new.path() == file {
                // All was sound but the head or the end: it is the same pack again, as it was.
                for damaged in [&file, &index_file] {
                    aside.copy(damaged).map_err(io_error(damaged))?;
                }
                return new.replace();
            }
            new.keep()?;
        }
        // git's index of all packs names this one; it is made anew by git when it is wanted.
        let of_all = self.objects.join("pack/multi-pack-index");
        aside.take(&of_all).map_err(io_error(&of_all))?;
        for ending in BESIDE {
            let file = stem.with_extension(ending);
            aside.take(&file).map_err(io_error(&file))?;
        }
        Ok(())
    }

    /// Where the objects of a pack start, by its index if that is sound.
    fn known_offsets(&self, index_file: &Path) -> Vec<(u64, Id)> {
        let index = self.disk.map(index_file).ok().and_then(|bytes| Index::open(bytes).ok());
        let Some(index) = index.filter(|index| index.verify().is_ok()) else { return Vec::new() };
        let all = (0..index.len()).map(|place| Ok((index.offset(place)?, index.id(place))));
        let mut known = all.collect::<Result<Vec<_>, super::pack::Flaw>>().unwrap_or_default();
        known.sort_unstable();
        known
    }

    /// Writes the index of a pack that is whole; answers whether it is another than there was.
    fn renew_index(&self, path: &Path, entries: &[IndexEntry], checksum: &[u8], aside: &mut Aside) -> Result<bool> {
        let mut bytes = Vec::new();
        let checksum = checksum.try_into().map_err(|_| io_error(path)(io::ErrorKind::InvalidData.into()))?;
        write_index(entries, checksum, &mut bytes).map_err(io_error(path))?;
        let mut renew = || {
            match self.disk.read(path) {
                Ok(old) if old == bytes => return Ok(false),
                Ok(_) => aside.copy(path)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            self.disk.create_dir_all(&self.temporary)?;
            let temporary = self.temporary.join("repaired-index");
            // Whoever left it there is not at work: there is one repair at a time.
            match self.disk.remove(&temporary) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            self.disk.write_new(&temporary, &bytes, Access::ReadOnly)?;
            self.disk.sync(std::slice::from_ref(&temporary))?;
            self.disk.rename(&temporary, path)?;
            self.disk.sync(&path.parent().map(Path::to_owned).into_iter().collect::<Vec<_>>())?;
            Ok(true)
        };
        renew().map_err(io_error(path))
    }
}
