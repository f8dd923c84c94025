//! Objects as git defines them, with SHA-256: bytes to values and back.
//!
//! The room is pure: no I/O, no clock. Parsers are strict (what they accept they write back byte for byte), never
//! panic and allocate nothing that the input's own length does not pay for. Where objects lie is the business of
//! whoever implements [`Objects`].

mod commit;
mod dotgit;
mod entry;
mod error;
mod header;
mod id;
mod ident;
mod lines;
mod memory;
mod overlay;
mod tag;
mod tree;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use commit::Commit;
pub use entry::{Entry, EntryRef, Mode, encode_sorted, encode_tree, tree_order};
pub use error::Error;
pub use header::{Hasher, decode_header, encode_header, hash};
pub use id::{BlobId, CommitId, Id, IdHasher, IdMap, IdSet, Prefix, TagId, TreeId};
pub use ident::{Ident, Person, Time};
pub use memory::Memory;
pub use overlay::Overlay;
pub use tag::Tag;
pub use tree::Tree;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Bytes, with no meaning to git.
    Blob,
    /// A list of names, each with a mode and an id.
    Tree,
    /// A tree with its history: parents, people, times, a message.
    Commit,
    /// An annotated tag: a name and a message for another object.
    Tag,
}

impl Kind {
    /// git's word for the kind, as it stands in an object's header.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Blob => "blob",
            Kind::Tree => "tree",
            Kind::Commit => "commit",
            Kind::Tag => "tag",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = Error;

    /// Reads one of git's four words, in lower case; anything else is [`Error::Header`].
    fn from_str(text: &str) -> Result<Kind, Error> {
        match text {
            "blob" => Ok(Kind::Blob),
            "tree" => Ok(Kind::Tree),
            "commit" => Ok(Kind::Commit),
            "tag" => Ok(Kind::Tag),
            _ => Err(Error::Header(format!("{:?} is no kind of object", error::excerpt(text)))),
        }
    }
}

/// An object in memory: its kind and its body, without the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What the body is.
    pub kind: Kind,
    /// The bytes after the header; not checked, see [`check`].
    pub body: Vec<u8>,
}

impl Object {
    /// The object's id, computed from its bytes each time.
    pub fn id(&self) -> Id {
        hash(self.kind, &self.body)
    }
}

/// Tells whether `body` is a well-formed object of this kind, by the same rules as the parsers; any blob is.
///
/// The error is [`Error::Malformed`].
pub fn check(kind: Kind, body: &[u8]) -> Result<(), Error> {
    match kind {
        Kind::Blob => Ok(()),
        Kind::Tree => tree::check(body),
        Kind::Commit => Commit::parse(body).map(drop),
        Kind::Tag => Tag::parse(body).map(drop),
    }
}

/// The body of what was found under an id, if it is of this kind.
pub(crate) fn of_kind(found: Option<Object>, id: Id, kind: Kind) -> Result<Vec<u8>, Error> {
    match found {
        None => Err(Error::Missing { id, kind: Some(kind) }),
        Some(object) if object.kind != kind => Err(Error::WrongKind { id, expected: kind, found: object.kind }),
        Some(object) => Ok(object.body),
    }
}

/// A set of objects that can be read and added to: a store, an overlay on one, or [`Memory`].
///
/// Whatever `get` returns has the id that was asked for; implementations that read from a disk check it.
pub trait Objects {
    /// The object of this id, or `None` where the set does not hold it.
    fn get(&self, id: Id) -> Result<Option<Object>, Error>;

    /// Adds an object and returns its id; adding it again changes nothing. The body is stored as it is: who did not
    /// encode it from a value calls [`check`] first.
    fn put(&self, kind: Kind, body: &[u8]) -> Result<Id, Error>;

    /// Adds an object as [`Objects::put`] does. It is likely to resemble `predecessor`, an object of the same kind, as a
    /// folder does what it was before a change: who stores differences may make use of that.
    fn put_after(&self, kind: Kind, body: &[u8], predecessor: Option<Id>) -> Result<Id, Error> {
        let _ = predecessor;
        self.put(kind, body)
    }

    /// The body of an object that must be there, of this kind: else [`Error::Missing`] or [`Error::WrongKind`].
    fn require(&self, id: Id, kind: Kind) -> Result<Vec<u8>, Error> {
        of_kind(self.get(id)?, id, kind)
    }

    /// A blob's bytes; errors as [`Objects::require`].
    fn blob(&self, id: BlobId) -> Result<Vec<u8>, Error> {
        self.require(id.0, Kind::Blob)
    }

    /// A tree, parsed; errors as [`Objects::require`], and [`Error::Damaged`] where its bytes are no tree. Shared, since
    /// a set may keep those that are asked for often.
    fn tree(&self, id: TreeId) -> Result<Arc<Tree>, Error> {
        Tree::parse(self.require(id.0, Kind::Tree)?).map(Arc::new).map_err(|error| error.of_object(id.0))
    }

    /// The same tree, for who will not ask for it again soon: it need not be kept.
    fn tree_once(&self, id: TreeId) -> Result<Arc<Tree>, Error> {
        self.tree(id)
    }

