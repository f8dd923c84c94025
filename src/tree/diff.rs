//! Comparing two trees: which documents were added, changed or removed, in the order of their keys.
//!
//! Equal folders and equal parts have equal ids and are passed over unread, so the cost follows the difference.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::cursor::{Cursor, Step};
use super::folder::Folder;
use super::list::{key, push};
use super::queue::{Stretch, threads_for, walk_in_order};
use super::{Document, Error, Key, Result, Tree};
use crate::object::{Objects, TreeId, tree_order};

/// So many changes are found before other threads are started.
const ALONE: usize = 4;
/// A stretch has about so many changes, and a short one so many.
const STRETCH: usize = 64;
const SHORT_STRETCH: usize = 4;
/// Of the children of a folder that differ, so many at a time are shared among threads, in so many pieces.
const SHARED: usize = 64;
const PIECES: usize = 16;

/// One document that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where it is.
    pub key: Key,
    /// What was there before.
    pub old: Option<Document>,
    /// What is there now.
    pub new: Option<Document>,
}

/// The folder at one path, on both sides.
type Pair = (Option<TreeId>, Option<TreeId>);

/// The documents that differ between two trees: an iterator that reads as it goes.
pub struct Diff<'a, O: ?Sized> {
    objects: &'a O,
    path: String,
    stack: Vec<(usize, Cursor<'a, O>, Cursor<'a, O>)>,
    pending: Option<Pair>,
    /// What is compared after that, with the paths.
    later: std::vec::IntoIter<(String, Pair)>,
    /// Why it ends then.
    failed: Option<Error>,
}

impl<'a, O: Objects + Sync + ?Sized> Tree<'a, O> {
    /// Does `work` for each document that differs from `newer`'s, as [`Tree::diff`] finds them, on so many threads (0: as
    /// many as the machine runs at once), and calls `give` with what comes of it, in the order of keys, until `give` breaks
    /// off.
    ///
    /// `work` also answers how many bytes its result holds: so much is held of what could not be given yet.
    ///
    /// # Errors
    /// The first one in the order of keys. What comes before it has been given.
    pub fn compare<T: Send, E: From<Error> + Send>(
        &self,
        newer: &Tree<'a, O>,
        prefix: Option<&Key>,
        threads: usize,
        work: impl Fn(&'a O, Change) -> Result<(T, usize), E> + Sync,
        mut give: impl FnMut(T) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let objects = self.objects;
        let mut diff = self.diff(newer, prefix)?;
        let mut found = 0;
        for change in diff.by_ref() {
            if give(work(objects, change?)?.0)?.is_break() {
                return Ok(());
            }
            found += 1;
            if found == ALONE && threads_for(threads) > 1 {
                break;
            }
        }
        let walk = |diff, is_short| stretch(diff, if is_short { SHORT_STRETCH } else { STRETCH }, objects, &work);
        walk_in_order(diff.into_pieces().into_iter(), threads, walk, give)
    }
}

/// Finds about so many changes.
fn stretch<'a, O: Objects + ?Sized, T, E: From<Error>>(
    mut diff: Diff<'a, O>,
    len: usize,
    objects: &'a O,
    work: impl Fn(&'a O, Change) -> Result<(T, usize), E>,
) -> Stretch<Diff<'a, O>, T, E> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    while found.len() < len
        && let Some(change) = diff.next()
    {
        match change.map_err(E::from).and_then(|change| work(objects, change)) {
            Ok((item, held)) => {
                found.push(item);
                bytes += held;
            }
            Err(error) => return Stretch { found, bytes, left: Err(error) },
        }
    }
    Stretch { found, bytes, left: Ok(diff.into_pieces()) }
}

impl<'a, O: Objects + ?Sized> Diff<'a, O> {
    pub(super) fn open(objects: &'a O, old: Option<TreeId>, new: Option<TreeId>, prefix: Option<&Key>) -> Result<Self> {
        let path = prefix.map(|key| key.path().to_owned()).unwrap_or_default();
        let pending = (old != new).then_some((old, new));
        Ok(Diff { objects, path, stack: Vec::new(), pending, later: Vec::new().into_iter(), failed: None })
    }

