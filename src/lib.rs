//! isodb: a document database for systems that stay offline, kept in a git repository.
//!
//! The rooms, from the ground up (`docs/architecture.md` has the whole picture):
//!
//! | room | what it does |
//! | --- | --- |
//! | `disk` | files and locks: the only durable effects there are |
//! | `object` | git's objects with SHA-256: bytes to values and back |
//! | `store` | where objects lie |
//! | `refs` | names for ids |
//! | `tree` | keys and folders |
//! | `database` | commits, history, revisions: the one room that moves refs |

mod database;
mod disk;
mod object;
mod refs;
mod store;
mod tree;

pub use database::{
    Changeset, CommitInfo, Condition, Config, ConfigError, Database, Error, Found, FsckReport, History, HistoryEntry,
    HistoryOptions, MAX_DOCUMENT, NdjsonLine, NdjsonReader, Outcome, Problem, Series, Severity, discover, init,
};
pub use disk::{
    Access, Bytes, DirEntry, Disk, FaultDisk, FileKind, Lock, OsDisk, Stat, Survivors, UnsyncedData, UnsyncedEntries,
};
pub use object::{
    BlobId, Commit, CommitId, Entry, EntryRef, Error as ObjectError, Hasher, Id, Ident, Kind, Memory, Mode, Object,
    Objects, Person, Prefix, Tag, TagId, Time, Tree as GitTree, TreeId, check, decode_header, encode_header,
    encode_sorted, encode_tree, hash, tree_order,
};
pub use refs::{
    Error as RefError, Expect, LogEntry, NameError, Prepared, RefEdit, RefName, RefValue, Reflog, Refs, WriteLock,
};
pub use store::{IN_MEMORY_LIMIT, Reader, STREAM_FROM, Store, hash_stream};
pub use tree::{
    Change, Child, Children, Conflict, Diff, Document, Documents, Edit, Error as TreeError, Finding, FolderCheck,
    FolderChecker, Key, KeyError, Range, Role, Tree,
};
