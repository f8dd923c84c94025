//! Repairing a database: what is damaged goes aside, what is sound in it stays or is stored anew.

use std::path::PathBuf;

use super::{FsckProgress, FsckStage};
use crate::database::Database;
use crate::database::error::{Error, Result, io_error};
use crate::object::Id;
use crate::refs::{RefName, RefValue, WriteLock};
use crate::store::{Aside, Fault};

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// Where damaged files were moved or copied to; `None` when there were none.
    pub aside: Option<PathBuf>,
    /// Those files, as paths below the database's directory.
    pub files: Vec<PathBuf>,
    /// How many objects of damaged packs were stored anew.
    pub rescued: u64,
    /// How many indexes of packs were made anew.
    pub indexes: u64,
    /// The refs whose own files were damaged, and where they are by now, as their logs or `packed-refs` say; `None` for
    /// those that are gone.
    pub refs: Vec<(String, Option<Id>)>,
    /// How many lines of logs were taken out.
    pub log_lines: u64,
}

impl Database {
    /// Moves damaged files into `isodb/damaged/N`, after what is sound in them has been stored anew. Nothing is deleted,
    /// and no ref moves, but for those whose own files were damaged: they are where their logs say that they were. The
    /// database is to be opened anew afterwards.
    ///
    /// # Errors
    /// When other writers do not come to an end in time, or the disk fails. A repair that was cut short is done by the
    /// next one.
    pub fn repair(&self, progress: FsckProgress<'_>) -> Result<Repair> {
        let removal = self.store().removal(self.patience)?;
        let busy = || Error::Invalid("others kept writing to the database: try again".into());
        let removal = removal.ok_or_else(busy)?;
        let lock = self.refs.lock(self.patience)?;
        let mut aside = Aside::new(self.disk.clone(), self.root());
        let mut repair = Repair::default();
        let census = self.store().census()?;
        let mut told = |done, total| progress(FsckStage::Objects, done, total);
        let mut faults = self.store().verify_all(&census, &mut told)?;
        for (file, reason) in self.store().strange_files()? {
            let reason = reason.to_owned();
            faults.push(Fault { rule: "object-stray", file, object: None, reason, is_harmless: false });
        }
        let store = self.store().repair(&faults, &mut aside, &removal)?;
        (repair.rescued, repair.indexes) = (store.rescued, store.indexes);
        let graph = self.root().join("objects/info/commit-graph");
        if self.check_commit_graph()?.is_some() {
            // It tells nothing that the commits do not; upkeep makes it anew.
            aside.take(&graph).map_err(io_error(&graph))?;
        }
        self.repair_refs(&lock, &mut aside, &mut repair)?;
        repair.aside = aside.dir().map(PathBuf::from);
        repair.files = aside.moved;
        Ok(repair)
    }

    fn repair_refs(&self, lock: &WriteLock<'_>, aside: &mut Aside, repair: &mut Repair) -> Result<()> {
        let packed = self.root().join("packed-refs");
        lock.repair_packed(&mut |path| aside.copy(path))?;
        for (path, _) in self.refs.strange_files()? {
            let name = path.strip_prefix(self.root()).ok().and_then(|name| name.to_str()).unwrap_or_default();
            if path == packed {
                continue;
            }
            let known = RefName::full(name).ok().and_then(|name| Some((self.last_of(&name)?, name)));
            match &known {
                Some((id, name)) => {
                    aside.copy(&path).map_err(io_error(&path))?;
                    lock.restore(name, *id)?;
                }
                None => aside.take(&path).map_err(io_error(&path))?,
            }
            let now = RefName::full(name).ok().and_then(|name| self.refs.get(&name).ok().flatten());
            repair.refs.push((name.to_owned(), now));
        }
        let head = self.root().join("HEAD");
        if !matches!(self.refs.read(&RefName::head()), Ok(Some(RefValue::Symbolic(_) | RefValue::Id(_)))) {
            let branches = self.refs.list_sound("refs/heads/")?;
            let main = RefName::from_user("main").map_err(|error| Error::Invalid(error.to_string()))?;
            let first = branches.first().filter(|_| branches.iter().all(|(name, _)| *name != main));
            if self.disk.stat(&head).is_ok() {
                aside.copy(&head).map_err(io_error(&head))?;
            }
            lock.restore_head(first.map_or(&main, |(name, _)| name))?;
            repair.refs.push(("HEAD".into(), self.refs.get(&RefName::head()).ok().flatten()));
        }
        let names = self.refs.list_sound("refs/")?.into_iter().map(|(name, _)| name);
        for name in names.chain([RefName::head()]) {
            // One that cannot be read at all is told of by the check.
            if self.refs.log(&name).is_ok() {
                repair.log_lines += lock.repair_log(&name, &mut |path| aside.copy(path))? as u64;
            }
        }
        Ok(())
    }

    /// Where a ref was last, by its log, if the object is there.
    fn last_of(&self, name: &RefName) -> Option<Id> {
        let log = self.refs.log(name).ok()?;
        let last = log.newest_first().next()?.new;
        self.store().header(last).ok().flatten().map(|_| last)
    }
}
