//! What the bodies of several targets need: a small database on a disk in memory, and merges that have no scripts.

use std::path::Path;
use std::sync::Arc;

use isodb::{
    BlobId, Changeset, CommitId, CommitInfo, Database, Expect, FaultDisk, Job, Kind, Loaded, Objects, Person, RefName,
    Runner, Script, ScriptFailure, Verdict,
};

/// Where the database is.
const ROOT: &str = "/x.isodb";

/// A disk with an empty database.
pub fn empty() -> FaultDisk {
    let disk = FaultDisk::new();
    isodb::init(&disk, Path::new(ROOT), &RefName::from_user("main").unwrap()).unwrap();
    disk
}

/// A disk with a database of one commit, and the commit.
pub fn farm() -> (FaultDisk, CommitId) {
    let disk = empty();
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
    let head = db.commit(&RefName::head(), Expect::Absent, &changes, &info).unwrap().head.unwrap();
    drop(db);
    (disk, head)
}

/// The database on a disk.
pub fn open(disk: &FaultDisk) -> Database {
    Database::open(Arc::new(disk.clone()), Path::new(ROOT)).unwrap()
}

/// Nothing that comes in has a merge script to run.
pub struct NoScripts;

impl Runner for NoScripts {
    fn load(&mut self, _: &Script) -> Result<Loaded, ScriptFailure> {
        Err(ScriptFailure("is not there".into()))
    }

    fn run(&mut self, _: &[Job]) -> Result<Vec<Verdict>, ScriptFailure> {
        Err(ScriptFailure("is not there".into()))
    }
}
