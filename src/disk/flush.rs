//! Flushing many files and directories in the time of one flush.
//!
//! Each path can be flushed for itself, all at the same time, so that the device writes them out together; or, on
//! Linux, the whole file system at once. That is quicker for any number of paths while nobody else writes, but it also
//! waits for what other programs have written: a large copy that goes on beside it would cost far more than is won.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How many flushes are asked for at the same time.
const THREADS: usize = 16;

/// Above this number of paths the whole file system is flushed, whatever else waits to be written.
#[cfg(target_os = "linux")]
const MANY: usize = 256;

/// What all programs together may have written and not flushed, as a share of the memory, for a flush of the file system
/// to be cheap: 8 MiB on a machine of 1 GiB, where disks are slow, and more on larger ones.
#[cfg(target_os = "linux")]
const LITTLE: u64 = 128;

/// Returns when the contents of these files and the entries of these directories would survive a power cut.
pub(super) fn flush(paths: &[PathBuf]) -> io::Result<()> {
    let mut paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    paths.sort_unstable();
    paths.dedup();
    #[cfg(target_os = "linux")]
    if (paths.len() > MANY || (paths.len() > 1 && little_is_dirty())) && on_one_file_system(&paths)? {
        rustix::fs::syncfs(File::open(paths[0])?)?;
        if tells_errors() {
            return Ok(());
        }
        // The files are flushed, so asking for each is cheap, and tells of errors that an old kernel keeps to itself.
    }
    sync_each(&paths)
}

/// Whether so little waits to be written on this machine that it may as well be written now.
#[cfg(target_os = "linux")]
fn little_is_dirty() -> bool {
    let little = || {
        // What is looked for is in the first kilobyte, which one call reads.
        let mut start = [0; 2048];
        let len = File::open("/proc/meminfo").ok()?.read(&mut start).ok()?;
        let text = std::str::from_utf8(&start[..len]).ok()?;
        let kib =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
        let (memory, dirty, writing): (u64, u64, u64) = (kib("MemTotal:")?, kib("Dirty:")?, kib("Writeback:")?);
        Some(dirty + writing <= memory / LITTLE)
    };
    little().unwrap_or(false)
}

/// Whether this kernel's `syncfs` fails when a write failed: since Linux 5.8.
#[cfg(target_os = "linux")]
fn tells_errors() -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (5, 8)
}

/// Whether one flush of a file system covers all the paths. Fails when one of them names nothing.
#[cfg(target_os = "linux")]
fn on_one_file_system(paths: &[&Path]) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let mut devices = Vec::with_capacity(paths.len());
    for path in paths {
        devices.push(fs::metadata(path).map_err(|error| with_path(path, &error))?.dev());
    }
    Ok(devices.windows(2).all(|pair| pair[0] == pair[1]))
}

/// Flushes every path, several at the same time, so that the device can write them out together.
fn sync_each(paths: &[&Path]) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    let work = || -> io::Result<()> {
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            sync_one(path).map_err(|error| with_path(path, &error))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        // A thread that cannot be had is no error: this thread goes on until no path is left.
        let helpers: Vec<_> = (1..paths.len().min(THREADS))
            .map_while(|_| thread::Builder::new().spawn_scoped(scope, work).ok())
            .collect();
        let mut done = work();
        for helper in helpers {
            done = done.and(helper.join().expect("flushing does not panic"));
        }
        done
    })
}

/// Flushes one path. A flush that failed is never tried again: the system may have dropped what it could not write, and
/// would then answer that all is well.
fn sync_one(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        return File::open(path)?.sync_all();
    }
    // Elsewhere directories cannot be flushed, and files only through a handle that may write.
    if fs::metadata(path)?.is_dir() { Ok(()) } else { OpenOptions::new().write(true).open(path)?.sync_all() }
}

/// The same kind of error, which says for which of several paths it is.
fn with_path(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn one_or_many_paths_are_flushed_and_a_missing_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..MANY + 2).map(|n| dir.path().join(n.to_string())).collect();
        for path in &paths {
            fs::write(path, "x").unwrap();
        }
        for count in [0, 1, 2, MANY, MANY + 2] {
            flush(&paths[..count]).unwrap();
        }
        fs::remove_file(&paths[1]).unwrap();
        for count in [2, MANY + 2] {
            assert_eq!(flush(&paths[..count]).unwrap_err().kind(), io::ErrorKind::NotFound);
        }
        sync_each(&[dir.path()]).unwrap();
    }
}
