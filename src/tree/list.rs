//! Listing: the children of one folder, and the documents of a range.

use super::cursor::{Cursor, Step};
use super::folder::{self, Folder};
use super::key::{escape_start, odd_name};
use super::{Document, Error, Key, Result, Tree};
use crate::object::{Objects, TreeId};

/// Which documents a listing gives.
#[derive(Clone, Debug, Default)]
pub struct Range {
    /// Only the document at this key and those below it.
    pub prefix: Option<Key>,
    /// Only from this key on.
    pub from: Option<Key>,
    /// Only before this key.
    pub to: Option<Key>,
}

/// The documents of a range, in the order of their keys: an iterator that reads as it goes.
pub struct Documents<'a, O: ?Sized> {
    objects: &'a O,
    /// The path of the folder whose children are being walked, with a slash behind each name.
    path: String,
    /// The folders on the way, each with the length of its path.
    stack: Vec<(usize, Cursor<'a, O>)>,
    /// A folder to read: its path is in `path`.
    pending: Option<TreeId>,
    from: Option<Key>,
    to: Option<Key>,
}

impl<'a, O: Objects + ?Sized> Documents<'a, O> {
    pub(super) fn open(tree: Tree<'a, O>, range: Range) -> Result<Self> {
        let path = range.prefix.as_ref().map(|key| key.path().to_owned()).unwrap_or_default();
        let pending = tree.folder(range.prefix.as_ref())?;
        Ok(Documents { objects: tree.objects, path, stack: Vec::new(), pending, from: range.from, to: range.to })
    }

    fn step(&mut self) -> Result<Option<(Key, Document)>> {
        loop {
            if let Some(id) = self.pending.take() {
                if self.to.as_ref().is_some_and(|to| self.path.as_str() >= to.path()) {
                    self.stack.clear();
                    return Ok(None);
                }
                if let Some(document) = self.open_folder(id)? {
                    return Ok(Some((key(&self.path, id)?, document)));
                }
            }
            let Some((len, cursor)) = self.stack.last_mut() else { return Ok(None) };
            self.path.truncate(*len);
            match cursor.next_child()? {
                Some(child) => {
                    push(&mut self.path, &child)?;
                    self.pending = Some(child.id);
                }
                None => {
                    self.stack.pop();
                }
            }
        }
    }

    /// Reads the folder at `path`, puts its children on the stack, and answers its document if it is in the range.
    fn open_folder(&mut self, id: TreeId) -> Result<Option<Document>> {
        let folder = Folder::load(self.objects, id)?;
        let document = folder.document;
        let mut cursor = Cursor::of_folder(self.objects, id, folder);
        let mut in_range = true;
        if let Some(from) = &self.from {
            if let Some(rest) = from.path().strip_prefix(self.path.as_str()).filter(|rest| !rest.is_empty()) {
                cursor.seek(rest.split('/').next().unwrap_or(rest).as_bytes())?;
                in_range = false;
            } else if self.path.as_str() < from.path() {
                return Ok(None);
            }
        }
        self.stack.push((self.path.len(), cursor));
        Ok(document.filter(|_| in_range))
    }
}

impl<O: Objects + ?Sized> Iterator for Documents<'_, O> {
    type Item = Result<(Key, Document)>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.step();
        if item.is_err() {
            self.stack.clear();
        }
        item.transpose()
    }
}

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

fn bad_name(id: TreeId, name: &[u8]) -> Error {
    Error::Format { id, reason: format!("its path {:?} is not a key's", String::from_utf8_lossy(name)) }
}
