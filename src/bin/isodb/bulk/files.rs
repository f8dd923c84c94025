//! A directory: a document a file, under its path.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Result;
use isodb::{BlobId, Database};
use walkdir::WalkDir;

use super::importer::Importer;
use crate::document::Content;
use crate::error::{Failure, OutputError};
use crate::input::unreadable;

/// The directories that are left out unless asked for: databases and what git keeps.
const LEFT_OUT: [&str; 2] = [".git", ".isodb"];

/// Takes all files below a directory, in the order of their names.
pub(crate) fn import(importer: &mut Importer<'_>, dir: &Path, all: bool) -> Result<()> {
    let own = importer.root().canonicalize().ok();
    let mut walk = WalkDir::new(dir).sort_by_file_name().into_iter();
    while let Some(entry) = walk.next() {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(dir).display().to_string();
            let what = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
            Failure::system(format!("cannot read {path}: {what}")).hint(importer.what_became())
        })?;
        let path = entry.path();
        let shown = path.display().to_string();
        if entry.file_type().is_dir() {
            let is_own = own.is_some() && path.canonicalize().ok() == own;
            if is_own && entry.depth() == 0 {
                return Err(Failure::usage(format!("{shown} is the database itself")).into());
            }
            let name = entry.file_name();
            if entry.depth() > 0 && (is_own || !all && LEFT_OUT.iter().any(|left_out| name == *left_out)) {
                importer.skip("directories of databases (--all takes them)", &shown);
                walk.skip_current_dir();
            }
            continue;
        }
        if !entry.file_type().is_file() {
            importer.skip("symbolic links and special files", &shown);
            continue;
        }
        let below = path.strip_prefix(dir).unwrap_or(path).to_str();
        let below = below.ok_or_else(|| importer.wrong(&format!("{shown}: its name is not valid UTF-8")))?;
        let key = importer.key(below).map_err(|error| importer.wrong(&format!("{shown}: {error}")))?;
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (size, mut file) = opened.map_err(|error| unreadable(&shown, error).hint(importer.what_became()))?;
        importer.position.set(importer.position.get() + size);
        importer.put_stream(key, size, &mut file, &shown)?;
    }
    Ok(())
}

/// Writes documents as files.
pub(crate) struct Writer {
    dir: PathBuf,
    /// Replace files that are there.
    force: bool,
    /// The directory of the file before, below `dir`, which is there.
    at: PathBuf,
    before: Option<String>,
}

impl Writer {
    /// Into this directory, which is made if it is not there, and must be empty unless files may be replaced.
    pub(crate) fn new(dir: &Path, force: bool) -> Result<Writer> {
        let failed = |error| cannot_write(dir, error);
        fs::create_dir_all(dir).map_err(failed)?;
        if !force && fs::read_dir(dir).map_err(failed)?.next().is_some() {
            return Err(Failure::usage(format!("{} is not empty", dir.display()))
                .hint("name a new directory, or write into it with --force")
                .into());
        }
        Ok(Writer { dir: dir.to_owned(), force, at: PathBuf::new(), before: None })
    }

    /// Writes the next document, in the order of keys.
    pub(crate) fn write(&mut self, db: &Database, key: &str, blob: BlobId) -> Result<()> {
        self.check(key)?;
        let content = Content::read(db, blob)?;
        let path = self.dir.join(key);
        let mut out = BufWriter::new(self.create(key).map_err(|error| cannot_write(&path, error))?);
        let written = content.copy_to(&mut out).and_then(|()| Ok(out.flush().map_err(OutputError)?));
        written.map_err(|error| match error.downcast::<OutputError>() {
            Ok(error) => cannot_write(&path, error.0).into(),
            Err(error) => error,
        })?;
        self.before = Some(key.to_owned());
        Ok(())
    }

    /// Refuses a key that cannot be a file's path, or would not come back from there.
    fn check(&self, key: &str) -> Result<()> {
        let refused = |reason: String| {
            let written = format!("what was written before it is in {}", self.dir.display());
            Failure::usage(reason).hint(format!("--format tar and ndjson take every key; {written}"))
        };
        if let Some(before) = &self.before
            && key.strip_prefix(before.as_str()).is_some_and(|rest| rest.starts_with('/'))
        {
            return Err(refused(format!("a directory cannot hold both a document {before:?} and {key:?}")).into());
        }
        // A file that git would take for its own could make it run what a stranger wrote there.
        let is_odd = |segment: &str| {
            matches!(segment, "." | "..") || LEFT_OUT.iter().any(|name| segment.eq_ignore_ascii_case(name))
        };
        match key.split('/').find(|segment| is_odd(segment)) {
            Some(segment) => {
                Err(refused(format!("{key:?} cannot be a file: {segment:?} is a name of the system's or of git's"))
                    .into())
            }
            None => Ok(()),
        }
    }

    /// Creates a file and the directories above it. No symbolic link is followed below the directory.
    fn create(&mut self, key: &str) -> io::Result<File> {
        let path = self.dir.join(key);
        let parent = Path::new(key).parent().unwrap_or(Path::new(""));
        if parent != self.at {
            let mut at = self.dir.clone();
            for segment in parent {
                at.push(segment);
                match fs::create_dir(&at) {
                    Err(error) if error.kind() == ErrorKind::AlreadyExists && at.symlink_metadata()?.is_dir() => {}
                    made => made?,
                }
            }
            self.at = parent.to_owned();
        }
        if self.force {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        File::create_new(path)
    }
}

fn cannot_write(path: &Path, error: io::Error) -> Failure {
    Failure::system(format!("cannot write {}: {error}", path.display()))
}
