//! Cases of reading and editing that properties do not reach: nothing there, an object missing, trees that git would
//! accept and isodb would not write.

use super::model::{Documents, Leaf};
use super::raw::{blob, child, cut, edge, folder, leaf, nodes, opener_names, part, parts, tree};
use super::state::{State, key};
use crate::object::{Error as ObjectError, Id, Memory, Mode, TreeId};
use crate::tree::{Edit, Edits, Error, Key, Range, Tree};

const ABSENT: TreeId = TreeId(Id::from_bytes([7; 32]));

fn edits(list: impl IntoIterator<Item = (Key, Edit)>) -> Edits {
    list.into_iter().collect()
}

fn is_format<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Format { .. }))
}

#[test]
fn nothing_there() {
    let state = State::of([("a/b".to_owned(), Leaf::of(b"x"))].into());
    for absent in ["b", "a/c", "a/b/c", "A"] {
        state.check_get(absent);
        state.check_children(Some(absent), None);
        state.check_documents([Some(absent), None, None]);
        assert_eq!(state.tree().folder(Some(&key(absent))).unwrap(), None);
    }
    state.check_get("a");
    State::new().check_documents([None, None, None]);
    State::new().check_children(None, Some("a"));
}

#[test]
fn the_ends_of_ranges() {
    let keys = ["a", "a/b", "a/b/c", "a-b", "a.b", "ab", "b"];
    let state = State::of(keys.iter().map(|&key| (key.to_owned(), Leaf::of(b"x"))).collect());
    for from in keys.into_iter().chain(["!", "a/a", "a/c", "a!", "z"]) {
        for to in keys.into_iter().chain(["!", "a/b/d", "aa", "z"]) {
            state.check_documents([None, Some(from), Some(to)]);
            state.check_documents([Some("a"), Some(from), Some(to)]);
        }
    }
}

#[test]
fn ranges_of_a_large_folder_in_conflict() {
    let mut documents: Documents = (0..500).map(|i| (format!("f/item-{i:03}"), Leaf::of(b"x"))).collect();
    let versions = [b"1".to_vec(), b"2".to_vec()].into();
    documents.insert("f".to_owned(), Leaf { versions, base: None, deleted: false });
    let state = State::of(documents);
    for from in ["!", "-", "a", "blob", "item-000", "item-1", "item-250", "item-499", "z"] {
        state.check_children(Some("f"), Some(from));
        state.check_children(Some("f"), Some(&from[..1]));
        state.check_documents([Some("f"), Some(&format!("f/{from}")), None]);
        state.check_get(&format!("f/{from}"));
    }
}

#[test]
fn a_listing_ends_with_its_first_error() {
    let objects = &Memory::new();
    let root = tree(objects, vec![child("a", leaf(objects)), child("b", ABSENT), child("c", leaf(objects))]);
    let missing = |error: Error| matches!(error, Error::Object(ObjectError::Missing { id, .. }) if id == ABSENT.0);
    let at = Tree::new(objects, root);
    let mut documents = at.documents(Range::default()).unwrap();
    assert_eq!(documents.next().unwrap().unwrap().0, key("a"));
    assert!(missing(documents.next().unwrap().unwrap_err()) && documents.next().is_none());
    let mut children = at.children(None).unwrap();
    assert_eq!(children.next().unwrap().unwrap().segment, "a");
    assert!(missing(children.next().unwrap().unwrap_err()) && children.next().is_none());
    let mut changes = Tree::new(objects, tree(objects, vec![])).diff(&at, None).unwrap();
    assert_eq!(changes.next().unwrap().unwrap().key, key("a"));
    assert!(missing(changes.next().unwrap().unwrap_err()) && changes.next().is_none());
    assert!(missing(at.get(&key("b")).unwrap_err()));
    assert!(missing(at.edit(&edits([(key("b/c"), Edit::Remove)])).unwrap_err()));
    assert!(at.get(&key("c")).unwrap().is_some(), "what is missing elsewhere does not matter");
    assert!(at.edit(&edits([(key("b"), Edit::RemoveFolder)])).is_ok());
}

