//! A database: commits on refs, documents at revisions, history.
//!
//! This is the one room that moves refs. **Invariant:** the order of every write is objects, flush, ref, flush: a ref
//! never leads to an object that a power cut could take away. The room has no terminal, no environment and no clock:
//! who and when are arguments.

mod ancestry;
mod changeset;
mod commit;
mod config;
mod conflicts;
mod error;
mod feed;
mod fsck;
mod graph;
mod history;
mod init;
mod lineage;
mod maintain;
mod merge;
mod ndjson;
mod notes;
mod origins;
mod proof;
mod revision;
mod rule_test;
mod signers;
mod simulate;
mod status;
mod tags;
#[cfg(test)]
pub(crate) mod tests;
mod trust;
mod versions;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::disk::{Access, Disk};
use crate::object::{CommitId, Id, Ident, Kind, Objects, TreeId};
use crate::refs::{Expect, LogEntry, RefEdit, RefName, RefValue, Refs};
use crate::store::{CommitGraph, Store};
use crate::tree::Tree;

pub use changeset::{Changeset, Condition};
pub use commit::{CommitInfo, Outcome, Series};
pub use config::{Config, ConfigError};
pub(crate) use conflicts::Bound;
pub use error::Error;
pub use feed::{Batch, Feed};
pub use fsck::{FsckProgress, FsckReport, FsckStage, Lost, Problem, Repair, Severity};
pub use history::{Entry as HistoryEntry, History, HistoryOptions};
pub use init::{Found, discover, init};
pub(crate) use maintain::PARTIAL;
pub use maintain::{GcOutcome, GcRequest};
pub use merge::{Decided, MergeOutcome, WrongMerge, is_merge_commit};
pub use ndjson::{NdjsonLine, NdjsonReader};
pub use origins::Origin;
pub use proof::{Proof, ProofChain, ProofSigner, check_proof};
pub use rule_test::{Answer, Counterexample, Flaw, RuleReport, RuleTest};
pub use signers::{signer_problems, signers_key};
pub use simulate::{
    Event as SimulationEvent, Finding as SimulationFinding, Place, SimulateOptions, Simulation, SimulationFailure,
    SimulationStage,
};
pub use status::Status;
pub use tags::TagInfo;
pub use trust::{Accepted, Anchors, Judge, Judged, Quarantine, RefMove, Refusal, Refused, Require, Standing};
pub use versions::{Choice, InConflict, Version};

use error::{Result, io_error};

/// The largest document: 2 GiB.
pub const MAX_DOCUMENT: u64 = 2 << 30;

/// How long a temporary file must have been left alone before it counts as a dead writer's: a day.
const STALE_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a writer waits for another, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

/// An open database.
#[derive(Debug)]
pub struct Database {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    store: Store,
    refs: Refs,
    config: Config,
    patience: Duration,
    graph: OnceLock<Option<CommitGraph>>,
}

