//! Walks over small sets of objects, against lists of paths and a plain search.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;
use crate::object::{Entry, Ident, Memory, encode_tree};

/// Paths, each with the number of its content.
pub(in crate::store) type Files = BTreeMap<String, u8>;

/// Stores a tree of files. A path that is also a folder's is left out.
pub(in crate::store) fn tree(objects: &dyn Objects, files: &Files) -> TreeId {
    let mut folders: BTreeMap<String, Files> = BTreeMap::new();
    let mut entries = Vec::new();
    for (path, content) in files {
        if let Some((folder, rest)) = path.split_once('/') {
            folders.entry(folder.to_owned()).or_default().insert(rest.to_owned(), *content);
        }
    }
    for (path, content) in files.iter().filter(|(path, _)| !path.contains('/') && !folders.contains_key(*path)) {
        let id = objects.put(Kind::Blob, &[*content]).unwrap();
        entries.push(Entry { mode: Mode::Blob, name: path.clone().into_bytes(), id });
    }
    for (name, files) in folders {
        let id = tree(objects, &files).0;
        entries.push(Entry { mode: Mode::Tree, name: name.into_bytes(), id });
    }
    TreeId(objects.put(Kind::Tree, &encode_tree(&mut entries)).unwrap())
}

pub(in crate::store) fn commit(objects: &dyn Objects, tree: TreeId, parents: &[CommitId], time: i64) -> CommitId {
    let who = Ident::parse(format!("A <a@b> {time} +0000").as_bytes()).unwrap();
    let commit = Commit {
        tree,
        parents: parents.to_vec(),
        author: who.clone(),
        committer: who,
        headers: Vec::new(),
        message: Vec::new(),
    };
    CommitId(objects.put(Kind::Commit, &commit.encode()).unwrap())
}

/// Every path below a tree, folders too.
fn paths(objects: &dyn Objects, id: TreeId, prefix: &str, out: &mut BTreeMap<String, (Mode, Id)>) {
    for entry in objects.tree(id).unwrap().iter() {
        let path = format!("{prefix}{}", std::str::from_utf8(entry.name).unwrap());
        // A folder's path ends in a slash, so that a file of the same name is another.
        let end = if entry.is_tree() { "/" } else { "" };
        out.insert(format!("{path}{end}"), (entry.mode, entry.id));
        if entry.is_tree() {
            paths(objects, TreeId(entry.id), &format!("{path}/"), out);
        }
    }
}

#[derive(Default)]
struct List {
    order: Vec<(Id, Kind, Option<Id>)>,
    places: HashMap<Id, usize>,
}

impl Seen for List {
    fn has(&self, id: Id) -> bool {
        self.places.contains_key(&id)
    }

    fn add(&mut self, id: Id, kind: Kind, newer: Option<Id>) -> Result<bool> {
        if self.has(id) {
            return Ok(false);
        }
        self.places.insert(id, self.order.len());
        self.order.push((id, kind, newer));
        Ok(true)
    }
}

/// All that can be reached, by a plain search.
pub(in crate::store) fn search(objects: &dyn Objects, id: Id, found: &mut BTreeSet<Id>) {
    if !found.insert(id) {
        return;
    }
    let object = objects.get(id).unwrap().unwrap();
    match object.kind {
        Kind::Blob => {}
        Kind::Tree => objects.tree(TreeId(id)).unwrap().iter().for_each(|entry| search(objects, entry.id, found)),
        Kind::Tag => search(objects, objects.tag(TagId(id)).unwrap().target, found),
        Kind::Commit => {
            let commit = objects.commit(CommitId(id)).unwrap();
            search(objects, commit.tree.0, found);
            commit.parents.iter().for_each(|parent| search(objects, parent.0, found));
        }
    }
}

const STRICT: Bounds<'static> = Bounds { shallow: &[], is_lenient: false };

pub(in crate::store) fn files() -> impl Strategy<Value = Files> {
    // Some names stand before a folder's of the same start in git's order, some behind it.
    prop::collection::btree_map("[ab][ab-]?(/[ab][ab-]?){0,3}", 0u8..4, 0..12)
}

