//! Links that are cut: which failures another connection may do better with, and how long it is waited before one.

use std::io::{self, ErrorKind};
use std::time::Duration;

use crate::sync::error::{Error, Result};
use crate::sync::protocol::Demultiplexer;

/// So many connections in a row may bring nothing before it is given up.
const TRIES: u32 = 5;
/// How long is waited behind a connection that brought nothing; then twice as long each time. Tests do not wait.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 200 });
/// So often the other side may ask to be asked later, and how long is waited then at most.
const LATER: u32 = 20;
const LONGEST: Duration = Duration::from_secs(5);

/// Why a request came to nothing.
pub(super) enum Failure {
    /// The connection failed: another may do better.
    Cut(Error),
    Final(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error {
            Error::Connection(_) => Failure::Cut(error),
            error => Failure::Final(error),
        }
    }
}

/// Attempts that came to nothing.
#[derive(Debug, Default)]
pub(super) struct Patience {
    tries: u32,
    later: u32,
}

impl Patience {
    /// Something came over the link.
    pub(super) fn renew(&mut self) {
        *self = Patience::default();
    }

    /// Waits for as long as it takes before the next connection.
    ///
    /// # Errors
    /// The one with which the last ended, when it is given up.
    pub(super) fn wait(&mut self, error: Error) -> Result<()> {
        self.tries += 1;
        if self.tries > TRIES {
            return Err(error);
        }
        if self.tries > 1 {
            std::thread::sleep(PAUSE * 2u32.pow(self.tries - 2));
        }
        Ok(())
    }

    /// Waits since the other side asks for it.
    ///
    /// # Errors
    /// When it asks for that again and again.
    pub(super) fn wait_for_it(&mut self) -> Result<()> {
        self.later += 1;
        if self.later > LATER {
            return Err(Error::Refused("another attempt of this push is not over yet".into()));
        }
        std::thread::sleep((PAUSE * 2u32.pow(self.later.min(6) - 1)).min(LONGEST));
        Ok(())
    }
}

/// What was read, or in better words why it was not.
pub(super) fn failed<T>(read: Result<T>, bands: &mut Demultiplexer<'_, '_, '_>) -> Result<T, Failure> {
    read.map_err(|error| match bands.take_failure() {
        Some(error @ Error::Refused(_)) => Failure::Final(error),
        // A connection that is cut may be so in the middle of a packet.
        Some(error) => Failure::Cut(error),
        None => Failure::from(error),
    })
}

/// An answer that makes no sense, of a connection that may have been cut.
pub(super) fn cut(error: Error) -> Error {
    match error {
        Error::Protocol(text) => Error::Connection(io::Error::other(text)),
        error => error,
    }
}

/// Whether there was no connection at all, and mostly will not be one.
pub(super) fn is_unreachable(error: &Error) -> bool {
    use ErrorKind::{ConnectionRefused, HostUnreachable, InvalidInput, NetworkUnreachable, NotFound, PermissionDenied};
    let Error::Connection(error) = error else { return false };
    matches!(
        error.kind(),
        ConnectionRefused | HostUnreachable | InvalidInput | NetworkUnreachable | NotFound | PermissionDenied
    )
}
