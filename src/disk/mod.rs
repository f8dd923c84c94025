//! Files and locks: every durable effect that isodb has on a machine passes through the trait [`Disk`].
//!
//! The room knows paths and bytes; it knows no object, no ref and no database. Two disks exist: [`OsDisk`], the
//! machine's own files, and [`FaultDisk`], an in-memory disk that can be cut at any operation and then forgets what
//! was not flushed, so that tests can try every state that a power cut could leave.

mod fault;
mod flush;
mod os;
#[cfg(test)]
mod tests;
mod watch;

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub use fault::{FaultDisk, Survivors, UnsyncedData, UnsyncedEntries};
pub use os::OsDisk;
pub use watch::Watch;

/// The content of a mark that is a file.
const MARK_CONTENT: &[u8] = b"isodb-lock\n";

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link, followed by nobody here: it can only be a [mark](Disk::mark).
    Link,
}

/// What a disk says of one path, without following a symbolic link.
#[derive(Clone, Copy, Debug)]
pub struct Stat {
    /// What the path names.
    pub kind: FileKind,
    /// The size of a file in bytes.
    pub len: u64,
    /// When the content was last written, by the disk's clock.
    pub modified: SystemTime,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The name, without its directory. Names that are not UTF-8 are left out of listings: isodb writes none.
    pub name: String,
    /// What it names.
    pub kind: FileKind,
}

/// Whether a new file may be written again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A file like any other.
    ReadWrite,
    /// A file that is written once (git makes its objects so).
    ReadOnly,
}

/// A whole file's bytes, mapped or read.
#[derive(Debug)]
pub enum Bytes {
    /// Mapped into memory: only what is looked at is read.
    Mapped(memmap2::Mmap),
    /// Mapped into memory, and so large that who looks here and there copies what he needs: a look at a map takes many
    /// pages around it into memory.
    Large(memmap2::Mmap, File),
    /// Held in memory.
    Owned(Vec<u8>),
}

impl Bytes {
    /// Gives back the memory of what was looked at in a map, which is read again when it is looked at again. Nothing
    /// happens to bytes that are held in memory.
    pub fn release(&self) {
        if let Bytes::Mapped(map) | Bytes::Large(map, _) = self {
            os::release_map(map);
        }
    }

    /// Has all of a map that is not large in memory, which takes less than to look at its pages one by one.
    pub fn look_over(&self) {
        if let Bytes::Mapped(map) = self {
            os::look_over_map(map);
        }
    }

    /// Whether few bytes here and there are better copied than looked at.
    pub fn is_large(&self) -> bool {
        matches!(self, Bytes::Large(..))
    }

    /// Copies the bytes from `at` on, as many as `out` has room for, and leaves those of a large file unmapped.
    ///
    /// # Errors
    /// `UnexpectedEof` where there are fewer, and what the system says of the file.
    pub fn copy(&self, at: usize, out: &mut [u8]) -> io::Result<()> {
        let end = at.checked_add(out.len());
        let held = end.and_then(|end| self.get(at..end)).ok_or(io::ErrorKind::UnexpectedEof)?;
        match self {
            Bytes::Large(_, file) if os::read_exact_at(file, at as u64, out)? => {}
            _ => out.copy_from_slice(held),
        }
        Ok(())
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) | Bytes::Large(map, _) => map,
            Bytes::Owned(bytes) => bytes,
        }
    }
}

/// A lock that is held until it is dropped, or until its process ends, however it ends.
pub trait Lock: Debug + Send {}

/// The files of one machine.
///
/// Paths are absolute or relative to the process's directory; a disk does not interpret them. Errors are
/// [`io::Error`]s whose kind tells the cause (`NotFound`, `AlreadyExists`, `StorageFull`, …).
///
/// What was written is durable only after [`Disk::sync`]: a file's content when the file was synced, and its name
/// when the directory that holds the name was.
pub trait Disk: Debug + Send + Sync {
    /// The whole content of a file. For small files; see [`Disk::open`] and [`Disk::map`] for others.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// A file to read from its start.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;

