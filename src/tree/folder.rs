//! One folder's tree: its edges, its document, and a document's versions in conflict.

use std::collections::BTreeSet;

use super::{Error, Result};
use crate::object::{self, BlobId, Entry, EntryRef, Id, Kind, Mode, Objects, TreeId};

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
}

/// A folder's tree, read.
pub(super) struct Folder {
    /// The document at the folder's own key.
    pub(super) document: Option<Document>,
    /// The edges to children, or to the parts that hold them, in order.
    pub(super) tree: object::Tree,
}

impl Folder {
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

/// A stretch of a folder's children: one child (height 0), or a part that holds a stretch of the level below.
#[derive(Clone, Debug)]
pub(super) struct Span {
    /// The (first) child's name.
    pub(super) name: Vec<u8>,
    /// The child's or the part's tree.
    pub(super) id: TreeId,
    /// How many levels of parts lie above the children here.
    pub(super) height: u32,
}

/// The spans that a folder's or a part's tree holds, which are `height` levels above the children.
pub(super) fn spans(id: TreeId, tree: &object::Tree, height: u32) -> Result<Vec<Span>> {
    let mut spans = Vec::with_capacity(tree.len());
    for entry in tree.iter() {
        let name = match (Edge::of(&entry), height) {
            (Edge::Child(name), 0) => name,
            (Edge::Part(name), 1..) => name,
            (Edge::Blob | Edge::Conflict, _) => continue,
            (Edge::Foreign, _) => return Err(foreign(id, entry.name)),
            _ => return Err(Error::Format { id, reason: "its parts are not all of one height".into() }),
        };
        spans.push(Span { name: name.to_vec(), id: TreeId(entry.id), height });
    }
    Ok(spans)
}

/// What a part holds.
pub(super) fn expand<O: Objects + ?Sized>(objects: &O, part: &Span) -> Result<Vec<Span>> {
    spans(part.id, &objects.tree(part.id)?, part.height - 1)
}

/// Writes a folder's own tree, or a part.
pub(super) fn write<O: Objects + ?Sized>(objects: &O, spans: &[Span], document: Option<Document>) -> Result<TreeId> {
    let mut edges: Vec<Entry> = Vec::with_capacity(spans.len() + 2);
    for span in spans {
        let name = if span.height == 0 { span.name.clone() } else { [PART, &span.name].concat() };
        edges.push(Entry { mode: Mode::Tree, name, id: span.id.into() });
    }
    if let Some(document) = document {
        edges.push(Entry { mode: Mode::Blob, name: BLOB.to_vec(), id: document.blob.into() });
        if let Some(conflict) = document.conflict {
            edges.push(Entry { mode: Mode::Tree, name: CONFLICT.to_vec(), id: conflict.into() });
        }
    }
    Ok(TreeId(objects.put(Kind::Tree, &object::encode_tree(&mut edges))?))
}

pub(super) fn foreign(id: TreeId, name: &[u8]) -> Error {
    Error::Format { id, reason: format!("it has an edge {:?}", String::from_utf8_lossy(name)) }
}
