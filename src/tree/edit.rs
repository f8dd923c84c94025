//! Editing: sorted changes applied to a tree, writing only the folders and parts that change.

use std::sync::Arc;

use super::edits::{Edits, Sorted};
use super::folder::{self, Edge, Folder};
use super::part::{Builder, MAX_HEIGHT};
use super::{Document, Error, Result};
use crate::object::{self, EntryRef, Kind, Objects, TreeId, tree_order};

/// What becomes of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The key holds this document from now on. A conflict that was there is resolved, unless the document brings one.
    Put(Document),
    /// There is no document at the key any more. Nothing happens when there was none.
    Remove,
    /// There is no document at the key nor below it any more, but for those that the same changes put there.
    RemoveFolder,
    /// The documents at and below the key are those of this folder's tree, but for what the same changes do there. The tree
    /// must be among the objects; it is not read unless something in it changes.
    PutFolder(TreeId),
}

/// What is to be done at a path: an edit, or what only an exact knowledge of the tree can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// An edit of the key with this path.
    Edit(Edit),
    /// The part of this height whose first child has this path becomes another one. What was in the one and is in the
    /// other lies between the same neighbours, and no other edit lies there.
    PutPart { id: TreeId, height: u8 },
}

impl Action {
    /// Whether this is about all that is at and below the key, so that other edits of the key come on top.
    pub(super) fn is_of_folder(self) -> bool {
        matches!(self, Action::Edit(Edit::RemoveFolder | Edit::PutFolder(_)))
    }
}

/// Keys with more segments than this are edited on a stack of their own: one level of large folders costs up to ten
/// kilobytes of stack in a debug build, and a key can have 2,048 segments.
const DEEP: usize = 64;
const DEEP_STACK: usize = 64 << 20;

/// The root tree with these changes.
pub(super) fn edit<O: Objects + Sync + ?Sized>(objects: &O, root: TreeId, edits: &Edits) -> Result<TreeId> {
    let run = || {
        let mut editor =
            Editor { objects, edits: edits.sorted(), path: Vec::new(), builders: Vec::new(), body: Vec::new() };
        // The empty tree need not be stored to be known.
        match editor.folder(Some(root).filter(|&root| root != TreeId::EMPTY))? {
            Some(id) => Ok(id),
            None => Ok(TreeId(objects.put(Kind::Tree, b"")?)),
        }
    };
    if edits.deepest() <= DEEP {
        return run();
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(DEEP_STACK).spawn_scoped(scope, run);
        match thread.map(|t| t.join()) {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(source) => Err(object::Error::Io { path: "a thread with a large stack".into(), source }.into()),
        }
    })
}

/// Walks folders and edits side by side: both are in the order of keys.
struct Editor<'a, O: ?Sized> {
    objects: &'a O,
    edits: Sorted<'a>,
    /// The path of the folder that is being edited: the next edit lies in it until it starts otherwise.
    path: Vec<u8>,
    /// Builders that are not in use: with one for each level of folders, a folder costs no allocation.
    builders: Vec<Builder>,
    body: Vec<u8>,
}

/// A folder's tree or a part, read.
type Listed<'t> = (TreeId, &'t object::Tree);

