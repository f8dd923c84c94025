//! The edits of one change: many, in any order, in little memory; read in the order of their keys, as often as wanted.
//!
//! Edits come into a batch. A full one is sorted and packed: of a key only what differs from the key before it is kept.
//! Reading merges what was packed, and of several edits of one key the last stays.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fmt;

use super::edit::{Action, Edit};
use super::{Document, Key};
use crate::object::{BlobId, Id, TreeId};

/// A batch is packed when it has so many edits, or so many bytes.
const BATCH: usize = 1 << 16;
const BATCH_BYTES: usize = 8 << 20;

/// Edits in the order in which they are to be made. A million of them take about 50 bytes each.
#[derive(Clone, Default)]
pub struct Edits {
    /// Later runs hold later edits.
    runs: Vec<Run>,
    latest: Batch,
    len: usize,
    deepest: usize,
}

/// Packed edits in ascending order of their keys.
#[derive(Clone, Default)]
struct Run {
    blocks: Vec<Box<[u8]>>,
    /// The path of the last one.
    last: Vec<u8>,
}

/// Edits as they come: the bytes of each are its path and then what [`write_action`] writes.
#[derive(Clone, Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Where the edits start, and how long their paths are.
    records: Vec<(u32, u32)>,
}

impl fmt::Debug for Edits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edits").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Edits {
    /// No edits.
    pub fn new() -> Edits {
        Edits::default()
    }

    /// Adds an edit, behind those that were added before.
    pub fn push(&mut self, key: &Key, edit: Edit) {
        self.push_action(key.path(), Action::Edit(edit));
    }

    /// Adds what is to be done at a path, behind what was added before.
    pub(super) fn push_action(&mut self, path: &str, action: Action) {
        let path = path.as_bytes();
        if self.latest.records.len() >= BATCH || self.latest.bytes.len() >= BATCH_BYTES {
            self.pack();
        }
        self.latest.push(path, action);
        self.len += 1;
        self.deepest = self.deepest.max(path.iter().filter(|&&byte| byte == b'/').count());
    }

    /// Adds the edits of others, behind those that were added before.
    pub(super) fn append(&mut self, mut others: Edits) {
        for edits in [&mut *self, &mut others] {
            if !edits.latest.records.is_empty() {
                edits.pack();
            }
        }
        self.runs.append(&mut others.runs);
        self.len += others.len;
        self.deepest = self.deepest.max(others.deepest);
    }

    /// How many edits were added.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none was added.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many segments the key of most segments has.
    pub(super) fn deepest(&self) -> usize {
        self.deepest
    }

    fn pack(&mut self) {
        let (block, first, last) = self.latest.packed();
        self.latest.bytes.clear();
        self.latest.records.clear();
        // Keys that come in order make one run, so that reading them is no merging.
        match self.runs.last_mut().filter(|run| run.last <= first) {
            Some(run) => {
                run.blocks.push(block);
                run.last = last;
            }
            None => self.runs.push(Run { blocks: vec![block], last }),
        }
    }

    /// The edits in the order of their keys. Of several of one key the last is given; but what follows an edit of its
    /// whole folder comes behind that.
    pub(super) fn sorted(&self) -> Sorted<'_> {
        let mut cursors: Vec<Cursor<'_>> = Vec::with_capacity(self.runs.len() + 1);
        cursors.extend(self.runs.iter().map(|run| Cursor::new(Cow::Borrowed(&[]), &run.blocks)));
        if !self.latest.records.is_empty() {
            cursors.push(Cursor::new(Cow::Owned(self.latest.packed().0.into_vec()), &[]));
        }
        for (order, cursor) in cursors.iter_mut().enumerate() {
            cursor.order = order;
            cursor.advance();
        }
        let mut sorted = Sorted { cursors: cursors.into(), path: Vec::new(), action: None };
        sorted.advance();
        sorted
    }
}

impl FromIterator<(Key, Edit)> for Edits {
    fn from_iter<I: IntoIterator<Item = (Key, Edit)>>(edits: I) -> Edits {
        let mut all = Edits::new();
        for (key, edit) in edits {
            all.push(&key, edit);
        }
        all
    }
}

impl Batch {
    fn push(&mut self, path: &[u8], action: Action) {
        let number = |n: usize| u32::try_from(n).expect("a batch is packed long before it has 4 GiB");
        self.records.push((number(self.bytes.len()), number(path.len())));
        self.bytes.extend_from_slice(path);
        write_action(&mut self.bytes, action);
    }

    fn path(&self, (start, len): (u32, u32)) -> &[u8] {
        &self.bytes[start as usize..][..len as usize]
    }

    /// The edits, of which there is at least one, packed; with the first and the last path.
    fn packed(&self) -> (Box<[u8]>, Vec<u8>, Vec<u8>) {
        let mut records = self.records.clone();
        // The sort is stable: of several edits of one key the last stays last.
        records.sort_by(|&a, &b| self.path(a).cmp(self.path(b)));
        let mut block = Vec::with_capacity(self.bytes.len() / 2);
        let mut last: &[u8] = &[];
        for (at, &record) in records.iter().enumerate() {
            let path = self.path(record);
            let action = &self.bytes[record.0 as usize + path.len()..];
            let is_replaced = records.get(at + 1).is_some_and(|&next| self.path(next) == path);
            if is_replaced && !matches!(action[0], REMOVE_FOLDER | PUT_FOLDER) {
                continue;
            }
            let shared = path.iter().zip(last).take_while(|(a, b)| a == b).count();
            write_number(&mut block, shared);
            write_number(&mut block, path.len() - shared);
            block.extend_from_slice(&path[shared..]);
            block.extend_from_slice(&action[..action_len(action[0])]);
            last = path;
        }
        let first = records.first().map(|&record| self.path(record).to_vec()).unwrap_or_default();
        (block.into_boxed_slice(), first, last.to_vec())
    }
}

