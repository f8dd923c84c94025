//! Moving refs: prepared under the write lock, checked against what the caller expects, then made.
//!
//! The database's write lock (a lock of the system's on one file) keeps isodb's processes apart. git knows nothing of
//! it, so each ref is also locked the way git does it, by a file `NAME.lock` that nobody else may make, for the few
//! microseconds between the comparison and the change. Ours is a [mark](crate::disk::Disk::mark): whoever holds the
//! write lock knows that a mark of ours which is there was left by a process that died, and takes it away.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::packed::{self, Line, PackedRefs};
use super::reflog::LogEntry;
use super::{Error, RefName, Refs, Result, io_error, is_absent};
use crate::disk::{Access, Lock};
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

/// The right to change refs, held by one process at a time and taken back by the system when that process ends.
#[derive(Debug)]
pub struct WriteLock<'a> {
    refs: &'a Refs,
    patience: Duration,
    _lock: Box<dyn Lock>,
}

/// A transaction whose new files are written and only need their names.
#[derive(Debug)]
pub struct Prepared<'l> {
    lock: &'l WriteLock<'l>,
    edits: Vec<(RefEdit, Option<PathBuf>)>,
}

/// The `NAME.lock` marks that are held; taken away on drop.
struct Marks<'a> {
    refs: &'a Refs,
    paths: Vec<PathBuf>,
}

impl Drop for Marks<'_> {
    fn drop(&mut self) {
        for path in &self.paths {
            // If it stays, the next holder of the write lock takes it away.
            let _ = self.refs.disk.remove(path);
        }
    }
}

impl Refs {
    /// Takes the write lock, waiting up to `patience`.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process kept it.
    pub fn lock(&self, patience: Duration) -> Result<WriteLock<'_>> {
        let path = self.temporary.with_file_name("lock");
        if let Some(dir) = path.parent() {
            self.disk.create_dir_all(dir).map_err(io_error(dir))?;
        }
        match self.disk.lock(&path, patience) {
            Ok(lock) => Ok(WriteLock { refs: self, patience, _lock: lock }),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(Error::Locked { path, of_git: false }),
            Err(error) => Err(io_error(&path)(error)),
        }
    }
}

