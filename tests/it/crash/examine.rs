//! Opens a disk that something happened to, and asserts that it holds a whole database in a state that is allowed.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashSet};
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use isodb::{
    BlobId, Changeset, CommitId, CommitInfo, Database, Disk, Error, Expect, FaultDisk, Id, Kind, Objects as _, Outcome,
    Person, Range, RefName, RefValue, Severity,
};

/// All that the users of a database can tell apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    head: Option<RefValue>,
    refs: Vec<(RefName, Id)>,
    /// The documents of each ref's commit.
    documents: BTreeMap<(RefName, String), Vec<u8>>,
    config: String,
}

impl State {
    /// `None` where there is no database (yet).
    pub(super) fn read(disk: &FaultDisk, root: &Path) -> Option<State> {
        let db = match Database::open(Arc::new(disk.clone()), root) {
            Ok(db) => db,
            Err(Error::NotADatabase { .. }) => return None,
            Err(error) => panic!("it does not open: {error}"),
        };
        let head = db.refs().read(&RefName::head()).unwrap();
        let refs = db.refs().list("refs/").unwrap();
        let mut documents = BTreeMap::new();
        for (name, id) in &refs {
            for (key, content) in documents_of(&db, CommitId(*id)) {
                documents.insert((name.clone(), key), content);
            }
        }
        Some(State { head, refs, documents, config: db.config().text() })
    }
}

/// A commit's documents, all of them read whole.
pub(super) fn documents_of(db: &Database, commit: CommitId) -> BTreeMap<String, Vec<u8>> {
    let documents = db.tree_of(Some(commit)).unwrap().documents(Range::default()).unwrap();
    let read = |item: Result<(isodb::Key, isodb::Document), isodb::TreeError>| {
        let (key, document) = item.unwrap();
        (key.text().into_owned(), db.store().get(document.blob.0).unwrap().expect("the content is there").body)
    };
    documents.map(read).collect()
}

pub(super) fn info(message: &str) -> CommitInfo {
    let person = Person::new("Ann", "ann@farm").unwrap();
    CommitInfo {
        author: person.clone(),
        author_time: 1_700_000_000,
        committer: person,
        committer_time: 1_700_000_000,
        message: message.to_owned(),
        signer: None,
    }
}

/// Puts one document on the current ref.
pub(super) fn put(db: &Database, key: &str, content: &[u8]) -> Result<Outcome, Error> {
    let blob = db.store().put(Kind::Blob, content)?;
    let mut changes = Changeset::new();
    changes.put(key.parse()?, BlobId(blob));
    db.commit(&RefName::head(), Expect::Any, &changes, &info(&format!("put {key}")))
}

/// Asserts that fsck finds no error; warnings (a torn line of a log) are allowed.
pub(super) fn assert_sound(db: &Database, what: &str) {
    let mut problems = Vec::new();
    db.fsck(None, &mut |problem| problems.push(problem), &mut |_, _, _| {}).unwrap();
    problems.retain(|problem| problem.severity == Severity::Error);
    assert!(problems.is_empty(), "{what}: {problems:#?}");
}

/// What may be found.
#[derive(Clone, Debug)]
pub(super) struct Allowed {
    pub(super) old: Option<State>,
    pub(super) new: Option<State>,
    /// Whether the new state was acknowledged, so that only it is allowed.
    pub(super) is_acked: bool,
    /// A commit that was promised without a ref that leads to it.
    pub(super) promised: Option<(CommitId, BTreeMap<String, Vec<u8>>)>,
}

/// Examines disks, each that is like another but once.
#[derive(Default)]
pub(super) struct Examiner {
    seen: HashSet<u64>,
    /// Whether disks are alike that differ only in their temporary files.
    is_coarse: bool,
}

impl Examiner {
    /// For large commits, where small ones have shown that nobody reads a temporary file of another process.
    pub(super) fn coarse() -> Examiner {
        Examiner { is_coarse: true, ..Examiner::default() }
    }

    /// How many different disks were examined.
    pub(super) fn count(&self) -> usize {
        self.seen.len()
    }

    /// Asserts all that must hold of a disk which nobody writes to any more. It is written to.
    pub(super) fn examine(&mut self, disk: &FaultDisk, root: &Path, allowed: &Allowed, what: &str) {
        let mut hasher = DefaultHasher::new();
        let mut files = disk.files();
        if self.is_coarse {
            let is_temporary =
                |path: &Path| path.starts_with(root.join("isodb/tmp")) || path.to_string_lossy().contains("/tmp_");
            files.retain(|(path, _)| !is_temporary(path));
        }
        (files, allowed.is_acked, allowed.promised.is_some()).hash(&mut hasher);
        if !self.seen.insert(hasher.finish()) {
            return;
        }
        let state = State::read(disk, root);
        if allowed.is_acked {
            assert!(state == allowed.new, "{what}: the acknowledged state is lost");
        } else {
            assert!(state == allowed.old || state == allowed.new, "{what}: it is in neither state: {state:#?}");
        }
        if state.is_none() {
            isodb::init(disk, root, &RefName::full("refs/heads/main").unwrap())
                .unwrap_or_else(|e| panic!("{what}: {e}"));
        }
        let db = Database::open(Arc::new(disk.clone()), root).unwrap();
        assert_sound(&db, what);
        if let Some((commit, documents)) = &allowed.promised {
            assert_eq!(documents_of(&db, *commit), *documents, "{what}: the promised commit");
        }

        // The next write succeeds, and sweeps what died long ago.
        disk.set_clock(SystemTime::UNIX_EPOCH + Duration::from_secs(10 * 86_400));
        let next = put(&db, "after/the/crash", b"next").unwrap_or_else(|error| panic!("{what}: the next put: {error}"));
        let durable = disk.after_power_cut(isodb::Survivors::SYNCED);
        let db = Database::open(Arc::new(durable), root).unwrap();
        let documents = documents_of(&db, next.head.expect("a put makes a commit"));
        assert_eq!(documents.get("after/the/crash").map(Vec::as_slice), Some(&b"next"[..]), "{what}: the next put");
        assert_sound(&db, &format!("{what}, and the next put"));
        assert_eq!(left_behind(disk, root), Vec::<PathBuf>::new(), "{what}: temporary files are left for ever");
    }
}

/// What lies where temporary files are written, and what is named like one elsewhere.
fn left_behind(disk: &FaultDisk, root: &Path) -> Vec<PathBuf> {
    let temporary = root.join("isodb").join("tmp");
    let is_left =
        |path: &PathBuf| path.starts_with(&temporary) && *path != temporary || path.to_string_lossy().ends_with("-new");
    disk.files().into_iter().map(|(path, _)| path).filter(is_left).collect()
}

/// Opens a database on a disk of tests.
pub(super) fn open(disk: &FaultDisk, root: &Path) -> Result<Database, Error> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Database::open(disk, root)
}
