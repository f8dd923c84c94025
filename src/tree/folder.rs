//! One folder's tree: its edges, its document, and a document's versions in conflict.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Error, Result};
use crate::object::{self, BlobId, Entry, EntryRef, Id, Kind, Mode, Objects, TreeId, tree_order};

/// The edge from a folder to the content of the document there.
const BLOB: &[u8] = b"blob";
/// The edge from a folder to the versions of the document there.
const CONFLICT: &[u8] = b".conflict";
/// How the name of an edge to a part starts; the name of the part's first child follows.
pub(super) const PART: &[u8] = b".part:";

/// The path of a key that a git path stands for: without the parts that it leads through. `None` where it leads through
/// none, and where it ends at one.
pub(crate) fn without_parts(path: &[u8]) -> Option<Vec<u8>> {
    let is_part = |name: &&[u8]| name.starts_with(PART);
    let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    if names.last().is_some_and(is_part) || !names.iter().any(is_part) {
        return None;
    }
    let kept: Vec<&[u8]> = names.into_iter().filter(|name| !is_part(name)).collect();
    Some(kept.join(&b'/'))
}

/// A document as a folder holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Document {
    /// The content; in a conflict, the version with the greatest id.
    pub blob: BlobId,
    /// The tree of the versions that nobody has chosen between yet.
    pub conflict: Option<TreeId>,
}

impl From<BlobId> for Document {
    fn from(blob: BlobId) -> Document {
        Document { blob, conflict: None }
    }
}

/// The versions of a document in conflict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conflict {
    /// The contents, in ascending order of id.
    pub versions: BTreeSet<BlobId>,
    /// The content that they all came from, where there was one.
    pub base: Option<BlobId>,
    /// Whether one of the versions is the deletion.
    pub deleted: bool,
}

impl Conflict {
    pub(crate) fn load<O: Objects + ?Sized>(objects: &O, id: TreeId) -> Result<Conflict> {
        let wrong = |reason: &str| Error::Format { id, reason: format!("a conflict {reason}") };
        let mut conflict = Conflict::default();
        for entry in objects.tree(id)?.iter() {
            if entry.mode != Mode::Blob {
                return Err(wrong("holds something other than contents"));
            }
            match entry.name {
                b"base" => conflict.base = Some(BlobId(entry.id)),
                b"deleted" if entry.id == Id::from(BlobId::EMPTY) => conflict.deleted = true,
                name if name == entry.id.to_string().as_bytes() => {
                    conflict.versions.insert(BlobId(entry.id));
                }
                _ => return Err(wrong("has an edge that is no version")),
            }
        }
        if conflict.versions.is_empty() {
            return Err(wrong("has no content"));
        }
        if conflict.versions.len() + usize::from(conflict.deleted) < 2 {
            return Err(wrong("has a single version"));
        }
        Ok(conflict)
    }

    /// Writes the conflict's tree and answers the document that holds it. `None` when there is no version but the
    /// deletion; a document without a conflict when there is a single one.
    pub fn write<O: Objects + ?Sized>(&self, objects: &O) -> Result<Option<Document>> {
        let Some(&blob) = self.versions.last() else { return Ok(None) };
        if self.versions.len() + usize::from(self.deleted) < 2 {
            return Ok(Some(blob.into()));
        }
        let edge = |name: Vec<u8>, id: BlobId| Entry { mode: Mode::Blob, name, id: id.into() };
        let mut edges: Vec<Entry> = self.versions.iter().map(|&id| edge(id.to_string().into_bytes(), id)).collect();
        edges.extend(self.base.map(|base| edge(b"base".to_vec(), base)));
        if self.deleted {
            objects.put(Kind::Blob, b"")?;
            edges.push(edge(b"deleted".to_vec(), BlobId::EMPTY));
        }
        let id = objects.put(Kind::Tree, &object::encode_tree(&mut edges))?;
        Ok(Some(Document { blob, conflict: Some(TreeId(id)) }))
    }
}

