//! Who writes objects holds off their removal, and who removes them waits for the writers.
//!
//! A writer that finds an object already stored does not store it again, and a ref leads to it a moment later: in
//! between it must not go. So a writer has a share of the lock `objects.lock` from its first look until its ref has
//! moved, and who removes takes the lock whole. New writers also pass `gate.lock`, which the remover keeps shut
//! while it waits, so that it is not starved. Readers take neither.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Result, io_error};
use crate::disk::{Disk, Lock};

/// How long a writer waits for one that removes: longer than any removal takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// For how long the gate is shut at once, and then open: writers behind it wait so long for one that takes its time.
const SHUT: Duration = Duration::from_millis(300);
const OPEN: Duration = Duration::from_millis(200);

/// A store's share in the objects' lock, taken when it is first needed.
#[derive(Debug)]
pub(super) struct Hold {
    disk: Arc<dyn Disk>,
    /// `isodb/`, where the locks are.
    dir: PathBuf,
    /// Whether somebody could remove what is held.
    is_needed: bool,
    /// Whether `lock` is there, to be asked at every put.
    is_held: AtomicBool,
    share: Mutex<Share>,
}

#[derive(Debug, Default)]
struct Share {
    lock: Option<Box<dyn Lock>>,
    /// How many rely on it beside who puts: a store may be used by several at once.
    users: usize,
}

/// The right to remove objects. No writer is between its look at the store and the move of its ref.
#[derive(Debug)]
pub(crate) struct Removal {
    _gate: Box<dyn Lock>,
    _lock: Box<dyn Lock>,
}

impl Hold {
    /// The hold of a database whose files of its own are in `dir`.
    pub(super) fn new(disk: Arc<dyn Disk>, dir: &Path) -> Hold {
        let (is_held, share) = (AtomicBool::new(false), Mutex::default());
        Hold { disk, dir: dir.to_owned(), is_needed: true, is_held, share }
    }

    /// The hold of a directory that nobody else knows.
    pub(super) fn of_private(disk: Arc<dyn Disk>, dir: &Path) -> Hold {
        Hold { is_needed: false, ..Hold::new(disk, dir) }
    }

    fn share(&self) -> MutexGuard<'_, Share> {
        self.share.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the share, unless it is held.
    pub(super) fn take(&self) -> Result<()> {
        if !self.is_needed || self.is_held.load(Ordering::Acquire) {
            return Ok(());
        }
        self.take_share(&mut self.share())
    }

    /// Takes the share for one who will give it back by [`Hold::release_user`]: until then it stays, whoever releases it.
    pub(super) fn take_user(&self) -> Result<()> {
        let mut share = self.share();
        self.take_share(&mut share)?;
        share.users += 1;
        Ok(())
    }

    /// One of those who took it by [`Hold::take_user`] needs it no more. It is not given back by that alone.
    pub(super) fn release_user(&self) {
        let mut share = self.share();
        share.users = share.users.saturating_sub(1);
    }

    fn take_share(&self, share: &mut Share) -> Result<()> {
        if self.is_needed && share.lock.is_none() {
            let (gate, path) = (self.dir.join("gate.lock"), self.dir.join("objects.lock"));
            let passing = match self.disk.lock_shared(&gate, PATIENCE) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.make_dir()?;
                    self.disk.lock_shared(&gate, PATIENCE)
                }
                locked => locked,
            }
            .map_err(io_error(&gate))?;
            share.lock = Some(self.disk.lock_shared(&path, PATIENCE).map_err(io_error(&path))?);
            drop(passing);
            self.is_held.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn make_dir(&self) -> Result<()> {
        self.disk.create_dir_all(&self.dir).map(drop).map_err(io_error(&self.dir))
    }

    /// Gives the share back, unless somebody relies on it.
    pub(super) fn release(&self) {
        if self.is_held.load(Ordering::Acquire) {
            let mut share = self.share();
            if share.users == 0 {
                self.is_held.store(false, Ordering::Release);
                share.lock = None;
            }
        }
    }

    /// Waits until no writer has a share; `None` when some writer kept its own for all of `patience`.
    pub(super) fn removal(&self, patience: Duration) -> Result<Option<Removal>> {
        let (gate, path) = (self.dir.join("gate.lock"), self.dir.join("objects.lock"));
        self.make_dir()?;
        let start = Instant::now();
        loop {
            if let Some(shut) = self.try_until(&gate, Instant::now() + SHUT)?
                && let Some(lock) = self.try_until(&path, Instant::now() + SHUT)?
            {
                return Ok(Some(Removal { _gate: shut, _lock: lock }));
            }
            if start.elapsed() >= patience {
                return Ok(None);
            }
            // Who writes for longer than that must not stop all the others.
            std::thread::sleep(OPEN);
        }
    }

    /// Tries again and again: a waiter in the system's own queue could not be called back.
    fn try_until(&self, path: &Path, end: Instant) -> Result<Option<Box<dyn Lock>>> {
        loop {
            match self.disk.lock(path, Duration::ZERO) {
                Ok(lock) => return Ok(Some(lock)),
                Err(error) if error.kind() != ErrorKind::TimedOut => return Err(io_error(path)(error)),
                Err(_) if Instant::now() >= end => return Ok(None),
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{FaultDisk, OsDisk};

    fn check(disk: Arc<dyn Disk>, dir: &Path) {
        let (a, b, gc) = (Hold::new(disk.clone(), dir), Hold::new(disk.clone(), dir), Hold::new(disk, dir));
        a.take().unwrap();
        a.take().unwrap();
        b.take().unwrap();
        assert!(gc.removal(Duration::ZERO).unwrap().is_none(), "two write");
        a.release();
        assert!(gc.removal(Duration::ZERO).unwrap().is_none(), "one writes");
        b.release();
        b.release();
        let removal = gc.removal(Duration::ZERO).unwrap().expect("nobody writes");
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| a.take());
            assert!(!writer.is_finished());
            drop(removal);
            writer.join().unwrap().unwrap();
        });
        assert!(gc.removal(Duration::ZERO).unwrap().is_none(), "the writer has got in");
        // Two use one store: what one gives back is the other's still.
        a.take_user().unwrap();
        a.take_user().unwrap();
        a.release_user();
        a.release();
        assert!(gc.removal(Duration::ZERO).unwrap().is_none(), "the other one relies on it");
        a.release_user();
        a.release();
        assert!(gc.removal(Duration::ZERO).unwrap().is_some(), "nobody does");
        a.take().unwrap();
        drop(a);
        assert!(gc.removal(Duration::ZERO).unwrap().is_some(), "a hold ends with its store");
    }

    #[test]
    fn writers_and_removal_keep_each_other_out() {
        let disk = FaultDisk::new();
        check(Arc::new(disk.clone()), Path::new("/isodb"));
        assert!(disk.stat(Path::new("/isodb/objects.lock")).is_ok());
        let top = tempfile::tempdir().unwrap();
        check(Arc::new(OsDisk::without_sync()), &top.path().join("isodb"));
    }

    #[test]
    fn a_stream_of_writers_does_not_starve_removal() {
        let disk: Arc<dyn Disk> = Arc::new(FaultDisk::new());
        let hold = || Hold::new(disk.clone(), Path::new("/isodb"));
        let (gc, done) = (hold(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let writer = hold();
                    while !done.load(Ordering::Acquire) {
                        writer.take().unwrap();
                        std::thread::sleep(Duration::from_millis(2));
                        writer.release();
                    }
                });
            }
            let removal = gc.removal(PATIENCE);
            done.store(true, Ordering::Release);
            assert!(removal.unwrap().is_some());
        });
    }
}
