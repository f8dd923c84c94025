//! Comparing two trees: which documents were added, changed or removed, in the order of their keys.
//!
//! Equal folders and equal parts have equal ids and are passed over unread, so the cost follows the difference.

use std::cmp::Ordering;

use super::cursor::{Cursor, Step};
use super::folder::Folder;
use super::list::{key, push};
use super::{Document, Key, Result};
use crate::object::{Objects, TreeId, tree_order};

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
}

impl<'a, O: Objects + ?Sized> Diff<'a, O> {
    pub(super) fn open(objects: &'a O, old: Option<TreeId>, new: Option<TreeId>, prefix: Option<&Key>) -> Result<Self> {
        let path = prefix.map(|key| key.path().to_owned()).unwrap_or_default();
        Ok(Diff { objects, path, stack: Vec::new(), pending: (old != new).then_some((old, new)) })
    }

    fn step(&mut self) -> Result<Option<Change>> {
        loop {
            if let Some(pair) = self.pending.take()
                && let Some(change) = self.open_pair(pair)?
            {
                return Ok(Some(change));
            }
            let Some((len, old, new)) = self.stack.last_mut() else { return Ok(None) };
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
            self.pending = None;
        }
        item.transpose()
    }
}
