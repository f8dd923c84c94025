//! The machine's own files, through the standard library.
//!
//! The only place of the crate that asks the system to flush, to lock or to map. It holds no state: two `OsDisk`s are
//! the same disk, and exclude each other by the system's locks alone.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::flush;
use super::watch::{self, Watch};
use super::{Access, Bytes, DirEntry, Disk, FileKind, Lock, MARK_CONTENT, Stat};

/// Files below this size are read rather than mapped: a copy is cheaper than setting up and tearing down a map.
const MAP_FROM: u64 = 64 * 1024;
/// Files from this size on are kept open beside their map, to be read from by few bytes here and there.
const LARGE_FROM: u64 = 16 << 20;

/// What a mark's symbolic link points to. Nothing of that name is ever made.
#[cfg(unix)]
const MARK_TARGET: &str = "isodb-lock";

/// The files of this machine.
#[derive(Clone, Copy, Debug)]
pub struct OsDisk {
    durable: bool,
    large_from: u64,
}

impl OsDisk {
    /// The machine's files, flushed when asked to.
    pub fn new() -> OsDisk {
        OsDisk { durable: true, large_from: LARGE_FROM }
    }

    /// The machine's files, never flushed: a power cut can take anything that was written. For data that can be made
    /// again, and for tests.
    pub fn without_sync() -> OsDisk {
        OsDisk { durable: false, large_from: LARGE_FROM }
    }

    /// The same, where files of every size are taken for large ones.
    #[cfg(test)]
    pub(crate) fn with_all_large(self) -> OsDisk {
        OsDisk { large_from: 0, ..self }
    }
}

impl Default for OsDisk {
    fn default() -> OsDisk {
        OsDisk::new()
    }
}

impl Disk for OsDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(path)?))
    }

    fn map(&self, path: &Path) -> io::Result<Bytes> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        if len >= self.large_from && len > 0 {
            return Ok(Bytes::Large(map_file(&file)?, file));
        }
        if len >= MAP_FROM {
            return Ok(Bytes::Mapped(map_file(&file)?));
        }
        let mut bytes = Vec::with_capacity(len as usize);
        // Without the limit it would ask for the size once more, and read once more to find the end.
        file.take(len).read_to_end(&mut bytes)?;
        Ok(Bytes::Owned(bytes))
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let found = fs::symlink_metadata(path)?;
        Ok(Stat { kind: kind_of(found.file_type()), len: found.len(), modified: found.modified()? })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            match entry.file_type() {
                Ok(kind) => entries.push(DirEntry { name, kind: kind_of(kind) }),
                // Where the listing does not tell kinds, the name is looked up, and may be gone by then.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir(dir)
    }

    fn create(&self, path: &Path, access: Access) -> io::Result<Box<dyn Write + Send>> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, if access == Access::ReadOnly { 0o444 } else { 0o666 });
        #[cfg(not(unix))]
        let _ = access;
        Ok(Box::new(options.open(path)?))
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        OpenOptions::new().append(true).create(true).open(path)?.write_all(bytes)
    }

    fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::write_all_at(&file, bytes, offset);
        #[cfg(not(unix))]
        (&file).seek(SeekFrom::Start(offset)).and_then(|_| (&file).write_all(bytes))
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(len as u64).read_to_end(&mut bytes)?;
        if bytes.len() == len { Ok(bytes) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    fn set_read_only(&self, path: &Path) -> io::Result<()> {
        let mut permissions = fs::metadata(path)?.permissions();
        permissions.set_readonly(true);
        match fs::set_permissions(path, permissions) {
            // A file system without such a thing, as sticks have it: the file can be written to, and is not.
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported) => Ok(()),
            set => set,
        }
    }

    fn touch(&self, path: &Path, age: Duration) -> io::Result<()> {
        let modified = fs::symlink_metadata(path)?.modified()?;
        match modified.elapsed() {
            // The time now is the time then and what has passed since; a time to come is as young as can be.
            Ok(passed) if passed > age => File::open(path)?.set_modified(modified + passed),
            _ => Ok(()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir(dir)
    }

    fn sync(&self, paths: &[PathBuf]) -> io::Result<()> {
        if !self.durable {
            return Ok(());
        }
        flush::flush(paths)
    }

    fn lock(&self, path: &Path, patience: Duration) -> io::Result<Box<dyn Lock>> {
        take_lock(path, Share::Whole, patience)
    }

    fn lock_shared(&self, path: &Path, patience: Duration) -> io::Result<Box<dyn Lock>> {
        take_lock(path, Share::Part, patience)
    }

    fn mark(&self, path: &Path) -> io::Result<()> {
        #[cfg(unix)]
        match std::os::unix::fs::symlink(MARK_TARGET, path) {
            Ok(()) => return Ok(()),
            Err(error) => match error.kind() {
                ErrorKind::AlreadyExists
                | ErrorKind::NotFound
                | ErrorKind::StorageFull
                | ErrorKind::ReadOnlyFilesystem => return Err(error),
                // A file system without links says so in several ways; a file that cannot be made either tells why.
                _ => {}
            },
        }
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(MARK_CONTENT).inspect_err(|_| {
            // Half a mark would be nobody's: no one would know it again and remove it.
            let _ = fs::remove_file(path);
        })
    }

    fn is_mark(&self, path: &Path) -> io::Result<bool> {
        let found = match fs::symlink_metadata(path) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(false),
            found => found?,
        };
        #[cfg(unix)]
        if found.is_symlink() {
            return gone_is(false, fs::read_link(path).map(|target| target == Path::new(MARK_TARGET)));
        }
        if !found.is_file() || found.len() != MARK_CONTENT.len() as u64 {
            return Ok(false);
        }
        gone_is(false, fs::read(path).map(|bytes| bytes == MARK_CONTENT))
    }

    fn watch(&self) -> Box<dyn Watch> {
        watch::of_machine()
    }
}