    /// What is left, in pieces that come one after the other.
    fn into_pieces(self) -> Vec<Self> {
        let Diff { objects, mut path, mut stack, later, mut failed, .. } = self;
        let of = |path: String, stack, later: Vec<_>, failed| Diff {
            objects,
            path,
            stack,
            pending: None,
            later: later.into_iter(),
            failed,
        };
        let mut pieces = Vec::new();
        while let Some((len, mut old, mut new)) = stack.pop() {
            let mut pairs = Vec::new();
            let mut rest = None;
            loop {
                path.truncate(len);
                if pairs.len() == SHARED {
                    rest = Some((len, old, new));
                    break;
                }
                match next_pair(&mut old, &mut new, &mut path, |_, _, _| Ok(false)) {
                    Ok(Some(pair)) => pairs.push((path.clone(), pair)),
                    Ok(None) => break,
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            pieces.extend(in_chunks(pairs).map(|pairs| of(String::new(), Vec::new(), pairs, None)));
            if failed.is_some() {
                break;
            }
            pieces.extend(rest.map(|level| of(path.clone(), vec![level], Vec::new(), None)));
        }
        let later = if failed.is_some() { Vec::new() } else { later.collect() };
        pieces.extend(in_chunks(later).map(|pairs| of(String::new(), Vec::new(), pairs, None)));
        pieces.extend(failed.map(|error| of(String::new(), Vec::new(), Vec::new(), Some(error))));
        pieces
    }

    fn step(&mut self) -> Result<Option<Change>> {
        loop {
            if let Some(pair) = self.pending.take()
                && let Some(change) = self.open_pair(pair)?
            {
                return Ok(Some(change));
            }
            let Some((len, old, new)) = self.stack.last_mut() else {
                let Some((path, pair)) = self.later.next() else { return self.failed.take().map_or(Ok(None), Err) };
                (self.path, self.pending) = (path, Some(pair));
                continue;
            };
            self.path.truncate(*len);
            match next_pair(old, new, &mut self.path, |_, _, _| Ok(false))? {
                Some(pair) => self.pending = Some(pair),
                None => {
                    self.stack.pop();
                }
            }
        }
    }

    fn open_pair(&mut self, (old, new): Pair) -> Result<Option<Change>> {
        let (old_document, old_cursor) = self.open_side(old)?;
        let (new_document, new_cursor) = self.open_side(new)?;
        self.stack.push((self.path.len(), old_cursor, new_cursor));
        if old_document == new_document {
            return Ok(None);
        }
        let id = new.or(old).unwrap_or(TreeId::EMPTY);
        Ok(Some(Change { key: key(&self.path, id)?, old: old_document, new: new_document }))
    }

    fn open_side(&self, id: Option<TreeId>) -> Result<(Option<Document>, Cursor<'a, O>)> {
        let Some(id) = id else { return Ok((None, Cursor::nowhere(self.objects))) };
        let folder = Folder::load(self.objects, id)?;
        Ok((folder.document, Cursor::of_folder(self.objects, id, folder)))
    }
}

/// Pairs in few lists.
fn in_chunks(pairs: Vec<(String, Pair)>) -> impl Iterator<Item = Vec<(String, Pair)>> {
    let len = pairs.len().div_ceil(PIECES).max(1);
    let mut pairs = pairs.into_iter();
    std::iter::from_fn(move || Some(pairs.by_ref().take(len).collect()).filter(|chunk: &Vec<_>| !chunk.is_empty()))
}

/// The next child that differs; its name is put behind the path. Where two parts begin alike, `skip` is asked with the
/// cursors, what stands there, and the path: it answers true when it has moved past what need not be compared.
pub(super) fn next_pair<'a, O: Objects + ?Sized>(
    old: &mut Cursor<'a, O>,
    new: &mut Cursor<'a, O>,
    path: &mut String,
    mut skip: impl FnMut([&mut Cursor<'a, O>; 2], [&Step; 2], &str) -> Result<bool>,
) -> Result<Option<Pair>> {
    loop {
        let (left, right) = (old.peek()?, new.peek()?);
        // An id says what a tree holds, so equal parts are equal wherever they stand.
        if left.is_some() && left == right {
            old.pass();
            new.pass();
            continue;
        }
        let order = match (&left, &right) {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => tree_order((&left.name, true), (&right.name, true)),
        };
        let (left, right) = (left.filter(|_| order.is_le()), right.filter(|_| order.is_ge()));
        if let (Some(left), Some(right)) = (&left, &right)
            && left.part
            && right.part
            && skip([&mut *old, &mut *new], [left, right], path)?
        {
            continue;
        }
        // A part begins with its first child: what comes before that is on the other side alone. So the part to enter
        // is the one that begins first, or both; where they are of different heights, the walks meet again at the next
        // part that begins alike.
        let mut entered = false;
        for (cursor, step) in [(&mut *old, &left), (&mut *new, &right)] {
            if let Some(part) = step.as_ref().filter(|step| step.part) {
                cursor.enter(part)?;
                entered = true;
            }
        }
        if entered {
            continue;
        }
        for (cursor, step) in [(old, &left), (new, &right)] {
            if step.is_some() {
                cursor.pass();
            }
        }
        push(path, left.as_ref().or(right.as_ref()).expect("one side is first"))?;
        return Ok(Some((left.map(|child| child.id), right.map(|child| child.id))));
    }
}

impl<O: Objects + ?Sized> Iterator for Diff<'_, O> {
    type Item = Result<Change>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.step();
        if item.is_err() {
            self.stack.clear();
            (self.pending, self.later) = (None, Vec::new().into_iter());
        }
        item.transpose()
    }
}