#[test]
fn foreign_trees_are_refused() {
    let objects = &Memory::new();
    let content = blob(objects, b"x");
    let foreign = [
        vec![child("a", leaf(objects)), edge(Mode::Blob, "b", content)],
        vec![child("a", leaf(objects)), child(".x", leaf(objects))],
        vec![child("a", leaf(objects)), child(".conflict", leaf(objects))],
        vec![child("a", leaf(objects)), child("%61", leaf(objects))],
        vec![child("a", leaf(objects)), edge(Mode::Blob, "blob", content)],
    ];
    for (case, edges) in foreign.into_iter().enumerate() {
        let root = tree(objects, edges);
        let at = Tree::new(objects, root);
        assert!(at.documents(Range::default()).unwrap().any(|item| is_format(&item)), "{case}");
        let empty = Tree::new(objects, tree(objects, vec![]));
        assert!(at.diff(&empty, None).unwrap().any(|item| is_format(&item)), "{case}");
        if case < 3 {
            let above = Tree::new(objects, tree(objects, vec![child("f", root)]));
            for text in ["f", "f/z"] {
                assert!(is_format(&above.edit(&edits([(key(text), Edit::Put(content.into()))]))), "{case} {text}");
            }
        }
    }
}

#[test]
fn parts_of_many_heights_are_not_edited() {
    let objects = &Memory::new();
    let all = nodes(opener_names().into_iter().map(|name| (name, leaf(objects))));
    let put = |id, text: &str| {
        let edits = edits([(key(text), Edit::Put(blob(objects, b"x").into())), (key("!"), Edit::Remove)]);
        Tree::new(objects, id).edit(&edits).map(|tree| tree.id())
    };
    let mut groups = cut(all, |place, _| place % 40 == 0);
    let last = groups.pop().unwrap();
    let low = parts(objects, groups);
    let high = parts(objects, parts(objects, vec![last.clone()]).into_iter().map(|node| vec![node]).collect());
    assert!(is_format(&put(folder(objects, [low.clone(), high].concat()), "éz")));
    assert!(is_format(&put(folder(objects, [low, last].concat()), "éz")));
    let deep = (0..5000).fold(leaf(objects), |id, _| tree(objects, vec![part("a", id)]));
    assert!(is_format(&put(deep, "a")));
}

#[test]
fn paths_that_are_no_keys_are_refused() {
    let objects = &Memory::new();
    let deep = (0..2100).fold(leaf(objects), |id, _| tree(objects, vec![child("a", id)]));
    assert!(Tree::new(objects, deep).documents(Range::default()).unwrap().any(|item| is_format(&item)));
}

#[test]
fn later_edits_replace_earlier_ones() {
    let objects = &Memory::new();
    let [one, two] = [b"1", b"2"].map(|content| Edit::Put(blob(objects, content).into()));
    let empty = Tree::new(objects, tree(objects, vec![]));
    let texts = |edits: &[(&str, Edit)]| {
        let start = empty.edit(&self::edits([(key("a"), one), (key("a/b"), one), (key("a/b/c"), one)])).unwrap();
        let edited = start.edit(&edits.iter().map(|&(text, edit)| (key(text), edit)).collect()).unwrap();
        let documents = edited.documents(Range::default()).unwrap().map(Result::unwrap);
        documents.map(|(key, document)| (key.text().into_owned(), Edit::Put(document))).collect::<Vec<_>>()
    };
    let owned = |list: &[(&str, Edit)]| list.iter().map(|&(text, edit)| (text.to_owned(), edit)).collect::<Vec<_>>();
    let remove = ("a", Edit::RemoveFolder);
    assert_eq!(texts(&[("a", one), ("a", two), ("a/b", Edit::RemoveFolder)]), owned(&[("a", two)]));
    assert_eq!(texts(&[remove, ("a", two)]), owned(&[("a", two)]));
    assert_eq!(texts(&[("a", two), remove]), []);
    assert_eq!(texts(&[("a/b/c", two), ("a/x", two), remove]), owned(&[("a/b/c", two), ("a/x", two)]));
    assert_eq!(texts(&[remove, ("a", two), ("a", Edit::Remove)]), []);
    assert_eq!(texts(&[remove, ("a", two), remove]), []);
    assert_eq!(texts(&[remove, remove, ("a", one), ("a", two)]), owned(&[("a", two)]));
}
