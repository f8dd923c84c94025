//! Tests of trust: histories made by several people, some of whom mean no good, with keys that are made from numbers.

mod clauses;
mod flips;
mod hostile;
mod lists;
mod memory;
mod rotation;

use std::path::Path;

use super::*;
use crate::database::tests::{NoScripts, database, reopen};
use crate::disk::{Disk, FaultDisk};
use crate::object::{BlobId, Commit, Id, Ident, Kind, Objects, TreeId};
use crate::refs::{Expect, RefName};
use crate::sign::{AllowedSigner, HEADER, NAMESPACE, PrivateKey, Signer};
use crate::tree::{Edit, Key};

/// The key of the list.
const ALLOWED_SIGNERS: &str = "_isodb/trust/allowed_signers";

/// Somebody with a key.
struct Who {
    email: &'static str,
    key: PrivateKey,
}

impl Who {
    fn new(number: u8, email: &'static str) -> Who {
        Who { email, key: PrivateKey::generate([number; 32], email) }
    }

    /// The line that lets her sign, with clauses.
    fn line(&self, keys: &[&str]) -> String {
        let mut signer = AllowedSigner::new(self.email, self.key.public_key().clone());
        signer.keys = keys.iter().map(|&key| key.to_owned()).collect();
        format!("{signer}\n")
    }

    fn revoked(&self) -> String {
        format!("# isodb:revoked {}\n", self.key.public_key())
    }
}

fn ann() -> Who {
    Who::new(1, "ann@farm")
}

fn bo() -> Who {
    Who::new(2, "bo@farm")
}

fn eve() -> Who {
    Who::new(3, "eve@elsewhere")
}

/// A database whose anchors are some keys.
fn anchored(keys: &[&Who]) -> (FaultDisk, Database) {
    let (disk, mut db) = database();
    let mut anchors = Anchors::default();
    keys.iter().for_each(|who| anchors.add_key(who.key.public_key()));
    db.configure(|config| anchors.write_to(config).map(Some)).unwrap();
    (disk, db)
}

fn set(db: &mut Database, name: &str, value: &str) {
    db.configure(|config| config.with(name, value).map(Some)).unwrap();
}

fn blob(store: &impl Objects, text: &str) -> BlobId {
    BlobId(store.put(Kind::Blob, text.as_bytes()).unwrap())
}

/// Puts a commit, signed by somebody.
fn put(store: &impl Objects, by: Option<&Who>, email: &str, tree: TreeId, parents: &[CommitId], time: i64) -> CommitId {
    let who = Ident::new("Somebody", email, time).unwrap();
    let mut commit = Commit {
        tree,
        parents: parents.to_vec(),
        author: who.clone(),
        committer: who,
        headers: Vec::new(),
        message: b"a change\n".to_vec(),
    };
    if let Some(by) = by {
        let signature = by.key.sign(NAMESPACE, &commit.encode()).unwrap();
        commit.headers.push((HEADER.to_owned(), signature.armor().into_bytes()));
    }
    CommitId(store.put(Kind::Commit, &commit.encode()).unwrap())
}

/// What a commit changes: documents with their new contents, or (`None`) without.
type Puts<'a> = &'a [(&'a str, Option<&'a str>)];

/// The tree of some parents with a change.
fn tree_of(db: &Database, parents: &[CommitId], puts: Puts<'_>) -> TreeId {
    let base = match parents {
        [] | [_] => db.tree_of(parents.first().copied()).unwrap().id(),
        _ => db.merged_tree(parents, &mut NoScripts).unwrap(),
    };
    let edit = |(key, content): &(&str, Option<&str>)| {
        let edit = content.map_or(Edit::Remove, |text| Edit::Put(blob(db.store(), text).into()));
        (key.parse::<Key>().unwrap(), edit)
    };
    db.tree(base).edit(&puts.iter().map(edit).collect()).unwrap().id()
}

/// A commit as somebody makes it who plays by the rules, at the time of its latest parent and a second.
fn change(db: &Database, by: &Who, parents: &[CommitId], puts: Puts<'_>) -> CommitId {
    let times = parents.iter().map(|parent| db.store().commit(*parent).unwrap().committer.seconds());
    let time = times.max().unwrap_or(1000) + 1;
    change_at(db, Some(by), parents, puts, time)
}

fn change_at(db: &Database, by: Option<&Who>, parents: &[CommitId], puts: Puts<'_>, time: i64) -> CommitId {
    let tree = tree_of(db, parents, puts);
    let id = put(db.store(), by, by.map_or("nobody@farm", |by| by.email), tree, parents, time);
    db.store().flush(&[]).unwrap();
    id
}

/// Changes the list of allowed signers.
fn list(db: &Database, by: &Who, parents: &[CommitId], lines: &[String]) -> CommitId {
    change(db, by, parents, &[(ALLOWED_SIGNERS, Some(&lines.concat()))])
}

/// Makes a branch lead to a commit.
fn branch(db: &Database, name: &str, to: CommitId) {
    let who = Ident::new("Ann", "ann@farm", 1).unwrap();
    db.set_ref(&RefName::from_user(name).unwrap(), Some(to.0), Expect::Any, &who, "test").unwrap();
}

fn standing(db: &Database, commit: CommitId) -> Standing {
    db.standing(commit, &mut NoScripts).unwrap()
}

fn word(db: &Database, commit: CommitId) -> &'static str {
    standing(db, commit).word()
}

/// How all commits stand that some heads lead to, newest first.
fn verified(db: &Database, heads: &[CommitId]) -> Vec<(Id, &'static str)> {
    let mut found = Vec::new();
    let mut add = |one: Judged| found.push((one.id, one.standing.word()));
    db.verify(heads, &[], &mut NoScripts, &mut add, &mut |_, _| ()).unwrap();
    found
}
