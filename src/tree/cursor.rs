//! A place among a folder's children, whether they stand in the folder's own tree or in parts.

use std::sync::Arc;

use super::Result;
use super::folder::{self, Edge, Folder};
use super::part::MAX_HEIGHT;
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

    /// How many trees lead to where the cursor is: one in a folder without parts.
    pub(super) fn depth(&self) -> usize {
        self.levels.len()
    }

    /// How many levels of parts the folder has, as those of its first child tell.
    pub(super) fn height(&self) -> Result<u32> {
        let Some(Level { id, tree, .. }) = self.levels.first() else { return Ok(0) };
        let (mut height, mut inside) = (0, tree.clone());
        while let Some(part) = folder::first_part(&inside).and_then(|at| inside.entry(at)) {
            if height == MAX_HEIGHT {
                return Err(folder::too_deep(*id));
            }
            inside = self.objects.tree(TreeId(part.id))?;
            height += 1;
        }
        Ok(height)
    }

    /// Whether no child stands before what [`Cursor::peek`] answered.
    pub(super) fn is_first(&self) -> bool {
        let last = self.levels.len().saturating_sub(1);
        self.levels.iter().enumerate().all(|(at, level)| {
            let here = if at == last { level.next } else { level.next - 1 };
            level.tree.iter().take(here).all(|entry| Edge::of(&entry).is_of_document())
        })
    }

    /// The name of the first child behind what [`Cursor::peek`] answered: `None` where nothing follows.
    pub(super) fn after(&self) -> Option<&[u8]> {
        let here = self.levels.len().checked_sub(1)?;
        self.levels.iter().enumerate().rev().find_map(|(at, level)| {
            let next = level.next + usize::from(at == here);
            (next..level.tree.len()).find_map(|at| match Edge::of(&level.tree.entry(at)?) {
                Edge::Child(name) | Edge::Part(name) => Some(name),
                _ => None,
            })
        })
    }

    /// Moves forward to the first child whose name is not less than `name`, or to the outermost part that begins there.
    pub(super) fn advance_to(&mut self, name: &[u8]) -> Result<()> {
        let is_before = |other: &[u8]| tree_order((other, true), (name, true)).is_lt();
        while let Some(step) = self.peek()? {
            let is_passed = match self.after().filter(|_| step.part) {
                Some(next) => is_before(next) || next == name,
                None => !step.part && is_before(&step.name),
            };
            if is_passed {
                self.pass();
            } else if step.part && is_before(&step.name) {
                self.enter(&step)?;
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Moves as [`Cursor::advance_to`] does, and on into parts that begin there, down to this depth.
    pub(super) fn advance_to_part(&mut self, name: &[u8], depth: usize) -> Result<()> {
        self.advance_to(name)?;
        while self.depth() < depth
            && let Some(step) = self.peek()?.filter(|step| step.part && step.name == name)
        {
            self.enter(&step)?;
        }
        Ok(())
    }

    /// Moves forward to the child of this name, and answers its tree. `None` where there is none.
    pub(super) fn advance_to_child(&mut self, name: &[u8]) -> Result<Option<TreeId>> {
        loop {
            self.advance_to(name)?;
            match self.peek()?.filter(|step| step.name == name) {
                Some(step) if step.part => self.enter(&step)?,
                found => return Ok(found.map(|step| step.id)),
            }
        }
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
