//! Streams that are pushed over links that are cut before, while and after they are taken.

use std::collections::VecDeque;
use std::io::{self, Cursor, Read, Write};
use std::sync::Arc;

use super::*;
use crate::database::tests::{database, ident, put_commit, reopen};
use crate::disk::{Access, Disk, FaultDisk};
use crate::object::{BlobId, Kind, Objects};
use crate::refs::RefName;
use crate::sync::tests::{assert_whole, branch, set, with};
use crate::sync::{
    Here, NotMoved, PushEdit, PushOptions, PushRequest, Pushed, ServeLimits, Server, Service, Transport, push,
};
use crate::tree::{Edit, Edits};

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    /// So many bytes arrive.
    Cut(usize),
    /// It arrives with one byte changed.
    Bent(usize),
    /// It arrives, and the answer does not.
    Lost,
}

/// Leads to a database that is opened anew for each request, as by a process of its own.
struct Link {
    disk: FaultDisk,
    limits: ServeLimits,
    /// What becomes of the next requests; the last of it is for all that follow.
    plan: VecDeque<Fault>,
    sent: usize,
    requests: usize,
}

impl Link {
    fn to(disk: &FaultDisk, plan: &[Fault]) -> Link {
        let plan = plan.iter().copied().collect();
        Link { disk: disk.clone(), limits: ServeLimits::default(), plan, sent: 0, requests: 0 }
    }

    fn answer(&self, service: Service, mut request: &[u8]) -> Vec<u8> {
        let (db, mut runner, mut said) = (reopen(&self.disk), runner().unwrap(), Vec::new());
        // What it fails with it has told.
        let _ = Server::new(&db, ident(9), &mut runner, self.limits).answer(service, &mut request, &mut said);
        assert_whole(&db, &db.heads().unwrap());
        said
    }
}

impl Transport for Link {
    fn advertisement(&mut self, service: Service) -> Result<Box<dyn Read + '_>> {
        let (db, mut runner, mut said) = (reopen(&self.disk), runner().unwrap(), Vec::new());
        Server::new(&db, ident(9), &mut runner, self.limits).advertise(service, &mut said)?;
        Ok(Box::new(Cursor::new(said)))
    }

    fn call(
        &mut self,
        service: Service,
        body: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Box<dyn Read + '_>> {
        let fault = if self.plan.len() > 1 { self.plan.pop_front().unwrap() } else { self.plan[0] };
        let mut request = Vec::new();
        body(&mut request).map_err(Error::Connection)?;
        let is_cut = match fault {
            Fault::Cut(most) if most < request.len() => {
                request.truncate(most);
                true
            }
            Fault::Bent(at) if at < request.len() => {
                request[at] ^= 0x10;
                false
            }
            fault => matches!(fault, Fault::Lost),
        };
        self.sent += request.len();
        self.requests += 1;
        let said = self.answer(service, &request);
        match is_cut {
            true => Err(Error::Connection(io::ErrorKind::ConnectionReset.into())),
            false => Ok(Box::new(Cursor::new(said))),
        }
    }

    fn needs_advertisement(&self) -> bool {
        false
    }
}

/// A database with a history of many documents, and then of few each, with a long one among them.
fn farm() -> (Database, CommitId) {
    let (_, db) = database();
    let mut head = with(&db, None, 0..500, "one", 1);
    for n in 0..20 {
        head = with(&db, Some(head), n * 7..n * 7 + 3, &format!("{n} is another text"), i64::from(n) + 2);
    }
    let long: String = (0..4000u32).map(|n| format!("{:x}", n.wrapping_mul(2_654_435_761))).collect();
    let blob = BlobId(db.store().put(Kind::Blob, long.as_bytes()).unwrap());
    let edits: Edits = [("long".parse().unwrap(), Edit::Put(blob.into()))].into_iter().collect();
    let tree = db.tree_of(Some(head)).unwrap().edit(&edits).unwrap().id();
    let head = put_commit(&db, tree, vec![head], 100, "long");
    db.store().flush(&[]).unwrap();
    set(&db, "main", head);
    (db, head)
}

