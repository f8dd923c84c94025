//! What can go wrong between two databases, in the words that users read.

use std::io;
use std::path::PathBuf;

use super::stream::Totals;
use crate::database::Refusal;
use crate::object::CommitId;
use crate::{database, object, refs, tree};

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
    /// A text cannot be the name of a remote.
    #[error("{name:?} cannot be the name of a remote: {reason}")]
    RemoteName {
        /// The text.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is a remote of this name, or of one that is too much like it.
    #[error("there is a remote {name:?} already")]
    RemoteExists {
        /// Its name.
        name: String,
    },
    /// There is no such remote.
    #[error("{}", match name {
        Some(name) => format!("there is no remote {name:?}"),
        None => "it is not clear which remote is meant".to_owned(),
    })]
    NoRemote {
        /// Its name; `None` where none was named.
        name: Option<String>,
    },
    /// A remote is told to keep refs in a way that is not known.
    #[error("{text:?} does not tell which refs of a remote are kept: {reason}")]
    Refspec {
        /// The setting's value.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// HEAD is at a commit, and not on a branch that could be met.
    #[error("HEAD is on no branch, so there is none that the other side could have too")]
    Detached,
    /// There is something where a clone is to be made.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// The other side has not what is wished for.
    #[error("the other side has no ref {name}")]
    NoRef {
        /// The ref's name.
        name: String,
    },
    /// What came cannot be let in, and nothing of it was.
    #[error("{}", match &refusals[..] {
        [one] => format!("what came is not let in: {one}"),
        [one, others @ ..] => format!("what came is not let in: {one}; and {} more", others.len()),
        [] => "what came is not let in".to_owned(),
    })]
    NotLetIn {
        /// What stands against it.
        refusals: Vec<Refusal>,
    },
    /// No more was to be taken; what came is kept for the next attempt.
    #[error("no more was to be taken: {} documents are still to come, of {} bytes when they are unpacked", left.documents, left.bytes)]
    Unfinished {
        /// What is still to come.
        left: Totals,
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
    /// A server of HTTP does not do what it was asked.
    #[error("{address}: {reason}")]
    Http {
        /// The address, without what shows who asks.
        address: String,
        /// The status that it answers with.
        status: u16,
        /// What that means, or what the server says itself.
        reason: String,
    },
    /// What was given as a bundle is none that can be read.
    #[error("it is no bundle that can be read here: {0}")]
    Bundle(String),
    /// A bundle builds on commits that are not here, of which this is one.
    #[error("the bundle builds on commit {commit}{}, which is not here", in_brackets(.text))]
    Lacking {
        /// The commit.
        commit: CommitId,
        /// What the bundle says of it for people.
        text: String,
    },
    /// This node's own file in a folder where nodes meet has what is not here, and stays there for the others.
    #[error("{} builds on commit {commit}, which is not here any more, so it is not replaced", .path.display())]
    NotReplaced {
        /// The file.
        path: PathBuf,
        /// The commit.
        commit: CommitId,
    },
    /// A file beside the database cannot be read or written.
    #[error("{}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
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

impl From<tree::Error> for Error {
    fn from(error: tree::Error) -> Error {
        Error::Database(error.into())
    }
}

impl From<refs::Error> for Error {
    fn from(error: refs::Error) -> Error {
        Error::Database(error.into())
    }
}

/// A text that is added to another where there is one.
fn in_brackets(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" ({text})") }
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
