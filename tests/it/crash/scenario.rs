//! The writes that crash tests try: each a disk to start from, and one write.

use std::io::ErrorKind;
use std::path::Path;

use isodb::{
    Access, BlobId, Changeset, CommitId, Condition, Database, Disk as _, Edit, Edits, Error, Expect, FaultDisk, Ident,
    InProcess, Kind, Objects as _, RefEdit, RefMove, RefName, RefValue, Tree,
};

use super::examine::{info, open, put};

/// Where the database lies.
pub(super) const ROOT: &str = "/farm/.isodb";

const OBJECTS: &str = "/farm/.isodb/objects";

pub(super) type Run = fn(&FaultDisk) -> Result<Option<CommitId>, Error>;

pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// Makes the disk to start from.
    pub(super) prepare: fn(&FaultDisk),
    /// The write. Answers a commit that no ref leads to but that is promised.
    pub(super) run: Run,
}

pub(super) const ALL: &[Scenario] = &[
    Scenario { name: "init", prepare: |_| {}, run: init },
    Scenario { name: "init after a killed one", prepare: killed_init, run: init },
    Scenario { name: "the first put", prepare: empty, run: |disk| put_one(disk, "animals/bella", b"cow") },
    Scenario { name: "a put on others", prepare: some, run: |disk| put_one(disk, "animals/bella", b"calf") },
    Scenario { name: "a put of a known content", prepare: some, run: |disk| put_one(disk, "animals/clara", b"cow") },
    Scenario { name: "a put of nothing new", prepare: some, run: |disk| put_one(disk, "animals/bella", b"cow") },
    Scenario { name: "apply of 20", prepare: some, run: |disk| apply(disk, 20) },
    Scenario { name: "apply of 20 into a pack", prepare: packing, run: |disk| apply(disk, 20) },
    Scenario { name: "commits into a pack", prepare: packing, run: series },
    Scenario { name: "rm", prepare: some, run: rm },
    Scenario { name: "restore", prepare: some, run: restore },
    Scenario { name: "commit_on", prepare: some, run: commit_on },
    Scenario { name: "a fetch", prepare: some, run: let_in },
    Scenario { name: "a fetch into a pack", prepare: packing, run: let_in },
    Scenario { name: "ref set, new", prepare: some, run: |disk| set(disk, "refs/heads/team/x", Expect::Absent) },
    Scenario { name: "ref set, moved", prepare: named, run: |disk| set(disk, "refs/heads/team/x", Expect::Any) },
    Scenario { name: "ref set, packed", prepare: packed, run: |disk| set(disk, "refs/heads/team/x", Expect::Any) },
    Scenario { name: "ref delete", prepare: named, run: delete },
    Scenario { name: "ref delete, loose and packed", prepare: packed_and_moved, run: delete },
    Scenario { name: "ref delete, packed", prepare: packed, run: delete },
    Scenario { name: "pack-refs", prepare: named, run: |disk| open(disk, Path::new(ROOT))?.pack_refs().map(|()| None) },
    Scenario { name: "set_head", prepare: named, run: set_head },
    Scenario { name: "configure", prepare: some, run: configure },
    Scenario { name: "a put beside a killed one", prepare: named_by_another, run: same_put },
    Scenario {
        name: "a name beside a killed one",
        prepare: dirs_of_another,
        run: |disk| set(disk, "refs/heads/team/x", Expect::Absent),
    },
];

/// One write of several commits: when one of them fails, those before it are made.
pub(super) const SERIES: Scenario = Scenario { name: "a series of commits", prepare: some, run: series };

/// What the other program has not flushed may be torn before this put; after it, it may not.
pub(super) const BESIDE_GIT: Scenario =
    Scenario { name: "a put of what git has stored", prepare: unflushed_objects, run: same_put };

/// Too many operations for every test.
pub(super) const LARGE: Scenario = Scenario { name: "apply of 45", prepare: some, run: |disk| apply(disk, 45) };

fn name(text: &str) -> RefName {
    RefName::full(text).unwrap()
}

fn who() -> Ident {
    Ident::new("Ann", "ann@farm", 1_700_000_000).unwrap()
}

fn db(disk: &FaultDisk) -> Result<Database, Error> {
    open(disk, Path::new(ROOT))
}

// What is there before.