impl<O: Objects + ?Sized> Editor<'_, O> {
    /// Edits the folder at `path`, and takes all edits at or below it. `None` when nothing is left in it.
    fn folder(&mut self, mut old: Option<TreeId>) -> Result<Option<TreeId>> {
        let mut own = None;
        while let Some((_, action)) = self.edits.peek().filter(|(path, _)| *path == self.path) {
            match action {
                Action::Edit(Edit::Put(document)) => own = Some(Some(document)),
                Action::Edit(Edit::Remove) => own = Some(None),
                Action::Edit(Edit::RemoveFolder) => (old, own) = (None, None),
                Action::Edit(Edit::PutFolder(id)) => (old, own) = (Some(id).filter(|&id| id != TreeId::EMPTY), None),
                Action::PutPart { id, .. } => return Err(no_place(id)),
            }
            self.edits.advance();
        }
        let is_last = self.next_child().is_none();
        if is_last && own.is_none() {
            return Ok(old);
        }
        let (id, folder) = match old {
            Some(id) => (id, Folder::load(self.objects, id)?),
            None => (TreeId::EMPTY, Folder::empty()),
        };
        let document = own.unwrap_or(folder.document);
        if is_last {
            let is_empty = document.is_none() && folder.tree.iter().all(|e| Edge::of(&e).is_of_document());
            if is_empty {
                return Ok(None);
            }
            return folder::write_document(self.objects, (id, &folder.tree), document, &mut self.body).map(Some);
        }
        let mut builder = self.builders.pop().unwrap_or_default();
        self.children((id, &folder.tree), &mut builder)?;
        let new = builder.finish(self.objects, document, old)?;
        self.builders.push(builder);
        Ok(new)
    }

    /// The name of the child at or below which the next edit lies, if it lies in the folder at `path`. Edits of the
    /// folder's own document must have been taken.
    fn next_child(&self) -> Option<&[u8]> {
        let rest = self.edits.peek()?.0.strip_prefix(self.path.as_slice())?;
        rest.split(|&byte| byte == b'/').next()
    }

    /// Whether the next edit lies at or below a child whose name is less than this; without one, at or below any.
    fn is_next_before(&self, name: Option<&[u8]>) -> bool {
        self.next_child().is_some_and(|next| name.is_none_or(|name| tree_order((next, true), (name, true)).is_lt()))
    }

    /// Applies the edits below a folder, at least one, to its children: what no edit touches is passed on unread.
    fn children(&mut self, (id, tree): Listed<'_>, out: &mut Builder) -> Result<()> {
        // All children lie below the same number of parts: those above the first edit tell how many.
        let mut parts = Vec::new();
        let next = self.next_child().expect("there is an edit below the folder");
        let mut at = folder::part_for(tree, next);
        while let Some((_, part)) = at {
            if parts.len() == MAX_HEIGHT as usize {
                return Err(folder::too_deep(id));
            }
            let inside = self.objects.tree(part)?;
            at = folder::part_for(&inside, next);
            parts.push(inside);
        }
        let height = parts.len() as u32;
        parts.reverse();
        if height == 0 {
            self.spread_children((id, tree), None, false, out)
        } else {
            self.spread((id, tree), height, None, &mut parts, out)
        }
    }

    /// Applies the edits that come before `end` to the children below so many levels of parts, at least one.
    ///
    /// `read` are the parts on the way to the first edit: they are entered first, the last of them before the others.
    fn spread(
        &mut self,
        (id, tree): Listed<'_>,
        height: u32,
        end: Option<&[u8]>,
        read: &mut Vec<Arc<object::Tree>>,
        out: &mut Builder,
    ) -> Result<()> {
        let mut edges = tree.iter().filter(|e| !Edge::of(e).is_of_document()).peekable();
        while let Some(entry) = edges.next() {
            if !matches!(Edge::of(&entry), Edge::Part(_)) {
                return Err(folder::misplaced(id, &entry));
            }
            // A part holds its first child and all up to the next part's; the first part also all before it.
            let end = match edges.peek().map(Edge::of) {
                Some(Edge::Part(next)) => Some(next),
                _ => end,
            };
            let part = TreeId(entry.id);
            if let Some(new) = self.next_part(&entry, height) {
                // What was read on the way to the first edit lies in the part that has gone.
                read.clear();
                self.edits.advance();
                out.add(self.objects, entry.name, new, height)?;
                if self.is_next_before(end) {
                    return Err(no_place(new));
                }
            } else if self.is_next_before(end) {
                let inside = match read.pop() {
                    Some(inside) => inside,
                    None => self.objects.tree(part)?,
                };
                out.replaces(height - 1, part);
                match height {
                    1 => self.spread_children((part, &inside), end, true, out)?,
                    _ => self.spread((part, &inside), height - 1, end, read, out)?,
                }
            } else {
                out.add(self.objects, entry.name, part, height)?;
            }
        }
        Ok(())
    }

    /// What the part that this edge leads to becomes, if the next edit puts another one in its place.
    fn next_part(&self, edge: &EntryRef<'_>, height: u32) -> Option<TreeId> {
        let (path, Action::PutPart { id, height: of }) = self.edits.peek()? else { return None };
        let first = path.strip_prefix(self.path.as_slice())?.strip_suffix(b"/")?;
        (u32::from(of) == height && first == folder::first_child(edge.name, height)).then_some(id)
    }

    /// Applies the edits that come before `end` to the children that stand in a folder's own tree or in a part.
    fn spread_children(
        &mut self,
        (id, tree): Listed<'_>,
        end: Option<&[u8]>,
        is_part: bool,
        out: &mut Builder,
    ) -> Result<()> {
        for (at, entry) in tree.iter().filter(|e| !Edge::of(e).is_of_document()).enumerate() {
            let Edge::Child(name) = Edge::of(&entry) else { return Err(folder::misplaced(id, &entry)) };
            while self.is_next_before(Some(name)) && self.is_next_before(end) {
                self.child(None, out)?;
            }
            if self.next_child() == Some(name) && self.is_next_before(end) {
                self.child(Some(TreeId(entry.id)), out)?;
            } else if is_part && at > 0 {
                out.add_inner(self.objects, name, TreeId(entry.id))?;
            } else {
                out.add(self.objects, name, TreeId(entry.id), 0)?;
            }
        }
        while self.is_next_before(end) {
            self.child(None, out)?;
        }
        Ok(())
    }

    /// Edits the child that the next edit lies at or below.
    fn child(&mut self, old: Option<TreeId>, out: &mut Builder) -> Result<()> {
        let start = self.path.len();
        let end = start + self.next_child().map_or(0, <[u8]>::len);
        if let Some((path, _)) = self.edits.peek() {
            self.path.extend_from_slice(&path[start..=end]);
        }
        if let Some(id) = self.folder(old)? {
            out.add(self.objects, &self.path[start..end], id, 0)?;
        }
        self.path.truncate(start);
        Ok(())
    }
}

/// The error of a part for which there is no place in the folder that it is put into.
fn no_place(id: TreeId) -> Error {
    Error::Format { id, reason: "it takes the place of a part that is not there".into() }
}
