//! Any bytes as a bundle that somebody brings: its header, and its pack into the quarantine of a database.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use isodb::{
    BlobId, Bundle, BundleReport, Changeset, CommitInfo, Database, Expect, FaultDisk, Job, Kind, Loaded, Objects,
    Person, RefName, Runner, Script, ScriptFailure, SyncError, Verdict,
};

/// A pack above this size is refused.
const MAX_PACK: u64 = 1 << 16;

/// A database with one commit, on a disk in memory that each run has a copy of.
static DISK: LazyLock<FaultDisk> = LazyLock::new(|| {
    let disk = FaultDisk::new();
    isodb::init(&disk, Path::new("/x.isodb"), &RefName::from_user("main").unwrap()).unwrap();
    let db = open(&disk);
    let blob = BlobId(db.store().put(Kind::Blob, b"1").unwrap());
    let mut changes = Changeset::new();
    changes.put("a/b".parse().unwrap(), blob);
    let ann = Person::new("Ann", "ann@farm").unwrap();
    let info = CommitInfo {
        author: ann.clone(),
        author_time: 1_700_000_000,
        committer: ann,
        committer_time: 1_700_000_000,
        message: "put a/b".into(),
        signer: None,
    };
    db.commit(&RefName::head(), Expect::Absent, &changes, &info).unwrap();
    drop(db);
    disk
});

fn open(disk: &FaultDisk) -> Database {
    Database::open(Arc::new(disk.clone()), Path::new("/x.isodb")).unwrap()
}

/// Nothing that comes in has a merge script to run.
struct NoScripts;

impl Runner for NoScripts {
    fn load(&mut self, _: &Script) -> Result<Loaded, ScriptFailure> {
        Err(ScriptFailure("is not there".into()))
    }

    fn run(&mut self, _: &[Job]) -> Result<Vec<Verdict>, ScriptFailure> {
        Err(ScriptFailure("is not there".into()))
    }
}

fn take(data: &[u8]) -> Result<BundleReport, SyncError> {
    let disk = DISK.fork();
    let db = open(&disk);
    let files = disk.files().len();
    let bundle = Bundle::read(std::io::Cursor::new(data.to_vec()))?;
    let report = bundle.verify(&db, MAX_PACK, &mut NoScripts, &mut ());
    assert_eq!(disk.files().len(), files, "something of it stayed");
    report
}

/// What must hold whatever the bytes are.
pub fn run(data: &[u8]) {
    let _ = take(data);
}

/// Whether nothing is wrong with a bundle: so it is with seeds.
#[allow(dead_code)]
pub fn is_sound(data: &[u8]) -> bool {
    take(data).is_ok_and(|report| report.problems.is_empty())
}
