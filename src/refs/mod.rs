//! Names for ids: HEAD, loose refs, `packed-refs` and the reflog, in git's files.
//!
//! The room knows no object's content. Every change is a [transaction](WriteLock::prepare) with the values that the
//! caller expects, made under the database's one write lock, which the system takes back from a process that dies.
//! git's own `NAME.lock` files are taken as well, for the short time in which a ref moves, so that git and isodb can
//! write to one database at once.

mod lock;
mod name;
mod pack;
mod packed;
mod reflog;
mod repair;
#[cfg(test)]
mod tests;
mod transaction;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, FileKind, Watch};
use crate::object::Id;

pub use lock::WriteLock;
pub use name::{NameError, RefName};
pub use reflog::{LogEntry, Reflog};
pub use transaction::{Expect, Prepared, RefEdit, RefValue};

use packed::PackedRefs;

/// What can go wrong with refs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name is none that git allows.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A ref is not where the caller expected it.
    #[error("{name} {}", unlike(.expected, .found))]
    Mismatch {
        /// The ref.
        name: RefName,
        /// Where it should have been; `None` for a ref that should not exist.
        expected: Option<Id>,
        /// Where it is.
        found: Option<Id>,
    },
    /// A ref cannot be made because another's name is a folder on its way, or below it.
    #[error("{name} cannot be made while {other} exists")]
    Conflict {
        /// The ref that was to be made.
        name: RefName,
        /// The one in its way.
        other: String,
    },
    /// A transaction names one ref twice.
    #[error("{name} cannot be changed twice at once")]
    Twice {
        /// The ref.
        name: RefName,
    },
    /// A lock stayed taken.
    #[error("{} stayed locked", .path.display())]
    Locked {
        /// The lock's file.
        path: PathBuf,
        /// Whether the lock is a file of git's, which stays behind when git is killed.
        of_git: bool,
    },
    /// A file of refs holds something else.
    #[error("{} is damaged: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The disk failed.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

type Result<T, E = Error> = std::result::Result<T, E>;