fn edit(old: Option<CommitId>, new: CommitId) -> PushEdit {
    PushEdit { name: branch("main"), old: old.map(|id| id.0), new: Some(new.0) }
}

/// Pushes to somebody who was met before, and had these refs then.
fn go(db: &Database, link: &mut Link, edits: &[PushEdit], known: &[(RefName, Id)]) -> Result<Pushed> {
    let mut here = Here { db, who: &ident(3), runner: &mut runner().unwrap(), listener: &mut () };
    let options = PushOptions { is_atomic: false };
    push(&mut here, link, &PushRequest { edits, options, known, speaks_stream: true })
}

fn head_of(disk: &FaultDisk) -> Option<Id> {
    reopen(disk).refs().get(&branch("main")).unwrap()
}

/// How often a ref was moved.
fn moves(disk: &FaultDisk) -> usize {
    reopen(disk).reflog(&branch("main")).unwrap().len()
}

fn kept(disk: &FaultDisk) -> Vec<String> {
    let paths = disk.files().into_iter().map(|(path, _)| path.to_string_lossy().into_owned());
    paths.filter(|path| path.contains("partial/")).collect()
}

#[test]
fn one_request_does_for_a_commit() {
    let (db, head) = farm();
    let (disk, _) = database();
    let mut link = Link::to(&disk, &[Fault::None]);
    let pushed = go(&db, &mut link, &[edit(None, head)], &[]).unwrap();
    assert_eq!((pushed.not_moved, pushed.traffic.documents, link.requests), (vec![None], 561, 2));
    assert_eq!((head_of(&disk), kept(&disk)), (Some(head.0), vec![]));
    assert_whole(&reopen(&disk), &[head]);

    let next = with(&db, Some(head), 9..10, "nine", 200);
    let known = [(branch("main"), head.0)];
    let mut link = Link::to(&disk, &[Fault::None]);
    let pushed = go(&db, &mut link, &[edit(Some(head), next)], &known).unwrap();
    assert_eq!((pushed.not_moved, link.requests), (vec![None], 1));
    assert!(pushed.traffic.sent + pushed.traffic.received < 400, "{:?}", pushed.traffic);
    // What is believed is not so any more, or is so already.
    let mut link = Link::to(&disk, &[Fault::None]);
    let pushed = go(&db, &mut link, &[edit(Some(head), next)], &known).unwrap();
    assert_eq!(pushed.not_moved, [Some(NotMoved::Elsewhere { found: Some(next.0) })]);
    let pushed = go(&db, &mut link, &[edit(Some(next), next)], &known).unwrap();
    assert_eq!((pushed.not_moved, link.requests, moves(&disk)), (vec![None], 2, 2));
}

#[test]
fn a_push_that_is_cut_goes_on() {
    let (db, head) = farm();
    let (disk, _) = database();
    let whole = {
        let mut link = Link::to(&disk.fork(), &[Fault::None]);
        go(&db, &mut link, &[edit(None, head)], &[]).unwrap();
        link.sent
    };
    let mut link = Link::to(&disk, &[Fault::Cut(1500)]);
    let pushed = go(&db, &mut link, &[edit(None, head)], &[]).unwrap();
    assert!(link.requests > 20, "{}", link.requests);
    // Blocks are short in tests, and so is what zstd knows of a connection.
    assert!(link.sent < whole * 3 / 2, "{} of {whole}", link.sent);
    assert_eq!((pushed.not_moved, head_of(&disk), kept(&disk)), (vec![None], Some(head.0), vec![]));
    assert_whole(&reopen(&disk), &[head]);

    // Bytes that are changed on their way are sent again.
    for at in (40..whole).step_by(whole / 30) {
        let (disk, _) = database();
        let mut link = Link::to(&disk, &[Fault::None, Fault::Bent(at), Fault::None]);
        assert_eq!(go(&db, &mut link, &[edit(None, head)], &[]).unwrap().not_moved, [None], "{at}");
        assert_eq!((head_of(&disk), kept(&disk)), (Some(head.0), vec![]));
    }
}

