//! A tree beside its model: both take the same changes, and must agree about everything that can be asked.

use std::ops::ControlFlow;

use super::model::{self, Documents, Leaf};
use crate::object::{BlobId, Kind, Memory, Objects, TreeId};
use crate::tree::{Conflict, Document, Edit, Error, FolderChecker, Key, Range, Role, Tree};

/// One change of a batch.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Put(Leaf),
    Remove,
    RemoveFolder,
    /// A whole folder of these documents; their keys are what follows the folder's.
    PutFolder(Documents),
}

pub(super) fn key(text: &str) -> Key {
    text.parse().unwrap()
}

pub(super) struct State {
    pub(super) objects: Memory,
    pub(super) root: TreeId,
    pub(super) documents: Documents,
}

/// Documents in a flat folder, in many small ones, and in deep ones; every n-th has another content.
pub(super) fn shapes(every: usize, content: &[u8]) -> State {
    let flat = (0..3000).map(|i| format!("flat/{:04x}", (i as u16).wrapping_mul(40_503)));
    let small = (0..3000).map(|i| format!("small/{}/{}/r", i / 3, i % 3));
    let deep = (0..40).map(|i| format!("{}d{}", "deep/".repeat(i), "/x".repeat(i % 3)));
    let own = ["flat", "small", "small/7", "small/7/1"].map(str::to_owned);
    let keys = flat.chain(small).chain(deep).chain(own).enumerate();
    let leaf = |at: usize| if at.is_multiple_of(every) { Leaf::of(content) } else { Leaf::of(b"same") };
    State::of(keys.map(|(at, key)| (key, leaf(at))).collect::<Documents>())
}

impl State {
    pub(super) fn new() -> State {
        let objects = Memory::new();
        let root = TreeId(objects.put(Kind::Tree, b"").unwrap());
        State { objects, root, documents: Documents::new() }
    }

    pub(super) fn of(documents: Documents) -> State {
        let mut state = State::new();
        state.apply(&documents.into_iter().map(|(key, leaf)| (key, Step::Put(leaf))).collect::<Vec<_>>());
        state
    }

