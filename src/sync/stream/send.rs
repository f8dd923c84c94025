//! The records of a plan, from any of them on: the sender's side of a stream.
//!
//! Contents are read on all cores and compressed on the caller's thread. What the other side has already of a cut stream is
//! gone through without reading it.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;

use super::block::{FULL, Packer, SHORT};
use super::content::Ready;
use super::plan::{Kept, Own, Plan, Planned};
use super::record::{Content, KeyPart, MAX_VERSIONS, Parent, Record, Same, To, check};
use crate::database::Database;
use crate::object::{BlobId, CommitId, IdMap, IdSet, Kind, Objects, TreeId};
use crate::store::Store;
use crate::sync::error::{Error, Result};
use crate::tree::{Document, Key, Range, Tree};

/// So many blocks wait to be compressed.
const WAITING: usize = 8;
/// Longer commits and tags are not carried: a record stands in one block.
const MAX_BODY: usize = 128 << 10;
/// A scan reads contents this far ahead.
const AHEAD: u64 = 1 << 16;

/// Where a stream goes on that was cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::sync) struct Position {
    /// How many records have arrived, pieces not counted.
    pub(super) records: u64,
    /// Of the content that the last of them begins, how many bytes have arrived in pieces; `None` where that is no content
    /// in pieces, or where it is complete.
    pub(super) pieces: Option<u64>,
}