/// The edits in the order of their keys, with the next one at hand.
pub(super) struct Sorted<'e> {
    cursors: BinaryHeap<Cursor<'e>>,
    path: Vec<u8>,
    action: Option<Action>,
}

impl Sorted<'_> {
    /// The next edit, and its key's path.
    pub(super) fn peek(&self) -> Option<(&[u8], Action)> {
        Some((&self.path, self.action?))
    }

    /// Moves past the next edit.
    pub(super) fn advance(&mut self) {
        self.action = self.take();
        while self.action.is_some_and(|action| !action.is_of_folder())
            && self.cursors.peek().is_some_and(|cursor| cursor.path == self.path)
        {
            self.action = self.take();
        }
    }

    fn take(&mut self) -> Option<Action> {
        let mut first = self.cursors.peek_mut()?;
        self.path.clear();
        self.path.extend_from_slice(&first.path);
        let action = first.action;
        if !first.advance() {
            PeekMut::pop(first);
        }
        Some(action)
    }
}

/// A place among packed edits.
struct Cursor<'e> {
    block: Cow<'e, [u8]>,
    at: usize,
    /// The blocks that follow.
    blocks: &'e [Box<[u8]>],
    /// Of edits of one key, those of the cursor with the lowest number come first.
    order: usize,
    path: Vec<u8>,
    action: Action,
}

impl<'e> Cursor<'e> {
    fn new(block: Cow<'e, [u8]>, blocks: &'e [Box<[u8]>]) -> Self {
        Cursor { block, at: 0, blocks, order: 0, path: Vec::new(), action: Action::Edit(Edit::Remove) }
    }

    /// Reads the next edit; answers whether there was one.
    fn advance(&mut self) -> bool {
        if self.at == self.block.len() {
            let Some((next, later)) = self.blocks.split_first() else { return false };
            (self.block, self.blocks, self.at) = (Cow::Borrowed(&**next), later, 0);
        }
        let shared = read_number(&self.block, &mut self.at);
        let len = read_number(&self.block, &mut self.at);
        self.path.truncate(shared);
        self.path.extend_from_slice(&self.block[self.at..][..len]);
        self.at += len;
        let action = &self.block[self.at..];
        self.action = read_action(action);
        self.at += action_len(action[0]);
        true
    }
}

impl Ord for Cursor<'_> {
    /// The greatest is the one whose edit comes first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.path.cmp(&self.path).then(other.order.cmp(&self.order))
    }
}

impl PartialOrd for Cursor<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Cursor<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Cursor<'_> {}

// An action starts with one of these bytes.
const REMOVE: u8 = 0;
const REMOVE_FOLDER: u8 = 1;
const PUT: u8 = 2;
const PUT_CONFLICT: u8 = 3;
const PUT_FOLDER: u8 = 4;
const PUT_PART: u8 = 5;

fn write_action(out: &mut Vec<u8>, action: Action) {
    let mut write = |first: u8, id: &Id| {
        out.push(first);
        out.extend_from_slice(id.as_bytes());
    };
    match action {
        Action::Edit(Edit::Remove) => out.push(REMOVE),
        Action::Edit(Edit::RemoveFolder) => out.push(REMOVE_FOLDER),
        Action::Edit(Edit::PutFolder(id)) => write(PUT_FOLDER, &id.0),
        Action::Edit(Edit::Put(Document { blob, conflict: None })) => write(PUT, &blob.0),
        Action::Edit(Edit::Put(Document { blob, conflict: Some(conflict) })) => {
            write(PUT_CONFLICT, &blob.0);
            out.extend_from_slice(conflict.0.as_bytes());
        }
        Action::PutPart { id, height } => {
            write(PUT_PART, &id.0);
            out.push(height);
        }
    }
}

/// How many bytes an action takes that starts with this one.
fn action_len(first: u8) -> usize {
    match first {
        PUT | PUT_FOLDER => 33,
        PUT_PART => 34,
        PUT_CONFLICT => 65,
        _ => 1,
    }
}

fn read_action(bytes: &[u8]) -> Action {
    let id = |at: usize| Id::from_bytes(*bytes[at..].first_chunk().expect("what was packed is whole"));
    let edit = match bytes[0] {
        PUT_PART => return Action::PutPart { id: TreeId(id(1)), height: bytes[33] },
        REMOVE => Edit::Remove,
        REMOVE_FOLDER => Edit::RemoveFolder,
        PUT => Edit::Put(BlobId(id(1)).into()),
        PUT_FOLDER => Edit::PutFolder(TreeId(id(1))),
        _ => Edit::Put(Document { blob: BlobId(id(1)), conflict: Some(TreeId(id(33))) }),
    };
    Action::Edit(edit)
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn write_number(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn read_number(bytes: &[u8], at: &mut usize) -> usize {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[*at];
        *at += 1;
        number |= usize::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            break;
        }
    }
    number
}
