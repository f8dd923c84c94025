//! Listing the children of one folder.

use super::cursor::{Cursor, Step};
use super::folder::{self, Folder};
use super::key::{escape_start, odd_name};
use super::walk::bad_name;
use super::{Document, Key, Result};
use crate::object::{Objects, TreeId};

/// One child of a folder.
#[derive(Clone, Debug)]
pub struct Child {
    /// The child's whole last segment, as text.
    pub segment: String,
    /// The child's own tree.
    pub tree: TreeId,
    /// The document at the child's key.
    pub document: Option<Document>,
    /// Whether there are documents below it.
    pub is_folder: bool,
}

/// The children of one folder, in order: an iterator that reads as it goes.
pub struct Children<'a, O: ?Sized> {
    objects: &'a O,
    cursor: Cursor<'a, O>,
    /// How the names of the children start.
    start: String,
    /// A child to list first: one whose name does not start as its segment does.
    odd: Option<Step>,
}

impl<'a, O: Objects + ?Sized> Children<'a, O> {
    /// The children whose segments start with `start`.
    pub(super) fn open(objects: &'a O, folder: Option<TreeId>, start: &str) -> Result<Self> {
        let start = escape_start(start);
        let Some(id) = folder else {
            return Ok(Children { objects, cursor: Cursor::nowhere(objects), start, odd: None });
        };
        let mut cursor = Cursor::open(objects, id)?;
        let mut odd = None;
        if !start.is_empty() {
            // No name has a byte below the space, so this stands before the first name that starts so.
            cursor.seek(format!("{start}\x01").as_bytes())?;
            if let Some(name) = odd_name(&start) {
                let found = folder::find(objects, id, name.as_bytes())?;
                odd = found.map(|id| Step { name: name.into(), id, part: false });
            }
        }
        Ok(Children { objects, cursor, start, odd })
    }

    fn step(&mut self) -> Result<Option<Child>> {
        let next = match self.odd.take() {
            Some(step) => Some(step),
            None => self.cursor.next_child()?.filter(|step| step.name.starts_with(self.start.as_bytes())),
        };
        let Some(step) = next else { return Ok(None) };
        let folder = Folder::load(self.objects, step.id)?;
        let mut path = String::new();
        push(&mut path, &step)?;
        let segment = key(&path, step.id)?.text().into_owned();
        let document = folder.document;
        let is_folder = Cursor::of_folder(self.objects, step.id, folder).peek()?.is_some();
        Ok(Some(Child { segment, tree: step.id, document, is_folder }))
    }
}

impl<O: Objects + ?Sized> Iterator for Children<'_, O> {
    type Item = Result<Child>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.step();
        if item.is_err() {
            self.cursor = Cursor::nowhere(self.objects);
        }
        item.transpose()
    }
}

/// Puts a child's name and a slash behind a path.
pub(super) fn push(path: &mut String, child: &Step) -> Result<()> {
    let name = std::str::from_utf8(&child.name).map_err(|_| bad_name(child.id, &child.name))?;
    path.push_str(name);
    path.push('/');
    Ok(())
}

/// The key of a path that was met in trees.
pub(super) fn key(path: &str, id: TreeId) -> Result<Key> {
    Key::from_path(path).ok_or_else(|| bad_name(id, path.as_bytes()))
}
