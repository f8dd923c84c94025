//! What can be wrong with an object, or with getting one.
//!
//! One enum for the room and for whoever implements [`Objects`](super::Objects). The texts are written for a user to
//! read: they name the object or the path, and nothing of this program's insides.

use std::path::PathBuf;

use super::{Id, Kind};

/// Why an object could not be read, written or understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Bytes that are no object of that kind.
    #[error("not a {kind}: {reason}")]
    Malformed {
        /// What the bytes should have been.
        kind: Kind,
        /// What is wrong with them.
        reason: String,
    },
    /// Bytes that do not start with an object's header, or a word that is no kind of object.
    #[error("not an object's header: {0}")]
    Header(String),
    /// A stored object whose bytes are not what they must be.
    #[error("object {id} is damaged: {reason}")]
    Damaged {
        /// The object.
        id: Id,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of many objects that cannot be used, so that nobody can tell which objects it holds.
    #[error("{} is damaged: {reason}", .path.display())]
    DamagedFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An object that is needed and not there.
    #[error("{} {id} is missing", .kind.map_or("object", Kind::name))]
    Missing {
        /// The object.
        id: Id,
        /// What it should be, where that is known.
        kind: Option<Kind>,
    },
    /// An object of another kind than the place where it is named asks for.
    #[error("{id} is a {found}, not a {expected}")]
    WrongKind {
        /// The object.
        id: Id,
        /// The kind that was asked for.
        expected: Kind,
        /// The kind that it is.
        found: Kind,
    },
    /// An object above the limit that the reader has set.
    #[error("{} has {size} bytes, more than the limit of {limit}", named(.id))]
    TooLarge {
        /// The object, where its id is known.
        id: Option<Id>,
        /// Its size in bytes, or as much of it as has been seen.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Text that is no id, or no prefix of one.
    #[error("not an id: {0}")]
    Id(String),
    /// A name, an e-mail address or a time that cannot stand in a commit or a tag.
    #[error("not a name, e-mail and time as git stores them: {0}")]
    Ident(String),
    /// The disk below a set of objects failed.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    /// The same error, told of a stored object: bytes that do not parse mean that the object is damaged.
    pub(crate) fn of_object(self, id: Id) -> Error {
        match self {
            Error::Malformed { kind, reason } => Error::Damaged { id, reason: format!("not a {kind}: {reason}") },
            other => other,
        }
    }
}

fn named(id: &Option<Id>) -> String {
    id.map_or("an object".to_owned(), |id| format!("object {id}"))
}

/// The start of foreign text, short enough for a message.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_for_people() {
        let id = Id::from_bytes([0xab; 32]);
        let malformed = Error::Malformed { kind: Kind::Tree, reason: "entries are out of order".into() };
        assert_eq!(malformed.to_string(), "not a tree: entries are out of order");
        assert_eq!(Error::Missing { id, kind: None }.to_string(), format!("object {id} is missing"));
        assert_eq!(Error::Missing { id, kind: Some(Kind::Tree) }.to_string(), format!("tree {id} is missing"));
        let large = Error::TooLarge { id: Some(id), size: 9, limit: 8 };
        assert_eq!(large.to_string(), format!("object {id} has 9 bytes, more than the limit of 8"));
        let large = Error::TooLarge { id: None, size: 9, limit: 8 };
        assert_eq!(large.to_string(), "an object has 9 bytes, more than the limit of 8");
        let io = Error::Io { path: "a/b".into(), source: std::io::Error::other("disk on fire") };
        assert_eq!(io.to_string(), "a/b: disk on fire");
        assert!(std::error::Error::source(&io).is_some());
    }
}