fn empty(disk: &FaultDisk) {
    disk.import(Path::new(ROOT).parent().unwrap(), None);
    init(disk).unwrap();
}

fn some(disk: &FaultDisk) {
    empty(disk);
    let db = db(disk).unwrap();
    for (key, content) in [("animals/bella", &b"cow"[..]), ("animals", b"all"), ("tools/fork", b"four\n")] {
        put(&db, key, content).unwrap();
    }
}

/// Where a few objects are enough for a pack.
fn packing(disk: &FaultDisk) {
    some(disk);
    db(disk).unwrap().configure(|config| config.with("core.unpackLimit", "4").map(Some)).unwrap();
}

fn named(disk: &FaultDisk) {
    some(disk);
    let db = db(disk).unwrap();
    let old = db.resolve("HEAD~1").unwrap();
    db.set_ref(&name("refs/heads/team/x"), Some(old), Expect::Absent, &who(), "made").unwrap();
    db.set_ref(&name("refs/tags/first"), Some(old), Expect::Absent, &who(), "made").unwrap();
}

fn packed(disk: &FaultDisk) {
    named(disk);
    db(disk).unwrap().pack_refs().unwrap();
}

fn packed_and_moved(disk: &FaultDisk) {
    packed(disk);
    set(disk, "refs/heads/team/x", Expect::Any).unwrap();
}

/// The directories of an init that was killed before it flushed anything.
fn killed_init(disk: &FaultDisk) {
    disk.import(Path::new(ROOT).parent().unwrap(), None);
    for dir in ["objects/pack", "objects/info", "refs/heads"] {
        disk.create_dir_all(&Path::new(ROOT).join(dir)).unwrap();
    }
}

/// Objects of another process, named but not flushed, that the next put needs.
fn named_by_another(disk: &FaultDisk) {
    some(disk);
    let is_named = |disk: &FaultDisk| {
        let commits = |disk: &FaultDisk| db(disk).unwrap().store().ids().unwrap().len();
        let whole = disk.fork();
        same_put(&whole).unwrap();
        commits(&whole)
    };
    let all = is_named(disk);
    for n in 0.. {
        let other = disk.fork();
        other.fail_at(n, ErrorKind::Other);
        let ended = same_put(&other);
        assert!(ended.is_err(), "some flush comes when all objects have their names");
        if db(&other).unwrap().store().ids().unwrap().len() == all {
            disk.fail_at(n, ErrorKind::Other);
            same_put(disk).unwrap_err();
            disk.heal();
            return;
        }
    }
}

/// The objects of the next put, as git writes them: whole files under their names, and nothing flushed.
fn unflushed_objects(disk: &FaultDisk) {
    some(disk);
    let after = disk.fork();
    same_put(&after).unwrap();
    for (path, content) in after.files() {
        let (true, true, Some(content)) = (path.starts_with(OBJECTS), disk.stat(&path).is_err(), content) else {
            continue;
        };
        disk.create_dir_all(path.parent().unwrap()).unwrap();
        disk.write_new(&path, &content, Access::ReadOnly).unwrap();
    }
}

/// Directories of another process, made but not flushed, that the next name needs.
fn dirs_of_another(disk: &FaultDisk) {
    some(disk);
    for dir in ["refs/heads/team", "logs/refs/heads/team"] {
        disk.create_dir_all(&Path::new(ROOT).join(dir)).unwrap();
    }
}

// What is written.

fn init(disk: &FaultDisk) -> Result<Option<CommitId>, Error> {
    isodb::init(disk, Path::new(ROOT), &name("refs/heads/main")).map(|_| None)
}

fn put_one(disk: &FaultDisk, key: &str, content: &[u8]) -> Result<Option<CommitId>, Error> {
    put(&db(disk)?, key, content).map(|_| None)
}

fn same_put(disk: &FaultDisk) -> Result<Option<CommitId>, Error> {
    put_one(disk, "animals/dora", b"goat")
}

fn apply(disk: &FaultDisk, count: usize) -> Result<Option<CommitId>, Error> {
    let db = db(disk)?;
    let mut changes = Changeset::new();
    for number in 0..count {
        let content = db.store().put(Kind::Blob, format!("{number}\n").as_bytes())?;
        changes.put(format!("fields/{}/{number}", number % 3).parse()?, BlobId(content));
    }
    changes.remove("tools/fork".parse()?);
    db.commit(&RefName::head(), Expect::Any, &changes, &info("apply")).map(|_| None)
}