impl Database {
    /// Opens the database directory `root`.
    ///
    /// # Errors
    /// [`Error::NotADatabase`], or [`Error::UnknownFormat`] for one that a later version has made: it is refused,
    /// never guessed at.
    pub fn open(disk: Arc<dyn Disk>, root: &Path) -> Result<Database> {
        let config = init::check(&*disk, root)?;
        let temporary = root.join("isodb").join("tmp");
        let patience = config.get_number("isodb.lockTimeout")?.map_or(PATIENCE, Duration::from_secs);
        let store = Store::new(disk.clone(), root, &temporary);
        if let Some(limit) = config.get_number("core.unpackLimit")? {
            store.set_unpack_limit(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        Ok(Database {
            store,
            refs: Refs::new(disk.clone(), root, &temporary),
            root: root.to_owned(),
            config,
            disk,
            patience,
            graph: OnceLock::new(),
        })
    }

    /// The database's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What its files lie on.
    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// The objects.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The refs, to read.
    pub fn refs(&self) -> &Refs {
        &self.refs
    }

    /// The configuration, as it was when the database was opened.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Changes the configuration file: `change` gets what is there and answers what shall be, or `None` to leave it.
    ///
    /// # Errors
    /// As `change`, and when the result would not be this database's any more.
    pub fn configure(&mut self, change: impl FnOnce(&Config) -> Result<Option<Config>, ConfigError>) -> Result<bool> {
        let path = self.root.join("config");
        let _lock = self.refs.lock(self.patience)?;
        let text = self.disk.read(&path).map_err(io_error(&path))?;
        let current = Config::parse(&String::from_utf8_lossy(&text))?;
        let Some(new) = change(&current)? else { return Ok(false) };
        init::check_config(&self.root, &new)?;
        replace_file(&*self.disk, &self.root, "config", new.text().as_bytes())?;
        self.config = new;
        Ok(true)
    }

    /// The ref that HEAD leads to (HEAD itself when it is detached), and its commit if it has one.
    pub fn head(&self) -> Result<(RefName, Option<CommitId>)> {
        let (name, id) = self.refs.resolve(&RefName::head())?;
        Ok((name, id.map(CommitId)))
    }

    /// The documents of a root tree.
    pub fn tree(&self, id: TreeId) -> Tree<'_, Store> {
        Tree::new(&self.store, id)
    }

    /// The documents of a commit; of `None`, no documents.
    pub fn tree_of(&self, commit: Option<CommitId>) -> Result<Tree<'_, Store>> {
        let id = match commit {
            Some(commit) => self.store.commit(commit)?.tree,
            None => TreeId::EMPTY,
        };
        Ok(self.tree(id))
    }

    /// The kind of an object that a ref is to lead to, which must be there.
    fn kind_of(&self, id: Id) -> Result<Kind> {
        let header = self.store.header(id)?;
        Ok(header.ok_or(crate::object::Error::Missing { id, kind: None })?.0)
    }