#[test]
fn another_process_goes_on() {
    let (db, head) = farm();
    let (disk, _) = database();
    let (mut sent, mut attempts) = (0, 0);
    loop {
        attempts += 1;
        assert!(attempts < 30, "it does not come to an end");
        // A link that is cut once and then gone.
        let mut link = Link::to(&disk, &[Fault::None, Fault::Cut(4000), Fault::Cut(0)]);
        let pushed = go(&db, &mut link, &[edit(None, head)], &[]);
        sent += link.sent;
        match pushed {
            Ok(pushed) => break assert_eq!(pushed.not_moved, [None]),
            Err(error) => assert!(matches!(error, Error::Connection(_)), "{error}"),
        }
        assert!(!kept(&disk).is_empty() && head_of(&disk).is_none());
    }
    assert!(attempts > 3 && sent < 40_000, "{sent} in {attempts}");
    assert_eq!((head_of(&disk), kept(&disk)), (Some(head.0), vec![]));
    assert_whole(&reopen(&disk), &[head]);
}

#[test]
fn what_is_done_is_not_done_twice() {
    let (db, head) = farm();
    let next = with(&db, Some(head), 9..10, "nine", 200);
    let third = with(&db, Some(next), 10..11, "ten", 300);
    for is_large in [true, false] {
        let (disk, _) = database();
        let mut from = None;
        if !is_large {
            go(&db, &mut Link::to(&disk, &[Fault::None]), &[edit(None, head)], &[]).unwrap();
            from = Some(head);
        }
        let (before, known) = (moves(&disk), [(branch("main"), head.0)]);
        let known = if is_large { &[][..] } else { &known };
        let plan = [Fault::None, Fault::Lost, Fault::Lost, Fault::None];
        let mut link = Link::to(&disk, if is_large { &plan } else { &plan[1..] });
        let pushed = go(&db, &mut link, &[edit(from, next)], known).unwrap();
        assert_eq!((pushed.not_moved, head_of(&disk), moves(&disk)), (vec![None], Some(next.0), before + 1));
    }
    // Meanwhile it has gone on: what was to be done was.
    let (disk, _) = database();
    let asked = |id: u8, edits: Vec<PushEdit>, is_again| {
        let asked = Submitted { id: [id; 8], edits, is_again, ..Submitted::default() };
        let wants: Vec<Id> = asked.edits.iter().filter_map(|edit| edit.new).collect();
        let mut request = Vec::new();
        asked.write(&mut request).unwrap();
        write(&db, &plan(&db, &wants, &[]), Position::default(), &mut request, &mut |_| ()).unwrap();
        let said = Link::to(&disk, &[]).answer(Service::ReceivePack, &request);
        let mut said = &said[5..];
        Outcome::read(&mut said, 1).unwrap()
    };
    assert_eq!(asked(1, vec![edit(None, head)], false), Outcome::Done(vec![None]));
    assert_eq!(asked(2, vec![edit(Some(head), next)], false), Outcome::Done(vec![None]));
    assert_eq!(asked(1, vec![edit(None, head)], true), Outcome::Done(vec![None]));
    let elsewhere = || Outcome::Done(vec![Some(NotMoved::Elsewhere { found: Some(next.0) })]);
    assert_eq!(asked(3, vec![edit(None, head)], true), elsewhere());
    assert_eq!(asked(3, vec![edit(Some(head), next)], true), elsewhere());
    // It went back by somebody's will, and is not moved again by an old attempt.
    set(&reopen(&disk), "main", head);
    assert_eq!(asked(2, vec![edit(Some(head), next)], true), Outcome::Done(vec![None]));
    assert_eq!((head_of(&disk), moves(&disk)), (Some(head.0), 3));
    assert_eq!(asked(4, vec![edit(Some(head), third)], false), Outcome::Done(vec![None]));
    assert_eq!(head_of(&disk), Some(third.0));
}

