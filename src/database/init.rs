//! Making a database's directory, finding it, and telling whether it is one.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::config::Config;
use super::error::{Error, Result, io_error};
use super::replace_file;
use crate::disk::{Disk, FileKind};
use crate::refs::RefName;

/// The configuration of a new database. git reads all but the last section.
const CONFIG: &str = "[core]\n\trepositoryformatversion = 1\n\tfilemode = false\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n[isodb]\n\tformat = 1\n";

/// What a directory can hold while it is being made a database: a directory with anything else in it is somebody's.
const OWN_NAMES: [&str; 4] = ["HEAD", "objects", "refs", "isodb"];

/// The directories of a new database that hold others or files, each behind the one that holds it.
const DIRS: [&str; 8] =
    ["objects", "objects/pack", "objects/info", "refs", "refs/heads", "refs/tags", "isodb", "isodb/tmp"];

/// How long `init` waits for another one that makes the same database.
const PATIENCE: Duration = Duration::from_secs(10);

/// What [`init`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing: the database is new.
    Nothing,
    /// A database, which has been left as it is.
    Database,
}

/// Makes a database in the directory `root`, whose HEAD leads to `branch`. A directory that is a database already is
/// left as it is. The configuration is written last, so a directory is a database or it is none, at any moment.
///
/// # Errors
/// [`Error::NotADatabase`] when the directory holds something else.
pub fn init(disk: &dyn Disk, root: &Path, branch: &RefName) -> Result<Found> {
    match check(disk, root) {
        Ok(_) => return Ok(Found::Database),
        Err(Error::NotADatabase { .. }) => {}
        Err(error) => return Err(error),
    }
    match disk.list(root) {
        Ok(entries) => {
            if let Some(entry) = entries.iter().find(|entry| !OWN_NAMES.contains(&entry.name.as_str())) {
                if check(disk, root).is_ok() {
                    // Another init has just ended.
                    return Ok(Found::Database);
                }
                return Err(Error::NotADatabase {
                    path: root.to_owned(),
                    reason: format!("it exists and holds {:?}", entry.name),
                });
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(Error::NotADatabase { path: root.to_owned(), reason: "it is a file".into() });
        }
        Err(error) => return Err(io_error(root)(error)),
    }
    let mut changed = disk.create_dir_all(root).map_err(io_error(root))?;
    for dir in DIRS {
        let dir = root.join(dir);
        disk.create_dir_all(&dir).map_err(io_error(&dir))?;
        changed.push(dir);
    }
    let lock = root.join("isodb/lock");
    let _lock = disk.lock(&lock, PATIENCE).map_err(io_error(&lock))?;
    if check(disk, root).is_ok() {
        return Ok(Found::Database);
    }
    // All of them, not only those made here: some may be of an init that was killed before it flushed anything.
    changed.push(root.to_owned());
    disk.sync(&changed).map_err(io_error(root))?;
    for above in root.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
        // For the same reason; but what this user may not even list was not changed by an init of theirs.
        if disk.list(above).is_ok() {
            disk.sync(&[above.to_owned()]).map_err(io_error(above))?;
        }
    }
    replace_file(disk, root, "HEAD", format!("ref: {branch}\n").as_bytes()).map_err(|error| match error {
        // Without its configuration it is no database yet, so nothing has changed for anybody.
        Error::NotDurable { path, source, .. } => Error::Io { path, source },
        error => error,
    })?;
    replace_file(disk, root, "config", CONFIG.as_bytes())?;
    Ok(Found::Nothing)
}

/// Whether a directory is a database that this program can work on; its configuration.
pub(super) fn check(disk: &dyn Disk, root: &Path) -> Result<Config> {
    let not = |reason: &str| Error::NotADatabase { path: root.to_owned(), reason: reason.to_owned() };
    let path = root.join("config");
    let text = match disk.read(&path) {
        Ok(text) => text,
        Err(error) => {
            return Err(match (error.kind(), disk.stat(root).map(|stat| stat.kind)) {
                (_, Err(absent)) if absent.kind() == io::ErrorKind::NotFound => not("it does not exist"),
                (io::ErrorKind::NotADirectory, _) | (_, Ok(FileKind::File)) => not("it is a file"),
                (io::ErrorKind::NotFound, _) => not("it has no file `config`"),
                _ => io_error(&path)(error),
            });
        }
    };
    let text = String::from_utf8(text).map_err(|_| not("its `config` is not text"))?;
    let config = Config::parse(&text)?;
    check_config(root, &config)?;
    for (name, kind) in [("HEAD", FileKind::File), ("objects", FileKind::Dir), ("refs", FileKind::Dir)] {
        match disk.stat(&root.join(name)) {
            Ok(stat) if stat.kind == kind || stat.kind == FileKind::Link => {}
            Ok(_) => return Err(not(&format!("its `{name}` is of the wrong kind"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(not(&format!("it has no `{name}`"))),
            Err(error) => return Err(io_error(&root.join(name))(error)),
        }
    }
    Ok(config)
}

/// Whether a configuration is that of a database that this program can work on.
pub(super) fn check_config(root: &Path, config: &Config) -> Result<()> {
    let path = root.to_owned();
    let unknown = |reason: String| Err(Error::UnknownFormat { path: path.clone(), reason });
    match config.get("isodb.format") {
        Some("1") => {}
        Some(other) => return unknown(format!("isodb.format is {other:?}")),
        None => return Err(Error::NotADatabase { path, reason: "its `config` does not set isodb.format".into() }),
    }
    match config.get("core.repositoryformatversion") {
        Some("1") => {}
        other => return unknown(format!("core.repositoryformatversion is {:?}", other.unwrap_or("not set"))),
    }
    match config.get("extensions.objectformat") {
        Some("sha256") => {}
        other => return unknown(format!("extensions.objectformat is {:?}", other.unwrap_or("not set"))),
    }
    for (name, value) in config.all() {
        match name.strip_prefix("extensions.") {
            None | Some("objectformat" | "noop" | "preciousobjects") => {}
            Some("refstorage") if value == "files" => {}
            Some(_) => return unknown(format!("{name} is {value:?}")),
        }
    }
    Ok(())
}

/// The database that a directory is, holds as `.isodb`, or lies in: the nearest of these, going up from `start`.
///
/// # Errors
/// [`Error::NotFound`] when there is none.
pub fn discover(disk: &dyn Disk, start: &Path) -> Result<PathBuf> {
    for dir in start.ancestors() {
        let inside = dir.join(".isodb");
        if disk.stat(&inside).is_ok() {
            return Ok(inside);
        }
        let is_named = dir.extension().is_some_and(|e| e == "isodb") || dir.file_name().is_some_and(|n| n == ".isodb");
        if is_named && disk.stat(&dir.join("HEAD")).is_ok() {
            return Ok(dir.to_owned());
        }
    }
    Err(Error::NotFound(start.to_owned()))
}
