//! Where a large folder is cut into parts (FORMAT: "Large folders").
//!
//! The cut depends on the names alone. A [`Builder`] makes it for children that come one after the other, where an
//! unchanged stretch may come as the part that holds it: it writes each part as soon as it is known to be one, and
//! reads only where a cut next to a change has gone, and then just the neighbour.

use sha2::{Digest, Sha256};

use super::folder::{self, Edge};
use super::{Document, Error, Result};
use crate::object::{Kind, Objects, TreeId};

/// A folder's own tree is grouped into parts while it would hold more edges than this.
pub(super) const NODE_LIMIT: usize = 64;
/// Leading zero bits of a name's SHA-256 for each level: a part holds 2^5 edges on average.
const LEVEL_BITS: u32 = 5;

/// More levels of parts than this are not read: no set of names that can be found makes as many.
pub(super) const MAX_HEIGHT: u32 = 16;

/// How many levels of parts a child of this name opens.
pub(super) fn level(name: &[u8]) -> u32 {
    let mut zeros = 0;
    for byte in Sha256::digest(name) {
        zeros += byte.leading_zeros();
        if byte != 0 {
            break;
        }
    }
    zeros / LEVEL_BITS
}

/// Makes the tree of a folder of its children, in order, and writes the parts on the way.
///
/// What is given is a **span**: a child (height 0), or a part (of that height) that holds a stretch of children. All
/// parts at one height must come from one canonical folder.
#[derive(Default)]
pub(super) struct Builder {
    /// At each height, the edges that would stand in the folder's own tree if it were cut no further.
    lists: Vec<List>,
}

/// The edges at one height, where stretches may still be whole parts of greater heights.
///
/// Until there are more than a tree may hold, all of them; from then on, those of the group that is still open: either
/// edges of this height, or one whole part.
#[derive(Default)]
struct List {
    /// The edges as a tree holds them.
    body: Vec<u8>,
    marks: Vec<Mark>,
    /// Whether there were more than a tree may hold.
    is_cut: bool,
    /// The part that the open group stood in before, as far as is known, and the one that the next group may have.
    before: Option<TreeId>,
    next: Option<TreeId>,
}

#[derive(Clone, Copy)]
struct Mark {
    /// Where the edge starts in the body.
    start: usize,
    height: u32,
}

/// A span's edge, its tree and its height.
type Span<'l> = (&'l [u8], TreeId, u32);

impl List {
    fn push(&mut self, at: usize, (edge, id, height): Span<'_>) {
        if self.is_cut && self.marks.is_empty() && height == at as u32 {
            self.before = self.next.take();
        }
        self.marks.push(Mark { start: self.body.len(), height });
        folder::write_edge(&mut self.body, edge, id);
    }

    fn get(&self, at: usize) -> Span<'_> {
        let end = self.marks.get(at + 1).map_or(self.body.len(), |mark| mark.start);
        let (edge, id) = folder::read_edge(&self.body[self.marks[at].start..end]);
        (edge, id, self.marks[at].height)
    }

    fn clear(&mut self) {
        self.body.clear();
        self.marks.clear();
        self.before = None;
    }
}

impl Builder {
    /// Adds the next span.
    pub(super) fn add<O: Objects + ?Sized>(&mut self, objects: &O, edge: &[u8], id: TreeId, height: u32) -> Result<()> {
        self.add_at(objects, 0, (edge, id, height), false)
    }

    /// Adds the next child, which stood in a part behind its first one: it opens none, and that need not be worked out.
    pub(super) fn add_inner<O: Objects + ?Sized>(&mut self, objects: &O, name: &[u8], id: TreeId) -> Result<()> {
        self.add_at(objects, 0, (name, id, 0), true)
    }

    /// Tells that the spans of this height which come next stood in this part. Nothing depends on it but how well what
    /// is written can be stored.
    pub(super) fn replaces(&mut self, height: u32, part: TreeId) {
        let at = height as usize;
        while self.lists.len() <= at {
            self.lists.push(List::default());
        }
        self.lists[at].next = Some(part);
    }

    fn add_at<O: Objects + ?Sized>(&mut self, objects: &O, at: usize, span: Span<'_>, is_inner: bool) -> Result<()> {
        if self.lists.len() == at {
            self.lists.push(List::default());
        }
        let list = &mut self.lists[at];
        if !list.is_cut {
            list.push(at, span);
            return if list.marks.len() > NODE_LIMIT { self.cut(objects, at) } else { Ok(()) };
        }
        let (edge, _, height) = span;
        if let Some(open) = list.marks.first() {
            if height > at as u32 || !is_inner && level(folder::first_child(edge, height)) > at as u32 {
                self.close(objects, at)?;
            } else if open.height > at as u32 {
                // The cut before this span has gone: it joins the last group of the part to its left.
                self.reopen(objects, at)?;
            }
        }
        self.lists[at].push(at, span);
        Ok(())
    }

