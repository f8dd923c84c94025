//! Peers that do not keep to the protocol: an error, no panic, and no ref that leads to what is not there.

use std::io::{self, Read, Write};

use super::*;
use crate::database::tests::{put_commit, reopen};
use crate::disk::FaultDisk;
use crate::object::{Kind, Objects, TreeId};
use crate::sync::pktline::{Packet, Packets, write_data};
use crate::sync::protocol::{Command, write_commands};
use crate::sync::serve::ServeLimits;

/// What a server says, whatever it is asked.
struct Canned {
    first: Vec<u8>,
    answer: Vec<u8>,
}

impl Transport for Canned {
    fn advertisement(&mut self, _: Service) -> Result<Box<dyn Read + '_>, Error> {
        Ok(Box::new(&self.first[..]))
    }

    fn call(
        &mut self,
        _: Service,
        body: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Box<dyn Read + '_>, Error> {
        body(&mut io::sink()).map_err(Error::Connection)?;
        Ok(Box::new(&self.answer[..]))
    }
}

/// Keeps what passes in both directions.
struct Recorder<T> {
    inner: T,
    asked: Vec<u8>,
    said: Vec<Vec<u8>>,
}

/// All packets up to the end of the message: who says them may go on.
fn message(source: &mut dyn Read) -> Vec<u8> {
    let (mut packets, mut said) = (Packets::new(source), Vec::new());
    loop {
        match packets.expect().unwrap() {
            Packet::Data(data) => write_data(&mut said, data).unwrap(),
            Packet::Flush => break,
            Packet::Delimiter => said.extend(b"0001"),
            Packet::End => said.extend(b"0002"),
        }
    }
    said.extend(b"0000");
    said
}

impl<T: Transport> Transport for Recorder<T> {
    fn advertisement(&mut self, service: Service) -> Result<Box<dyn Read + '_>, Error> {
        let said = message(&mut *self.inner.advertisement(service)?);
        self.said.push(said.clone());
        Ok(Box::new(io::Cursor::new(said)))
    }

    fn call(
        &mut self,
        service: Service,
        body: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Box<dyn Read + '_>, Error> {
        let mut asked = Vec::new();
        body(&mut asked).map_err(Error::Connection)?;
        let said = message(&mut *self.inner.call(service, &mut |out| out.write_all(&asked))?);
        self.asked = asked;
        self.said.push(said.clone());
        Ok(Box::new(io::Cursor::new(said)))
    }
}

fn recorded(db: &Arc<Database>) -> Recorder<impl Transport + use<>> {
    Recorder { inner: to(db), asked: Vec::new(), said: Vec::new() }
}

fn two_commits(db: &Database) -> [CommitId; 2] {
    let blob = db.store().put(Kind::Blob, b"one").unwrap();
    let mut changes = crate::database::Changeset::new();
    changes.put("a/b".parse().unwrap(), crate::object::BlobId(blob));
    let who = crate::object::Person::new("Ann", "ann@farm").unwrap();
    let info = crate::database::CommitInfo {
        author: who.clone(),
        author_time: 1,
        committer: who,
        committer_time: 1,
        message: "one".into(),
        signer: None,
    };
    let one = db.commit(&RefName::head(), Expect::Any, &changes, &info).unwrap().head.unwrap();
    let tree = db.store().commit(one).unwrap().tree;
    let two = put_commit(db, tree, vec![one], 2, "two");
    db.store().flush(&[]).unwrap();
    [one, two]
}

/// Some of the ways to bend bytes, fewer where there are many.
fn bent(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let step = bytes.len() / 250 + 1;
    (0..bytes.len()).step_by(step).flat_map(move |at| {
        let flipped = [1u8, 0x80].map(|bit| {
            let mut other = bytes.to_vec();
            other[at] ^= bit;
            other
        });
        flipped.into_iter().chain([bytes[..at].to_vec(), [&bytes[..at], &bytes[at + 1..]].concat()])
    })
}

#[test]
fn a_server_that_lies() {
    let (_, db) = database();
    let [_, two] = two_commits(&db);
    set(&db, "main", two);
    let db = Arc::new(db);
    let other = empty();
    let mut transport = recorded(&db);
    let options = FetchOptions { wants: &[two.0], haves: &[], with_tags: false, max_pack: 1 << 20 };
    Fetching::open(&mut transport).unwrap().fetch(&other, other.store(), &options, &mut ()).unwrap();
    let [first, answer] = &transport.said[..] else { panic!("two answers") };
    let run = |first: &[u8], answer: &[u8]| {
        let mut canned = Canned { first: first.to_vec(), answer: answer.to_vec() };
        Fetching::open(&mut canned)?.fetch(&other, other.store(), &options, &mut ()).map(drop)
    };
    run(first, answer).unwrap();
    for first in bent(first) {
        let _ = run(&first, answer);
    }
    let mut failed = 0;
    for answer in bent(answer) {
        failed += usize::from(run(first, &answer).is_err());
    }
    assert!(failed > 500, "{failed}");
    assert!(!other.store().contains(two.0).unwrap(), "nothing was kept");
    // A pack that is too large.
    let small = FetchOptions { max_pack: 40, ..options };
    let mut canned = Canned { first: first.clone(), answer: answer.clone() };
    let error = Fetching::open(&mut canned).unwrap().fetch(&other, other.store(), &small, &mut ()).unwrap_err();
    assert_eq!(error.to_string(), "the size of the pack is more than the limit of 40");
    // Bytes behind it.
    let more = [&answer[..answer.len() - 4], b"0006\x01x0000"].concat();
    assert!(run(first, &more).unwrap_err().to_string().contains("behind"));
}