    /// A file's bytes without reading them all. The file must be one that is replaced as a whole, never changed in
    /// place.
    fn map(&self, path: &Path) -> io::Result<Bytes>;

    /// What the path names, symbolic links not followed. An error of kind `NotFound` when it names nothing.
    fn stat(&self, path: &Path) -> io::Result<Stat>;

    /// The names in a directory, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;

    /// Makes one directory; `AlreadyExists` when the path names something.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes a new file to write; `AlreadyExists` when the path names something.
    fn create(&self, path: &Path, access: Access) -> io::Result<Box<dyn Write + Send>>;

    /// Writes at the end of a file, which is made if it is not there, in one call of the system.
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Writes over a part of a file that has not got its name yet, or has it alone: nobody else may look at it.
    fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// The `len` bytes of a file from `offset` on; `UnexpectedEof` when it has fewer.
    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>>;

    /// Makes a file that was written in parts like one made with [`Access::ReadOnly`], where the file system knows of such.
    fn set_read_only(&self, path: &Path) -> io::Result<()>;

    /// Sets the time at which a file was last written to now, if it is longer ago than `age`: the file is in use.
    fn touch(&self, path: &Path, age: Duration) -> io::Result<()>;

    /// Renames a file, replacing what the new name named, atomically.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file or a mark.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;

    /// Returns when the contents of these files and the entries of these directories would survive a power cut. All
    /// of them are waited for together, so the cost is that of one flush however many there are.
    fn sync(&self, paths: &[PathBuf]) -> io::Result<()>;

    /// Takes the lock that this file stands for (it is made if need be), waiting up to `patience`. An error of kind
    /// `TimedOut` when another process kept it. The lock is the system's own: it ends with its holder.
    fn lock(&self, path: &Path, patience: Duration) -> io::Result<Box<dyn Lock>>;

    /// Takes a share of the lock that this file stands for: any number of holders can have one at once, but none while
    /// [`Disk::lock`] has it whole, and the other way round. Else as [`Disk::lock`].
    fn lock_shared(&self, path: &Path, patience: Duration) -> io::Result<Box<dyn Lock>>;

    /// Makes a mark: a name that keeps every other program from making a file of that name, atomically, and that
    /// [`Disk::is_mark`] knows again. `AlreadyExists` when the path names something.
    ///
    /// It is a dangling symbolic link where links exist, since a link has no content that a power cut could tear;
    /// elsewhere a small file.
    fn mark(&self, path: &Path) -> io::Result<()>;

    /// Whether the path names a mark that [`Disk::mark`] made. False when it names nothing.
    fn is_mark(&self, path: &Path) -> io::Result<bool>;

    /// Notices changes that others make in directories. It watches none yet.
    fn watch(&self) -> Box<dyn Watch> {
        Box::new(watch::Asleep)
    }

    /// Writes a new file whole; `AlreadyExists` when the path names something.
    fn write_new(&self, path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
        let mut file = self.create(path, access)?;
        file.write_all(bytes)?;
        file.flush()
    }

    /// Makes a directory and those above it that are not there. Answers the ones that got a new name, so that the
    /// caller can [`sync`](Disk::sync) them.
    fn create_dir_all(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let mut missing = Vec::new();
        let mut at = dir;
        loop {
            match self.stat(at) {
                Ok(found) if found.kind == FileKind::File => return Err(io::ErrorKind::NotADirectory.into()),
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(at.to_path_buf()),
                Err(error) => return Err(error),
            }
            match at.parent() {
                Some(above) if !above.as_os_str().is_empty() => at = above,
                _ => break,
            }
        }
        let mut changed = Vec::new();
        for path in missing.iter().rev() {
            match self.create_dir(path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            match path.parent() {
                Some(above) if above.as_os_str().is_empty() => changed.push(PathBuf::from(".")),
                Some(above) => changed.push(above.to_path_buf()),
                None => {}
            }
        }
        Ok(changed)
    }
}
