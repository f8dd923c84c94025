//! Noticing that somebody else has changed a directory: by inotify where the system has it, by waiting elsewhere.
//!
//! A watch may tell too much, and where another machine writes to the same disk it tells nothing: who waits looks again
//! when its patience is over.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Tells when entries of directories may have changed.
pub trait Watch: Debug + Send {
    /// Watches a directory's entries, not those below them, from now on. One that is not there, or that the system
    /// cannot watch, is left out; one that is watched already stays so, and is watched again if it had gone meanwhile.
    fn add(&mut self, dir: &Path);

    /// Returns when an entry may have changed since its directory was added or since the last call, or else (false) when
    /// `patience` is over.
    fn wait(&mut self, patience: Duration) -> io::Result<bool>;
}

/// A watch that is told nothing, and sleeps.
#[derive(Debug)]
pub(super) struct Asleep;

impl Watch for Asleep {
    fn add(&mut self, _: &Path) {}

    fn wait(&mut self, patience: Duration) -> io::Result<bool> {
        thread::sleep(patience);
        Ok(false)
    }
}

/// The machine's own watch.
pub(super) fn of_machine() -> Box<dyn Watch> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Ok(told) = told::Told::new() {
        return Box::new(told);
    }
    // Also where so many watch already that the system allows no more.
    Box::new(Asleep)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod told {
    //! By inotify.

    use std::io;
    use std::os::fd::OwnedFd;
    use std::path::Path;
    use std::time::{Duration, Instant};

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::fs::Timespec;
    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
    use rustix::io::Errno;

    use super::Watch;

    /// A watch that the system tells of changes.
    #[derive(Debug)]
    pub(super) struct Told {
        events: OwnedFd,
    }

    impl Told {
        pub(super) fn new() -> io::Result<Told> {
            Ok(Told { events: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)? })
        }

        /// Takes the events that are there: which they are does not matter.
        fn drain(&self) -> io::Result<()> {
            let mut buffer = [0; 4096];
            loop {
                match rustix::io::read(&self.events, &mut buffer) {
                    Ok(0) | Err(Errno::AGAIN) => return Ok(()),
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }

    impl Watch for Told {
        fn add(&mut self, dir: &Path) {
            let flags = WatchFlags::CREATE
                | WatchFlags::CLOSE_WRITE
                | WatchFlags::DELETE
                | WatchFlags::DELETE_SELF
                | WatchFlags::MOVE
                | WatchFlags::MOVE_SELF
                | WatchFlags::ONLYDIR;
            // What cannot be watched is looked at when patience is over.
            let _ = inotify::add_watch(&self.events, dir, flags);
        }

        fn wait(&mut self, patience: Duration) -> io::Result<bool> {
            let end = Instant::now().checked_add(patience);
            loop {
                let left = end.map(|end| end.saturating_duration_since(Instant::now()));
                let left = left.and_then(|left| Timespec::try_from(left).ok());
                match poll(&mut [PollFd::new(&self.events, PollFlags::IN)], left.as_ref()) {
                    Ok(0) => return Ok(false),
                    Ok(_) => return self.drain().map(|()| true),
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}
