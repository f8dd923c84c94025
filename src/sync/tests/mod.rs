//! Databases that exchange what they have, over pipes to threads: any history, and hostile peers.

mod agree;
mod exchange;
mod facade;
mod hostile;
mod meet;
mod negotiate;
mod via;

use std::io::{Read, Write};
use std::sync::Arc;

use super::pktline::{Packet, Packets, write_data};
use super::*;
use crate::database::tests::{Step, database, ident, make, put_commit, reopen};
use crate::database::{Database, GcRequest};
use crate::object::{BlobId, CommitId, Id, Kind, Objects};
use crate::refs::{Expect, RefName};
use crate::script::InProcess;
use crate::tree::{Edit, Edits, Tree};

pub(crate) fn runner() -> std::io::Result<InProcess> {
    InProcess::new().map_err(|failure| std::io::Error::other(failure.to_string()))
}

/// A transport to a database.
pub(crate) fn to(db: &Arc<Database>) -> impl Transport + use<> {
    to_database(db.clone(), ident(9), runner)
}

pub(super) fn empty() -> Arc<Database> {
    Arc::new(database().1)
}

/// A transport to a server that does not speak the stream.
pub(crate) struct Plain<T>(pub(crate) T);

impl<T: Transport> Transport for Plain<T> {
    fn advertisement(&mut self, service: Service) -> Result<Box<dyn Read + '_>, Error> {
        let (mut said, mut source) = (Vec::new(), self.0.advertisement(service)?);
        let mut packets = Packets::new(&mut *source);
        loop {
            match packets.expect()? {
                Packet::Data(data) => {
                    let text = String::from_utf8_lossy(data).replace("isodb-stream=1", "isodb-stream=0");
                    write_data(&mut said, text.as_bytes()).unwrap();
                }
                _ => break said.extend_from_slice(b"0000"),
            }
        }
        Ok(Box::new(std::io::Cursor::new(said)))
    }

    fn call(
        &mut self,
        service: Service,
        body: &mut dyn FnMut(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<Box<dyn Read + '_>, Error> {
        self.0.call(service, body)
    }
}

pub(crate) fn branch(text: &str) -> RefName {
    RefName::from_user(text).unwrap()
}

pub(crate) fn set(db: &Database, name: &str, id: CommitId) {
    db.set_ref(&branch(name), Some(id.0), Expect::Any, &ident(1), "test").unwrap();
}

/// A database with a history, of whose commits each has a branch, in a pack or not; and the commits.
pub(crate) fn with_history(steps: &[Step], packed: bool) -> (Database, Vec<CommitId>) {
    let (disk, db) = database();
    let made = make(&db, steps);
    made.iter().enumerate().for_each(|(n, id)| set(&db, &format!("b{n}"), *id));
    if packed {
        db.gc(&GcRequest::default(), &mut |_, _, _| ()).unwrap();
    }
    (reopen(&disk), made)
}

/// Fetches and keeps; answers how many objects came.
fn fetch(from: &Arc<Database>, into: &Database, wants: &[CommitId], haves: &[CommitId]) -> Result<u32, Error> {
    let wants: Vec<Id> = wants.iter().map(|id| id.0).collect();
    let options = FetchOptions { wants: &wants, haves, with_tags: true, max_pack: 1 << 30 };
    let mut transport = to(from);
    let received = Fetching::open(&mut transport)?.fetch(into, into.store(), &options, &mut ())?;
    let count = received.count();
    received.keep()?;
    Ok(count)
}

fn push(from: &Database, to: &mut dyn Transport, edits: &[PushEdit]) -> Result<PushReport, Error> {
    Pushing::open(to)?.push(from, edits, PushOptions::default(), &mut ())
}

fn edit(name: &str, old: Option<CommitId>, new: Option<CommitId>) -> PushEdit {
    PushEdit { name: branch(name), old: old.map(|id| id.0), new: new.map(|id| id.0) }
}

/// All is there that these lead to.
pub(crate) fn assert_whole(db: &Database, heads: &[CommitId]) {
    let commits = db.commits_since(heads, &[]).unwrap();
    db.store().check_connected(&commits, &[]).unwrap();
}

/// A commit with some documents more than another, in a folder of many.
pub(crate) fn with(
    db: &Database,
    on: Option<CommitId>,
    documents: std::ops::Range<u32>,
    text: &str,
    time: i64,
) -> CommitId {
    let tree = db.tree_of(on).unwrap().id();
    let edits: Edits = documents
        .map(|n| {
            let content = format!("{{\"number\":{n},\"text\":\"{text}\"}}");
            let blob = BlobId(db.store().put(Kind::Blob, content.as_bytes()).unwrap());
            (format!("many/{n}").parse().unwrap(), Edit::Put(blob.into()))
        })
        .collect();
    let tree = Tree::new(db.store(), tree).edit(&edits).unwrap().id();
    let commit = put_commit(db, tree, on.into_iter().collect(), time, text);
    db.store().flush(&[]).unwrap();
    commit
}
