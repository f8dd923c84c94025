//! Pipes to a process that are not waited for without end: where nothing moves for too long, it fails as a connection does.

use std::io;
#[cfg(unix)]
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

/// One end of a pipe.
pub(super) struct Patient<P> {
    pipe: P,
    #[cfg(unix)]
    idle: Duration,
}

#[cfg(unix)]
impl<P: std::os::fd::AsFd> Patient<P> {
    /// Waits for so long at most.
    pub(super) fn new(pipe: P, idle: Duration) -> io::Result<Patient<P>> {
        // This end alone: the process at the other one sees nothing of it.
        rustix::io::ioctl_fionbio(&pipe, true)?;
        Ok(Patient { pipe, idle })
    }

    /// Does something when it can be done.
    fn when<T>(
        &mut self,
        is_for: rustix::event::PollFlags,
        mut work: impl FnMut(&mut P) -> io::Result<T>,
    ) -> io::Result<T> {
        use rustix::event::{PollFd, Timespec, poll};
        loop {
            match work(&mut self.pipe) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            let timeout = Timespec::try_from(self.idle).ok();
            match poll(&mut [PollFd::new(&self.pipe, is_for)], timeout.as_ref()) {
                Ok(0) => return Err(io::Error::new(ErrorKind::TimedOut, "nothing came or went for too long")),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(unix)]
impl<P: Read + std::os::fd::AsFd> Read for Patient<P> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.when(rustix::event::PollFlags::IN, |pipe| pipe.read(out))
    }
}

#[cfg(unix)]
impl<P: Write + std::os::fd::AsFd> Write for Patient<P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.when(rustix::event::PollFlags::OUT, |pipe| pipe.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pipe.flush()
    }
}

#[cfg(not(unix))]
impl<P> Patient<P> {
    /// There is no way to wait for a time alone here: it is waited for as long as the process lives.
    pub(super) fn new(pipe: P, _: Duration) -> io::Result<Patient<P>> {
        Ok(Patient { pipe })
    }
}

#[cfg(not(unix))]
impl<P: io::Read> io::Read for Patient<P> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.pipe.read(out)
    }
}

#[cfg(not(unix))]
impl<P: io::Write> io::Write for Patient<P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pipe.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pipe.flush()
    }
}