    pub(super) fn tree(&self) -> Tree<'_, Memory> {
        Tree::new(&self.objects, self.root)
    }

    /// Puts a document's contents, and answers it as a folder holds it.
    pub(super) fn write(&self, leaf: &Leaf) -> Document {
        let put = |content: &Vec<u8>| BlobId(self.objects.put(Kind::Blob, content).unwrap());
        let versions = leaf.versions.iter().map(put).collect();
        let base = leaf.base.as_ref().map(put);
        Conflict { versions, base, deleted: leaf.deleted }.write(&self.objects).unwrap().unwrap()
    }

    /// Makes the changes, as one edit, and sees that the tree is the model's.
    pub(super) fn apply(&mut self, batch: &[(String, Step)]) {
        let edit = |step: &Step| match step {
            Step::Put(leaf) => Edit::Put(self.write(leaf)),
            Step::Remove => Edit::Remove,
            Step::RemoveFolder => Edit::RemoveFolder,
            Step::PutFolder(documents) => {
                let put = |(rest, leaf): (&String, &Leaf)| (key(&format!("f{rest}")), Edit::Put(self.write(leaf)));
                let alone = self.tree().with_root(TreeId::EMPTY).edit(&documents.iter().map(put).collect()).unwrap();
                Edit::PutFolder(alone.folder(Some(&key("f"))).unwrap().unwrap_or(TreeId::EMPTY))
            }
        };
        let edits = batch.iter().map(|(text, step)| (key(text), edit(step))).collect();
        self.root = self.tree().edit(&edits).unwrap().id();
        let mut in_order: Vec<&(String, Step)> = batch.iter().collect();
        in_order.sort_by_cached_key(|(key, _)| model::order(key));
        for (key, step) in in_order {
            if matches!(step, Step::RemoveFolder | Step::PutFolder(_)) {
                self.documents.retain(|other, _| !model::is_below(other, key));
            }
            match step {
                Step::Put(leaf) => drop(self.documents.insert(key.clone(), leaf.clone())),
                Step::Remove | Step::RemoveFolder => drop(self.documents.remove(key)),
                Step::PutFolder(documents) => {
                    self.documents.extend(documents.iter().map(|(rest, leaf)| (format!("{key}{rest}"), leaf.clone())));
                }
            }
        }
        assert_eq!(self.root, model::root(&self.documents));
    }

    /// The model's documents between two keys at or below a third, in the order of keys.
    pub(super) fn expected(&self, range: [Option<&str>; 3]) -> Vec<(Key, Document)> {
        let [prefix, from, to] = range;
        let is_in = |text: &str| {
            prefix.is_none_or(|prefix| model::is_below(text, prefix))
                && from.is_none_or(|from| model::order(text) >= model::order(from))
                && to.is_none_or(|to| model::order(text) < model::order(to))
        };
        let mut expected: Vec<_> = self.documents.iter().filter(|(text, _)| is_in(text)).collect();
        expected.sort_by_cached_key(|(text, _)| model::order(text));
        expected.into_iter().map(|(text, leaf)| (key(text), self.write(leaf))).collect()
    }

    /// Sees that a listing of the documents gives the model's.
    pub(super) fn check_documents(&self, range: [Option<&str>; 3]) {
        let [prefix, from, to] = range.map(|text| text.map(key));
        let documents = self.tree().documents(Range { prefix, from, to }).unwrap();
        let documents: Vec<_> = documents.map(Result::unwrap).collect();
        assert_eq!(documents, self.expected(range), "{range:?}");
    }

    /// Sees that one key gives the model's answer.
    pub(super) fn check_get(&self, text: &str) {
        let expected = self.documents.get(text).map(|leaf| self.write(leaf));
        let found = self.tree().get(&key(text)).unwrap();
        assert_eq!(found, expected, "{text:?}");
        if let (Some(Document { conflict: Some(id), .. }), Some(leaf)) = (found, self.documents.get(text)) {
            let conflict = self.tree().conflict(id).unwrap();
            assert_eq!(conflict.versions, leaf.versions.iter().map(|content| BlobId(model::blob(content))).collect());
            assert_eq!(conflict.base.map(|id| id.0), leaf.base.as_ref().map(|base| model::blob(base)));
            assert_eq!(conflict.deleted, leaf.deleted);
        }
    }

    /// Sees that the children of a folder are the model's, all or those that start so.
    pub(super) fn check_children(&self, folder: Option<&str>, start: Option<&str>) {
        let below = folder.map(|folder| format!("{folder}/")).unwrap_or_default();
        let rests: Vec<&str> = self.documents.keys().filter_map(|text| text.strip_prefix(below.as_str())).collect();
        let mut segments: Vec<&str> = rests.iter().map(|rest| rest.split('/').next().unwrap()).collect();
        segments.retain(|segment| start.is_none_or(|start| segment.starts_with(start)));
        segments.sort_by_cached_key(|segment| model::order(segment));
        segments.dedup();
        let tree = self.tree();
        let children = match start {
            Some(start) => tree.children_starting(folder.map(key).as_ref(), start),
            None => tree.children(folder.map(key).as_ref()),
        };
        let children: Vec<_> = children.unwrap().map(Result::unwrap).collect();
        let found: Vec<&str> = children.iter().map(|child| child.segment.as_str()).collect();
        assert_eq!(found, segments, "{folder:?} from {start:?}");
        for child in children {
            let path = format!("{below}{}", child.segment);
            let inner = format!("{path}/");
            assert_eq!(child.document, self.documents.get(&path).map(|leaf| self.write(leaf)), "{path:?}");
            let next = self.documents.range(inner.clone()..).next();
            assert_eq!(child.is_folder, next.is_some_and(|(text, _)| text.starts_with(&inner)), "{path:?}");
            assert_eq!(self.tree().folder(Some(&key(&path))).unwrap(), Some(child.tree));
        }
    }

    /// Sees that what differs from `old` is what differs between the models, at or below a key.
    pub(super) fn check_diff(&self, old: &(TreeId, Documents), prefix: Option<&str>) {
        let mut texts: Vec<&String> = old.1.keys().chain(self.documents.keys()).collect();
        texts.retain(|text| prefix.is_none_or(|prefix| model::is_below(text, prefix)));
        texts.retain(|&text| old.1.get(text) != self.documents.get(text));
        texts.sort_by_cached_key(|text| model::order(text));
        texts.dedup();
        let document = |leaf: Option<&Leaf>| leaf.map(|leaf| self.write(leaf));
        let before = Tree::new(&self.objects, old.0);
        let changes = before.diff(&self.tree(), prefix.map(key).as_ref()).unwrap();
        let changes: Vec<_> = changes.map(Result::unwrap).collect();
        for threads in [1, 3] {
            let mut given = Vec::new();
            let work = |_: &Memory, change| Ok::<_, Error>((change, 0));
            let compared = before.compare(&self.tree(), prefix.map(key).as_ref(), threads, work, |change| {
                given.push(change);
                Ok(ControlFlow::Continue(()))
            });
            assert!(compared.is_ok() && given == changes, "{prefix:?} on {threads} threads");
        }
        let found: Vec<_> = changes.iter().map(|change| change.key.text().into_owned()).collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), texts, "{prefix:?}");
        for (change, text) in changes.iter().zip(texts) {
            assert_eq!((change.old, change.new), (document(old.1.get(text)), document(self.documents.get(text))));
        }
    }

    /// Sees that every folder is sound.
    pub(super) fn check_folders(&self) {
        let mut checker = FolderChecker::new();
        let mut folders = vec![(self.root, Role::Root)];
        while let Some((id, role)) = folders.pop() {
            let check = checker.check(&self.objects, id, role);
            assert_eq!((check.findings, check.errors.len()), (Vec::new(), 0));
            folders.extend(check.children.into_iter().map(|child| (child, Role::Folder)));
        }
    }
}
