//! Moving refs: prepared under the write lock, checked against what the caller expects, then made.
//!
//! All that a full disk could refuse is done first, the log's lines among it, as git does: what is left to do then are
//! renames and removals, one for each ref. A line in the log too many does no harm; a move without one would.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::lock::WriteLock;
use super::reflog::LogEntry;
use super::{Error, RefName, Refs, Result, io_error, is_absent};
use crate::disk::{Disk, FileKind};
use crate::object::{Id, Ident};

/// What a ref holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefValue {
    /// An object's id.
    Id(Id),
    /// Another ref's name.
    Symbolic(RefName),
}

/// Where a ref must be for a change to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anywhere.
    Any,
    /// Not there.
    Absent,
    /// At this id.
    At(Id),
}

impl Expect {
    fn id(self) -> Option<Id> {
        match self {
            Expect::At(id) => Some(id),
            _ => None,
        }
    }

    /// Whether a ref that was found there may be changed.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when it may not.
    pub(crate) fn check(self, name: &RefName, found: Option<Id>) -> Result<()> {
        let expected = self.id();
        if self == Expect::Any || found == expected {
            return Ok(());
        }
        Err(Error::Mismatch { name: name.clone(), expected, found })
    }
}

/// One change of one ref.
#[derive(Clone, Debug)]
pub struct RefEdit {
    /// The ref itself: symbolic refs are not followed.
    pub name: RefName,
    /// Where it must be.
    pub expect: Expect,
    /// What it will hold; `None` to delete it.
    pub new: Option<RefValue>,
    /// What the reflog says of it.
    pub message: String,
}

/// A transaction whose new files are written and only need their names.
#[derive(Debug)]
pub struct Prepared<'l> {
    lock: &'l WriteLock<'l>,
    /// Sorted by name; each with its new file, until that has its name.
    edits: Vec<(RefEdit, Option<PathBuf>)>,
}

impl WriteLock<'_> {
    /// Writes the files that the changes need, under temporary names. Nothing has changed yet.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a new ref's name does not go with the others, [`Error::Twice`] when a ref is named
    /// twice, and [`Error::Mismatch`] when a ref that is to be deleted is expected somewhere and is not there.
    pub fn prepare(&self, mut edits: Vec<RefEdit>) -> Result<Prepared<'_>> {
        edits.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(pair) = edits.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(Error::Twice { name: pair[0].name.clone() });
        }
        let made: BTreeSet<RefName> =
            edits.iter().filter(|edit| edit.new.is_some()).map(|edit| edit.name.clone()).collect();
        let mut prepared = Prepared { lock: self, edits: Vec::new() };
        for edit in edits {
            let content = match &edit.new {
                None => None,
                Some(RefValue::Id(id)) => Some(format!("{id}\n")),
                Some(RefValue::Symbolic(name)) => Some(format!("ref: {name}\n")),
            };
            if edit.name != RefName::head() && self.refs.read(&edit.name)?.is_none() {
                if content.is_none() {
                    edit.expect.check(&edit.name, None)?;
                    continue;
                }
                self.check_room(&edit.name, &made)?;
            }
            let path = content.map(|content| self.write_temporary(content.as_bytes())).transpose()?;
            prepared.edits.push((edit, path));
        }
        Ok(prepared)
    }

    /// Whether a new ref's name can stand beside those that exist or are `made` with it: none may be a folder of
    /// another's name.
    fn check_room(&self, name: &RefName, made: &BTreeSet<RefName>) -> Result<()> {
        let refs = self.refs;
        let packed = refs.packed()?;
        let conflict = |other: &str| Err(Error::Conflict { name: name.clone(), other: other.to_owned() });
        for (at, _) in name.as_str().match_indices('/').skip(1) {
            if let Ok(above) = RefName::full(&name.as_str()[..at])
                && (made.contains(&above) || refs.read_loose(&above)?.is_some() || packed.find(&above)?.is_some())
            {
                return conflict(above.as_str());
            }
        }
        let below = format!("{name}/");
        if let Some(other) = refs.loose_names(&below)?.first() {
            return conflict(other.as_str());
        }
        if let Some(other) = packed.lines(&below)?.first() {
            return conflict(&other.name);
        }
        Ok(())
    }
}

