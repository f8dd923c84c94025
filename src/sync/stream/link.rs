//! Links that are cut in the middle of a stream: which failures another connection may do better with.

use std::io::ErrorKind;

use crate::sync::error::{Error, Result};
use crate::sync::protocol::Demultiplexer;

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

/// What was read, or in better words why it was not.
pub(super) fn failed<T>(read: Result<T>, bands: &mut Demultiplexer<'_, '_, '_>) -> Result<T, Failure> {
    read.map_err(|error| match bands.take_failure() {
        Some(error @ Error::Refused(_)) => Failure::Final(error),
        // A connection that is cut may be so in the middle of a packet.
        Some(error) => Failure::Cut(error),
        None => Failure::from(error),
    })
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
