//! Walking the documents of a range in the order of their keys. A walk can be stopped, and what is left of it be
//! walked in pieces.

use std::sync::Arc;

use super::folder::{self, Edge, Folder};
use super::key::text_len;
use super::{Document, Error, Key, Result, Tree};
use crate::object::{self, Objects, ReadOnce, TreeId};

/// What is left of one tree is walked in so many pieces at most: all but the last are about as long as is wished for.
const PIECES: usize = 8;

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
    range: Arc<Range>,
    /// The folder to begin with, until it has been read: its path is in `path`.
    start: Option<(TreeId, usize)>,
    /// The path of the folder whose children are being walked or of one of them, with a slash behind each name.
    path: String,
    levels: Vec<Level>,
    /// How many documents were given.
    given: usize,
}

/// A folder's tree or one of its parts, on the way.
#[derive(Clone)]
struct Level {
    id: TreeId,
    tree: Arc<object::Tree>,
    /// The place of the edge that comes next, and where the walk ends.
    next: usize,
    end: usize,
    /// The edge that it began with, and how many documents had been given then.
    start: usize,
    given: usize,
    /// How long the folder's path is, and how long its key is as text, a slash behind it counted.
    path_len: usize,
    text_len: usize,
}

/// A piece of a walk: what is left of one folder's tree or of one part, with all below it.
pub(super) struct Piece {
    path: String,
    level: Level,
}

impl<'a, O: Objects + ?Sized> Documents<'a, O> {
    pub(super) fn open(tree: Tree<'a, O>, range: Range) -> Result<Self> {
        let (path, text_len) = match &range.prefix {
            Some(key) => (key.path().to_owned(), key.text().len() + 1),
            None => (String::new(), 0),
        };
        let start = tree.folder(range.prefix.as_ref())?.map(|id| (id, text_len));
        Ok(Documents { objects: tree.objects, range: Arc::new(range), start, path, levels: Vec::new(), given: 0 })
    }

    /// The documents of a piece of a walk.
    pub(super) fn of_piece(objects: &'a O, range: Arc<Range>, piece: Piece) -> Self {
        Documents { objects, range, start: None, path: piece.path, levels: vec![piece.level], given: 0 }
    }

    /// What is left of a walk that has begun, in the order of keys. The first pieces of each tree have about so many
    /// documents, as far as that can be told from those that were given.
    pub(super) fn into_pieces(self, len: usize) -> impl Iterator<Item = Piece> {
        let Documents { path, levels, given, .. } = self;
        let left = levels.into_iter().rev().filter(|level| !level.is_done());
        left.flat_map(move |level| {
            let path = path[..level.path_len].to_owned();
            level.in_pieces(given, len).map(move |level| Piece { path: path.clone(), level })
        })
    }

    /// The range that is walked.
    pub(super) fn range(&self) -> Arc<Range> {
        self.range.clone()
    }

    /// Whether a tree has just been walked to its end.
    pub(super) fn is_between_trees(&self) -> bool {
        self.levels.last().is_none_or(Level::is_done)
    }

    fn step(&mut self) -> Result<Option<(Key, Document)>> {
        let mut folder = self.start.take();
        loop {
            if let Some((id, text_len)) = folder.take() {
                if self.range.to.as_ref().is_some_and(|to| self.path.as_str() >= to.path()) {
                    self.levels.clear();
                    return Ok(None);
                }
                if let Some(document) = self.open_folder(id, text_len)? {
                    if self.path.is_empty() {
                        return Err(bad_name(id, b""));
                    }
                    return Ok(Some((Key::from_checked(self.path.clone()), document)));
                }
            }
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            let Some(entry) = level.tree.entry(level.next).filter(|_| !level.is_done()) else {
                self.levels.pop();
                continue;
            };
            level.next += 1;
            let id = TreeId(entry.id);
            match Edge::of(&entry) {
                Edge::Child(name) => {
                    self.path.truncate(level.path_len);
                    let name = std::str::from_utf8(name).map_err(|_| bad_name(id, name))?;
                    self.path.push_str(name);
                    self.path.push('/');
                    let len = text_len(name).map(|len| level.text_len + len + 1);
                    let len = len.filter(|&len| len <= Key::MAX_LEN + 1);
                    folder = Some((id, len.ok_or_else(|| bad_name(id, self.path.as_bytes()))?));
                }
                Edge::Part(_) => self.open_part(id)?,
                Edge::Blob | Edge::Conflict => {}
                Edge::Foreign => return Err(folder::foreign(level.id, entry.name)),
            }
        }
    }

