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
//! | `json` | JSON that loses nothing |
//! | `tree` | keys and folders |
//! | `merge` | three trees into one |
//! | `script` | merge scripts |
//! | `sign` | SSH signatures: keys, and who may sign |
//! | `database` | commits, history, revisions: the one room that moves refs |
//! | `sync` | exchange with other databases |
//! | `server` | a server of HTTP for such exchange |
//!
//! ```
//! use std::sync::Arc;
//!
//! use isodb::{BlobId, Changeset, CommitInfo, Database, Expect, Key, Kind, Objects, OsDisk, Person, RefName};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("farm.isodb");
//! let disk = Arc::new(OsDisk::new());
//! isodb::init(&*disk, &path, &RefName::from_user("main")?)?;
//! let db = Database::open(disk, &path)?;
//!
//! let key: Key = "animals/bella".parse()?;
//! let content = BlobId(db.store().put(Kind::Blob, b"{\"born\":2021}")?);
//! let mut changes = Changeset::new();
//! changes.put(key.clone(), content);
//! let ann = Person::new("Ann", "ann@farm")?;
//! let info = CommitInfo {
//!     author: ann.clone(),
//!     author_time: 1_700_000_000,
//!     committer: ann,
//!     committer_time: 1_700_000_000,
//!     message: "the first cow".into(),
//!     signer: None,
//! };
//! // Durable when it returns; `Expect` makes it depend on where the head is.
//! let outcome = db.commit(&RefName::head(), Expect::Absent, &changes, &info)?;
//!
//! let document = db.tree_of(outcome.head)?.get(&key)?;
//! assert_eq!(document.map(|document| document.blob), Some(content));
//! # Ok(())
//! # }
//! ```

mod database;
mod disk;
mod json;
mod merge;
mod object;
mod refs;
mod script;
mod server;
mod sign;
mod store;
mod sync;
mod tree;

pub use database::{
    Accepted, Anchors, Answer, Batch, Changeset, Choice, CommitInfo, Condition, Config, ConfigError, Counterexample,
    Database, Decided, Error, Feed, Flaw, Found, FsckProgress, FsckReport, FsckStage, GcOutcome, GcRequest, History,
    HistoryEntry, HistoryOptions, InConflict, Judge, Judged, Lost, MAX_DOCUMENT, MergeOutcome, NdjsonLine,
    NdjsonReader, Origin, Outcome, Place, Problem, Proof, ProofChain, ProofSigner, Quarantine, RefMove, Refusal,
    Refused, Repair, Require, RuleReport, RuleTest, Series, Severity, SimulateOptions, Simulation, SimulationEvent,
    SimulationFailure, SimulationFinding, SimulationStage, Standing, Status, TagInfo, Version, WrongMerge, check_proof,
    discover, init, is_merge_commit, signer_problems, signers_key,
};
pub use disk::{
    Access, Bytes, DirEntry, Disk, FaultDisk, FileKind, Lock, OsDisk, Stat, Survivors, UnsyncedData, UnsyncedEntries,
    Watch,
};
pub use json::{Number, ParseError as JsonError, Value, parse as parse_json, write as write_json};
pub use merge::{
    Decision, Dispute, Field, Fields, Later, MAX_CONTENT, Method, Pattern, PatternError, Rule, Rules, RulesError,
    ThreeWay, is_json_object, merge_json, merge_text, three_way,
};
pub use object::{
    BlobId, Commit, CommitId, Entry, EntryRef, Error as ObjectError, Hasher, Id, IdHasher, IdMap, IdSet, Ident, Kind,
    Memory, Mode, Object, Objects, Overlay, Person, Prefix, ReadOnce, Tag, TagId, Time, Tree as GitTree, TreeId, check,
    decode_header, encode_header, encode_sorted, encode_tree, hash, tree_order,
};
pub use refs::{
    Error as RefError, Expect, LogEntry, NameError, Prepared, RefEdit, RefName, RefValue, Reflog, Refs, WriteLock,
};
pub use script::{
    Dialect, Failure as ScriptFailure, InProcess, Job, Loaded, Print, Remote as RemoteRunner, Runner, Script, Side,
    Verdict, serve_scripts,
};
pub use server::{
    Admission, Answered, Error as ServeError, HttpLimits, HttpServer, ServeOptions, Site, Stopper, Surroundings,
    TlsIdentity,
};
pub use sign::{
    Agent, AgentKey, AllowedSigner, AllowedSigners, Certificate, HEADER as SIGNATURE_HEADER, Judgement,
    NAMESPACE as SIGNATURE_NAMESPACE, PrivateKey, PublicKey, SignError, Signature, Signed, Signer,
    split as split_signed, verified as verified_signature,
};
pub use store::{
    ChangedEntry, GcOptions, GcProgress, GcReport, GcStage, IN_MEMORY_LIMIT, Outgoing, Reader, Received, Roots,
    STREAM_FROM, Store, Usage, Wanted, changed_entries, hash_stream,
};
pub use sync::{
    AgreeOptions, Agreed, Agreement, Arrival, Arrived, Authorities, Bundle, BundleFile, BundleHeader, BundlePlan,
    BundleReport, BundleRequest, Clone as DatabaseClone, Cloned, Credentials, Difference, Direction,
    Error as SyncError, FetchLimits, FetchOptions, FetchRequest, FetchWish, Fetched, Fetching, Here, HttpOptions,
    Listener, Location, Meeting, NodeName, NodeNameError, NotMoved, Offer, Offered, Peer, PeerNote, Progress, PushEdit,
    PushOptions, PushReport, PushRequest, PushWish, Pushed, Pushing, Remote, RemoteRef, ServeLimits, Server, Service,
    Source, SshOptions, Totals as StreamTotals, Traffic, Transport, Unit, Via, ViaFile, ViaLeft, ViaRequest, ViaState,
    WentBack, agree, by_command, by_daemon, by_http, meet, offer, pause_before, pull, push, take_bundle, to_database,
    upstream, via, write_file,
};
pub use tree::{
    Change, Child, Children, Conflict, Diff, Document, Documents, Edit, Edits, Error as TreeError, Finding,
    FolderCheck, FolderChecker, Key, KeyError, Range, Role, Tree,
};