    /// Cuts a list into groups from now on, and what it holds already.
    fn cut<O: Objects + ?Sized>(&mut self, objects: &O, at: usize) -> Result<()> {
        let next = self.lists[at].next;
        let whole = std::mem::replace(&mut self.lists[at], List { is_cut: true, next, ..List::default() });
        (0..whole.marks.len()).try_for_each(|i| self.add_at(objects, at, whole.get(i), false))
    }

    /// Ends the open group of a list: it becomes an edge one height up.
    fn close<O: Objects + ?Sized>(&mut self, objects: &O, at: usize) -> Result<()> {
        let mut open = std::mem::take(&mut self.lists[at]);
        let above = at as u32 + 1;
        match open.get(0) {
            whole if whole.2 >= above => self.add_at(objects, at + 1, whole, false)?,
            (edge, _, height) => {
                let id = TreeId(objects.put_after(Kind::Tree, &open.body, open.before.map(Into::into))?);
                let edge = folder::part_name(folder::first_child(edge, height));
                self.add_at(objects, at + 1, (&edge, id, above), false)?;
            }
        }
        open.clear();
        self.lists[at] = open;
        Ok(())
    }

    /// Opens the whole part that a list's open group is, down to its last group at this height.
    fn reopen<O: Objects + ?Sized>(&mut self, objects: &O, at: usize) -> Result<()> {
        let (_, mut id, mut height) = self.lists[at].get(0);
        self.lists[at].clear();
        loop {
            let inside = expand(objects, id, height)?;
            height -= 1;
            if height == at as u32 {
                self.lists[at].body.extend_from_slice(&inside.body);
                self.lists[at].marks.extend(&inside.marks);
                self.lists[at].before = Some(id);
                return Ok(());
            }
            let last = inside.marks.len().checked_sub(1).ok_or_else(|| empty_part(id))?;
            (0..last).try_for_each(|i| self.add_at(objects, at + 1, inside.get(i), false))?;
            id = inside.get(last).1;
        }
    }

    /// Writes the folder's tree, which was `old`. `None` when there is nothing in it. The builder is as new then.
    pub(super) fn finish<O: Objects + ?Sized>(
        &mut self,
        objects: &O,
        document: Option<Document>,
        old: Option<TreeId>,
    ) -> Result<Option<TreeId>> {
        let mut at = 0;
        if self.lists.is_empty() {
            self.lists.push(List::default());
        }
        while self.more_than_limit(objects, at)? {
            let is_first = self.lists.get(at + 1).is_none_or(|above| above.marks.is_empty());
            if is_first && self.lists[at].marks.iter().all(|mark| mark.height == at as u32) {
                break;
            }
            self.close(objects, at)?;
            at += 1;
        }
        let body = &mut self.lists[at].body;
        let id = match (body.is_empty(), document) {
            (true, None) => None,
            _ => Some(folder::write(objects, body, document, old)?),
        };
        for list in &mut self.lists {
            list.clear();
            list.is_cut = false;
            list.next = None;
        }
        Ok(id)
    }

    /// Whether the list at this height has more edges than a tree may hold. Reads parts only as long as that is open;
    /// when the answer is no, every edge is of this height.
    fn more_than_limit<O: Objects + ?Sized>(&mut self, objects: &O, at: usize) -> Result<bool> {
        while !self.lists[at].is_cut {
            let list = &self.lists[at];
            let Some(part) = list.marks.iter().position(|mark| mark.height > at as u32) else { return Ok(false) };
            let (_, id, height) = list.get(part);
            let inside = expand(objects, id, height)?;
            let list = std::mem::take(&mut self.lists[at]);
            let (before, after) = (0..part, part + 1..list.marks.len());
            let spans = before.map(|i| list.get(i)).chain((0..inside.marks.len()).map(|i| inside.get(i)));
            spans.chain(after.map(|i| list.get(i))).try_for_each(|span| self.add_at(objects, at, span, false))?;
        }
        Ok(true)
    }
}

/// What a part of this height holds.
fn expand<O: Objects + ?Sized>(objects: &O, part: TreeId, height: u32) -> Result<List> {
    let mut inside = List::default();
    for entry in objects.tree(part)?.iter() {
        match (Edge::of(&entry), height) {
            (Edge::Child(_), 1) | (Edge::Part(_), 2..) => inside.push(0, (entry.name, TreeId(entry.id), height - 1)),
            _ => return Err(folder::misplaced(part, &entry)),
        }
    }
    Ok(inside)
}

fn empty_part(id: TreeId) -> Error {
    Error::Format { id, reason: "a part is empty".into() }
}