fn rm(disk: &FaultDisk) -> Result<Option<CommitId>, Error> {
    let mut changes = Changeset::new();
    changes.require("tools/fork".parse()?, Condition::Exists);
    changes.remove("tools/fork".parse()?);
    db(disk)?.commit(&RefName::head(), Expect::Any, &changes, &info("rm")).map(|_| None)
}

fn restore(disk: &FaultDisk) -> Result<Option<CommitId>, Error> {
    let db = db(disk)?;
    let changes = Changeset::whole_tree(db.resolve_tree("HEAD~2")?);
    db.commit(&RefName::head(), Expect::Any, &changes, &info("restore")).map(|_| None)
}

fn series(disk: &FaultDisk) -> Result<Option<CommitId>, Error> {
    let db = db(disk)?;
    let mut all = Vec::new();
    for number in 0..3 {
        let content = db.store().put(Kind::Blob, &[number])?;
        let mut changes = Changeset::new();
        changes.put("counter".parse()?, BlobId(content));
        all.push((changes, info("count")));
    }
    let all: Vec<_> = all.iter().map(|(changes, info)| (changes, info)).collect();
    let series = db.commit_series(&RefName::head(), Expect::Any, &all)?;
    series.failed.map_or(Ok(None), Err)
}

fn commit_on(disk: &FaultDisk) -> Result<Option<CommitId>, Error> {
    let db = db(disk)?;
    let content = db.store().put(Kind::Blob, b"sheep")?;
    let mut changes = Changeset::new();
    changes.put("animals/emma".parse()?, BlobId(content));
    let parent = db.resolve_commit("HEAD~1")?;
    db.commit_on(&[parent], &changes, &info("beside"), &mut InProcess::new()?).map(|outcome| outcome.head)
}

/// Lets in a commit that somebody else made on top of ours, as a fetch does.
fn let_in(disk: &FaultDisk) -> Result<Option<CommitId>, Error> {
    let db = db(disk)?;
    let quarantine = db.quarantine()?;
    let store = quarantine.store();
    let parent = db.resolve_commit("HEAD")?;
    let mut edits = Edits::new();
    for number in 0..4 {
        let content = store.put(Kind::Blob, format!("{number}\n").as_bytes())?;
        edits.push(&format!("fields/{number}").parse()?, Edit::Put(BlobId(content).into()));
    }
    let tree = Tree::new(store, store.commit(parent)?.tree).edit(&edits)?.id();
    let by = "Bo <bo@barn> 1700000000 +0000";
    let commit = format!("tree {tree}\nparent {parent}\nauthor {by}\ncommitter {by}\n\nfrom the barn\n");
    let new = store.put(Kind::Commit, commit.as_bytes())?;
    let name = name("refs/remotes/barn/main");
    let refusals = quarantine.check(&[RefMove { name: name.clone(), old: None, new }], &mut InProcess::new()?)?;
    assert!(refusals.is_empty(), "{refusals:?}");
    let new = Some(RefValue::Id(new));
    let edit = RefEdit { name, expect: Expect::Any, new, message: "fetch: new".into() };
    let (_accepted, moved) = quarantine.accept_and_move(vec![edit], &who())?;
    moved.map(|()| None)
}

fn set(disk: &FaultDisk, to: &str, expect: Expect) -> Result<Option<CommitId>, Error> {
    let db = db(disk)?;
    let id = db.resolve("HEAD")?;
    db.set_ref(&name(to), Some(id), expect, &who(), "set").map(|()| None)
}

fn delete(disk: &FaultDisk) -> Result<Option<CommitId>, Error> {
    db(disk)?.set_ref(&name("refs/heads/team/x"), None, Expect::Any, &who(), "delete").map(|()| None)
}

fn set_head(disk: &FaultDisk) -> Result<Option<CommitId>, Error> {
    db(disk)?.set_head(&name("refs/heads/team/x"), &who(), "go").map(|()| None)
}

fn configure(disk: &FaultDisk) -> Result<Option<CommitId>, Error> {
    db(disk)?.configure(|config| config.with("user.name", "Ann").map(Some)).map(|_| None)
}