/// What an entry of a folder's tree or of a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge<'a> {
    /// A sub-folder, with its name.
    Child(&'a [u8]),
    /// A part, with the name of its first child.
    Part(&'a [u8]),
    /// The document's content.
    Blob,
    /// The document's versions.
    Conflict,
    /// None of these: the tree is not isodb's.
    Foreign,
}

impl<'a> Edge<'a> {
    pub(super) fn of(entry: &EntryRef<'a>) -> Edge<'a> {
        match (entry.mode, entry.name) {
            (Mode::Blob, BLOB) => Edge::Blob,
            (Mode::Tree, CONFLICT) => Edge::Conflict,
            (Mode::Tree, name) if name.starts_with(PART) => Edge::Part(&name[PART.len()..]),
            (Mode::Tree, name) if name[0] != b'.' => Edge::Child(name),
            _ => Edge::Foreign,
        }
    }

    /// Whether the edge belongs to the document and not to the children.
    pub(super) fn is_of_document(self) -> bool {
        matches!(self, Edge::Blob | Edge::Conflict)
    }
}

/// A folder's tree, read.
#[derive(Debug)]
pub(super) struct Folder {
    /// The document at the folder's own key.
    pub(super) document: Option<Document>,
    /// The edges to children, or to the parts that hold them, in order.
    pub(super) tree: Arc<object::Tree>,
}

impl Folder {
    /// A folder that does not exist yet.
    pub(super) fn empty() -> Folder {
        Folder { document: None, tree: Arc::new(object::Tree::empty()) }
    }

    pub(super) fn load<O: Objects + ?Sized>(objects: &O, id: TreeId) -> Result<Folder> {
        let tree = objects.tree(id)?;
        let blob = tree.find(BLOB, false).filter(|e| e.mode == Mode::Blob).map(|e| BlobId(e.id));
        let conflict = tree.find(CONFLICT, true).map(|e| TreeId(e.id));
        let document = match (blob, conflict) {
            (Some(blob), conflict) => Some(Document { blob, conflict }),
            (None, None) => None,
            (None, Some(_)) => return Err(Error::Format { id, reason: "a conflict without a document".into() }),
        };
        Ok(Folder { document, tree })
    }

    /// Whether there is nothing but a document.
    pub(super) fn is_leaf(&self) -> bool {
        let own = self.document.map_or(0, |document| 1 + usize::from(document.conflict.is_some()));
        self.tree.len() == own
    }
}

/// Where the edges to parts begin in a folder's tree or a part. `None` where the children stand.
pub(super) fn first_part(tree: &object::Tree) -> Option<usize> {
    let (at, entry) = tree.iter().enumerate().find(|(_, e)| !Edge::of(e).is_of_document())?;
    matches!(Edge::of(&entry), Edge::Part(_)).then_some(at)
}

/// The part that the child of this name lies in, or would lie in, and where its edge stands.
pub(super) fn part_for(tree: &object::Tree, name: &[u8]) -> Option<(usize, TreeId)> {
    let first = first_part(tree)?;
    // A part holds its first child and all up to the next part's; the first part also all before it.
    let at = tree.position(&part_name(name), true).unwrap_or_else(|at| at.saturating_sub(1).max(first));
    tree.entry(at).filter(|e| matches!(Edge::of(e), Edge::Part(_))).map(|e| (at, TreeId(e.id)))
}

/// The tree of the child of this name.
pub(super) fn find<O: Objects + ?Sized>(objects: &O, folder: TreeId, name: &[u8]) -> Result<Option<TreeId>> {
    let mut tree = objects.tree(folder)?;
    while let Some((_, part)) = part_for(&tree, name) {
        tree = objects.tree(part)?;
    }
    Ok(tree.find(name, true).map(|e| TreeId(e.id)))
}

/// Writes an edge to a sub-folder or a part as a tree holds it.
pub(super) fn write_edge(body: &mut Vec<u8>, edge: &[u8], id: TreeId) {
    EntryRef { mode: Mode::Tree, name: edge, id: id.into() }.encode(body);
}

/// What [`write_edge`] has written.
pub(super) fn read_edge(bytes: &[u8]) -> (&[u8], TreeId) {
    let (edge, id) = bytes.split_last_chunk().expect("an edge ends in an id");
    (&edge[EDGE_START..edge.len() - 1], TreeId(Id::from_bytes(*id)))
}

/// How many bytes stand before the name of an edge that [`write_edge`] writes: those of its mode, and a space.
const EDGE_START: usize = b"40000 ".len();

/// The name of the (first) child that an edge of this height leads to.
pub(super) fn first_child(edge: &[u8], height: u32) -> &[u8] {
    if height == 0 { edge } else { &edge[PART.len()..] }
}

/// Writes the tree of a folder, which was `old` before: `body` has the edges to its children or their parts.
pub(super) fn write<O: Objects + ?Sized>(
    objects: &O,
    body: &mut Vec<u8>,
    document: Option<Document>,
    old: Option<TreeId>,
) -> Result<TreeId> {
    if let Some(Document { blob, conflict }) = document {
        // All edges that are there when one is inserted are to trees.
        if let Some(id) = conflict {
            insert(body, EntryRef { mode: Mode::Tree, name: CONFLICT, id: id.into() });
        }
        insert(body, EntryRef { mode: Mode::Blob, name: BLOB, id: blob.into() });
    }
    Ok(TreeId(objects.put_after(Kind::Tree, body, old.map(Into::into))?))
}

/// Puts an edge into its place among edges to trees.
fn insert(body: &mut Vec<u8>, edge: EntryRef<'_>) {
    let mut at = 0;
    while let Some(end) = body[at..].iter().position(|&byte| byte == 0) {
        let name = &body[at + EDGE_START..at + end];
        if tree_order((name, true), (edge.name, edge.is_tree())).is_gt() {
            break;
        }
        at += end + 33;
    }
    let after = body.len() - at;
    edge.encode(body);
    body[at..].rotate_left(after);
}

/// Writes the folder with this tree again with another document, its children as they are. `body` is a buffer.
pub(super) fn write_document<O: Objects + ?Sized>(
    objects: &O,
    (id, tree): (TreeId, &object::Tree),
    document: Option<Document>,
    body: &mut Vec<u8>,
) -> Result<TreeId> {
    body.clear();
    for entry in tree.iter() {
        match Edge::of(&entry) {
            Edge::Blob | Edge::Conflict => {}
            Edge::Child(_) | Edge::Part(_) => entry.encode(body),
            Edge::Foreign => return Err(foreign(id, entry.name)),
        }
    }
    write(objects, body, document, Some(id))
}

/// The name of the edge to a part.
pub(super) fn part_name(first_child: &[u8]) -> Vec<u8> {
    [PART, first_child].concat()
}

pub(super) fn foreign(id: TreeId, name: &[u8]) -> Error {
    Error::Format { id, reason: format!("it has an edge {:?}", String::from_utf8_lossy(name)) }
}

/// The error of an edge that is no part among parts, or no child among children.
pub(super) fn misplaced(id: TreeId, entry: &EntryRef<'_>) -> Error {
    match Edge::of(entry) {
        Edge::Child(_) | Edge::Part(_) => uneven(id),
        _ => foreign(id, entry.name),
    }
}

pub(super) fn too_deep(id: TreeId) -> Error {
    Error::Format { id, reason: "its parts are nested too deeply".into() }
}

pub(super) fn uneven(id: TreeId) -> Error {
    Error::Format { id, reason: "its parts are not all of one height".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_paths() {
        let key = |path: &str| without_parts(path.as_bytes()).map(|key| String::from_utf8(key).unwrap());
        assert_eq!(key("a/.part:b/c").as_deref(), Some("a/c"));
        assert_eq!(key(".part:b/.part:b/c/.part:d/e").as_deref(), Some("c/e"));
        assert_eq!((key("a/b"), key("a/.part:b"), key("a/.part:b/.part:b")), (None, None, None));
    }
}
