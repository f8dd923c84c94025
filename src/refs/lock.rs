//! The locks under which refs change, and the files that are written under them.
//!
//! The database's write lock (a lock of the system's on one file) keeps isodb's processes apart. git knows nothing of
//! it, so each ref is also locked the way git does it, by a file `NAME.lock` that nobody else may make, for the few
//! microseconds between the comparison and the change. Ours is a [mark](crate::disk::Disk::mark): whoever holds the
//! write lock knows that a mark of ours which is there was left by a process that died, and takes it away.

use std::cell::Cell;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Error, Refs, Result, io_error, is_absent};
use crate::disk::{Access, Lock};

/// The right to change refs, held by one process at a time and taken back by the system when that process ends.
#[derive(Debug)]
pub struct WriteLock<'a> {
    pub(super) refs: &'a Refs,
    pub(super) patience: Duration,
    /// How many temporary files were written under this lock.
    written: Cell<u64>,
    _lock: Box<dyn Lock>,
}

/// The `NAME.lock` marks that are held; taken away on drop.
pub(super) struct Marks<'a> {
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
        let mut locked = self.disk.lock(&path, patience);
        if let (Err(error), Some(dir)) = (&locked, path.parent())
            && error.kind() == ErrorKind::NotFound
        {
            self.disk.create_dir_all(dir).map_err(io_error(dir))?;
            locked = self.disk.lock(&path, patience);
        }
        match locked {
            Ok(lock) => Ok(WriteLock { refs: self, patience, written: Cell::new(0), _lock: lock }),
            Err(error) if error.kind() == ErrorKind::TimedOut => Err(Error::Locked { path, of_git: false }),
            Err(error) => Err(io_error(&path)(error)),
        }
    }
}

impl<'a> WriteLock<'a> {
    pub(super) fn marks(&self) -> Marks<'a> {
        Marks { refs: self.refs, paths: Vec::new() }
    }

    /// Locks one name the way git does, waiting up to `patience` for git where it has the lock.
    pub(super) fn mark(&self, marks: &mut Marks<'_>, path: &Path, patience: Duration) -> Result<()> {
        let disk = &self.refs.disk;
        let mut lock = path.as_os_str().to_owned();
        lock.push(".lock");
        let lock = PathBuf::from(lock);
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        let mut misses = 0;
        loop {
            match disk.mark(&lock) {
                Ok(()) => {
                    marks.paths.push(lock);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                // The ref's directory is not there yet; and git removes those that it finds empty, even now.
                Err(error) if error.kind() == ErrorKind::NotFound && misses < 100 => {
                    misses += 1;
                    let dir = lock.parent().unwrap_or(&self.refs.root);
                    match disk.create_dir_all(dir) {
                        Err(error) if error.kind() != ErrorKind::NotFound => return Err(io_error(dir)(error)),
                        _ => continue,
                    }
                }
                Err(error) => return Err(io_error(&lock)(error)),
            }
            if disk.is_mark(&lock).map_err(io_error(&lock))? {
                match disk.remove(&lock) {
                    Err(error) if !is_absent(&error) => return Err(io_error(&lock)(error)),
                    _ => continue,
                }
            }
            if start.elapsed() >= patience {
                return Err(Error::Locked { path: lock, of_git: true });
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Writes a file that will be renamed into its place.
    pub(super) fn write_temporary(&self, content: &[u8]) -> Result<PathBuf> {
        let Refs { disk, temporary, .. } = self.refs;
        let path = temporary.join(format!("ref-{}", self.written.replace(self.written.get() + 1)));
        let write = || disk.write_new(&path, content, Access::ReadWrite);
        let written = match write().map_err(|error| (error.kind(), error)) {
            Err((ErrorKind::NotFound, _)) => disk.create_dir_all(temporary).and_then(|_| write()),
            // Only the holder of the write lock makes these names, so what is there is of a process that died.
            Err((ErrorKind::AlreadyExists, _)) => disk.remove(&path).and_then(|()| write()),
            written => written.map_err(|(_, error)| error),
        };
        written
            .inspect_err(|_| {
                let _ = disk.remove(&path);
            })
            .map_err(io_error(&path))?;
        Ok(path)
    }
}
