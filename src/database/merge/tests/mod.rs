//! Tests of merging histories: against computed examples, against a model on maps, and what must hold of any merge.

mod algebra;
mod check;
mod crossing;
mod histories;
mod incremental;
mod latest;
mod model;
mod moves;
mod rules;
mod vectors;

use std::collections::BTreeMap;

use super::*;
use crate::database::changeset::Changeset;
use crate::database::commit::CommitInfo;
use crate::database::tests::{NoScripts, database, ident, put_commit, reopen, sample};
use crate::object::{BlobId, TreeId};
use crate::tree::Key;

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

/// The head of a node that knows these commits.
fn merged(db: &Database, heads: &[CommitId]) -> MergeOutcome {
    db.merge_of(heads, &mut NoScripts).unwrap()
}

/// An authored commit on the merge of some others: `puts` writes documents, or (`None`) removes them.
fn author(db: &Database, name: &str, on: &[CommitId], puts: &[(String, Option<String>)], time: i64) -> CommitId {
    let parents: Vec<CommitId> = if on.is_empty() { Vec::new() } else { vec![merged(db, on).head] };
    let latest = parents.iter().map(|id| db.store().commit(*id).unwrap().committer.seconds()).max().unwrap_or(0);
    let mut changes = Changeset::new();
    for (at, content) in puts {
        match content {
            Some(text) => changes.put(key(at), BlobId(db.store().put(Kind::Blob, text.as_bytes()).unwrap())),
            None => changes.remove(key(at)),
        }
    }
    let who = Person::new(name, &format!("{name}@farm")).unwrap();
    let time = time.max(latest);
    let info = CommitInfo {
        author: who.clone(),
        author_time: time,
        committer: who,
        committer_time: time,
        message: name.to_owned(),
        signer: None,
    };
    let tree = changes.apply(&db.tree_of(parents.first().copied()).unwrap()).unwrap().id();
    // One that changes nothing is a commit all the same.
    let commit = Commit {
        tree,
        parents,
        author: info.author.at(time).unwrap(),
        committer: info.committer.at(time).unwrap(),
        headers: Vec::new(),
        message: format!("{name}\n").into_bytes(),
    };
    let id = db.store().put(Kind::Commit, &commit.encode()).unwrap();
    db.store().flush(&[]).unwrap();
    CommitId(id)
}

/// Every document of a commit: the contents of its versions in the order of their ids, `None` for the deletion.
fn documents(db: &Database, commit: CommitId) -> BTreeMap<String, Vec<Option<Vec<u8>>>> {
    let tree = db.tree_of(Some(commit)).unwrap();
    let mut all = BTreeMap::new();
    for document in tree.documents(Default::default()).unwrap() {
        let (key, document) = document.unwrap();
        let versions = match document.conflict {
            None => vec![Some(db.store().blob(document.blob).unwrap())],
            Some(id) => {
                let conflict = tree.conflict(id).unwrap();
                let deleted = conflict.deleted.then_some(None);
                let contents = conflict.versions.iter().map(|id| Some(db.store().blob(*id).unwrap()));
                deleted.into_iter().chain(contents).collect()
            }
        };
        all.insert(key.text().into_owned(), versions);
    }
    all
}
