//! Many clients at once: nothing that one of them was told is done gets lost.

use std::sync::Arc;

use isodb::{
    BlobId, Changeset, CommitId, CommitInfo, Database, HttpOptions, InProcess, Kind, Objects, OsDisk, Person, PushEdit,
    PushOptions, Pushing, RefName,
};

use super::Farm;
use crate::sharing::fetch;
use crate::support::Sandbox;

/// How many clients push to one ref.
const CLIENTS: usize = 32;

fn commit(db: &Database, on: Option<CommitId>, key: &str) -> CommitId {
    let mut changes = Changeset::new();
    changes.put(key.parse().unwrap(), BlobId(db.store().put(Kind::Blob, key.as_bytes()).unwrap()));
    let who = Person::new("Ann", "ann@farm").unwrap();
    let info = CommitInfo {
        author: who.clone(),
        author_time: 1,
        committer: who,
        committer_time: 1,
        message: key.to_owned(),
        signer: None,
    };
    let parents: Vec<CommitId> = on.into_iter().collect();
    db.commit_on(&parents, &changes, &info, &mut InProcess::new().unwrap()).unwrap().head.unwrap()
}

/// Pushes a commit upon what is there until it is taken; answers how often.
fn insist(url: &str, key: &str) -> usize {
    let sandbox = Sandbox::in_memory();
    let path = sandbox.path().join("x.isodb");
    let name = RefName::from_user("main").unwrap();
    let disk = Arc::new(OsDisk::without_sync());
    isodb::init(&*disk, &path, &name).unwrap();
    let db = Database::open(disk, &path).unwrap();
    let mut transport = isodb::by_http(url, &HttpOptions::default()).unwrap();
    for tries in 1.. {
        let found = Pushing::open(&mut transport).unwrap().refs().first().map(|(_, id)| CommitId(*id));
        if found.is_some() {
            fetch(&db, &mut transport);
        }
        let on = db.refs().get(&name).unwrap().map(CommitId);
        let made = commit(&db, on, key);
        let edit = PushEdit { name: name.clone(), old: on.map(|id| id.0), new: Some(made.0) };
        let mut pushing = Pushing::open(&mut transport).unwrap();
        let report = pushing.push(&db, &[edit], PushOptions::default(), &mut ()).unwrap();
        match &report.refused[0] {
            None => return tries,
            Some(reason) => assert!(reason.contains("fetch first"), "{reason}"),
        }
    }
    unreachable!("it insists")
}

#[test]
fn what_many_push_to_one_ref_is_all_there() {
    let farm = Farm::new();
    farm.isodb(&["config", "core.fsync", "none"]).ok();
    farm.isodb(&["config", "user.name", "server"]).ok();
    let server = farm.serve(&["-q"]);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let url = &server.url;
            scope.spawn(move || insist(url, &format!("client/{client}")));
        }
    });
    server.stop();
    let logged = farm.isodb(&["log", "--oneline"]).ok().lines().len();
    assert_eq!(logged, CLIENTS, "each push is a commit upon the one before");
    let keys = farm.isodb(&["ls", "-r", "--count"]).ok().line();
    assert_eq!(keys, CLIENTS.to_string());
    farm.check(&["farm.isodb"]);
}
