//! Upkeep of a whole database: what keeps objects is gathered here, and the store does the rest.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::Database;
use super::error::{Result, io_error};
use crate::disk::{Access, FileKind};
use crate::object::{CommitId, Id};
use crate::refs::RefName;
use crate::store::{GcOptions, GcProgress, GcReport, Roots};

/// How long writers are waited for before anything is removed.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the last gc left, so that the next one knows when there is nothing to do. Whatever is wrong with this file, it
/// costs no more than the work.
const DONE: &str = "gc.done";

/// Where the room `sync` keeps what came of streams that were cut: a directory each.
pub(crate) const PARTIAL: &str = "isodb/partial";

/// For so many days it is kept, unless gc.partialDays says otherwise.
const PARTIAL_DAYS: u64 = 1;

/// So many loose objects make upkeep worth while, unless gc.auto says otherwise.
const LOOSE: u64 = 6700;
/// So many packs do, unless gc.autoPackLimit says otherwise.
const PACKS: u64 = 50;
/// One in so many writes looks, since looking costs something too.
const EVERY: u8 = 16;

/// What a [`Database::gc`] is to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct GcRequest {
    /// Unreachable objects that were last written or used before this moment are removed, by the disk's clock; `None`
    /// removes none.
    pub prune_before: Option<SystemTime>,
    /// Whether only what is new is worked on, and only if there is enough of it.
    pub is_auto: bool,
}

/// What came of a gc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GcOutcome {
    /// The work was done.
    Done(GcReport),
    /// Nothing has changed since the last one.
    Nothing,
    /// Another process is at it.
    Busy,
}

impl Database {
    /// Packs all that refs, HEADs and reflogs lead to into one pack, packs the refs, brings the commit-graph file up to
    /// date, and removes what nothing leads to and is old, and what processes that died have left.
    ///
    /// What a git index or a file like FETCH_HEAD names is kept too; beside an index nothing unreachable is removed.
    /// Readers and writers go on meanwhile; writers wait for a moment at the end.
    ///
    /// # Errors
    /// When an object that must be there is missing or damaged: then nothing is removed.
    pub fn gc(&self, request: &GcRequest, progress: GcProgress<'_>) -> Result<GcOutcome> {
        let own = self.root.join("isodb");
        self.disk.create_dir_all(&own).map_err(io_error(&own))?;
        let path = own.join("gc.lock");
        let _lock = match self.disk.lock(&path, Duration::ZERO) {
            Err(error) if error.kind() == ErrorKind::TimedOut => return Ok(GcOutcome::Busy),
            locked => locked.map_err(io_error(&path))?,
        };
        self.sweep_partial(&path)?;
        if request.is_auto && !self.has_much_to_do()? {
            return Ok(GcOutcome::Nothing);
        }
        self.pack_refs()?;
        let done = own.join(DONE);
        if let Some(state) = self.state()?
            && self.disk.read(&done).is_ok_and(|text| text == state)
        {
            return Ok(GcOutcome::Nothing);
        }
        let has_index = self.has_index()?;
        let options = GcOptions {
            prune_before: request.prune_before.filter(|_| !has_index),
            patience: PATIENCE,
            is_partial: request.is_auto,
        };
        let report = self.store.gc(&|| self.roots(), &options, progress)?;
        // git makes no such file of a history whose beginning is elsewhere.
        if self.roots()?.shallow.is_empty() {
            self.write_commit_graph(&self.heads()?)?;
        }
        self.note_done(&done)?;
        Ok(GcOutcome::Done(report))
    }

    /// Whether it is time for a gc, to be asked after a commit. Most commits' answer is no without a look.
    pub fn is_gc_due(&self, commit: CommitId) -> Result<bool> {
        Ok(commit.0.as_bytes()[31].is_multiple_of(EVERY) && self.has_much_to_do()?)
    }

    /// Whether there are many loose objects, by an estimate as git's, or many packs.
    fn has_much_to_do(&self) -> Result<bool> {
        let loose = self.config.get_number("gc.auto")?.unwrap_or(LOOSE);
        if loose == 0 {
            return Ok(false);
        }
        let objects = self.root.join("objects");
        // Ids are spread evenly, so one directory of 256 stands for all.
        let some = self.list(&objects.join("17"))?.iter().filter(|name| name.len() == 62).count() as u64;
        if some * 256 > loose {
            return Ok(true);
        }
        let limit = self.config.get_number("gc.autoPackLimit")?.unwrap_or(PACKS);
        let names = self.list(&objects.join("pack"))?;
        let is_counted = |name: &&String| {
            let stem = name.strip_suffix(".idx");
            stem.is_some_and(|stem| !names.contains(&format!("{stem}.keep")))
        };
        Ok(limit > 0 && names.iter().filter(is_counted).count() as u64 > limit)
    }