    /// Reads the folder at `path`, goes on to its children, and answers its document if it is in the range.
    fn open_folder(&mut self, id: TreeId, text_len: usize) -> Result<Option<Document>> {
        let folder = Folder::load(&ReadOnce(self.objects), id)?;
        let document = folder.document;
        let mut first_child = None;
        if let Some(from) = &self.range.from {
            match from.path().strip_prefix(self.path.as_str()) {
                Some("") => {}
                Some(rest) => first_child = Some(rest.split('/').next().unwrap_or(rest).to_owned()),
                None if self.path.as_str() < from.path() => return Ok(None),
                None => {}
            }
        }
        let in_range = first_child.is_none();
        if !folder.is_leaf() {
            self.levels.push(Level::new(id, folder.tree, (self.path.len(), text_len), self.given));
            if let Some(name) = first_child {
                self.seek(name.as_bytes())?;
            }
        }
        Ok(document.filter(|_| in_range))
    }

    /// Goes into a part of the folder that is being walked.
    fn open_part(&mut self, id: TreeId) -> Result<()> {
        let tree = self.objects.tree_once(id)?;
        let Some(&Level { path_len, text_len, .. }) = self.levels.last() else { return Ok(()) };
        self.levels.push(Level::new(id, tree, (path_len, text_len), self.given));
        Ok(())
    }

    /// Goes to the first child of the last folder whose name is not less than this.
    fn seek(&mut self, name: &[u8]) -> Result<()> {
        while let Some(level) = self.levels.last_mut() {
            let Some((at, part)) = folder::part_for(&level.tree, name) else {
                level.begin_at(level.tree.position(name, true).unwrap_or_else(|at| at));
                return Ok(());
            };
            level.begin_at(at + 1);
            self.open_part(part)?;
        }
        Ok(())
    }
}

impl Level {
    fn new(id: TreeId, tree: Arc<object::Tree>, (path_len, text_len): (usize, usize), given: usize) -> Level {
        Level { id, next: 0, end: tree.len(), start: 0, tree, given, path_len, text_len }
    }

    fn begin_at(&mut self, next: usize) {
        (self.next, self.start) = (next, next);
    }

    fn is_done(&self) -> bool {
        self.next >= self.end
    }

    /// What is left of it in pieces, when so many documents were given: the first ones of about so many.
    fn in_pieces(mut self, given: usize, len: usize) -> impl Iterator<Item = Level> {
        let (passed, given) = (self.next - self.start, given - self.given);
        let step = match given {
            0 => len,
            given => (len * passed).div_ceil(given),
        };
        self.given = 0;
        let mut count = 0;
        std::iter::from_fn(move || {
            count += 1;
            let end = if count == PIECES { self.end } else { self.end.min(self.next + step.max(1)) };
            let piece = Level { end, start: self.next, ..self.clone() };
            self.next = end;
            Some(piece).filter(|piece| !piece.is_done())
        })
    }
}

impl<O: Objects + ?Sized> Iterator for Documents<'_, O> {
    type Item = Result<(Key, Document)>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.step();
        match item {
            Ok(Some(_)) => self.given += 1,
            Ok(None) => {}
            Err(_) => self.levels.clear(),
        }
        item.transpose()
    }
}

/// The error of a path that was met in trees and is no key's.
pub(super) fn bad_name(id: TreeId, name: &[u8]) -> Error {
    Error::Format { id, reason: format!("its path {:?} is not a key's", String::from_utf8_lossy(name)) }
}