/// Answers a request on a copy of a database, and looks at what is there then.
fn answer(disk: &FaultDisk, service: Service, request: &[u8]) -> (Result<bool, Error>, Vec<u8>) {
    let db = reopen(disk);
    let mut said = Vec::new();
    let mut runner = runner().unwrap();
    let limits = ServeLimits { max_pack: 1 << 20, ..ServeLimits::default() };
    let answered = Server::new(&db, ident(5), &mut runner, limits).answer(service, &mut &request[..], &mut said);
    assert_whole(&db, &db.heads().unwrap());
    (answered, said)
}

#[test]
fn a_client_that_bends_its_requests() {
    let (disk, db) = database();
    let [one, two] = two_commits(&db);
    let db = Arc::new(db);
    let other = empty();
    let mut transport = recorded(&db);
    let options = FetchOptions { wants: &[two.0], haves: &[], with_tags: true, max_pack: 1 << 20 };
    Fetching::open(&mut transport).unwrap().fetch(&other, other.store(), &options, &mut ()).unwrap().keep().unwrap();
    for request in bent(&transport.asked) {
        let _ = answer(&disk.fork(), Service::UploadPack, &request);
    }
    let (empty_disk, target) = database();
    let target = Arc::new(target);
    let untouched = empty_disk.fork();
    let mut transport = recorded(&target);
    push(&db, &mut transport, &[edit("main", None, Some(two)), edit("b", None, Some(one))]).unwrap();
    assert_eq!(target.refs().list("refs/").unwrap().len(), 2);
    let mut refused = 0;
    for request in bent(&transport.asked) {
        let disk = untouched.fork();
        let (answered, said) = answer(&disk, Service::ReceivePack, &request);
        refused += usize::from(answered.is_err());
        let is_refused = String::from_utf8_lossy(&said).contains("ng refs/");
        refused += usize::from(answered.is_ok() && is_refused);
        assert!(answered.is_ok() || !said.is_empty(), "the client is told");
    }
    assert!(refused > 500, "{refused}");
}

#[test]
fn a_pack_without_all_that_it_needs() {
    let (disk, db) = database();
    let missing = TreeId(crate::object::hash(Kind::Tree, b"nowhere"));
    let broken = put_commit(&db, missing, vec![], 1, "broken");
    let blob = db.store().put(Kind::Blob, b"no commit").unwrap();
    db.store().flush(&[]).unwrap();
    let pack = |ids: &[Id]| {
        let wanted = crate::store::Wanted { tags: vec![], whole: ids.to_vec(), ..Default::default() };
        let mut out = Vec::new();
        db.store().outgoing(&wanted).unwrap().write(&mut out, &mut |_| ()).unwrap();
        out
    };
    let request = |new: Id, name: &str, pack: &[u8]| {
        let mut out = Vec::new();
        let command = Command { name: name.into(), old: None, new: Some(new) };
        write_commands(&mut out, &[command], "report-status object-format=sha256").unwrap();
        out.extend(pack);
        out
    };
    let says = |request: &[u8], words: &str| {
        let (answered, said) = answer(&disk.fork(), Service::ReceivePack, request);
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.contains(words), "{words:?} is not in {said} ({answered:?})");
    };
    let empty = pack(&[]);
    // The commit is here, as rubbish that nothing leads to.
    says(&request(broken.0, "refs/heads/x", &empty), "is missing");
    says(&request(blob, "refs/heads/x", &pack(&[blob])), "ng refs/heads/x it takes commits only, and this is a blob");
    says(&request(blob, "refs/x", &empty), "ok refs/x");
    says(&request(blob, "HEAD", &empty), "ng HEAD this is no name");
    says(&request(blob, "refs/heads/../x", &empty), "ng refs/heads/../x this is no name");
    says(&request(missing.0, "refs/heads/x", &empty), "is missing");
    says(&request(blob, "refs/x", b"PACK"), "unpack the received pack");
    says(&request(blob, "refs/x", b""), "unpack the received pack");
    let (answered, said) = answer(&disk, Service::UploadPack, b"0014command=nonsense0000");
    assert!(answered.is_err() && said.windows(4).any(|four| four == b"ERR "));
}