    /// Tells that these objects, all of this kind, are about to be asked for. Nothing need come of it; a set may look for
    /// all of them at once, where that takes less time than one after the other.
    fn soon(&self, kind: Kind, ids: &[Id]) {
        let _ = (kind, ids);
    }

    /// A commit, parsed; errors as [`Objects::require`], and [`Error::Damaged`] where its bytes are no commit.
    fn commit(&self, id: CommitId) -> Result<Commit, Error> {
        Commit::parse(&self.require(id.0, Kind::Commit)?).map_err(|error| error.of_object(id.0))
    }

    /// An annotated tag, parsed; errors as [`Objects::require`], and [`Error::Damaged`] where its bytes are no tag.
    fn tag(&self, id: TagId) -> Result<Tag, Error> {
        Tag::parse(&self.require(id.0, Kind::Tag)?).map_err(|error| error.of_object(id.0))
    }
}

impl<T: Objects + ?Sized> Objects for &T {
    fn get(&self, id: Id) -> Result<Option<Object>, Error> {
        (**self).get(id)
    }

    fn require(&self, id: Id, kind: Kind) -> Result<Vec<u8>, Error> {
        (**self).require(id, kind)
    }

    fn put(&self, kind: Kind, body: &[u8]) -> Result<Id, Error> {
        (**self).put(kind, body)
    }

    fn put_after(&self, kind: Kind, body: &[u8], predecessor: Option<Id>) -> Result<Id, Error> {
        (**self).put_after(kind, body, predecessor)
    }

    fn tree(&self, id: TreeId) -> Result<Arc<Tree>, Error> {
        (**self).tree(id)
    }

    fn tree_once(&self, id: TreeId) -> Result<Arc<Tree>, Error> {
        (**self).tree_once(id)
    }

    fn soon(&self, kind: Kind, ids: &[Id]) {
        (**self).soon(kind, ids);
    }
}

impl<T: Objects + ?Sized> Objects for Arc<T> {
    fn get(&self, id: Id) -> Result<Option<Object>, Error> {
        (**self).get(id)
    }

    fn require(&self, id: Id, kind: Kind) -> Result<Vec<u8>, Error> {
        (**self).require(id, kind)
    }

    fn put(&self, kind: Kind, body: &[u8]) -> Result<Id, Error> {
        (**self).put(kind, body)
    }

    fn put_after(&self, kind: Kind, body: &[u8], predecessor: Option<Id>) -> Result<Id, Error> {
        (**self).put_after(kind, body, predecessor)
    }

    fn tree(&self, id: TreeId) -> Result<Arc<Tree>, Error> {
        (**self).tree(id)
    }

    fn tree_once(&self, id: TreeId) -> Result<Arc<Tree>, Error> {
        (**self).tree_once(id)
    }

    fn soon(&self, kind: Kind, ids: &[Id]) {
        (**self).soon(kind, ids);
    }
}

/// A set of objects as it is for who asks for each tree once: none is kept. To keep what nobody asks for takes memory that
/// was not used before, where what was freed a moment ago would have done.
#[derive(Clone, Copy, Debug)]
pub struct ReadOnce<'a, O: ?Sized>(pub &'a O);

impl<O: Objects + ?Sized> Objects for ReadOnce<'_, O> {
    fn get(&self, id: Id) -> Result<Option<Object>, Error> {
        self.0.get(id)
    }

    fn require(&self, id: Id, kind: Kind) -> Result<Vec<u8>, Error> {
        self.0.require(id, kind)
    }

    fn put(&self, kind: Kind, body: &[u8]) -> Result<Id, Error> {
        self.0.put(kind, body)
    }

    fn put_after(&self, kind: Kind, body: &[u8], predecessor: Option<Id>) -> Result<Id, Error> {
        self.0.put_after(kind, body, predecessor)
    }

    fn tree(&self, id: TreeId) -> Result<Arc<Tree>, Error> {
        self.0.tree_once(id)
    }

    fn soon(&self, kind: Kind, ids: &[Id]) {
        self.0.soon(kind, ids);
    }
}

#[cfg(test)]
mod against_git;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn kinds_are_gits_words() {
        for kind in [Kind::Blob, Kind::Tree, Kind::Commit, Kind::Tag] {
            assert_eq!(kind.to_string().parse::<Kind>().unwrap(), kind);
        }
        assert!(matches!("Blob".parse::<Kind>(), Err(Error::Header(_))));
    }

    #[test]
    fn sets_are_used_through_pointers() {
        let shared: Arc<dyn Objects> = Arc::new(Memory::new());
        let id = shared.put(Kind::Tree, b"").unwrap();
        let through: &dyn Objects = &&shared;
        assert!(through.tree(TreeId(id)).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_header(&bytes);
            let _ = Ident::parse(&bytes);
            prop_assert!(check(Kind::Blob, &bytes).is_ok());
            for kind in [Kind::Tree, Kind::Commit, Kind::Tag] {
                let _ = check(kind, &bytes);
            }
            let text = String::from_utf8_lossy(&bytes);
            let _ = (text.parse::<Id>(), text.parse::<Prefix>(), text.parse::<Person>());
        }
    }
}