    /// Writes down what there is, and sweeps by the clock of the disk that was written to.
    fn note_done(&self, done: &Path) -> Result<()> {
        match self.disk.remove(done) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(io_error(done)(error)),
            _ => {}
        }
        let state = self.state()?.unwrap_or_default();
        self.disk.write_new(done, &state, Access::ReadWrite).map_err(io_error(done))?;
        self.sweep(done);
        let now = self.disk.stat(done).map_err(io_error(done))?.modified;
        if let Some(before) = now.checked_sub(super::STALE_AFTER) {
            self.store.sweep_beside(before);
            self.store.sweep_packs(before)?;
        }
        Ok(())
    }

    /// Removes what came of streams that were cut, where nobody has gone on with it for some days, by the disk's clock, which
    /// `lock` is touched to tell.
    fn sweep_partial(&self, lock: &Path) -> Result<()> {
        let all = self.root.join(PARTIAL);
        if self.disk.stat(&all).is_err() {
            return Ok(());
        }
        let days = self.config.get_number("gc.partialDays")?.unwrap_or(PARTIAL_DAYS);
        let kept = Duration::from_secs(days.saturating_mul(24 * 60 * 60));
        self.disk.touch(lock, Duration::ZERO).map_err(io_error(lock))?;
        let now = self.disk.stat(lock).map_err(io_error(lock))?.modified;
        let Some(before) = now.checked_sub(kept) else { return Ok(()) };
        for entry in self.disk.list(&all).into_iter().flatten() {
            let dir = all.join(entry.name);
            let files: Vec<_> = self.disk.list(&dir).into_iter().flatten().map(|file| dir.join(file.name)).collect();
            let is_old = |path: &PathBuf| self.disk.stat(path).is_ok_and(|stat| stat.modified < before);
            if files.iter().all(is_old) {
                // Best effort: what cannot be removed is left for the next time.
                files.iter().for_each(|path| drop(self.disk.remove(path)));
                let _ = self.disk.remove_dir(&dir);
            }
        }
        Ok(())
    }

    /// What stands for a database of one pack and nothing else, and for all that keeps its objects; `None` for any
    /// other.
    fn state(&self) -> Result<Option<Vec<u8>>> {
        let Some(name) = self.store.only_pack()? else { return Ok(None) };
        let Roots { required, optional, shallow } = self.roots()?;
        let mut ids: Vec<Id> = required.into_iter().chain(optional).chain(shallow.into_iter().map(Id::from)).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut hash = Sha256::new();
        ids.iter().for_each(|id| hash.update(id.as_bytes()));
        Ok(Some(format!("{name} {}\n", hex::encode(hash.finalize())).into_bytes()))
    }

    /// What keeps objects.
    fn roots(&self) -> Result<Roots> {
        let mut roots = Roots::default();
        let mut names = vec![RefName::head()];
        for (name, id) in self.refs.list("refs/")? {
            roots.required.push(id);
            names.push(name);
        }
        roots.required.extend(self.refs.get(&RefName::head())?);
        // Logs of refs that are gone keep nothing, as with git.
        for name in names {
            self.add_log(&self.root.join("logs").join(name.as_str()), &mut roots)?;
        }
        self.add_files(&self.root, &mut roots)?;
        let worktrees = self.root.join("worktrees");
        for dir in self.list(&worktrees)? {
            let dir = worktrees.join(dir);
            self.add_log(&dir.join("logs/HEAD"), &mut roots)?;
            self.add_files(&dir, &mut roots)?;
        }
        let shallow = self.root.join("shallow");
        roots.shallow = ids_at_line_starts(&self.read(&shallow)?).map(CommitId).collect();
        for list in [&mut roots.required, &mut roots.optional] {
            list.sort_unstable();
            list.dedup();
            list.retain(|id| !id.is_zero());
        }
        Ok(roots)
    }

    /// The ids in the files of git's that are like HEAD: `FETCH_HEAD`, `ORIG_HEAD`, `MERGE_HEAD`, …
    fn add_files(&self, dir: &Path, roots: &mut Roots) -> Result<()> {
        for name in self.list(dir)? {
            let is_head = name.ends_with("HEAD") && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
            if is_head {
                roots.optional.extend(ids_at_line_starts(&self.read(&dir.join(name))?));
            }
        }
        Ok(())
    }

    fn add_log(&self, path: &Path, roots: &mut Roots) -> Result<()> {
        for line in self.read(path)?.split(|&byte| byte == b'\n') {
            let text = std::str::from_utf8(line).unwrap_or_default();
            roots.optional.extend(text.split(' ').take(2).filter_map(|word| word.parse::<Id>().ok()));
        }
        Ok(())
    }

    /// Whether git has an index here: it may name objects that nothing else leads to.
    fn has_index(&self) -> Result<bool> {
        let worktrees = self.root.join("worktrees");
        let dirs = self.list(&worktrees)?.into_iter().map(|name| worktrees.join(name));
        Ok(dirs.chain([self.root.clone()]).any(|dir| self.disk.stat(&dir.join("index")).is_ok()))
    }

    /// The content of a file; nothing where there is none.
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        match self.disk.read(path) {
            Ok(bytes) => Ok(bytes),
            Err(error) if is_none(error.kind()) => Ok(Vec::new()),
            Err(error) => Err(io_error(path)(error)),
        }
    }

    /// The names in a directory; nothing where there is none.
    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        match self.disk.list(dir) {
            Ok(entries) => Ok(entries.into_iter().filter(|e| e.kind != FileKind::Link).map(|e| e.name).collect()),
            Err(error) if is_none(error.kind()) => Ok(Vec::new()),
            Err(error) => Err(io_error(dir)(error)),
        }
    }
}

fn is_none(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory)
}

fn ids_at_line_starts(text: &[u8]) -> impl Iterator<Item = Id> + '_ {
    let lines = text.split(|&byte| byte == b'\n');
    lines.filter_map(|line| std::str::from_utf8(line.get(..64)?).ok()?.parse().ok())
}