impl WriteLock<'_> {
    /// Writes the files that the changes need, under temporary names. Nothing has changed yet.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a new ref's name does not go with those that exist.
    pub fn prepare(&self, edits: Vec<RefEdit>) -> Result<Prepared<'_>> {
        let mut prepared = Prepared { lock: self, edits: Vec::new() };
        for edit in edits {
            let content = match &edit.new {
                None => None,
                Some(RefValue::Id(id)) => Some(format!("{id}\n")),
                Some(RefValue::Symbolic(name)) => Some(format!("ref: {name}\n")),
            };
            if content.is_some() && edit.name != RefName::head() && self.refs.read(&edit.name)?.is_none() {
                self.check_room(&edit.name)?;
            }
            let path = match content {
                None => None,
                Some(content) => Some(self.write_temporary(prepared.edits.len(), content.as_bytes())?),
            };
            prepared.edits.push((edit, path));
        }
        prepared.edits.sort_by(|a, b| a.0.name.cmp(&b.0.name));
        Ok(prepared)
    }

    fn write_temporary(&self, number: usize, content: &[u8]) -> Result<PathBuf> {
        let refs = self.refs;
        refs.disk.create_dir_all(&refs.temporary).map_err(io_error(&refs.temporary))?;
        // Only the holder of the write lock makes these names, so what is there is of a process that died.
        let path = refs.temporary.join(format!("ref-{number}"));
        match refs.disk.remove(&path) {
            Ok(()) => {}
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(io_error(&path)(error)),
        }
        refs.disk.write_new(&path, content, Access::ReadWrite).map_err(io_error(&path))?;
        Ok(path)
    }

    /// Whether a new ref's name can stand beside those that exist: none may be a folder of another's name.
    fn check_room(&self, name: &RefName) -> Result<()> {
        let conflict = |other: &str| Error::Conflict { name: name.clone(), other: other.to_owned() };
        for (at, _) in name.as_str().match_indices('/').skip(1) {
            if let Ok(above) = RefName::full(&name.as_str()[..at])
                && self.refs.read(&above)?.is_some()
            {
                return Err(conflict(above.as_str()));
            }
        }
        match self.refs.list(&format!("{name}/"))?.first() {
            Some((below, _)) => Err(conflict(below.as_str())),
            None => Ok(()),
        }
    }

    /// Locks one name the way git does, waiting for git where it has the lock.
    fn mark(&self, marks: &mut Marks<'_>, path: &Path) -> Result<()> {
        let disk = &self.refs.disk;
        let mut lock = path.as_os_str().to_owned();
        lock.push(".lock");
        let lock = PathBuf::from(lock);
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            match disk.mark(&lock) {
                Ok(()) => {
                    marks.paths.push(lock);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // git removes directories that it finds empty.
                    let dir = lock.parent().unwrap_or(&self.refs.root);
                    disk.create_dir_all(dir).map_err(io_error(dir))?;
                    if start.elapsed() >= self.patience {
                        return Err(io_error(&lock)(error));
                    }
                    continue;
                }
                Err(error) => return Err(io_error(&lock)(error)),
            }
            if disk.is_mark(&lock).map_err(io_error(&lock))? {
                match disk.remove(&lock) {
                    Ok(()) => continue,
                    Err(error) if is_absent(&error) => continue,
                    Err(error) => return Err(io_error(&lock)(error)),
                }
            }
            if start.elapsed() >= self.patience {
                return Err(Error::Locked { path: lock, of_git: true });
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Moves all loose refs into `packed-refs`. `peel` tells what an annotated tag leads to.
    ///
    /// # Errors
    /// When a lock stays taken or the disk fails; the refs are whole either way.
    pub fn pack(&self, peel: &dyn Fn(Id) -> Option<Id>) -> Result<()> {
        let refs = self.refs;
        let packed_path = refs.root.join("packed-refs");
        let mut marks = Marks { refs, paths: Vec::new() };
        self.mark(&mut marks, &packed_path)?;
        let mut lines = refs.packed()?.lines("")?;
        let mut moved = Vec::new();
        for name in refs.loose_names("refs/")? {
            if let Some(RefValue::Id(id)) = refs.read_loose(&name)? {
                lines.retain(|line| line.name != name.as_str());
                lines.push(Line { name: name.as_str().to_owned(), id, peeled: peel(id) });
                moved.push((name, id));
            }
        }
        self.write_packed(&packed_path, &mut lines)?;
        for (name, id) in moved {
            let path = refs.path(&name);
            let mut mark = Marks { refs, paths: Vec::new() };
            self.mark(&mut mark, &path)?;
            if refs.read_loose(&name)? == Some(RefValue::Id(id)) {
                refs.disk.remove(&path).map_err(io_error(&path))?;
            }
        }
        Ok(())
    }

    /// Writes `packed-refs` anew, durably; its mark is held.
    fn write_packed(&self, path: &Path, lines: &mut [Line]) -> Result<()> {
        let temporary = self.write_temporary(usize::MAX, &packed::encode(lines))?;
        let disk = &self.refs.disk;
        disk.sync(std::slice::from_ref(&temporary)).map_err(io_error(&temporary))?;
        disk.rename(&temporary, path).map_err(io_error(path))?;
        disk.sync(std::slice::from_ref(&self.refs.root)).map_err(io_error(&self.refs.root))
    }
}

impl Prepared<'_> {
    /// The new files: they must be durable before [`Prepared::commit`].
    pub fn files(&self) -> Vec<PathBuf> {
        self.edits.iter().filter_map(|(_, path)| path.clone()).collect()
    }

    /// Makes the changes, all of them or none, and logs them. Answers the paths that must be made durable before the
    /// caller says that it is done.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when a ref is not where it is expected; [`Error::Locked`] when git keeps it locked. Nothing
    /// has changed then.
    pub fn commit(mut self, who: &Ident) -> Result<Vec<PathBuf>> {
        let (lock, refs) = (self.lock, self.lock.refs);
        let mut changed: BTreeSet<PathBuf> = BTreeSet::new();
        let mut marks = Marks { refs, paths: Vec::new() };
        for (edit, _) in &self.edits {
            let path = refs.path(&edit.name);
            if let Some(dir) = path.parent() {
                changed.extend(refs.disk.create_dir_all(dir).map_err(io_error(dir))?);
            }
            lock.mark(&mut marks, &path)?;
        }
        let mut before = Vec::new();
        for (edit, _) in &self.edits {
            let found = match refs.read(&edit.name)? {
                Some(RefValue::Id(id)) => Some(id),
                Some(RefValue::Symbolic(name)) => refs.get(&name)?,
                None => None,
            };
            let expected = edit.expect.id();
            if edit.expect != Expect::Any && found != expected {
                return Err(Error::Mismatch { name: edit.name.clone(), expected, found });
            }
            before.push(found);
        }
        let head = match refs.read(&RefName::head())? {
            Some(RefValue::Symbolic(name)) => Some(name),
            _ => None,
        };
        self.unpack_deleted(&mut marks)?;
        for ((edit, temporary), old) in std::mem::take(&mut self.edits).into_iter().zip(before) {
            let path = refs.path(&edit.name);
            match temporary {
                Some(temporary) => rename_over(refs, &temporary, &path)?,
                None => match refs.disk.remove(&path) {
                    Ok(()) => {}
                    Err(error) if is_absent(&error) => {}
                    Err(error) => return Err(io_error(&path)(error)),
                },
            }
            changed.extend(path.parent().map(Path::to_owned));
            let new = match &edit.new {
                Some(RefValue::Id(id)) => Some(*id),
                Some(RefValue::Symbolic(name)) => refs.get(name)?,
                None => None,
            };
            let entry = LogEntry {
                old: old.unwrap_or(Id::ZERO),
                new: new.unwrap_or(Id::ZERO),
                who: who.clone(),
                message: edit.message.clone(),
            };
            if edit.new.is_none() {
                remove_log(refs, &edit.name)?;
            } else if old.is_some() || new.is_some() {
                append_log(refs, &edit.name, &entry, &mut changed)?;
            }
            if head.as_ref() == Some(&edit.name) {
                append_log(refs, &RefName::head(), &entry, &mut changed)?;
            }
        }
        Ok(changed.into_iter().collect())
    }

    /// Takes the refs that are to be deleted out of `packed-refs`: first, so that none comes back for a moment.
    fn unpack_deleted(&self, marks: &mut Marks<'_>) -> Result<()> {
        let refs = self.lock.refs;
        let path = refs.root.join("packed-refs");
        let deleted: BTreeSet<&str> =
            self.edits.iter().filter(|(edit, _)| edit.new.is_none()).map(|(edit, _)| edit.name.as_str()).collect();
        if deleted.is_empty() {
            return Ok(());
        }
        self.lock.mark(marks, &path)?;
        let mut lines = PackedRefs::load(&*refs.disk, &path)?.lines("")?;
        let count = lines.len();
        lines.retain(|line| !deleted.contains(line.name.as_str()));
        if lines.len() < count {
            self.lock.write_packed(&path, &mut lines)?;
        }
        Ok(())
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        for path in self.files() {
            let _ = self.lock.refs.disk.remove(&path);
        }
    }
}

