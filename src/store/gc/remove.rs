//! Taking away what is stored elsewhere by now, or needed by nobody.
//!
//! What others read goes first where it names what goes after it, and durably so: a power cut may bring files back,
//! but never one that leads to another which is gone.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::is_young;
use super::mark::Marks;
use super::stock::{Spot, Stock, Stocked, gone_is_none};
use crate::disk::FileKind;
use crate::object::{IdSet, Kind};
use crate::store::{Result, Store, io_error, loose};

/// What lies beside a pack, the index first: without it nobody looks for the others.
const ENDINGS: [&str; 6] = ["idx", "pack", "rev", "bitmap", "mtimes", "promisor"];

impl Store {
    /// Removes the stock's packs and loose objects but for those that are kept, written a moment ago (`new`), or
    /// reached since the packs were written. Answers how many objects are gone for good.
    pub(super) fn remove(
        &self,
        stock: &Stock,
        marks: &mut Marks<'_>,
        new: &[PathBuf],
        before: Option<SystemTime>,
    ) -> Result<u64> {
        // Reached after the packs were written, so they are in none of them.
        let (mut kept_packs, mut kept_loose) = (HashSet::new(), IdSet::default());
        let mut keep = |number: u32| match stock.spot(number) {
            Spot::Packed(pack, _) => drop(kept_packs.insert(pack.first)),
            Spot::Loose(id) => drop(kept_loose.insert(id)),
        };
        marks.take_order().numbers().for_each(&mut keep);
        let (mut gone, mut gone_commits) = (0, false);
        let mut touched = Vec::new();
        for number in 0..stock.len() as u32 {
            if marks.is_reached(number) || matches!(stock.spot(number), Spot::Packed(pack, _) if pack.is_kept) {
                continue;
            }
            let id = stock.id(number);
            if stock.number(id) != Some(number) {
                continue;
            }
            // Somebody may have put it again a moment ago, for a commit that no ref leads to yet.
            if is_young(self.modified_now(stock, number)?, before) {
                touched.push(number);
                continue;
            }
            gone += 1;
            gone_commits |= matches!(self.header(id), Ok(Some((Kind::Commit, _))));
        }
        touched.into_iter().for_each(keep);

        let packs: Vec<&Stocked> = (stock.packs.iter())
            .filter(|pack| !pack.is_kept && !kept_packs.contains(&pack.first))
            .filter(|pack| !new.iter().any(|stem| stem == pack.pack.stem()))
            .collect();
        self.remove_hints(!packs.is_empty(), gone_commits)?;
        for pack in packs {
            for ending in ENDINGS {
                self.remove_file(&pack.pack.beside(ending))?;
            }
        }
        for &id in &stock.loose {
            let stays = kept_loose.contains(&id) || self.stays_loose(stock, marks, id)?;
            if !stays {
                self.remove_file(&loose::path(&self.objects, id))?;
            }
        }
        self.remove_empty_dirs()?;
        Ok(gone)
    }

    /// Whether a loose object that was reached is stored nowhere else: it is one of a few unreachable ones.
    fn stays_loose(&self, stock: &Stock, marks: &Marks<'_>, id: crate::object::Id) -> Result<bool> {
        let Some(number) = stock.number(id) else { return Ok(true) };
        Ok(marks.is_reached(number) && self.own.packs().locate(id)?.is_none())
    }

    /// When an object was last in use, by what the disk says now.
    fn modified_now(&self, stock: &Stock, number: u32) -> Result<Option<SystemTime>> {
        let Spot::Packed(pack, _) = stock.spot(number) else { return stock.modified(self, number) };
        let path = pack.pack.beside("pack");
        let stat = gone_is_none(self.disk.stat(&path), &path)?;
        let now = stat.map(|stat| stat.modified).filter(|now| *now != pack.modified);
        Ok(now.max(stock.modified(self, number)?))
    }

    /// Removes what names packs and commits to make them quicker to find, durably, before they go.
    fn remove_hints(&self, of_packs: bool, of_commits: bool) -> Result<()> {
        let objects = &self.objects;
        let mut changed = Vec::new();
        if of_packs {
            let dir = objects.join("pack");
            for file in self.list(&dir)? {
                if file.starts_with("multi-pack-index") {
                    self.remove_tree(&dir.join(&file))?;
                    changed = vec![dir.clone()];
                }
            }
        }
        let info = objects.join("info");
        if of_commits && self.list(&info)?.iter().any(|name| name.starts_with("commit-graph")) {
            for name in ["commit-graph", "commit-graphs"] {
                self.remove_tree(&info.join(name))?;
            }
            changed.push(info);
        }
        match changed.first() {
            Some(first) => self.disk.sync(&changed).map_err(io_error(first)),
            None => Ok(()),
        }
    }

    /// The names in a directory; none where it is not there.
    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let entries = gone_is_none(self.disk.list(dir), dir)?.unwrap_or_default();
        Ok(entries.into_iter().map(|entry| entry.name).collect())
    }

    /// Removes a file, or a directory of files.
    fn remove_tree(&self, path: &Path) -> Result<()> {
        match gone_is_none(self.disk.stat(path), path)?.map(|stat| stat.kind) {
            None => Ok(()),
            Some(FileKind::Dir) => {
                for name in self.list(path)? {
                    self.remove_file(&path.join(name))?;
                }
                gone_is_none(self.disk.remove_dir(path), path).map(drop)
            }
            Some(_) => self.remove_file(path),
        }
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        gone_is_none(self.disk.remove(path), path).map(drop)
    }

    /// Removes the directories of loose objects that hold none any more.
    fn remove_empty_dirs(&self) -> Result<()> {
        for byte in 0..=255u8 {
            let dir = self.objects.join(format!("{byte:02x}"));
            if gone_is_none(self.disk.list(&dir), &dir)?.is_some_and(|entries| entries.is_empty()) {
                match self.disk.remove_dir(&dir) {
                    // git may have put an object there since.
                    Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {}
                    done => done.map_err(io_error(&dir))?,
                }
            }
        }
        Ok(())
    }

    /// Removes what was left of packs that were being removed or made when somebody died, and that nobody has written to
    /// since `before`. Answers how many files.
    pub(crate) fn sweep_packs(&self, before: SystemTime) -> Result<usize> {
        let dir = self.objects.join("pack");
        let names = self.list(&dir)?;
        let known: HashSet<&str> = names.iter().map(String::as_str).collect();
        let mut swept = 0;
        for name in &names {
            let Some((stem, ending)) = name.rsplit_once('.').filter(|(stem, _)| stem.starts_with("pack-")) else {
                continue;
            };
            let other = if ending == "idx" { "pack" } else { "idx" };
            let path = dir.join(name);
            let is_left = ENDINGS.contains(&ending)
                && !known.contains(format!("{stem}.{other}").as_str())
                && self.disk.stat(&path).is_ok_and(|stat| stat.modified < before);
            // Another sweeper may have been here first, so no failure counts.
            swept += usize::from(is_left && self.disk.remove(&path).is_ok());
        }
        Ok(swept)
    }
}
