//! What can go wrong between two databases, in the words that users read.

use std::io;

use crate::{database, object, refs};

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something is wrong here.
    #[error(transparent)]
    Database(#[from] database::Error),
    /// A text is no place where a database could be.
    #[error("{text:?} is not a place of a database: {reason}")]
    Location {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The other side sent something that the protocol has no place for.
    #[error("the other side does not keep to the protocol: {0}")]
    Protocol(String),
    /// The other side refused, in its own words.
    #[error("the other side says: {0}")]
    Refused(String),
    /// The other side cannot do what is needed.
    #[error("the other side {0}")]
    Unsupported(String),
    /// The other side sends more than is taken.
    #[error("{what} is more than the limit of {limit}")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Connection(#[source] io::Error),
}

/// The room's results.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl From<object::Error> for Error {
    fn from(error: object::Error) -> Error {
        Error::Database(error.into())
    }
}

impl From<refs::Error> for Error {
    fn from(error: refs::Error) -> Error {
        Error::Database(error.into())
    }
}

/// The start of what the other side said, in one line and without what a terminal would obey.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(1000)]);
    let shown = text.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c });
    shown.take(300).collect()
}

/// An error of the protocol about some bytes.
pub(super) fn strange(what: &str, bytes: &[u8]) -> Error {
    Error::Protocol(format!("{what}: {:?}", excerpt(bytes)))
}
