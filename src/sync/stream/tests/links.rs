//! Streams over transports: what comes, how little of it, and links that are cut.

use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;
use std::sync::Arc;

use super::*;
use crate::database::tests::{database, ident, reopen};
use crate::disk::FaultDisk;
use crate::object::{Kind, Objects, Tag, TagId};
use crate::refs::{Expect, RefName};
use crate::sync::tests::{Plain, assert_whole, branch, set, to, with};
use crate::sync::{FetchLimits, FetchRequest, Fetched, Here, Service, Source, Transport};

const ALL: [&str; 2] = ["refs/heads/", "refs/tags/"];

/// Fetches all branches and tags; `known` are where they were seen last.
fn ask<'d>(
    db: &'d Database,
    from: &mut dyn Source,
    known: &[(RefName, Id)],
    max_bytes: Option<u64>,
) -> Result<Fetched<'d>> {
    let (prefixes, haves) = (ALL.map(str::to_owned), db.heads().unwrap());
    let limits = FetchLimits { max_bytes, ..FetchLimits::default() };
    let request = FetchRequest { prefixes: &prefixes, known, haves: &haves, speaks_stream: false, limits };
    from.fetch(&mut Here { db, who: &ident(3), runner: &mut runner().unwrap(), listener: &mut () }, &request)
}

/// Lets in what came under the names that it has there, and answers where they are.
fn let_in(db: &Database, fetched: Fetched<'_>) -> Vec<(RefName, Id)> {
    let accepted = fetched.quarantine.map(|quarantine| quarantine.accept().unwrap());
    let refs: Vec<(RefName, Id)> =
        fetched.refs.iter().filter_map(|found| Some((found.name.clone(), found.id?))).collect();
    for (name, id) in &refs {
        db.set_ref(name, Some(*id), Expect::Any, &ident(1), "test").unwrap();
    }
    drop(accepted);
    refs
}

/// A transport whose answers are cut behind so many bytes, each time; and how many came in all.
struct Cut<T> {
    inner: T,
    every: u64,
    came: Rc<Cell<u64>>,
    connections: u32,
}

impl<T: Transport> Transport for Cut<T> {
    fn advertisement(&mut self, service: Service) -> Result<Box<dyn Read + '_>> {
        self.connections += 1;
        self.inner.advertisement(service)
    }

    fn call(
        &mut self,
        service: Service,
        body: &mut dyn FnMut(&mut dyn std::io::Write) -> std::io::Result<()>,
    ) -> Result<Box<dyn Read + '_>> {
        let answer = self.inner.call(service, body)?;
        Ok(Box::new(Counted(answer.take(self.every), self.came.clone())))
    }
}

struct Counted<R>(R, Rc<Cell<u64>>);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let len = self.0.read(out)?;
        self.1.set(self.1.get() + len as u64);
        Ok(len)
    }
}

fn cut(db: &Arc<Database>, every: u64) -> Cut<impl Transport + use<>> {
    Cut { inner: to(db), every, came: Rc::default(), connections: 0 }
}

/// A database with a history of many documents, and then of few each.
fn farm() -> (Arc<Database>, CommitId) {
    let (_, db) = database();
    let mut head = with(&db, None, 0..500, "one", 1);
    for n in 0..20 {
        head = with(&db, Some(head), n * 7..n * 7 + 3, &format!("{n} is another text"), i64::from(n) + 2);
    }
    set(&db, "main", head);
    (Arc::new(db), head)
}

fn empty() -> (FaultDisk, Database) {
    database()
}

#[test]
fn little_is_sent_for_little() {
    let (db, head) = farm();
    let (_, other) = empty();
    let fetched = ask(&other, &mut to(&db), &[], None).unwrap();
    assert_eq!((fetched.traffic.documents, fetched.traffic.objects), (560, 0));
    let known = let_in(&other, fetched);
    assert_whole(&other, &[head]);
    let nothing = ask(&other, &mut to(&db), &known, None).unwrap();
    assert!(nothing.quarantine.is_none() && nothing.refs.len() == 1 && nothing.refs[0].id == Some(head.0));
    assert!(nothing.traffic.received + nothing.traffic.sent < 300, "{:?}", nothing.traffic);
    // Without knowing where they were, little more.
    let nothing = ask(&other, &mut to(&db), &[], None).unwrap();
    assert!(nothing.quarantine.is_none() && nothing.refs[0].id == Some(head.0));
    assert!(nothing.traffic.received + nothing.traffic.sent < 400, "{:?}", nothing.traffic);
    let next = with(&db, Some(head), 9..10, "nine", 100);
    set(&db, "main", next);
    let one = ask(&other, &mut to(&db), &known, None).unwrap();
    assert_eq!(one.traffic.documents, 1);
    assert!(one.traffic.received + one.traffic.sent < 600, "{:?}", one.traffic);
    let_in(&other, one);
    assert_whole(&other, &[next]);
}

#[test]
fn a_client_that_the_server_knows_nothing_of() {
    let (db, head) = farm();
    let (_, other) = empty();
    let known = let_in(&other, ask(&other, &mut to(&db), &[], None).unwrap());
    // Here it went on for long, and it is not known where the other side was.
    let mut mine = head;
    for n in 0..40 {
        mine = with(&other, Some(mine), 600 + n..601 + n, "mine", 200 + i64::from(n));
    }
    other.set_ref(&branch("main"), Some(mine.0), Expect::Any, &ident(1), "test").unwrap();
    let next = with(&db, Some(head), 9..10, "nine", 100);
    set(&db, "main", next);
    let fetched = ask(&other, &mut to(&db), &[], None).unwrap();
    assert!(fetched.traffic.documents < 40, "{:?}", fetched.traffic);
    assert!(fetched.quarantine.unwrap().store().contains(next.0).unwrap());
    let fetched = ask(&other, &mut to(&db), &known, None).unwrap();
    assert_eq!(fetched.traffic.documents, 1);
}

