//! Keys of as many segments as a key can have, on the small stack of a test's thread.

use super::raw::{Node, blob, child, edge, in_three_levels, leaf, nodes, opener_names, tree};
use super::state::key;
use crate::object::{Memory, Mode, TreeId};
use crate::tree::{Edit, Edits, FolderChecker, Key, Range, Role, Tree};

#[test]
fn the_deepest_key() {
    let objects = &Memory::new();
    let text = format!("{}a", "a/".repeat(2047));
    let (deep, content) = (key(&text), blob(objects, b"x"));
    assert_eq!(deep.depth(), 2048);
    let empty = Tree::new(objects, tree(objects, vec![]));
    let put = empty.edit(&Edits::from_iter([(deep.clone(), Edit::Put(content.into()))])).unwrap();
    let leaf = tree(objects, vec![edge(Mode::Blob, "blob", content)]);
    assert_eq!(put.id(), (0..2048).fold(leaf, |id, _| tree(objects, vec![child("a", id)])));

    assert_eq!(put.get(&deep).unwrap(), Some(content.into()));
    let documents: Vec<Key> = put.documents(Range::default()).unwrap().map(|item| item.unwrap().0).collect();
    assert_eq!(documents, std::slice::from_ref(&deep));
    let parent = key(&text[..text.len() - 2]);
    assert_eq!(put.children(Some(&parent)).unwrap().count(), 1);
    let range = Range { prefix: Some(parent), from: Some(deep.clone()), to: None };
    assert_eq!(put.documents(range).unwrap().count(), 1);
    let changes: Vec<Key> = empty.diff(&put, None).unwrap().map(|change| change.unwrap().key).collect();
    assert_eq!(changes, documents);
    let mut folders = vec![(put.id(), Role::Root)];
    let mut checker = FolderChecker::new();
    while let Some((id, role)) = folders.pop() {
        let check = checker.check(objects, id, role);
        assert!(check.findings.is_empty() && check.errors.is_empty());
        folders.extend(check.children.into_iter().map(|child| (child, Role::Folder)));
    }
    assert_eq!(put.edit(&Edits::from_iter([(deep, Edit::Remove)])).unwrap().id(), TreeId::EMPTY);
}

/// Folders in one another, each with three levels of parts, which is the most stack that a level can take.
#[test]
fn deep_keys_in_large_folders() {
    let objects = &Memory::new();
    let siblings: Vec<Node> = nodes(opener_names().into_iter().map(|name| (name, leaf(objects))));
    let at = siblings.len() / 2;
    let name = std::str::from_utf8(&siblings[at].first).unwrap();
    for depth in [64, 80] {
        let path = format!("{name}/").repeat(depth);
        let deep = Key::from_path(&path).unwrap();
        let around = |id| {
            let mut children = siblings.clone();
            children[at] = Node { first: name.into(), edge: child(name, id) };
            in_three_levels(objects, children)
        };
        let of = |content: &[u8]| {
            let leaf = tree(objects, vec![edge(Mode::Blob, "blob", blob(objects, content))]);
            (0..depth).fold(leaf, |id, _| around(id))
        };
        let (old, new) = (of(b"old"), of(b"new"));
        let edit = Edit::Put(blob(objects, b"new").into());
        assert_eq!(Tree::new(objects, old).edit(&Edits::from_iter([(deep, edit)])).unwrap().id(), new);
    }
}