impl Prepared<'_> {
    /// The new files: they must be durable before [`Prepared::commit`].
    pub fn files(&self) -> Vec<PathBuf> {
        self.edits.iter().filter_map(|(_, path)| path.clone()).collect()
    }

    /// Makes the changes and logs them. Answers the paths that must be made durable before the caller says that it is
    /// done.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when a ref is not where it is expected; [`Error::Locked`] when git keeps it locked. Nothing
    /// has changed then, whichever of the refs it was. When the disk fails a single ref has not moved; of several
    /// refs, the first ones may have moved.
    pub fn commit(mut self, who: &Ident) -> Result<Vec<PathBuf>> {
        let (lock, refs) = (self.lock, self.lock.refs);
        let mut marks = lock.marks();
        for (edit, _) in &self.edits {
            lock.mark(&mut marks, &refs.path(&edit.name), lock.patience)?;
        }
        let entries = self.log_entries(who)?;

        let mut changed: BTreeSet<PathBuf> = BTreeSet::new();
        let head = match refs.read(&RefName::head())? {
            Some(RefValue::Symbolic(name)) => Some(name),
            _ => None,
        };
        for ((edit, _), entry) in self.edits.iter().zip(&entries) {
            let was_or_will_be = !(entry.old.is_zero() && entry.new.is_zero());
            if edit.new.is_some() && was_or_will_be {
                refs.append_log(&edit.name, entry, &mut changed)?;
            }
            if head.as_ref() == Some(&edit.name) {
                refs.append_log(&RefName::head(), entry, &mut changed)?;
            }
        }

        let deleted = self.edits.iter().filter(|(edit, _)| edit.new.is_none()).map(|(edit, _)| &edit.name);
        lock.unpack(&mut marks, &deleted.collect(), &mut changed)?;
        for (edit, temporary) in &mut self.edits {
            let path = refs.path(&edit.name);
            match temporary {
                Some(file) => rename_over(refs, file, &path)?,
                None => {
                    refs.disk.remove(&path).or_else(unless_absent).map_err(io_error(&path))?;
                    refs.remove_log(&edit.name);
                }
            }
            *temporary = None;
            changed.extend(refs.dirs_of(&edit.name));
        }
        Ok(changed.into_iter().collect())
    }

    /// What the log will say of each edit, if every ref is where it is expected.
    fn log_entries(&self, who: &Ident) -> Result<Vec<LogEntry>> {
        let refs = self.lock.refs;
        let entry = |(edit, _): &(RefEdit, Option<PathBuf>)| {
            let old = match refs.read(&edit.name)? {
                Some(RefValue::Id(id)) => Some(id),
                Some(RefValue::Symbolic(name)) => refs.get(&name)?,
                None => None,
            };
            edit.expect.check(&edit.name, old)?;
            let new = match &edit.new {
                Some(RefValue::Id(id)) => Some(*id),
                Some(RefValue::Symbolic(target)) => self.after(target)?,
                None => None,
            };
            let (old, new) = (old.unwrap_or(Id::ZERO), new.unwrap_or(Id::ZERO));
            Ok(LogEntry { old, new, who: who.clone(), message: edit.message.clone() })
        };
        self.edits.iter().map(entry).collect()
    }

    /// Where a ref will be after this transaction.
    fn after(&self, name: &RefName) -> Result<Option<Id>> {
        let edit = self.edits.iter().map(|(edit, _)| edit).find(|edit| edit.name == *name);
        match edit.map(|edit| &edit.new) {
            Some(Some(RefValue::Id(id))) => Ok(Some(*id)),
            Some(None) => Ok(None),
            _ => self.lock.refs.get(name),
        }
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        for path in self.files() {
            // If it stays, who needs its name takes it away, or else it is swept later.
            let _ = self.lock.refs.disk.remove(&path);
        }
    }
}

/// Renames a file to a ref's path; what deleted refs left there makes way: empty directories, and marks of processes
/// that died.
fn rename_over(refs: &Refs, from: &Path, to: &Path) -> Result<()> {
    let disk = &*refs.disk;
    match disk.rename(from, to) {
        Err(error) if is_directory_in_the_way(&error) => remove_dir_all(disk, to, &|path| disk.is_mark(path))
            .and_then(|()| disk.rename(from, to))
            .map_err(io_error(to)),
        done => done.map_err(io_error(to)),
    }
}

fn is_directory_in_the_way(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::IsADirectory | io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
    )
}

/// Removes a directory with all below it, if there is nothing but directories and files that `may_go`.
pub(super) fn remove_dir_all(
    disk: &dyn Disk,
    dir: &Path,
    may_go: &dyn Fn(&Path) -> io::Result<bool>,
) -> io::Result<()> {
    for entry in disk.list(dir)? {
        let path = dir.join(entry.name);
        if entry.kind == FileKind::Dir {
            remove_dir_all(disk, &path, may_go)?;
        } else if may_go(&path)? {
            disk.remove(&path)?;
        }
    }
    disk.remove_dir(dir)
}

fn unless_absent(error: io::Error) -> io::Result<()> {
    if is_absent(&error) { Ok(()) } else { Err(error) }
}