/// Renames a file to a ref's path; empty directories that deleted refs left there make way.
fn rename_over(refs: &Refs, from: &Path, to: &Path) -> Result<()> {
    match refs.disk.rename(from, to) {
        Err(error) if is_directory_in_the_way(&error) => {
            remove_empty_dirs(refs, to)?;
            refs.disk.rename(from, to).map_err(io_error(to))
        }
        other => other.map_err(io_error(to)),
    }
}

fn is_directory_in_the_way(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::IsADirectory | io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
    )
}

fn remove_empty_dirs(refs: &Refs, dir: &Path) -> Result<()> {
    for entry in refs.disk.list(dir).map_err(io_error(dir))? {
        if entry.kind == crate::disk::FileKind::Dir {
            remove_empty_dirs(refs, &dir.join(entry.name))?;
        }
    }
    refs.disk.remove_dir(dir).map_err(io_error(dir))
}

fn append_log(refs: &Refs, name: &RefName, entry: &LogEntry, changed: &mut BTreeSet<PathBuf>) -> Result<()> {
    let path = refs.root.join("logs").join(name.as_str());
    let stat = refs.disk.stat(&path);
    if stat.is_err() && !name.is_logged() {
        return Ok(());
    }
    let mut line = entry.encode();
    match stat {
        Ok(stat) if stat.kind == crate::disk::FileKind::Dir => {
            remove_empty_dirs(refs, &path)?;
        }
        Ok(stat) if stat.len > 0 && !ends_with_newline(refs, &path)? => line.insert(0, b'\n'),
        Ok(_) => {}
        Err(_) => {
            let dir = path.parent().unwrap_or(&refs.root);
            changed.extend(refs.disk.create_dir_all(dir).map_err(io_error(dir))?);
            changed.insert(dir.to_owned());
        }
    }
    refs.disk.append(&path, &line).map_err(io_error(&path))?;
    changed.insert(path);
    Ok(())
}

/// Whether a log's last line is whole: a power cut may have torn it.
fn ends_with_newline(refs: &Refs, path: &Path) -> Result<bool> {
    Ok(refs.disk.map(path).map_err(io_error(path))?.last() == Some(&b'\n'))
}

fn remove_log(refs: &Refs, name: &RefName) -> Result<()> {
    let path = refs.root.join("logs").join(name.as_str());
    match refs.disk.remove(&path) {
        Ok(()) => Ok(()),
        Err(error) if is_absent(&error) => Ok(()),
        Err(error) => Err(io_error(&path)(error)),
    }
}
