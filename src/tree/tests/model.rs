//! A slow and plain model of the format: the documents, and which objects they must become.
//!
//! Written from the format's description and its reference in Python, not from the room: it shares no code with it,
//! down to the SHA-256 of an object and the escaping of a name.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::object::{Id, TreeId};

/// What stands at one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Leaf {
    /// The contents: one, or several in conflict.
    pub(super) versions: BTreeSet<Vec<u8>>,
    /// In a conflict, the content that they all came from.
    pub(super) base: Option<Vec<u8>>,
    /// In a conflict, whether one of the versions is the deletion.
    pub(super) deleted: bool,
}

impl Leaf {
    pub(super) fn of(content: &[u8]) -> Leaf {
        Leaf { versions: [content.to_vec()].into(), base: None, deleted: false }
    }
}

/// Documents by the text of their keys.
pub(super) type Documents = BTreeMap<String, Leaf>;

/// The ids of a set of objects.
pub(super) type Ids = BTreeSet<[u8; 32]>;

/// The id of the root tree, and the ids of all objects that the documents become.
pub(super) fn objects(documents: &Documents) -> (TreeId, Ids) {
    let mut root = Folder::default();
    for (key, leaf) in documents {
        let names = segments(key);
        names.iter().fold(&mut root, |folder, name| folder.children.entry(name.clone()).or_default()).leaf = Some(leaf);
    }
    let mut ids = Ids::new();
    let id = root.write(&mut ids).unwrap_or_else(|| write_tree(&mut ids, Vec::new()));
    (TreeId(Id::from_bytes(id)), ids)
}

/// The id of the root tree.
pub(super) fn root(documents: &Documents) -> TreeId {
    objects(documents).0
}

/// The names of a key's segments in trees.
pub(super) fn segments(key: &str) -> Vec<Vec<u8>> {
    key.split('/').map(escape).collect()
}

/// What keys are ordered by: the names of the segments, a slash behind each.
pub(super) fn order(key: &str) -> Vec<u8> {
    segments(key).iter().flat_map(|name| [name, b"/".as_slice()].concat()).collect()
}

/// Whether a key is `folder` or lies below it.
pub(super) fn is_below(key: &str, folder: &str) -> bool {
    key == folder || key.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn escape(segment: &str) -> Vec<u8> {
    if segment == "blob" {
        return b"%62lob".to_vec();
    }
    let ignorable = |c: u32| {
        [0x200C..=0x200F, 0x202A..=0x202E, 0x206A..=0x206F, 0xFEFF..=0xFEFF].iter().any(|range| range.contains(&c))
    };
    let mut name = Vec::new();
    for (place, c) in segment.chars().enumerate() {
        let code = u32::from(c);
        let bytes = c.to_string().into_bytes();
        if "%~\\".contains(c) || code < 0x20 || code == 0x7F || ignorable(code) || (place == 0 && c == '.') {
            name.extend(bytes.iter().flat_map(|byte| format!("%{byte:02X}").into_bytes()));
        } else {
            name.extend(bytes);
        }
    }
    name
}

/// How many levels of parts a child of this name opens.
pub(super) fn level(name: &[u8]) -> u32 {
    let digest = Sha256::digest(name);
    let zeros = (0..256).take_while(|bit| digest[bit / 8] & (0x80 >> (bit % 8)) == 0).count();
    u32::try_from(zeros).unwrap() / 5
}

/// The id of a blob of this content.
pub(super) fn blob(content: &[u8]) -> Id {
    Id::from_bytes(id_of("blob", content))
}

fn id_of(kind: &str, body: &[u8]) -> [u8; 32] {
    let mut bytes = format!("{kind} {}\0", body.len()).into_bytes();
    bytes.extend(body);
    Sha256::digest(bytes).into()
}

fn add(ids: &mut Ids, kind: &str, body: &[u8]) -> [u8; 32] {
    let id = id_of(kind, body);
    ids.insert(id);
    id
}

#[derive(Clone)]
struct Edge {
    tree: bool,
    name: Vec<u8>,
    id: [u8; 32],
}

impl Edge {
    fn order(&self) -> Vec<u8> {
        if self.tree { [&self.name, b"/".as_slice()].concat() } else { self.name.clone() }
    }
}

fn write_tree(ids: &mut Ids, mut edges: Vec<Edge>) -> [u8; 32] {
    edges.sort_by_cached_key(Edge::order);
    let mut body = Vec::new();
    for edge in edges {
        body.extend(if edge.tree { b"40000 ".as_slice() } else { b"100644 " });
        body.extend(edge.name);
        body.push(0);
        body.extend(edge.id);
    }
    add(ids, "tree", &body)
}

/// The edges that a folder's own tree holds for its children, of which there is at least one.
fn child_edges(ids: &mut Ids, children: Vec<Edge>) -> Vec<Edge> {
    // Each edge with the name of its first child.
    let mut nodes: Vec<(Edge, Vec<u8>)> = children.into_iter().map(|edge| (edge.clone(), edge.name)).collect();
    nodes.sort_by_cached_key(|(edge, _)| edge.order());
    let mut lvl = 1;
    while nodes.len() > 64 {
        let mut groups: Vec<Vec<(Edge, Vec<u8>)>> = Vec::new();
        for node in std::mem::take(&mut nodes) {
            match groups.last_mut() {
                Some(group) if level(&node.1) < lvl => group.push(node),
                _ => groups.push(vec![node]),
            }
        }
        if groups.len() == 1 {
            nodes = groups.remove(0);
            break;
        }
        for group in groups {
            let first = group[0].1.clone();
            let id = write_tree(ids, group.into_iter().map(|(edge, _)| edge).collect());
            nodes.push((Edge { tree: true, name: [b".part:", first.as_slice()].concat(), id }, first));
        }
        lvl += 1;
    }
    nodes.into_iter().map(|(edge, _)| edge).collect()
}

#[derive(Default)]
struct Folder<'d> {
    children: BTreeMap<Vec<u8>, Folder<'d>>,
    leaf: Option<&'d Leaf>,
}

impl Folder<'_> {
    fn write(&self, ids: &mut Ids) -> Option<[u8; 32]> {
        let mut children = Vec::new();
        for (name, folder) in &self.children {
            children.extend(folder.write(ids).map(|id| Edge { tree: true, name: name.clone(), id }));
        }
        let mut edges = if children.is_empty() { Vec::new() } else { child_edges(ids, children) };
        if let Some(leaf) = self.leaf {
            let file = |name: &str, id| Edge { tree: false, name: name.into(), id };
            let versions: BTreeSet<_> = leaf.versions.iter().map(|content| add(ids, "blob", content)).collect();
            edges.push(file("blob", *versions.last().unwrap()));
            if versions.len() + usize::from(leaf.deleted) > 1 {
                let mut conflict: Vec<_> = versions.iter().map(|&id| file(&hex::encode(id), id)).collect();
                if let Some(base) = &leaf.base {
                    conflict.push(file("base", add(ids, "blob", base)));
                }
                if leaf.deleted {
                    conflict.push(file("deleted", add(ids, "blob", b"")));
                }
                let id = write_tree(ids, conflict);
                edges.push(Edge { tree: true, name: b".conflict".to_vec(), id });
            }
        }
        (!edges.is_empty()).then(|| write_tree(ids, edges))
    }
}