/// A lock file that is open and locked. The end of the process closes it, which ends the lock.
#[derive(Debug)]
struct OsLock {
    file: File,
}

impl Lock for OsLock {}

impl Drop for OsLock {
    fn drop(&mut self) {
        // Closing alone is not enough: a program being started at this moment has a copy of the handle for a little.
        let _ = self.file.unlock();
    }
}

/// Maps a whole file.
#[allow(unsafe_code)]
fn map_file(file: &File) -> io::Result<memmap2::Mmap> {
    // SAFETY: the map must not change or shrink while it is looked at. `Disk::map` is called only for files that are
    // replaced as a whole (renamed into place, later removed), and a replaced file's bytes stay while a map has them.
    unsafe { memmap2::Mmap::map(file) }
}

/// Maps all pages of a map at once.
#[cfg(target_os = "linux")]
pub(super) fn look_over_map(map: &memmap2::Mmap) {
    // Where the system does not know this advice, pages are mapped when they are looked at.
    let _ = map.advise(memmap2::Advice::PopulateRead);
}

/// Elsewhere pages are mapped when they are looked at.
#[cfg(not(target_os = "linux"))]
pub(super) fn look_over_map(_: &memmap2::Mmap) {}

/// Gives the pages of a map back to the system.
#[cfg(unix)]
#[allow(unsafe_code)]
pub(super) fn release_map(map: &memmap2::Mmap) {
    // SAFETY: the advice takes away what was written to a map and not to its file. Nothing is: the map is read-only, and
    // its pages are the file's, which are read again when they are looked at.
    let released = unsafe { map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
    // Advice that is not taken costs memory and nothing else.
    drop(released);
}

/// Elsewhere a map keeps its pages until it goes.
#[cfg(not(unix))]
pub(super) fn release_map(_: &memmap2::Mmap) {}

/// Reads bytes of a file from a place on; false where the system has no such call.
#[cfg(unix)]
pub(super) fn read_exact_at(file: &File, at: u64, out: &mut [u8]) -> io::Result<bool> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, at).map(|()| true)
}

/// Elsewhere a read moves the file's place, which threads would share.
#[cfg(not(unix))]
pub(super) fn read_exact_at(_: &File, _: u64, _: &mut [u8]) -> io::Result<bool> {
    Ok(false)
}

fn kind_of(kind: fs::FileType) -> FileKind {
    if kind.is_dir() {
        FileKind::Dir
    } else if kind.is_symlink() {
        FileKind::Link
    } else {
        FileKind::File
    }
}

/// `answer`, or `gone` if the name was removed since it was seen.
fn gone_is(gone: bool, answer: io::Result<bool>) -> io::Result<bool> {
    match answer {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(gone),
        answer => answer,
    }
}

fn timed_out(path: &Path) -> io::Error {
    io::Error::new(ErrorKind::TimedOut, format!("{} is locked by another process", path.display()))
}

/// How much of a lock is taken.
#[derive(Clone, Copy)]
enum Share {
    Whole,
    Part,
}

impl Share {
    fn try_lock(self, file: &File) -> Result<(), TryLockError> {
        match self {
            Share::Whole => file.try_lock(),
            Share::Part => file.try_lock_shared(),
        }
    }

    fn lock(self, file: &File) -> io::Result<()> {
        match self {
            Share::Whole => file.lock(),
            Share::Part => file.lock_shared(),
        }
    }
}

fn take_lock(path: &Path, share: Share, patience: Duration) -> io::Result<Box<dyn Lock>> {
    // The file is never truncated nor removed: who removed it would let two holders lock two files of one name.
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match share.try_lock(&file) {
        Ok(()) => Ok(Box::new(OsLock { file })),
        Err(TryLockError::Error(error)) => Err(error),
        Err(TryLockError::WouldBlock) if patience.is_zero() => Err(timed_out(path)),
        Err(TryLockError::WouldBlock) => wait_for_lock(file, share, path, patience),
    }
}

/// Waits for a lock that is held. The system's waiting lock knows no time-out, so a thread of its own waits; if it gets
/// the lock too late, nobody takes it over and it is freed again.
fn wait_for_lock(file: File, share: Share, path: &Path, patience: Duration) -> io::Result<Box<dyn Lock>> {
    let (hand_over, locked) = mpsc::channel();
    thread::Builder::new().name("isodb-lock".into()).spawn(move || {
        let answer = loop {
            match share.lock(&file) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => break done,
            }
        };
        let _ = hand_over.send(answer.map(|()| OsLock { file }));
    })?;
    match locked.recv_timeout(patience) {
        Ok(answer) => Ok(Box::new(answer?)),
        Err(RecvTimeoutError::Timeout) => Err(timed_out(path)),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the thread that waited for a lock ended")),
    }
}