/// Writes the blocks of a plan from a position on. `told` is called with how many documents are written.
///
/// # Errors
/// [`Error::Connection`] when `out` fails; what cannot be read.
pub(in crate::sync) fn write(
    db: &Database,
    plan: &Plan,
    from: Position,
    out: &mut dyn Write,
    told: &mut dyn FnMut(u64),
) -> Result<()> {
    let mut packer = Packer::new(plan.raw).map_err(Error::Connection)?;
    let mut give = |raw: &[u8], documents| {
        // Whatever becomes of the connection behind it, the other side has this block.
        packer.write(raw, out).and_then(|()| out.flush())?;
        told(documents);
        io::Result::Ok(())
    };
    if plan.raw <= FULL as u64 {
        // It is all there before a thread has begun.
        let mut sink = |raw: Vec<u8>, documents| Ok(give(&raw, documents).map_err(Error::Connection)?);
        return Sender::new(db, plan, from, &mut sink).run().map_err(Stopped::into_error);
    }
    std::thread::scope(|scope| {
        let (to, blocks) = sync_channel(WAITING);
        let reading = scope.spawn(move || {
            let mut sink = |raw, documents| to.send((raw, documents)).map_err(|_| Stopped::Alone);
            Sender::new(db, plan, from, &mut sink).run()
        });
        let written = blocks.into_iter().try_for_each(|(raw, documents)| give(&raw, documents));
        match reading.join() {
            // Nobody takes blocks any more where writing them has failed.
            Ok(read) => written.map_err(Error::Connection).and(read.map_err(Stopped::into_error)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Why the records end.
enum Stopped {
    Failed(Error),
    /// Nobody listens.
    Alone,
}

impl Stopped {
    fn into_error(self) -> Error {
        match self {
            Stopped::Failed(error) => error,
            Stopped::Alone => Error::Connection(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl<E: Into<Error>> From<E> for Stopped {
    fn from(error: E) -> Stopped {
        Stopped::Failed(error.into())
    }
}

struct Sender<'d, 's> {
    db: &'d Database,
    plan: &'d Plan,
    from: Position,
    /// Takes blocks, each with how many documents were gone through.
    sink: &'s mut dyn FnMut(Vec<u8>, u64) -> Result<(), Stopped>,
    /// The records of the block that is being filled, and when it is full.
    raw: Vec<u8>,
    full: usize,
    /// How many records there were, sent or passed over. Read by the threads that read ahead.
    records: Arc<AtomicU64>,
    /// The number of each content that was sent.
    numbers: IdMap<u64>,
    /// The key before, in this commit.
    path: Vec<u8>,
    /// How many documents were gone through.
    documents: u64,
}

impl<'d, 's> Sender<'d, 's> {
    fn new(
        db: &'d Database,
        plan: &'d Plan,
        from: Position,
        sink: &'s mut dyn FnMut(Vec<u8>, u64) -> Result<(), Stopped>,
    ) -> Sender<'d, 's> {
        let (raw, records, numbers) = (Vec::with_capacity(2 * FULL), Arc::new(AtomicU64::new(0)), IdMap::default());
        let full = if from == Position::default() { FULL } else { SHORT };
        Sender { db, plan, from, sink, raw, full, records, numbers, path: Vec::new(), documents: 0 }
    }

    fn run(mut self) -> Result<(), Stopped> {
        let plan = self.plan;
        let mut places = std::collections::HashMap::new();
        for (place, planned) in plan.commits.iter().enumerate() {
            let parent = |id: &CommitId| match places.get(id) {
                Some(parent) => Parent::Back((place - parent) as u64),
                None => Parent::Known(id.0),
            };
            let parents: Vec<Parent> = planned.parents.iter().map(parent).collect();
            places.insert(planned.id, place);
            if !self.commit(planned, parents)? {
                self.record(&Record::Stop)?;
                return self.hand_over();
            }
        }
        for tag in &plan.tags {
            let body = self.db.store().require(tag.0, Kind::Tag)?;
            if body.len() > MAX_BODY {
                self.record(&Record::Stop)?;
                return self.hand_over();
            }
            self.record(&Record::Tag(&body))?;
        }
        self.record(&Record::End)?;
        self.hand_over()
    }

    /// Whether the other side has the next record.
    fn is_had(&self) -> bool {
        self.records.load(Ordering::Relaxed) < self.from.records
    }

    /// Counts a record, and sends it if the other side has not got it.
    fn record(&mut self, record: &Record<'_>) -> Result<(), Stopped> {
        let is_had = self.is_had();
        self.records.fetch_add(1, Ordering::Relaxed);
        if is_had { Ok(()) } else { self.put(record) }
    }

    fn put(&mut self, record: &Record<'_>) -> Result<(), Stopped> {
        record.encode(&mut self.raw);
        if self.raw.len() >= self.full { self.hand_over() } else { Ok(()) }
    }

    fn hand_over(&mut self) -> Result<(), Stopped> {
        if self.raw.is_empty() {
            return Ok(());
        }
        let raw = std::mem::replace(&mut self.raw, Vec::with_capacity(2 * FULL));
        (self.sink)(raw, self.documents)
    }

    /// Sends a commit; false where it has something that cannot be carried.
    fn commit(&mut self, planned: &Planned, parents: Vec<Parent>) -> Result<bool, Stopped> {
        let check = check(&planned.id.0);
        let Some(own) = &planned.own else {
            self.record(&Record::Merge { parents, check })?;
            return Ok(true);
        };
        let body = self.db.store().require(planned.id.0, Kind::Commit)?;
        let Some(rest) = behind_parents(&body).filter(|rest| rest.len() <= MAX_BODY) else { return Ok(false) };
        self.path.clear();
        self.record(&Record::Commit { parents, base: own.base, rest, check })?;
        if own.before == TreeId::EMPTY {
            return self.all(own.tree);
        }
        let mut others = Vec::new();
        for (place, parent) in planned.parents.iter().enumerate() {
            if Some(place) != own.base {
                others.push(self.db.store().commit(*parent)?.tree);
            }
        }
        self.changes(own, &others)
    }

    fn changes(&mut self, own: &Own, others: &[TreeId]) -> Result<bool, Stopped> {
        let none = IdSet::default();
        if let Some(changes) = &own.changes {
            // What is moved elsewhere is there under its old key.
            let old: IdSet = changes.iter().filter_map(|kept| Some(kept.change.old?.blob.0)).collect();
            for Kept { change, content } in changes {
                let old = if change.old.is_none() { &old } else { &none };
                let had = Had { old, others, before: change.old };
                if !self.change(&change.key, change.new, &had, content.as_ref())? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        let db = self.db;
        for change in db.tree(own.before).diff(&db.tree(own.tree), None)? {
            let change = change?;
            if !self.change(&change.key, change.new, &Had { old: &none, others, before: change.old }, None)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends all documents of a tree, which are read on all cores.
    fn all(&mut self, tree: TreeId) -> Result<bool, Stopped> {
        let (from, tree, records) = (self.from.records, Tree::new(self.db.store(), tree), self.records.clone());
        let read = |store: &Store, key: Key, document: Document| -> Result<_, Stopped> {
            let is_near = records.load(Ordering::Relaxed).saturating_add(AHEAD) >= from;
            let content = if is_near { Some(Ready::of(store, document.blob, None)?) } else { None };
            let held = content.as_ref().map_or(0, Ready::held);
            Ok(((key, document, content), held))
        };
        let mut is_carried = true;
        let had = Had { old: &IdSet::default(), others: &[], before: None };
        tree.scan(Range::default(), 0, read, |(key, document, content)| {
            is_carried = self.change(&key, Some(document), &had, content.as_ref())?;
            Ok(if is_carried { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(is_carried)
    }

    /// Sends what becomes of a key; false where that cannot be carried. `content` is the new content where that is
    /// ready.
    fn change(
        &mut self,
        key: &Key,
        new: Option<Document>,
        had: &Had<'_>,
        content: Option<&Ready>,
    ) -> Result<bool, Stopped> {
        let conflict = match new.and_then(|document| document.conflict) {
            Some(conflict) => match self.conflict(conflict, key, had)? {
                Some(to) => Some(to),
                None => return Ok(false),
            },
            None => None,
        };
        self.documents += 1;
        let path = key.path().as_bytes();
        let shared = path.iter().zip(&self.path).take_while(|(a, b)| a == b).count();
        let part = KeyPart { shared, rest: &path[shared..] };
        match (new, conflict) {
            (None, _) => self.record(&Record::Change { key: part, to: To::Nothing })?,
            (_, Some(to)) => self.record(&Record::Change { key: part, to })?,
            (Some(document), None) => match self.same(document.blob, key, had)? {
                Some(same) => self.record(&Record::Change { key: part, to: To::Same(same) })?,
                None => self.content(Some((part, had)), document.blob, content)?,
            },
        }
        self.path.truncate(shared);
        self.path.extend_from_slice(&path[shared..]);
        Ok(true)
    }

    /// A content that the other side has, as it is named.
    fn same(&self, blob: BlobId, key: &Key, had: &Had<'_>) -> Result<Option<Same>> {
        let id = blob.0;
        if let Some(number) = self.numbers.get(&id) {
            return Ok(Some(Same::Number(*number)));
        }
        let is_had = had.old.contains(&id) || self.versions(had.before)?.contains(&blob);
        let mut known = is_had.then_some(Same::Known(id));
        for other in had.others {
            if known.is_none() && self.versions(self.db.tree(*other).get(key)?)?.contains(&blob) {
                known = Some(Same::Known(id));
            }
        }
        Ok(known)
    }

    /// All contents of a document, those of its versions in conflict with what they came from.
    fn versions(&self, document: Option<Document>) -> Result<Vec<BlobId>> {
        let Some(Document { blob, conflict }) = document else { return Ok(Vec::new()) };
        let Some(conflict) = conflict else { return Ok(vec![blob]) };
        let conflict = self.db.tree(TreeId::EMPTY).conflict(conflict)?;
        Ok(conflict.versions.into_iter().chain(conflict.base).collect())
    }

    /// Sends the contents of a conflict that the other side has not got, and answers how it is told.
    fn conflict(&mut self, id: TreeId, key: &Key, had: &Had<'_>) -> Result<Option<To<'static>>, Stopped> {
        let conflict = self.db.tree(TreeId::EMPTY).conflict(id)?;
        if conflict.versions.len() > MAX_VERSIONS {
            return Ok(None);
        }
        let mut versions = Vec::new();
        for blob in conflict.versions.iter().chain(&conflict.base) {
            let same = match self.same(*blob, key, had)? {
                Some(same) => same,
                None => {
                    self.content(None, *blob, None)?;
                    Same::Number(self.numbers[&blob.0])
                }
            };
            versions.push(same);
        }
        let base = if conflict.base.is_some() { versions.pop() } else { None };
        Ok(Some(To::Conflict { versions, base, is_deleted: conflict.deleted }))
    }

    /// Sends a content, at a key or without one, and gives it the next number.
    fn content(
        &mut self,
        place: Option<(KeyPart<'_>, &Had<'_>)>,
        blob: BlobId,
        ready: Option<&Ready>,
    ) -> Result<(), Stopped> {
        self.numbers.insert(blob.0, self.numbers.len() as u64);
        if self.is_had() {
            let records = self.records.fetch_add(1, Ordering::Relaxed) + 1;
            return match self.from.pieces.filter(|_| records == self.from.records) {
                Some(arrived) => self.pieces(blob, arrived),
                None => Ok(()),
            };
        }
        let before = place.and_then(|(_, had)| had.before).map(|before| before.blob);
        let own;
        let ready = match ready {
            Some(ready) => ready,
            None => {
                own = Ready::of(self.db.store(), blob, before)?;
                &own
            }
        };
        let content = match ready {
            Ready::Whole(body) => Content::Whole(body),
            Ready::Delta(delta, _) => Content::Delta(delta),
            Ready::Long(size) => Content::Long(*size),
        };
        match place {
            Some((key, _)) => self.record(&Record::Change { key, to: To::Content(content) })?,
            None => self.record(&Record::Content(content))?,
        }
        if matches!(ready, Ready::Long(_)) { self.pieces(blob, 0) } else { Ok(()) }
    }

    /// Sends the pieces of a content from so many bytes on.
    fn pieces(&mut self, blob: BlobId, from: u64) -> Result<(), Stopped> {
        let missing = crate::object::Error::Missing { id: blob.0, kind: Some(Kind::Blob) };
        let mut reader = self.db.store().open(blob.0)?.ok_or(missing)?;
        let mut pieces = Pieces { sender: self, passed: from, stopped: None };
        let copied = reader.copy_to(&mut pieces);
        match pieces.stopped {
            Some(stopped) => Err(stopped),
            None => Ok(copied?),
        }
    }
}

/// What is known of the contents that the other side has, beside those that were sent.
struct Had<'c> {
    /// The contents that the commit replaces or removes elsewhere.
    old: &'c IdSet,
    /// The trees of parents that are not the base.
    others: &'c [TreeId],
    /// What stood at the key before.
    before: Option<Document>,
}

/// Makes records of a content as it is read.
struct Pieces<'p, 'd, 's> {
    sender: &'p mut Sender<'d, 's>,
    /// So many bytes are still to be passed over.
    passed: u64,
    /// Why it ends.
    stopped: Option<Stopped>,
}

impl Write for Pieces<'_, '_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let passed = usize::try_from(self.passed).map_or(bytes.len(), |passed| passed.min(bytes.len()));
        self.passed -= passed as u64;
        for piece in bytes[passed..].chunks(self.sender.full) {
            if let Err(stopped) = self.sender.put(&Record::Piece(piece)) {
                self.stopped = Some(stopped);
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A commit's bytes behind its tree and its parents.
fn behind_parents(body: &[u8]) -> Option<&[u8]> {
    let mut rest = body;
    while rest.starts_with(b"tree ") || rest.starts_with(b"parent ") {
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        rest = &rest[end + 1..];
    }
    Some(rest)
}
