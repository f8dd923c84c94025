//! Taking a stream in: contents into a quarantine, folders built from them, commits made of both. Whatever a stream says, a
//! commit is only what its documents and its bytes make it.
//!
//! What has been taken stays when a connection is cut: the next one goes on at [`Taker::position`].

use super::ahead::{self, Ahead};
use super::plan::Totals;
use super::record::{Content, KeyPart, Parent, Record, Same, To, check};
use super::send::Position;
use super::wire::{Cursor, wrong};
use crate::database::{Bound, Database, Quarantine};
use crate::object::{BlobId, Commit, CommitId, Id, Kind, Objects, Tag, TreeId, hash};
use crate::script::Runner;
use crate::store::pack::delta;
use crate::store::{Growing, STREAM_FROM};
use crate::sync::error::{Error, Result};
use crate::tree::{Conflict, Document, Edit, Edits, Key};

/// So many bytes may come of each that was sent, beside a number that any stream has free: documents may be empty or long
/// runs of one byte, but not without end.
const EXPANSION: u64 = 4096;
const FREE: u64 = 256 << 20;
/// A path has at most so many bytes: a key's longest text, all of it escaped, and a slash more.
const LONGEST_PATH: usize = 3 * 4096 + 1;

/// What a stream has brought so far.
pub(super) struct Taker<'d> {
    quarantine: Quarantine<'d>,
    /// The commits of the stream, each with its tree.
    commits: Vec<(CommitId, TreeId)>,
    /// The contents of the stream, by their numbers.
    contents: Vec<Id>,
    /// The commit whose changes are coming.
    open: Option<Open>,
    /// What the next deltas of the block make.
    ahead: Ahead,
    /// The content whose pieces are coming.
    long: Option<Long>,
    records: u64,
    done: Totals,
    /// The bytes that were sent, and those that they have become.
    sent: u64,
    made: u64,
    has_ended: bool,
}

/// A commit whose changes are coming.
struct Open {
    parents: Vec<CommitId>,
    before: TreeId,
    rest: Vec<u8>,
    check: [u8; 8],
    edits: Edits,
    /// The documents in conflict among them.
    conflicts: Vec<Key>,
    /// The path of the last key.
    path: Vec<u8>,
}

/// A content that comes in pieces.
struct Long {
    /// Where it is to be; `None` for a version in a conflict.
    key: Option<Key>,
    size: u64,
    arrived: u64,
    body: Body,
}

enum Body {
    Held(Vec<u8>),
    File(Box<Growing>),
}

impl<'d> Taker<'d> {
    pub(super) fn new(quarantine: Quarantine<'d>) -> Taker<'d> {
        Taker {
            quarantine,
            commits: Vec::new(),
            contents: Vec::new(),
            open: None,
            ahead: Ahead::default(),
            long: None,
            records: 0,
            done: Totals::default(),
            sent: 0,
            made: 0,
            has_ended: false,
        }
    }

    /// Where a stream has to go on.
    pub(super) fn position(&self) -> Position {
        Position { records: self.records, pieces: self.long.as_ref().map(|long| long.arrived) }
    }

    /// How much has arrived.
    pub(super) fn done(&self) -> Totals {
        self.done
    }

    /// Whether all has arrived.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// What has arrived, once all has.
    pub(super) fn into_quarantine(self) -> Quarantine<'d> {
        self.quarantine
    }

    fn view(&self) -> &Database {
        self.quarantine.database()
    }

    /// Takes the records of a block, which had so many bytes on the link.
    ///
    /// # Errors
    /// When a record is wrong: then nothing of the stream is of use. [`Error::Unsupported`] when there is something that a
    /// stream cannot carry: the other side says so, or a commit does not come out.
    pub(super) fn take(&mut self, raw: &[u8], sent: usize, runner: &mut dyn Runner) -> Result<()> {
        self.sent += sent as u64;
        self.grow(raw.len())?;
        let mut cursor = Cursor::new(raw);
        self.look_ahead(cursor);
        while !cursor.is_empty() {
            if self.has_ended {
                return Err(wrong("something follows the end"));
            }
            let record = Record::read(&mut cursor)?;
            let is_commit = matches!(record, Record::Commit { .. });
            self.record(record, runner)?;
            if is_commit {
                self.look_ahead(cursor);
            }
        }
        Ok(())
    }

    /// Works out what the deltas stand for that are next, as far as they belong to the open commit.
    fn look_ahead(&mut self, rest: Cursor<'_>) {
        let open = self.open.as_ref().filter(|_| self.long.is_none());
        self.ahead = open.map_or_else(Ahead::default, |open| Ahead::look(self.view(), open.before, &open.path, rest));
    }