    /// Whether an object is there and is a commit.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_commit(&self, id: Id) -> Result<bool> {
        Ok(self.store.header(id)?.is_some_and(|(kind, _)| kind == Kind::Commit))
    }

    /// Sets a ref to an object, or deletes it (`None`), if it is where `expect` says. A symbolic ref (HEAD) moves the
    /// ref that it leads to.
    ///
    /// # Errors
    /// [`crate::RefError::Mismatch`] when it is elsewhere; an error of kind when a branch would not lead to a commit.
    pub fn set_ref(&self, name: &RefName, new: Option<Id>, expect: Expect, who: &Ident, message: &str) -> Result<()> {
        let result = self.try_set_ref(name, new, expect, who, message);
        self.store.let_go();
        result
    }

    fn try_set_ref(&self, name: &RefName, new: Option<Id>, expect: Expect, who: &Ident, message: &str) -> Result<()> {
        let (name, _) = self.refs.resolve(name)?;
        if let Some(id) = new {
            // What was found must still be there when the ref has moved.
            self.store.hold()?;
            let kind = self.kind_of(id)?;
            if (name.is_branch() || name == RefName::head()) && kind != Kind::Commit {
                return Err(crate::object::Error::WrongKind { id, expected: Kind::Commit, found: kind }.into());
            }
        }
        let edit = RefEdit { name, expect, new: new.map(RefValue::Id), message: message.to_owned() };
        self.move_refs(vec![edit], who)
    }

    /// Makes HEAD lead to another ref, which need not exist yet.
    pub fn set_head(&self, target: &RefName, who: &Ident, message: &str) -> Result<()> {
        let new = Some(RefValue::Symbolic(target.clone()));
        let edit = RefEdit { name: RefName::head(), expect: Expect::Any, new, message: message.to_owned() };
        self.move_refs(vec![edit], who)
    }

    /// Moves refs, all or none of them.
    pub fn move_refs(&self, edits: Vec<RefEdit>, who: &Ident) -> Result<()> {
        // Objects that others put may be visible before they are durable, but never before their contents are; what
        // the new refs lead to was flushed by its writer or is beside it.
        self.move_refs_after(edits, who, |files| self.sync(files))
    }

    /// Moves refs, all or none of them, when `flush` has made some files durable and whatever the refs will lead to.
    fn move_refs_after(
        &self,
        edits: Vec<RefEdit>,
        who: &Ident,
        flush: impl FnOnce(&[PathBuf]) -> Result<()>,
    ) -> Result<()> {
        let what = edits.first().map(|edit| edit.name.to_string()).unwrap_or_default();
        let lock = self.refs.lock(self.patience)?;
        let prepared = lock.prepare(edits)?;
        flush(&prepared.files())?;
        let changed = prepared.commit(who)?;
        drop(lock);
        self.sync_changed(&what, &changed)
    }

    /// Moves all refs into `packed-refs`.
    pub fn pack_refs(&self) -> Result<()> {
        let lock = self.refs.lock(self.patience)?;
        let peel = |id: Id| self.peel(id).ok().filter(|peeled| *peeled != id);
        Ok(lock.pack(&peel)?)
    }

    /// The log of a ref, newest first.
    pub fn reflog(&self, name: &RefName) -> Result<Vec<LogEntry>> {
        Ok(self.refs.log(name)?.newest_first().collect())
    }

    fn sync(&self, paths: &[PathBuf]) -> Result<()> {
        match paths.first() {
            Some(first) => self.disk.sync(paths).map_err(io_error(first)),
            None => Ok(()),
        }
    }

    /// Makes a change durable that everybody sees already.
    fn sync_changed(&self, what: &str, paths: &[PathBuf]) -> Result<()> {
        let Some(first) = paths.first() else { return Ok(()) };
        let not_durable = |source| Error::NotDurable { what: what.to_owned(), path: first.clone(), source };
        let synced = match self.disk.sync(paths) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.disk.sync(&self.what_is_left(paths)),
            synced => synced,
        };
        synced.map_err(not_durable)
    }

    /// The paths that are there, and of the others the nearest directory above them. git packs refs, durably, and removes
    /// the directories that are empty then, at any moment after a ref has moved.
    fn what_is_left(&self, paths: &[PathBuf]) -> Vec<PathBuf> {
        let is_there = |path: &&Path| self.disk.stat(path).is_ok();
        let mut left: Vec<PathBuf> = paths
            .iter()
            .map(|path| path.ancestors().find(is_there).map_or_else(|| self.root.clone(), Path::to_path_buf))
            .collect();
        left.sort_unstable();
        left.dedup();
        left
    }

    /// Removes the temporary files of writers that died long ago, by the disk's own clock, which `written`, a file
    /// that has just been written, tells. Never fails: it is done on the way to other work.
    fn sweep(&self, written: &Path) {
        let now = self.disk.stat(written).map(|stat| stat.modified);
        if let Some(before) = now.ok().and_then(|now| now.checked_sub(STALE_AFTER)) {
            let _ = self.store.sweep(before);
        }
    }
}

/// Replaces a file of the database's directory, durably. The write lock is held.
fn replace_file(disk: &dyn Disk, root: &Path, name: &str, content: &[u8]) -> Result<()> {
    let path = root.join(name);
    let dir = root.join("isodb").join("tmp");
    disk.create_dir_all(&dir).map_err(io_error(&dir))?;
    // Only the holder of the write lock makes this name, so what is there is of a process that died.
    let temporary = dir.join(format!("{name}-new"));
    match disk.remove(&temporary) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io_error(&temporary)(error)),
    }
    let written = disk
        .write_new(&temporary, content, Access::ReadWrite)
        .and_then(|()| disk.sync(std::slice::from_ref(&temporary)))
        .and_then(|()| disk.rename(&temporary, &path));
    written
        .inspect_err(|_| {
            // Best effort: what is left is swept later.
            let _ = disk.remove(&temporary);
        })
        .map_err(io_error(&path))?;
    let not_durable = |source| Error::NotDurable { what: name.to_owned(), path: root.to_owned(), source };
    disk.sync(&[root.to_owned()]).map_err(not_durable)
}
