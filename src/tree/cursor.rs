//! A place among a folder's children, whether they stand in the folder's own tree or in parts.

use std::cmp::Ordering;

use super::Result;
use super::folder::{self, Edge, Folder};
use crate::object::{self, Objects, TreeId, tree_order};

/// What stands at a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The child's name, or that of the part's first child.
    pub(super) name: Vec<u8>,
    /// The child's or the part's tree.
    pub(super) id: TreeId,
    /// Whether this is a part.
    pub(super) part: bool,
}

struct Level {
    id: TreeId,
    tree: object::Tree,
    next: usize,
}

/// Walks a folder's children in order, into parts or past them.
pub(super) struct Cursor<'a, O: ?Sized> {
    objects: &'a O,
    levels: Vec<Level>,
    /// How many levels of parts the folder has, once it has been asked for.
    height: Option<usize>,
}

impl<'a, O: Objects + ?Sized> Cursor<'a, O> {
    pub(super) fn open(objects: &'a O, id: TreeId) -> Result<Self> {
        Ok(Cursor::of(objects, id, objects.tree(id)?))
    }

    /// A cursor at the first child of a folder that has been read.
    pub(super) fn of(objects: &'a O, id: TreeId, tree: object::Tree) -> Self {
        Cursor { objects, levels: vec![Level { id, tree, next: 0 }], height: None }
    }

    pub(super) fn of_folder(objects: &'a O, id: TreeId, folder: Folder) -> Self {
        Cursor::of(objects, id, folder.tree)
    }

    /// A cursor among no children.
    pub(super) fn nowhere(objects: &'a O) -> Self {
        Cursor { objects, levels: Vec::new(), height: Some(0) }
    }

    /// What comes next, without moving past it.
    pub(super) fn peek(&mut self) -> Result<Option<Step>> {
        while let Some(level) = self.levels.last_mut() {
            let Some(entry) = level.tree.entry(level.next) else {
                self.levels.pop();
                continue;
            };
            let (name, part) = match Edge::of(&entry) {
                Edge::Child(name) => (name, false),
                Edge::Part(name) => (name, true),
                Edge::Blob | Edge::Conflict => {
                    level.next += 1;
                    continue;
                }
                Edge::Foreign => return Err(folder::foreign(level.id, entry.name)),
            };
            return Ok(Some(Step { name: name.to_vec(), id: TreeId(entry.id), part }));
        }
        Ok(None)
    }

    /// Moves past what [`Cursor::peek`] answered.
    pub(super) fn pass(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.next += 1;
        }
    }

    /// Moves into the part that [`Cursor::peek`] answered.
    pub(super) fn enter(&mut self, part: &Step) -> Result<()> {
        let height = self.height;
        self.pass();
        self.levels.push(Level { id: part.id, tree: self.objects.tree(part.id)?, next: 0 });
        self.height = height;
        Ok(())
    }

    /// The next child, and moves past it.
    pub(super) fn next_child(&mut self) -> Result<Option<Step>> {
        while let Some(step) = self.peek()? {
            if !step.part {
                self.pass();
                return Ok(Some(step));
            }
            self.enter(&step)?;
        }
        Ok(None)
    }

    /// Moves to the first child whose name is not less than `name`. Only from a new cursor.
    pub(super) fn seek(&mut self, name: &[u8]) -> Result<()> {
        self.seek_as(name, true)
    }

    /// Moves to the first child whose name starts with `start`, or to where it would be: those that do stand together.
    /// Only from a new cursor.
    pub(super) fn seek_start(&mut self, start: &[u8]) -> Result<()> {
        self.seek_as(start, false)
    }

    /// `whole` says that the name ends where the text does, and so counts as if it ended in `/`.
    fn seek_as(&mut self, name: &[u8], whole: bool) -> Result<()> {
        while let Some(level) = self.levels.last_mut() {
            let count = level.tree.len();
            let part_name = [b".part:", name].concat();
            let first_part = lower_bound(&level.tree, 0..count, |e| tree_order(e, (b".part:", true)).is_lt());
            let has_parts = level.tree.entry(first_part).is_some_and(|e| matches!(Edge::of(&e), Edge::Part(_)));
            if !has_parts {
                level.next = lower_bound(&level.tree, 0..count, |e| tree_order(e, (name, whole)).is_lt());
                return Ok(());
            }
            let is_before = |e: (&[u8], bool)| tree_order(e, (&part_name, whole)) != Ordering::Greater;
            let after = lower_bound(&level.tree, first_part..count, is_before);
            level.next = after.saturating_sub(1).max(first_part);
            match self.peek()? {
                Some(step) if step.part => self.enter(&step)?,
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// The child of this name. Only from a new cursor.
    pub(super) fn find(&mut self, name: &[u8]) -> Result<Option<TreeId>> {
        self.seek(name)?;
        Ok(self.next_child()?.filter(|child| child.name == name).map(|child| child.id))
    }

    /// How many levels of parts lie between the cursor and the children, the part that it stands at included.
    pub(super) fn height_here(&mut self) -> Result<usize> {
        let total = match self.height {
            Some(height) => height,
            None => {
                let mut height = 0;
                let Some(top) = self.levels.first() else { return Ok(0) };
                let mut part = first_part(&top.tree);
                while let Some(id) = part {
                    height += 1;
                    part = first_part(&self.objects.tree(id)?);
                }
                *self.height.insert(height)
            }
        };
        Ok((total + 1).saturating_sub(self.levels.len()))
    }
}

fn first_part(tree: &object::Tree) -> Option<TreeId> {
    let at = lower_bound(tree, 0..tree.len(), |e| tree_order(e, (b".part:", true)).is_lt());
    let entry = tree.entry(at)?;
    matches!(Edge::of(&entry), Edge::Part(_)).then_some(TreeId(entry.id))
}

/// The first entry of a range for which `is_before` does not hold.
fn lower_bound(tree: &object::Tree, range: std::ops::Range<usize>, is_before: impl Fn((&[u8], bool)) -> bool) -> usize {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if tree.entry(middle).is_some_and(|entry| is_before((entry.name, entry.is_tree()))) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