#[test]
fn tags_come_along_and_later() {
    let (db, head) = farm();
    let tag = |name: &str, target: Id, kind| {
        let tagger = Some(ident(2));
        let tag = Tag { target, kind, name: name.into(), tagger, headers: Vec::new(), message: b"first\n".to_vec() };
        let id = TagId(db.store().put(Kind::Tag, &tag.encode()).unwrap());
        db.store().flush(&[]).unwrap();
        let name = RefName::full(&format!("refs/tags/{name}")).unwrap();
        db.set_ref(&name, Some(id.0), Expect::Absent, &ident(1), "tag").unwrap();
        id
    };
    let first = tag("v1", head.0, Kind::Commit);
    let (_, other) = empty();
    let known = let_in(&other, ask(&other, &mut to(&db), &[], None).unwrap());
    assert!(known.len() == 2 && other.store().contains(first.0).unwrap());
    let second = tag("v2", first.0, Kind::Tag);
    let fetched = ask(&other, &mut to(&db), &known, None).unwrap();
    assert_eq!(fetched.refs.len(), 3);
    assert!(fetched.quarantine.as_ref().unwrap().store().contains(second.0).unwrap());
    let known = let_in(&other, fetched);
    // Those that are there are not sent again.
    let next = with(&db, Some(head), 9..10, "nine", 100);
    set(&db, "main", next);
    let fetched = ask(&other, &mut to(&db), &known, None).unwrap();
    assert!(fetched.traffic.received + fetched.traffic.sent < 900, "{:?}", fetched.traffic);
    let_in(&other, fetched);
    assert_whole(&other, &[next]);
}

#[test]
fn a_link_that_is_cut_again_and_again() {
    let (db, head) = farm();
    let (_, other) = empty();
    let whole = ask(&other, &mut to(&db), &[], None).unwrap().traffic.received;
    let mut link = cut(&db, 700);
    let fetched = ask(&other, &mut link, &[], None).unwrap();
    assert!(link.connections > 5, "{}", link.connections);
    let came = link.came.get();
    // Blocks are short in tests, and so is what zstd knows of a connection.
    assert!(came < whole * 3 / 2, "{came} of {whole}");
    let_in(&other, fetched);
    assert_whole(&other, &[head]);
    // One that brings nothing is given up.
    let (_, other) = empty();
    assert!(matches!(ask(&other, &mut cut(&db, 10), &[], None), Err(Error::Connection(_) | Error::Protocol(_))));
}

#[test]
fn what_came_is_kept_for_the_next_attempt() {
    let (db, head) = farm();
    let (disk, other) = empty();
    let kept = || {
        let paths = disk.files().into_iter().map(|(path, _)| path.to_string_lossy().into_owned());
        paths.filter(|path| path.contains("partial/")).collect::<Vec<_>>()
    };
    let whole = ask(&other, &mut to(&db), &[], None).unwrap().traffic.received;
    let (mut came, mut left) = (0, u64::MAX);
    let fetched = loop {
        let other = reopen(&disk);
        let fetched = ask(&other, &mut to(&db), &[], Some(2000)).unwrap();
        came += fetched.traffic.received;
        match fetched.left {
            None => break ask(&other, &mut to(&db), &[], None).map(|fetched| fetched.refs).unwrap(),
            Some(totals) => {
                assert!(
                    totals.bytes < left
                        && fetched.quarantine.is_none()
                        && fetched.refs.is_empty()
                        && !kept().is_empty()
                );
                left = totals.bytes;
            }
        }
    };
    assert_eq!(fetched[0].id, Some(head.0));
    assert!(came < whole * 3 / 2, "{came} of {whole}");
    assert_eq!(kept(), [""; 0]);

    // What is kept of another remote, or of what is gone by now, is of no use and no harm.
    let (disk, other) = empty();
    assert!(ask(&other, &mut to(&db), &[], Some(2000)).unwrap().left.is_some());
    let (_, elsewhere) = database();
    let lone = with(&elsewhere, None, 0..3, "one", 1);
    set(&elsewhere, "main", lone);
    let elsewhere = Arc::new(elsewhere);
    let other_again = reopen(&disk);
    drop(other);
    let_in(&other_again, ask(&other_again, &mut to(&elsewhere), &[], None).unwrap());
    assert_whole(&other_again, &[lone]);
}

#[test]
fn what_a_stream_cannot_carry_comes_in_a_pack() {
    let (db, head) = farm();
    let (_, other) = empty();
    let fetched = ask(&other, &mut Plain(to(&db)), &[], None).unwrap();
    assert!(fetched.traffic.objects > 500 && fetched.traffic.documents == 0);
    let_in(&other, fetched);
    assert_whole(&other, &[head]);
    // A tag of a content.
    let blob = db.store().put(Kind::Blob, b"some text").unwrap();
    db.store().flush(&[]).unwrap();
    db.set_ref(&RefName::full("refs/tags/text").unwrap(), Some(blob), Expect::Absent, &ident(1), "tag").unwrap();
    let (_, other) = empty();
    let fetched = ask(&other, &mut to(&db), &[], None).unwrap();
    assert!(fetched.traffic.objects > 500 && fetched.refs.len() == 2);
    let_in(&other, fetched);
    assert_whole(&other, &[head]);
}