    /// Counts bytes that came of what was sent.
    fn grow(&mut self, len: usize) -> Result<()> {
        self.made += len as u64;
        let limit = FREE + self.sent.saturating_mul(EXPANSION);
        if self.made > limit {
            return Err(Error::TooMuch { what: "what a stream becomes when it is unpacked", limit });
        }
        Ok(())
    }

    fn record(&mut self, record: Record<'_>, runner: &mut dyn Runner) -> Result<()> {
        if let Record::Piece(bytes) = record {
            return self.piece(bytes);
        }
        if self.long.is_some() {
            return Err(wrong("a content is cut short"));
        }
        self.records += 1;
        match record {
            Record::Change { key, to } => return self.change(key, to),
            Record::Content(content) => {
                if self.open.is_none() {
                    return Err(wrong("a content belongs to no commit"));
                }
                return self.content(None, content);
            }
            _ => self.close()?,
        }
        match record {
            Record::Commit { parents, base, rest, check } => {
                let parents = self.parents(&parents)?;
                let before = match base.and_then(|place| parents.get(place)) {
                    Some(parent) => parent.1,
                    None => TreeId::EMPTY,
                };
                let parents = parents.into_iter().map(|(id, _)| id).collect();
                let (rest, edits) = (rest.to_vec(), Edits::new());
                self.open = Some(Open { parents, before, rest, check, edits, conflicts: Vec::new(), path: Vec::new() });
            }
            Record::Merge { parents, check } => {
                let parents: Vec<CommitId> = self.parents(&parents)?.into_iter().map(|(id, _)| id).collect();
                let made = self.view().put_merge(&parents, runner)?;
                let (id, bound) = made.ok_or_else(|| wrong("a merge commit has parents that are not merged"))?;
                self.quarantine.bounds().merge(bound);
                self.made(id, &check)?;
            }
            Record::Tag(body) => {
                Tag::parse(body)?;
                self.quarantine.store().put(Kind::Tag, body)?;
            }
            Record::Stop => return Err(Error::Unsupported("has something that its stream cannot carry".into())),
            _ => self.has_ended = true,
        }
        Ok(())
    }

    /// The commits that are parents, with their trees.
    fn parents(&self, parents: &[Parent]) -> Result<Vec<(CommitId, TreeId)>> {
        let parent = |parent: &Parent| match parent {
            Parent::Back(back) => {
                let place = usize::try_from(*back).ok().and_then(|back| self.commits.len().checked_sub(back));
                let found = place.and_then(|place| self.commits.get(place));
                found.copied().ok_or_else(|| wrong("a commit has a parent that was not sent"))
            }
            Parent::Known(id) => Ok((CommitId(*id), self.view().store().commit(CommitId(*id))?.tree)),
        };
        parents.iter().map(parent).collect()
    }

    /// Makes the commit whose changes have come.
    fn close(&mut self) -> Result<()> {
        let Some(Open { parents, before, rest, check, edits, conflicts, .. }) = self.open.take() else { return Ok(()) };
        let store = self.quarantine.store();
        let base = self.view().tree(before);
        let tree = if edits.is_empty() { before } else { base.edit(&edits)?.id() };
        if tree == TreeId::EMPTY {
            store.put(Kind::Tree, b"")?;
        }
        let mut body = format!("tree {tree}\n").into_bytes();
        for parent in &parents {
            body.extend_from_slice(format!("parent {parent}\n").as_bytes());
        }
        body.extend_from_slice(&rest);
        let id = CommitId(hash(Kind::Commit, &body));
        Commit::parse(&body).map_err(|error| error.of_object(id.0))?;
        store.put_after(Kind::Commit, &body, parents.first().map(|parent| parent.0))?;
        self.quarantine.bounds().commit(Bound { tree, from: vec![before], keys: conflicts });
        self.made(id, &check)
    }

    /// Notes a commit that was made, if it is the one that was meant.
    fn made(&mut self, id: CommitId, expected: &[u8; 8]) -> Result<()> {
        if check(&id.0) != *expected {
            // A pack tells what is wrong with it: its folders may have a form of their own.
            let text =
                format!("sends a commit {}… that is not what is said of it, which is {id}", hex::encode(expected));
            return Err(Error::Unsupported(text));
        }
        let tree = self.view().store().commit(id)?.tree;
        self.commits.push((id, tree));
        self.quarantine.vouch(id);
        self.done.commits += 1;
        Ok(())
    }

    fn change(&mut self, part: KeyPart<'_>, to: To<'_>) -> Result<()> {
        let open = self.open.as_mut().ok_or_else(|| wrong("a change belongs to no commit"))?;
        let key = next_key(&mut open.path, part)?;
        self.done.documents += 1;
        let document = match to {
            To::Content(content) => return self.content(Some(key), content),
            To::Nothing => None,
            To::Same(same) => Some(self.same(same)?.into()),
            To::Conflict { versions, base, is_deleted } => Some(self.conflict(&versions, base, is_deleted)?),
        };
        if let Some(Document { blob, .. }) = document {
            self.done.bytes += self.view().store().header(blob.0)?.map_or(0, |(_, size)| size);
        }
        self.edit(&key, document);
        Ok(())
    }