fn unlike(expected: &Option<Id>, found: &Option<Id>) -> String {
    match (found, expected) {
        (Some(found), Some(expected)) => format!("is at {found}, not at {expected}"),
        (Some(found), None) => format!("is at {found}, and no such ref was expected"),
        (None, Some(expected)) => format!("does not exist, and {expected} was expected"),
        (None, None) => "does not exist".into(),
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    move |source| Error::Io { path: path.to_owned(), source }
}

/// Whether a file is not there; also when a file stands where a directory of its path should be.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The refs of one database.
#[derive(Clone, Debug)]
pub struct Refs {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    temporary: PathBuf,
}

impl Refs {
    /// The refs of the database directory `root`; new files are written in the directory `temporary` first.
    pub fn new(disk: Arc<dyn Disk>, root: &Path, temporary: &Path) -> Refs {
        Refs { disk, root: root.to_owned(), temporary: temporary.to_owned() }
    }

    fn path(&self, name: &RefName) -> PathBuf {
        self.root.join(name.as_str())
    }

    /// The directories whose entries lead to a ref's file and may be as new as it: `refs`, `refs/heads` and `refs/tags`
    /// are as old as the database, so the search upwards ends there.
    fn dirs_of(&self, name: &RefName) -> Vec<PathBuf> {
        let mut dirs = Vec::new();
        let mut at = name.as_str();
        while let Some((dir, _)) = at.rsplit_once('/') {
            dirs.push(self.root.join(dir));
            if matches!(dir, "refs/heads" | "refs/tags") {
                return dirs;
            }
            at = dir;
        }
        if dirs.is_empty() {
            dirs.push(self.root.clone());
        }
        dirs
    }

    fn packed(&self) -> Result<PackedRefs> {
        PackedRefs::load(&*self.disk, &self.root.join("packed-refs"))
    }

    /// What a ref holds itself: an id, or another ref's name.
    pub fn read(&self, name: &RefName) -> Result<Option<RefValue>> {
        // A ref that is packed meanwhile leaves its own file for packed-refs, so the order must be this one.
        if let Some(value) = self.read_loose(name)? {
            return Ok(Some(value));
        }
        Ok(self.packed()?.find(name)?.map(RefValue::Id))
    }

    fn read_loose(&self, name: &RefName) -> Result<Option<RefValue>> {
        let path = self.path(name);
        match self.disk.read(&path) {
            Ok(bytes) => parse_loose(&bytes).map(Some).map_err(|reason| Error::Damaged { path, reason }),
            Err(error) if is_absent(&error) || error.kind() == io::ErrorKind::IsADirectory => Ok(None),
            Err(error) => Err(io_error(&path)(error)),
        }
    }

    /// The ref that a name leads to in the end, through symbolic ones, and its id if it exists.
    pub fn resolve(&self, name: &RefName) -> Result<(RefName, Option<Id>)> {
        self.follow(name, |_| {})
    }

    /// As [`Refs::resolve`], and `watch` tells from before the look on when the answer may be another.
    pub fn resolve_watched(&self, name: &RefName, watch: &mut dyn Watch) -> Result<(RefName, Option<Id>)> {
        self.follow(name, |at| {
            watch.add(&self.root);
            for (end, _) in at.as_str().match_indices('/') {
                watch.add(&self.root.join(&at.as_str()[..end]));
            }
        })
    }

    /// Follows symbolic refs; `before` is called with each before it is read.
    fn follow(&self, name: &RefName, mut before: impl FnMut(&RefName)) -> Result<(RefName, Option<Id>)> {
        let mut at = name.clone();
        for _ in 0..5 {
            before(&at);
            match self.read(&at)? {
                Some(RefValue::Id(id)) => return Ok((at, Some(id))),
                Some(RefValue::Symbolic(next)) => at = next,
                None => return Ok((at, None)),
            }
        }
        Err(Error::Damaged { path: self.path(name), reason: "it leads through too many symbolic refs".into() })
    }

    /// The id that a ref leads to.
    pub fn get(&self, name: &RefName) -> Result<Option<Id>> {
        Ok(self.resolve(name)?.1)
    }

    /// All refs whose names start with `prefix` (`refs/` for all), with the ids that they lead to, by name. A
    /// symbolic ref that leads nowhere is left out; HEAD is none of them.
    pub fn list(&self, prefix: &str) -> Result<Vec<(RefName, Id)>> {
        self.gather(prefix, Err)
    }

    /// As [`Refs::list`], without those that are damaged.
    pub fn list_sound(&self, prefix: &str) -> Result<Vec<(RefName, Id)>> {
        self.gather(prefix, |error| match error {
            Error::Damaged { .. } => Ok(()),
            error => Err(error),
        })
    }

    /// Lists refs; `failed` says what an error with one of them means for the rest.
    fn gather(&self, prefix: &str, failed: impl Fn(Error) -> Result<()>) -> Result<Vec<(RefName, Id)>> {
        // `None` where a ref's own file is damaged: what is packed under its name is not what it means.
        let mut found: BTreeMap<RefName, Option<RefValue>> = BTreeMap::new();
        // First the loose ones, as in `read`.
        for name in self.loose_names(prefix)? {
            match self.read_loose(&name) {
                Ok(Some(value)) => drop(found.insert(name, Some(value))),
                Ok(None) => {}
                Err(error) => {
                    failed(error)?;
                    found.insert(name, None);
                }
            }
        }
        match self.packed()?.with_prefix(prefix) {
            Ok(packed) => {
                for (name, id) in packed {
                    found.entry(name).or_insert(Some(RefValue::Id(id)));
                }
            }
            Err(error) => failed(error)?,
        }
        let mut list = Vec::with_capacity(found.len());
        for (name, value) in found {
            let id = match value {
                Some(RefValue::Id(id)) => Some(id),
                Some(RefValue::Symbolic(_)) => match self.get(&name) {
                    Ok(id) => id,
                    Err(error) => {
                        failed(error)?;
                        None
                    }
                },
                None => None,
            };
            list.extend(id.map(|id| (name, id)));
        }
        Ok(list)
    }

    fn loose_names(&self, prefix: &str) -> Result<Vec<RefName>> {
        let top = match prefix.rfind('/') {
            Some(slash) if prefix.starts_with("refs/") => prefix[..slash].to_owned(),
            _ => "refs".to_owned(),
        };
        let mut names = Vec::new();
        let mut dirs = vec![top];
        while let Some(dir) = dirs.pop() {
            let path = self.root.join(&dir);
            let entries = match self.disk.list(&path) {
                Ok(entries) => entries,
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(io_error(&path)(error)),
            };
            for entry in entries {
                let name = format!("{dir}/{}", entry.name);
                match entry.kind {
                    FileKind::Dir => dirs.push(name),
                    FileKind::File if name.starts_with(prefix) => names.extend(RefName::full(&name).ok()),
                    FileKind::File | FileKind::Link => {}
                }
            }
        }
        names.sort();
        Ok(names)
    }

    /// The files under `refs/`, and the lines of `packed-refs`, that are no refs: each a path and why.
    pub fn strange_files(&self) -> Result<Vec<(PathBuf, String)>> {
        let mut strange = Vec::new();
        let mut dirs = vec!["refs".to_owned()];
        while let Some(dir) = dirs.pop() {
            let path = self.root.join(&dir);
            let entries = match self.disk.list(&path) {
                Ok(entries) => entries,
                // git removes directories that it finds empty.
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(io_error(&path)(error)),
            };
            for entry in entries {
                let name = format!("{dir}/{}", entry.name);
                match (entry.kind, RefName::full(&name)) {
                    (FileKind::Dir, _) => dirs.push(name),
                    (FileKind::File, Ok(name)) => {
                        if let Err(Error::Damaged { path, reason }) = self.read_loose(&name) {
                            strange.push((path, reason));
                        }
                    }
                    (FileKind::File, Err(error)) if !name.ends_with(".lock") => {
                        strange.push((self.root.join(name), error.to_string()));
                    }
                    _ => {}
                }
            }
        }
        match self.packed().and_then(|packed| packed.with_prefix("")) {
            Ok(_) => {}
            Err(Error::Damaged { path, reason }) => strange.push((path, reason)),
            Err(other) => return Err(other),
        }
        strange.sort();
        Ok(strange)
    }
}

/// What the file of a loose ref says.
fn parse_loose(bytes: &[u8]) -> Result<RefValue, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
    if let Some(target) = text.strip_prefix("ref:") {
        let target = target.trim_matches(|c: char| c.is_ascii_whitespace());
        let name = RefName::full(target).map_err(|error| error.to_string())?;
        return Ok(RefValue::Symbolic(name));
    }
    let id = text.get(..64).unwrap_or(text);
    match id.parse::<Id>() {
        Ok(id) if text[64..].chars().all(|c| c.is_ascii_whitespace()) => Ok(RefValue::Id(id)),
        _ => Err("it holds neither an id nor a ref's name".into()),
    }
}