proptest! {
    #[test]
    fn every_difference_is_told_once_and_in_order(old in prop::option::of(files()), new in files()) {
        let objects = Memory::new();
        let (old, new) = (old.map(|old| tree(&objects, &old)), tree(&objects, &new));
        let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
        if let Some(old) = old {
            paths(&objects, old, "", &mut before);
        }
        paths(&objects, new, "", &mut after);
        let mut expected = BTreeMap::new();
        for path in before.keys().chain(after.keys()) {
            let (old, new) = (before.get(path).copied(), after.get(path).copied());
            if old != new {
                expected.insert(path.clone(), (old, new));
            }
        }
        let mut told = Vec::new();
        changed_entries(&objects, old, new, &mut |entry| {
            let is_tree = entry.old.or(entry.new).is_some_and(|(mode, _)| mode == Mode::Tree);
            let path = format!("{}{}", std::str::from_utf8(entry.path).unwrap(), if is_tree { "/" } else { "" });
            told.push((path, (entry.old, entry.new)));
            Ok(true)
        }).unwrap();
        let count = told.len();
        let told: BTreeMap<_, _> = told.into_iter().collect();
        prop_assert_eq!(count, told.len());
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn all_that_can_be_reached_is_shown(
        versions in prop::collection::vec((files(), 0i64..5, prop::collection::vec(any::<prop::sample::Index>(), 0..3)), 1..8),
        roots in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let objects = Memory::new();
        let mut commits: Vec<CommitId> = Vec::new();
        for (files, time, parents) in &versions {
            let mut chosen: Vec<CommitId> =
                if commits.is_empty() { Vec::new() } else { parents.iter().map(|p| commits[p.index(commits.len())]).collect() };
            chosen.dedup();
            commits.push(commit(&objects, tree(&objects, files), &chosen, *time));
        }
        let roots: Vec<(Id, Kind)> = roots.iter().map(|r| (commits[r.index(commits.len())].0, Kind::Commit)).collect();
        let mut expected = BTreeSet::new();
        roots.iter().for_each(|(id, _)| search(&objects, *id, &mut expected));

        let mut whole = List::default();
        reachable(&objects, &roots, &STRICT, &mut whole).unwrap();
        prop_assert_eq!(whole.places.keys().copied().collect::<BTreeSet<_>>(), expected.clone());
        for &(id, kind, newer) in &whole.order {
            prop_assert_eq!(objects.get(id).unwrap().unwrap().kind, kind);
            if let Some(newer) = newer {
                prop_assert!(whole.places[&newer] < whole.places[&id], "the newer one is shown first");
                prop_assert_eq!(objects.get(newer).unwrap().unwrap().kind, kind);
            }
        }
        // In two steps, and without demands on what is missing, it is the same.
        let mut stepwise = List::default();
        let lenient = Bounds { shallow: &[], is_lenient: true };
        for root in roots.chunks(1) {
            reachable(&objects, root, &lenient, &mut stepwise).unwrap();
        }
        prop_assert_eq!(stepwise.places.keys().copied().collect::<BTreeSet<_>>(), expected);
    }
}

/// Nothing is read below an entry where `visit` says no, and what follows it is told of all the same.
#[test]
fn it_goes_below_only_where_it_is_told_to() {
    let objects = Memory::new();
    let files = ["a/b/c", "a/d", "e/f", "g"].map(|path| (path.to_owned(), 1)).into();
    let new = tree(&objects, &files);
    let told = |goes_on: &dyn Fn(&str) -> bool| {
        let mut told = Vec::new();
        let mut visit = |entry: &ChangedEntry<'_>| {
            told.push(String::from_utf8(entry.path.to_vec()).unwrap());
            Ok(goes_on(told.last().unwrap()))
        };
        changed_entries(&objects, None, new, &mut visit).unwrap();
        told
    };
    assert_eq!(told(&|_| true), ["a", "a/b", "a/b/c", "a/d", "e", "e/f", "g"]);
    assert_eq!(told(&|path| path != "a/b"), ["a", "a/b", "a/d", "e", "e/f", "g"]);
    assert_eq!(told(&|_| false), ["a", "e", "g"]);
}

#[test]
fn a_deep_tree_costs_no_stack() {
    let objects = Memory::new();
    let mut ids = [1u8, 2].map(|content| objects.put(Kind::Blob, &[content]).unwrap());
    for depth in 0..3000 {
        ids = ids.map(|id| {
            let mode = if depth == 0 { Mode::Blob } else { Mode::Tree };
            objects.put(Kind::Tree, &encode_tree(&mut [Entry { mode, name: b"n".to_vec(), id }])).unwrap()
        });
    }
    let first = commit(&objects, TreeId(ids[0]), &[], 1);
    let second = commit(&objects, TreeId(ids[1]), &[first], 2);
    let mut seen = List::default();
    reachable(&objects, &[(second.0, Kind::Commit)], &STRICT, &mut seen).unwrap();
    assert_eq!(seen.order.len(), 2 + 2 * 3001);
    let pairs = seen.order.iter().filter(|(_, _, newer)| newer.is_some()).count();
    assert_eq!(pairs, 1 + 3001, "every older object has its newer one");
}

#[test]
fn what_is_missing_is_told_or_passed_over() {
    let objects = Memory::new();
    let gone = Id::from_bytes([7; 32]);
    let blob = objects.put(Kind::Blob, b"kept").unwrap();
    let body = encode_tree(&mut [
        Entry { mode: Mode::Tree, name: b"a".to_vec(), id: gone },
        Entry { mode: Mode::Blob, name: b"b".to_vec(), id: blob },
        Entry { mode: Mode::Gitlink, name: b"c".to_vec(), id: gone },
    ]);
    let tree = TreeId(objects.put(Kind::Tree, &body).unwrap());
    let tip = commit(&objects, tree, &[CommitId(gone)], 1);
    let roots = [(tip.0, Kind::Commit)];
    let error = reachable(&objects, &roots, &STRICT, &mut List::default()).unwrap_err();
    assert!(matches!(error, Error::Missing { id, .. } if id == gone), "{error}");
    let mut seen = List::default();
    reachable(&objects, &roots, &Bounds { shallow: &[], is_lenient: true }, &mut seen).unwrap();
    assert!([tip.0, tree.0, blob].iter().all(|id| seen.has(*id)));

    // The parent of a shallow commit is not looked for.
    let tree = TreeId(objects.put(Kind::Tree, b"").unwrap());
    let tip = commit(&objects, tree, &[CommitId(gone)], 1);
    let mut seen = List::default();
    reachable(&objects, &[(tip.0, Kind::Commit)], &Bounds { shallow: &[tip], is_lenient: false }, &mut seen).unwrap();
    assert_eq!(seen.order.len(), 2);
}
