//! Trees written by hand, as no edit would write them.

use super::model;
use super::names::openers;
use crate::object::{BlobId, Entry, Id, Kind, Memory, Mode, Objects, TreeId, encode_tree};

/// An edge of a tree.
pub(super) fn edge(mode: Mode, name: impl AsRef<[u8]>, id: impl Into<Id>) -> Entry {
    Entry { mode, name: name.as_ref().to_vec(), id: id.into() }
}

/// The edges of a tree that it is shorter to write out.
pub(super) fn child(name: impl AsRef<[u8]>, id: TreeId) -> Entry {
    edge(Mode::Tree, name, id)
}

pub(super) fn part(first: impl AsRef<[u8]>, id: TreeId) -> Entry {
    edge(Mode::Tree, [b".part:", first.as_ref()].concat(), id)
}

pub(super) fn tree(objects: &Memory, mut edges: Vec<Entry>) -> TreeId {
    TreeId(objects.put(Kind::Tree, &encode_tree(&mut edges)).unwrap())
}

pub(super) fn blob(objects: &Memory, content: &[u8]) -> BlobId {
    BlobId(objects.put(Kind::Blob, content).unwrap())
}

/// The tree of a folder that is a document and nothing else.
pub(super) fn leaf(objects: &Memory) -> TreeId {
    tree(objects, vec![edge(Mode::Blob, "blob", blob(objects, b"leaf"))])
}

/// The names in trees of [`openers`], in order.
pub(super) fn opener_names() -> Vec<Vec<u8>> {
    openers().iter().map(|segment| model::segments(segment).remove(0)).collect()
}

/// A part or a child on the way to being grouped: its edge, and the name of its first child.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) first: Vec<u8>,
    pub(super) edge: Entry,
}

/// The nodes of these children.
pub(super) fn nodes(children: impl IntoIterator<Item = (Vec<u8>, TreeId)>) -> Vec<Node> {
    children.into_iter().map(|(first, id)| Node { edge: child(&first, id), first }).collect()
}

/// Writes groups as parts.
pub(super) fn parts(objects: &Memory, groups: Vec<Vec<Node>>) -> Vec<Node> {
    let part = |group: Vec<Node>| {
        let first = group[0].first.clone();
        let id = tree(objects, group.into_iter().map(|node| node.edge).collect());
        Node { edge: part(&first, id), first }
    };
    groups.into_iter().map(part).collect()
}

/// Cuts nodes before each but the first that `is_cut` holds for.
pub(super) fn cut(nodes: Vec<Node>, mut is_cut: impl FnMut(usize, &Node) -> bool) -> Vec<Vec<Node>> {
    let mut groups: Vec<Vec<Node>> = Vec::new();
    for (place, node) in nodes.into_iter().enumerate() {
        match groups.last_mut() {
            Some(group) if !is_cut(place, &node) => group.push(node),
            _ => groups.push(vec![node]),
        }
    }
    groups
}

/// A folder's own tree.
pub(super) fn folder(objects: &Memory, nodes: Vec<Node>) -> TreeId {
    tree(objects, nodes.into_iter().map(|node| node.edge).collect())
}

/// The children as the format groups them, in a folder with three levels of parts.
pub(super) fn in_three_levels(objects: &Memory, mut nodes: Vec<Node>) -> TreeId {
    for level in 1..=3 {
        nodes = parts(objects, cut(nodes, |_, node| model::level(&node.first) >= level));
    }
    folder(objects, nodes)
}
