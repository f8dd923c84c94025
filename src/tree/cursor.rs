//! A place among a folder's children, whether they stand in the folder's own tree or in parts.

use std::sync::Arc;

use super::Result;
use super::folder::{self, Edge, Folder};
use crate::object::{self, Objects, TreeId};

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
    tree: Arc<object::Tree>,
    next: usize,
}

/// Walks a folder's children in order, into parts or past them.
pub(super) struct Cursor<'a, O: ?Sized> {
    objects: &'a O,
    levels: Vec<Level>,
}

impl<'a, O: Objects + ?Sized> Cursor<'a, O> {
    pub(super) fn open(objects: &'a O, id: TreeId) -> Result<Self> {
        Ok(Cursor::of(objects, id, objects.tree(id)?))
    }

    /// A cursor at the first child of a folder that has been read.
    pub(super) fn of(objects: &'a O, id: TreeId, tree: Arc<object::Tree>) -> Self {
        Cursor { objects, levels: vec![Level { id, tree, next: 0 }] }
    }

    pub(super) fn of_folder(objects: &'a O, id: TreeId, folder: Folder) -> Self {
        Cursor::of(objects, id, folder.tree)
    }

    /// A cursor among no children.
    pub(super) fn nowhere(objects: &'a O) -> Self {
        Cursor { objects, levels: Vec::new() }
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
        self.pass();
        self.push(part.id)
    }

    fn push(&mut self, id: TreeId) -> Result<()> {
        self.levels.push(Level { id, tree: self.objects.tree(id)?, next: 0 });
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
        while let Some(level) = self.levels.last_mut() {
            let Some((at, part)) = folder::part_for(&level.tree, name) else {
                level.next = level.tree.position(name, true).unwrap_or_else(|at| at);
                return Ok(());
            };
            level.next = at + 1;
            self.push(part)?;
        }
        Ok(())
    }
}
