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
const PART: &[u8] = b".part:";

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
    pub(super) fn load<O: Objects + ?Sized>(objects: &O, id: TreeId) -> Result<Conflict> {
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

/// A stretch of a folder's children: one child (height 0), or a part that holds a stretch of the level below.
#[derive(Clone, Debug)]
pub(super) struct Span {
    /// The name of the edge to it.
    pub(super) edge: Vec<u8>,
    /// The child's or the part's tree.
    pub(super) id: TreeId,
    /// How many levels of parts lie above the children here.
    pub(super) height: u32,
}

impl Span {
    /// The (first) child's name.
    pub(super) fn name(&self) -> &[u8] {
        if self.height == 0 { &self.edge } else { &self.edge[PART.len()..] }
    }

    /// A part of this height, above these spans.
    pub(super) fn part(spans: &[Span], id: TreeId, height: u32) -> Span {
        let first = spans.first().expect("no part is written that is empty");
        Span { edge: part_name(first.name()), id, height }
    }
}

/// What a part holds.
pub(super) fn expand<O: Objects + ?Sized>(objects: &O, part: &Span) -> Result<Vec<Span>> {
    let tree = objects.tree(part.id)?;
    let height = part.height - 1;
    let span = |entry: EntryRef<'_>| match (Edge::of(&entry), height) {
        (Edge::Child(_), 0) | (Edge::Part(_), 1..) => {
            Ok(Span { edge: entry.name.to_vec(), id: TreeId(entry.id), height })
        }
        _ => Err(misplaced(part.id, &entry)),
    };
    tree.iter().map(span).collect()
}

/// Writes the tree of a folder that holds these spans, or of a part.
pub(super) fn write<O: Objects + ?Sized>(objects: &O, spans: &[Span], document: Option<Document>) -> Result<TreeId> {
    let edges = spans.iter().map(|span| EntryRef { mode: Mode::Tree, name: &span.edge, id: span.id.into() });
    put(objects, edges.collect(), document)
}

/// Writes the folder with this tree again with another document, its children as they are.
pub(super) fn write_document<O: Objects + ?Sized>(
    objects: &O,
    (id, tree): (TreeId, &object::Tree),
    document: Option<Document>,
) -> Result<TreeId> {
    let children = tree.iter().filter(|e| !Edge::of(e).is_of_document());
    let known = children.map(|e| if Edge::of(&e) == Edge::Foreign { Err(foreign(id, e.name)) } else { Ok(e) });
    put(objects, known.collect::<Result<_>>()?, document)
}

fn put<O: Objects + ?Sized>(objects: &O, mut edges: Vec<EntryRef<'_>>, document: Option<Document>) -> Result<TreeId> {
    if let Some(document) = document {
        edges.push(EntryRef { mode: Mode::Blob, name: BLOB, id: document.blob.into() });
        edges.extend(document.conflict.map(|id| EntryRef { mode: Mode::Tree, name: CONFLICT, id: id.into() }));
        edges.sort_by(|a, b| tree_order((a.name, a.is_tree()), (b.name, b.is_tree())));
    }
    Ok(TreeId(objects.put(Kind::Tree, &object::encode_sorted(edges))?))
}

fn part_name(first_child: &[u8]) -> Vec<u8> {
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

pub(super) fn uneven(id: TreeId) -> Error {
    Error::Format { id, reason: "its parts are not all of one height".into() }
}
