//! What can go wrong with a database, in the words that its users read.

use std::path::{Path, PathBuf};

use crate::object::{BlobId, CommitId, Id, Kind};
use crate::refs::RefName;
use crate::tree::{Key, KeyError};
use crate::{merge, object, refs, script, sign, tree};

use super::config::ConfigError;

/// Why an operation on a database failed. Nothing has changed then, unless it is [`Error::NotDurable`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An object could not be read or written.
    #[error(transparent)]
    Object(#[from] object::Error),
    /// A ref could not be read or moved.
    #[error(transparent)]
    Ref(#[from] refs::Error),
    /// A tree is not one of isodb's, or cannot be read.
    #[error(transparent)]
    Tree(#[from] tree::Error),
    /// A text is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The configuration file is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No directory here or above is a database.
    #[error("no database in {} or any directory above it", .0.display())]
    NotFound(PathBuf),
    /// A directory is not a database.
    #[error("{} is not a database: {reason}", .path.display())]
    NotADatabase {
        /// The directory.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// A directory is a database of a format that this program does not know.
    #[error("{} is a database of a format that this program does not know: {reason}", .path.display())]
    UnknownFormat {
        /// The directory.
        path: PathBuf,
        /// What is unknown.
        reason: String,
    },
    /// A ref has no commit yet.
    #[error("{0} has no commit yet")]
    NoCommit(RefName),
    /// A revision names nothing.
    #[error("there is no revision {text:?}: {reason}")]
    NoRevision {
        /// The revision as it was given.
        text: String,
        /// What is not there.
        reason: String,
    },
    /// A text is no revision.
    #[error("{text:?} is not a revision: {reason}")]
    BadRevision {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A revision names an object of another kind than is wanted.
    #[error("{text:?} names a {found}, and a {expected} is wanted")]
    WrongKind {
        /// The revision as it was given.
        text: String,
        /// The kind that is wanted.
        expected: Kind,
        /// The kind that it names.
        found: Kind,
    },
    /// A prefix of an id names several objects.
    #[error("{text:?} is the start of {} ids, among them {} and {}", .found.len(), .found[0], .found[1])]
    Ambiguous {
        /// The prefix.
        text: String,
        /// The objects: two at least.
        found: Vec<Id>,
    },
    /// There is no document at a key.
    #[error("there is no document {0:?}")]
    NoDocument(Key),
    /// There is neither a document nor a folder at a key.
    #[error("there is nothing at or below {0:?}")]
    NothingBelow(Key),
    /// A document does not hold what the caller expected.
    #[error("{key:?} {}", unlike(.expected, .found))]
    Unexpected {
        /// The key.
        key: Key,
        /// What it should hold; `None` for a key that should not exist.
        expected: Option<BlobId>,
        /// What it holds.
        found: Option<BlobId>,
    },
    /// A document has other versions in conflict than the caller expected, or is in conflict no more.
    #[error("{0:?} is not in the conflict that was expected")]
    OtherVersions(Key),
    /// A document is not in conflict.
    #[error("{0:?} is not in conflict")]
    NoConflict(Key),
    /// One line of a stream of changes is wrong.
    #[error("line {line}: {reason}")]
    Line {
        /// The line's number, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A commit says that it is a merge commit, and cannot be one.
    #[error("commit {commit} says that it is a merge commit, but {reason}")]
    DamagedMerge {
        /// The commit.
        commit: CommitId,
        /// What is wrong with it.
        reason: String,
    },
    /// The rules in force cannot be read.
    #[error(transparent)]
    Rules(#[from] merge::RulesError),
    /// This machine failed to run a merge script, so nothing is known of what the script would say.
    #[error(transparent)]
    Script(#[from] script::Failure),
    /// A commit or a tag could not be signed, or a key is none.
    #[error(transparent)]
    Sign(#[from] sign::SignError),
    /// A line of the list of those who may sign would allow nothing.
    #[error("line {line} of _isodb/trust/allowed_signers cannot be used: {reason}")]
    Signers {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A proof does not hold, or is none.
    #[error("the proof does not hold: {0}")]
    Proof(String),
    /// What a commit has at a key cannot be proved.
    #[error("there is no proof of {key:?}: {reason}")]
    NoProof {
        /// The key.
        key: Key,
        /// Why there is none.
        reason: String,
    },
    /// A text cannot be stored where it was meant to be.
    #[error("{0}")]
    Invalid(String),
    /// The change was made, and then the disk failed to make it durable: everybody sees it, and a power cut may still
    /// undo it.
    #[error("{what} has changed, but may not survive a power cut: {}: {source}", .path.display())]
    NotDurable {
        /// The ref or the file that has changed.
        what: String,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The disk failed.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

fn unlike(expected: &Option<BlobId>, found: &Option<BlobId>) -> String {
    match (found, expected) {
        (Some(found), Some(expected)) => format!("holds {found}, not {expected}"),
        (Some(found), None) => format!("holds {found}, and no document was expected"),
        (None, Some(expected)) => format!("does not exist, and {expected} was expected"),
        (None, None) => "does not exist".into(),
    }
}

pub(super) fn io_error(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
    move |source| Error::Io { path: path.to_owned(), source }
}

/// The room's results.
pub(super) type Result<T, E = Error> = std::result::Result<T, E>;
