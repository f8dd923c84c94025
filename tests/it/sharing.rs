//! The library as a client of git's own services: what it fetches and pushes there is sound by git's own check.

use std::process::Command;
use std::sync::Arc;

use isodb::{
    CommitId, Database, Expect, FetchOptions, Fetching, Ident, OsDisk, PushEdit, PushOptions, Pushing, RefName,
    Service, Transport, by_command,
};

use crate::support::Sandbox;

pub(crate) fn open(sandbox: &Sandbox) -> Database {
    Database::open(Arc::new(OsDisk::without_sync()), &sandbox.db()).unwrap()
}

/// git's services of a repository in a directory of the sandbox.
fn git(sandbox: &Sandbox, name: &str) -> impl Transport + use<> {
    let dir = sandbox.path().join(name);
    let start = move |service| {
        let mut command = Command::new("git");
        let name = match service {
            Service::UploadPack => "upload-pack",
            Service::ReceivePack => "receive-pack",
        };
        command.arg(name).arg(&dir);
        command
    };
    by_command(start, None)
}

fn main_ref() -> RefName {
    RefName::from_user("main").unwrap()
}

fn head(db: &Database) -> CommitId {
    db.head().unwrap().1.unwrap()
}

/// Pushes where HEAD is; answers how many objects went.
fn push(db: &Database, transport: &mut dyn Transport) -> u64 {
    let mut pushing = Pushing::open(transport).unwrap();
    let old = pushing.refs().iter().find(|(name, _)| *name == main_ref()).map(|(_, id)| *id);
    let edit = PushEdit { name: main_ref(), old, new: Some(head(db).0) };
    let options = PushOptions { is_atomic: true };
    let report = pushing.push(db, &[edit], options, &mut ()).unwrap();
    assert_eq!(report.refused, [None]);
    report.objects
}

/// Fetches what `main` leads to and moves the ref here; answers how many objects came.
pub(crate) fn fetch(db: &Database, transport: &mut dyn Transport) -> u32 {
    let mut fetching = Fetching::open(transport).unwrap();
    let refs = fetching.refs(&["refs/heads/".into()]).unwrap();
    let [found] = &refs[..] else { panic!("{refs:?}") };
    let id = found.id.unwrap();
    let haves: Vec<CommitId> = db.refs().list("refs/heads/").unwrap().into_iter().map(|(_, id)| CommitId(id)).collect();
    let options = FetchOptions { wants: &[id], haves: &haves, with_tags: true, max_pack: 1 << 30 };
    let received = fetching.fetch(db, db.store(), &options, &mut ()).unwrap();
    let count = received.count();
    received.keep().unwrap();
    let who = Ident::new("Ann", "ann@farm", 1).unwrap();
    db.set_ref(&main_ref(), Some(id), Expect::Any, &who, "fetch").unwrap();
    count
}

#[test]
fn many_rounds_with_git() {
    let [here, there] = [Sandbox::with_database(), Sandbox::with_database()];
    here.bash("git init -q --bare -b main --object-format=sha256 git").ok();
    here.isodb_with_input(["put", "a"], "1").ok();
    push(&open(&here), &mut git(&here, "git"));
    fetch(&open(&there), &mut git(&here, "git"));
    let many = |sandbox: &Sandbox, who: &str| {
        let lines = format!("seq 120 | sed 's/.*/{{\"key\":\"{who}\",\"value\":&}}/' | isodb apply --each -q > out");
        sandbox.bash(&lines).ok();
    };
    many(&here, "x");
    many(&there, "y");
    push(&open(&here), &mut git(&here, "git"));
    let came = fetch(&open(&there), &mut git(&here, "git"));
    assert!((120 * 4 - 10..=120 * 4 + 10).contains(&came), "{came}");
    there.check_with_git();
}