#[test]
fn no_more_is_kept_than_may_be() {
    let (db, head) = farm();
    let (disk, _) = database();
    let size = |disk: &FaultDisk| -> u64 {
        let files = disk.files().into_iter().filter(|(path, _)| path.to_string_lossy().contains("partial/"));
        files.filter_map(|(_, bytes)| Some(bytes?.len() as u64)).sum()
    };
    let cut = |commit: CommitId, limit: u64| {
        let mut link = Link::to(&disk, &[Fault::None, Fault::Cut(9000), Fault::Cut(0)]);
        link.limits.max_kept = limit;
        assert!(go(&db, &mut link, &[edit(None, commit)], &[]).is_err());
    };
    cut(head, 0);
    assert_eq!(kept(&disk), [""; 0]);
    let limit = 22_000;
    let mut heads = vec![head];
    for n in 0..5 {
        cut(heads[n], limit);
        assert!((4000..limit).contains(&size(&disk)), "{}", size(&disk));
        heads.push(with(&db, Some(heads[n]), 0..1, "more", 400 + n as i64));
    }
    // The last of them is among what is kept, and goes on; one for which there is no room arrives all the same.
    let mut link = Link::to(&disk, &[Fault::None]);
    link.limits.max_kept = limit;
    go(&db, &mut link, &[edit(None, heads[4])], &[]).unwrap();
    assert!(link.sent < 30_000, "{}", link.sent);
    let (disk, _) = database();
    let mut link = Link::to(&disk, &[Fault::None, Fault::Cut(9000), Fault::None]);
    link.limits.max_kept = 14_000;
    go(&db, &mut link, &[edit(None, head)], &[]).unwrap();
    assert_eq!((head_of(&disk), kept(&disk)), (Some(head.0), vec![]));
}

#[test]
fn what_others_have_kept_does_no_harm() {
    let (db, head) = farm();
    // Any byte of what is kept is another.
    for step in 0..12 {
        let (disk, _) = database();
        let mut link = Link::to(&disk, &[Fault::None, Fault::Cut(12_000), Fault::Cut(0)]);
        assert!(go(&db, &mut link, &[edit(None, head)], &[]).is_err());
        let is_first = |path: &std::path::Path| path.to_string_lossy().contains("/in-") && path.ends_with("1");
        let (path, bytes) = disk.files().into_iter().find(|(path, _)| is_first(path)).unwrap();
        let mut bytes = bytes.unwrap();
        let at = bytes.len() * step / 12;
        bytes[at] ^= 0x21;
        disk.remove(&path).unwrap();
        disk.write_new(&path, &bytes, Access::ReadWrite).unwrap();
        let pushed = go(&db, &mut Link::to(&disk, &[Fault::None]), &[edit(None, head)], &[]).unwrap();
        assert_eq!((pushed.not_moved, head_of(&disk), kept(&disk)), (vec![None], Some(head.0), vec![]), "{at}");
    }
    // Somebody is at the same push, and stays: nobody waits for it for ever, and nothing of it is disturbed.
    let (disk, _) = database();
    let mut link = Link::to(&disk, &[Fault::None, Fault::Cut(12_000), Fault::Cut(0)]);
    assert!(go(&db, &mut link, &[edit(None, head)], &[]).is_err());
    let there = Arc::new(reopen(&disk));
    let token = plan(&db, &[head.0], &[]).token();
    let held = Kept::open(&there, &token, 1 << 30).unwrap();
    assert!(held.position() != Position::default() && Kept::open(&there, &token, 1 << 30).is_none());
    drop(held);
    assert!(Kept::open(&there, &token, 1 << 30).is_some());
}

#[test]
fn who_has_lost_what_it_had_gets_all_of_it() {
    let (db, head) = farm();
    let next = with(&db, Some(head), 9..10, "nine", 200);
    let known = [(branch("main"), head.0)];
    for new in [head, next] {
        let (disk, other) = database();
        let lone = with(&other, None, 0..3, "lone", 1);
        set(&other, "lone", lone);
        let mut link = Link::to(&disk, &[Fault::None]);
        let beside = PushEdit { name: branch("lone"), old: Some(lone.0), new: None };
        let pushed = go(&db, &mut link, &[edit(None, new), beside], &known).unwrap();
        assert_eq!((pushed.not_moved, head_of(&disk)), (vec![None, None], Some(new.0)));
        assert_eq!(reopen(&disk).refs().get(&branch("lone")).unwrap(), None);
        assert_whole(&reopen(&disk), &[new]);
    }
}