    fn edit(&mut self, key: &Key, document: Option<Document>) {
        if let Some(open) = &mut self.open {
            open.conflicts.extend(document.and_then(|document| document.conflict).map(|_| key.clone()));
            open.edits.push(key, document.map_or(Edit::Remove, Edit::Put));
        }
    }

    fn conflict(&mut self, versions: &[Same], base: Option<Same>, is_deleted: bool) -> Result<Document> {
        let mut conflict = Conflict { deleted: is_deleted, ..Conflict::default() };
        for same in versions {
            conflict.versions.insert(self.same(*same)?);
        }
        conflict.base = base.map(|base| self.same(base)).transpose()?;
        let document = conflict.write(self.quarantine.store())?;
        document.ok_or_else(|| wrong("a conflict has no version"))
    }

    /// A content that was sent before or is here.
    fn same(&self, same: Same) -> Result<BlobId> {
        let found = match same {
            Same::Number(number) => usize::try_from(number).ok().and_then(|number| self.contents.get(number)).copied(),
            Same::Known(id) => Some(id).filter(|_| matches!(self.view().store().header(id), Ok(Some((Kind::Blob, _))))),
        };
        found.map(BlobId).ok_or_else(|| wrong("a content is named that was not sent and is not here"))
    }

    /// Takes a content, for a key or for a conflict.
    fn content(&mut self, key: Option<Key>, content: Content<'_>) -> Result<()> {
        match content {
            Content::Whole(bytes) => self.put(key, bytes),
            Content::Delta(delta) => {
                let before = self.open.as_ref().map_or(TreeId::EMPTY, |open| open.before);
                let key = key.ok_or_else(|| wrong("a delta has nothing that it is to"))?;
                let (_, size, _) = delta::sizes(delta).map_err(|flaw| wrong(flaw.0))?;
                self.grow(usize::try_from(size).unwrap_or(usize::MAX >> 1))?;
                let made = self.ahead.next();
                let body = made.unwrap_or_else(|| ahead::make(self.view(), before, &key, delta))?;
                self.put(Some(key), &body)
            }
            Content::Long(size) => {
                if size > crate::database::MAX_DOCUMENT {
                    let limit = crate::database::MAX_DOCUMENT;
                    return Err(Error::TooMuch { what: "the size of a document", limit });
                }
                let body = match size <= STREAM_FROM {
                    true => Body::Held(Vec::new()),
                    false => Body::File(Box::new(self.quarantine.store().grow(Kind::Blob, size)?)),
                };
                self.long = Some(Long { key, size, arrived: 0, body });
                Ok(())
            }
        }
    }

    fn put(&mut self, key: Option<Key>, body: &[u8]) -> Result<()> {
        let id = self.quarantine.store().put(Kind::Blob, body)?;
        if key.is_some() {
            self.done.bytes += body.len() as u64;
        }
        self.has_content(key, id);
        Ok(())
    }

    fn has_content(&mut self, key: Option<Key>, id: Id) {
        self.contents.push(id);
        if let Some(key) = key {
            self.edit(&key, Some(BlobId(id).into()));
        }
    }

    fn piece(&mut self, bytes: &[u8]) -> Result<()> {
        let long = self.long.as_mut().ok_or_else(|| wrong("a piece belongs to no content"))?;
        long.arrived += bytes.len() as u64;
        if long.arrived > long.size || bytes.is_empty() {
            return Err(wrong("the pieces of a content are not as long as it is"));
        }
        match &mut long.body {
            Body::Held(body) => body.extend_from_slice(bytes),
            Body::File(file) => file.add(bytes)?,
        }
        if long.key.is_some() {
            self.done.bytes += bytes.len() as u64;
        }
        if long.arrived < long.size {
            return Ok(());
        }
        let Some(Long { key, body, .. }) = self.long.take() else { return Ok(()) };
        let store = self.quarantine.store();
        let id = match body {
            Body::Held(body) => store.put(Kind::Blob, &body)?,
            Body::File(file) => store.put_grown(*file)?,
        };
        self.has_content(key, id);
        Ok(())
    }
}

/// The key that follows the one with this path, which becomes its path. Keys come in their order.
pub(super) fn next_key(path: &mut Vec<u8>, part: KeyPart<'_>) -> Result<Key> {
    let bad = || wrong("a key is none, or not in its place");
    let old = path.get(part.shared..).ok_or_else(bad)?;
    if old >= part.rest || part.shared + part.rest.len() > LONGEST_PATH {
        return Err(bad());
    }
    path.truncate(part.shared);
    path.extend_from_slice(part.rest);
    std::str::from_utf8(path).ok().and_then(Key::from_path).ok_or_else(bad)
}
