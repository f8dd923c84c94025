//! Tests of histories: made at random, with merges, clocks that go wrong and folders that are cut anew.

mod ancestry;
mod conflicts;
mod feed;
mod graph;
mod history;
mod origins;
mod repair;
mod rule_test;
mod signing;

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::{Database, init};
use crate::disk::{Disk, FaultDisk, OsDisk};
use crate::object::{BlobId, Commit, CommitId, Ident, Kind, Objects, TreeId};
use crate::refs::{Expect, RefName};
use crate::script::{Failure, Job, Loaded, Runner, Script, Verdict};
use crate::tree::{Edit, Edits, Key, Tree};

/// For merges that need no script.
pub(crate) struct NoScripts;

impl Runner for NoScripts {
    fn load(&mut self, _: &Script) -> Result<Loaded, Failure> {
        Err(Failure("is not there in this test".into()))
    }

    fn run(&mut self, _: &[Job]) -> Result<Vec<Verdict>, Failure> {
        Err(Failure("is not there in this test".into()))
    }
}

/// One commit of a history: how it comes from those before it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Which of the earlier commits are its parents; of the first of them it takes the documents.
    parents: Vec<prop::sample::Index>,
    /// Its committer's time.
    time: i64,
    /// Documents that it writes or (`None`) removes.
    edits: Vec<(u16, Option<u8>)>,
}

/// Numbers of keys, some of which come up often.
fn number() -> impl Strategy<Value = u16> {
    prop_oneof![0..NUMBERS, (0..12u16).prop_map(|n| n * 25)]
}

/// How many keys there are; all but the last ten lie in one folder, which gets parts when it has more than 64 children.
const NUMBERS: u16 = 300;

/// Most commits follow the one before; some start anew, some merge. A few change so much that no filter lists it.
pub(crate) fn steps(longest: usize) -> impl Strategy<Value = Vec<Step>> {
    let parents = prop_oneof![
        6 => Just(vec![]),
        2 => prop::collection::vec(any::<prop::sample::Index>(), 1..2),
        2 => prop::collection::vec(any::<prop::sample::Index>(), 2..4),
    ];
    let edit = |kept: f64| (number(), prop::option::weighted(kept, 0u8..3));
    let (few, many) = (prop::collection::vec(edit(0.5), 0..4), prop::collection::vec(edit(0.95), 100..260));
    let edits = prop_oneof![8 => few, 1 => many];
    let step = (parents, 0i64..60, edits).prop_map(|(parents, time, edits)| Step { parents, time, edits });
    prop::collection::vec(step, 1..longest)
}

/// A value that is the same in every run.
pub(crate) fn sample<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>, nth: usize) -> T {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut values = (0..=nth).map(|_| strategy.new_tree(&mut runner).expect("the strategy rejects nothing").current());
    values.nth(nth).expect("there are as many")
}

pub(crate) fn key(number: u16) -> Key {
    let few = number.checked_sub(NUMBERS - 10);
    let text = few.map_or_else(|| format!("many/{number}/x"), |few| format!("few/{few}"));
    text.parse().unwrap()
}

pub(crate) fn database() -> (FaultDisk, Database) {
    let disk = FaultDisk::new();
    let root = Path::new("/farm.isodb");
    init(&disk, root, &RefName::from_user("main").unwrap()).unwrap();
    let db = reopen(&disk);
    (disk, db)
}

pub(crate) fn reopen(disk: &FaultDisk) -> Database {
    Database::open(Arc::new(disk.clone()), Path::new("/farm.isodb")).unwrap()
}

/// A database in the machine's files.
fn database_in(dir: &Path) -> Database {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::without_sync());
    init(&*disk, dir, &RefName::from_user("main").unwrap()).unwrap();
    Database::open(disk, dir).unwrap()
}

pub(crate) fn ident(time: i64) -> Ident {
    Ident::new("Ann", "ann@farm", time).unwrap()
}

pub(crate) fn put_commit(db: &Database, tree: TreeId, parents: Vec<CommitId>, time: i64, message: &str) -> CommitId {
    let (author, committer) = (ident(time), ident(time));
    let commit = Commit { tree, parents, author, committer, headers: Vec::new(), message: message.into() };
    CommitId(db.store().put(Kind::Commit, &commit.encode()).unwrap())
}

/// Makes the commits, each with its place in the list as its message.
pub(crate) fn make(db: &Database, steps: &[Step]) -> Vec<CommitId> {
    let mut made: Vec<CommitId> = Vec::new();
    for (n, step) in steps.iter().enumerate() {
        let mut parents: Vec<CommitId> = Vec::new();
        if n > 0 {
            for at in &step.parents {
                let parent = made[at.index(n)];
                if !parents.contains(&parent) {
                    parents.push(parent);
                }
            }
            if step.parents.is_empty() && step.time != 0 {
                parents.push(made[n - 1]);
            }
        }
        let tree = parents.first().map_or(TreeId::EMPTY, |id| db.store().commit(*id).unwrap().tree);
        let edit = |(number, content): &(u16, Option<u8>)| {
            let put = |byte| Edit::Put(BlobId(db.store().put(Kind::Blob, &[byte]).unwrap()).into());
            (key(*number), content.map_or(Edit::Remove, put))
        };
        let edits: Edits = step.edits.iter().map(edit).collect();
        let tree = Tree::new(db.store(), tree).edit(&edits).unwrap().id();
        made.push(put_commit(db, tree, parents, step.time, &n.to_string()));
    }
    db.store().flush(&[]).unwrap();
    made
}

/// Makes a branch lead to each of some commits, so that git keeps and finds them.
fn name(db: &Database, commits: &[CommitId]) {
    for (n, id) in commits.iter().enumerate() {
        let name = RefName::from_user(&format!("b{n}")).unwrap();
        db.set_ref(&name, Some(id.0), Expect::Any, &ident(1), "test").unwrap();
    }
}

#[test]
fn a_directory_that_git_has_removed_needs_no_flush() {
    let dir = tempfile::tempdir().unwrap();
    database_in(dir.path());
    let db = Database::open(Arc::new(OsDisk::new()), dir.path()).unwrap();
    let gone = db.root().join("refs/heads/gone/too");
    assert_eq!(db.disk.sync(&[gone.join("a")]).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    db.sync_changed("refs/heads/gone/too/a", &[gone.join("a"), db.root().join("refs")]).unwrap();
    assert_eq!(db.what_is_left(&[gone]), [db.root().join("refs/heads")]);
}
