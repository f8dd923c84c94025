//! Who made a version of a document, and when: the commits that introduced it.
//!
//! The answer is a function of the history alone: neither the commit-graph file nor the order of the walk changes it.
//! All that is asked goes back through history together, and each commit is looked at once, after all its descendants;
//! trees are read only where the file's filters cannot rule out that one of the keys changed.

use std::collections::{BinaryHeap, HashMap};

use super::Database;
use super::error::Result;
use super::history::paths;
use super::lineage::Lineage;
use super::merge::is_merge_commit;
use crate::object::{BlobId, CommitId, Ident, Objects, TreeId};
use crate::store::{FilterPath, NO_GENERATION};
use crate::tree::{Document, Key};

/// The commit that introduced a version of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The commit.
    pub commit: CommitId,
    /// Its author, and when.
    pub author: Ident,
    /// Its committer, and when.
    pub committer: Ident,
}

impl Origin {
    /// What orders the origins of one version: of several the greatest is the answer.
    pub(super) fn rank(&self) -> (i64, CommitId) {
        (self.committer.seconds(), self.commit)
    }
}

/// What is asked: a version (`None` is the deletion) of the key of this number.
type Item = (usize, Option<BlobId>);

/// Everything that is asked, by numbers: the keys in their order, and the items in the order of their keys.
struct Asked {
    keys: Vec<Key>,
    /// Of each key, the paths that are in the filter of every commit that changed it, the longest first.
    paths: Vec<Vec<FilterPath>>,
    items: Vec<Item>,
}

impl Asked {
    fn new(wanted: &[(Key, Option<BlobId>)]) -> Asked {
        let mut keys: Vec<Key> = wanted.iter().map(|(key, _)| key.clone()).collect();
        keys.sort_unstable();
        keys.dedup();
        let number = |key: &Key| keys.binary_search(key).expect("all keys that are asked for are there");
        let mut items: Vec<Item> = wanted.iter().map(|(key, version)| (number(key), *version)).collect();
        items.sort_unstable();
        items.dedup();
        let paths = keys.iter().map(|key| paths(key).into_iter().rev().collect()).collect();
        Asked { keys, paths, items }
    }

    fn number(&self, key: &Key, version: Option<BlobId>) -> usize {
        let number = self.keys.binary_search(key).expect("all keys that are asked for are there");
        self.items.binary_search(&(number, version)).expect("all that is asked for is there")
    }

    /// The numbers of the keys of some items, which are in ascending order.
    fn keys_of(&self, items: &[usize]) -> Vec<usize> {
        let mut keys: Vec<usize> = items.iter().map(|item| self.items[*item].0).collect();
        keys.dedup();
        keys
    }
}

impl Database {
    /// The commit that introduced each of some versions of documents (`None` is the deletion), as seen from `heads`;
    /// `None` where no head has the version, and for the deletion of what never was.
    ///
    /// From every head that has the version, the walk goes back to all parents in which the document is the same, its
    /// conflict included. Where no parent has it the same, the commit introduced the version, but for a merge commit: of
    /// that, the walk goes on to the parents that have the version among theirs, and if there are none, then a rule made
    /// it there. Of several commits the one with the latest committer time counts, then the one with the greatest id.
    ///
    /// # Errors
    /// When a commit or a tree cannot be read.
    pub fn origins(&self, heads: &[CommitId], wanted: &[(Key, Option<BlobId>)]) -> Result<Vec<Option<Origin>>> {
        let asked = Asked::new(wanted);
        let mut walk = Walk::new(self, self.lineage()?, &asked);
        if !walk.run(heads)? {
            // The file contradicts itself; what it was made from tells.
            walk = Walk::new(self, Lineage::new(self.store(), None), &asked);
            walk.run(heads)?;
        }
        Ok(wanted.iter().map(|(key, version)| walk.found[asked.number(key, *version)].clone()).collect())
    }
}

/// A walk back. Commits and items are named by numbers.
struct Walk<'a> {
    db: &'a Database,
    lineage: Lineage<'a>,
    asked: &'a Asked,
    /// What has come to each commit that was not looked at yet.
    waiting: HashMap<u32, Vec<usize>>,
    /// The commits of the file that wait, by generation: none comes before a descendant of it.
    queue: BinaryHeap<(u64, u32)>,
    found: Vec<Option<Origin>>,
}

impl<'a> Walk<'a> {
    fn new(db: &'a Database, lineage: Lineage<'a>, asked: &'a Asked) -> Walk<'a> {
        let found = vec![None; asked.items.len()];
        Walk { db, lineage, asked, waiting: HashMap::new(), queue: BinaryHeap::new(), found }
    }

    /// False when the file's generation numbers are not what they must be.
    fn run(&mut self, heads: &[CommitId]) -> Result<bool> {
        self.start(heads)?;
        // Those that the file does not have come first: no commit of the file descends from one of them.
        for place in self.others(heads)? {
            if let Some(items) = self.waiting.remove(&place) {
                self.visit(place, items)?;
            }
        }
        while let Some((generation, place)) = self.queue.pop() {
            let Some(items) = self.waiting.remove(&place) else { continue };
            let parents = self.lineage.parents(place)?;
            if generation == NO_GENERATION || parents.iter().any(|p| self.lineage.generation(*p) >= generation) {
                return Ok(false);
            }
            self.visit(place, items)?;
        }
        Ok(true)
    }

    /// Gives each head the items that it has.
    fn start(&mut self, heads: &[CommitId]) -> Result<()> {
        let all: Vec<usize> = (0..self.asked.keys.len()).collect();
        let mut documents: Vec<Option<Document>> = Vec::new();
        let mut before: Option<TreeId> = None;
        for &head in heads {
            let place = self.lineage.place(head);
            let tree = self.lineage.tree(place)?;
            // Heads have most documents in common.
            let changed = before.map_or_else(|| Ok(all.clone()), |before| self.changed(before, tree, &all))?;
            documents.resize(all.len(), None);
            for key in changed {
                documents[key] = self.db.tree(tree).get(&self.asked.keys[key])?;
            }
            before = Some(tree);
            let mut items = Vec::new();
            for (item, (key, version)) in self.asked.items.iter().enumerate() {
                if self.has(documents[*key], *version)? {
                    items.push(item);
                }
            }
            self.push(place, items);
        }
        Ok(())
    }

    /// The commits that the file does not have, each behind all its descendants.
    fn others(&mut self, heads: &[CommitId]) -> Result<Vec<u32>> {
        let mut children: HashMap<u32, usize> = HashMap::new();
        let mut todo: Vec<u32> = heads.iter().map(|head| self.lineage.place(*head)).collect();
        todo.retain(|place| !self.lineage.is_in_file(*place) && children.insert(*place, 0).is_none());
        let mut ready = todo.clone();
        while let Some(place) = todo.pop() {
            for parent in self.lineage.parents(place)? {
                if !self.lineage.is_in_file(parent) {
                    let count = children.entry(parent).or_insert_with(|| {
                        todo.push(parent);
                        0
                    });
                    *count += 1;
                }
            }
        }
        ready.retain(|place| children[place] == 0);
        let mut sorted = Vec::with_capacity(children.len());
        while let Some(place) = ready.pop() {
            sorted.push(place);
            for parent in self.lineage.parents(place)? {
                if let Some(count) = children.get_mut(&parent) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(parent);
                    }
                }
            }
        }
        Ok(sorted)
    }

    fn push(&mut self, place: u32, items: Vec<usize>) {
        if items.is_empty() {
            return;
        }
        if self.lineage.is_in_file(place) && !self.waiting.contains_key(&place) {
            self.queue.push((self.lineage.generation(place), place));
        }
        self.waiting.entry(place).or_default().extend(items);
    }

    /// Looks at a commit that has these items, and passes on what it did not introduce.
    fn visit(&mut self, place: u32, mut items: Vec<usize>) -> Result<()> {
        items.sort_unstable();
        items.dedup();
        let parents = self.lineage.parents(place)?;
        // Items that no parent has in the same state.
        let mut left = items.clone();
        for (nth, &parent) in parents.iter().enumerate() {
            let changed = self.changed_against(place, parent, nth == 0, &items)?;
            let is_changed = |item: &usize| changed.binary_search(&self.asked.items[*item].0).is_ok();
            left.retain(is_changed);
            let same = items.iter().copied().filter(|item| !is_changed(item)).collect();
            self.push(parent, same);
        }
        if left.is_empty() {
            return Ok(());
        }
        let id = self.lineage.id(place);
        let commit = self.db.store().commit(id)?;
        if is_merge_commit(&commit) {
            left = self.pass_versions(&parents, left)?;
        }
        if parents.is_empty() {
            // Nobody has deleted what was not there before.
            let tree = self.db.tree(commit.tree);
            let mut made = Vec::new();
            for item in left {
                let (key, version) = self.asked.items[item];
                if version.is_some() || tree.get(&self.asked.keys[key])?.is_some() {
                    made.push(item);
                }
            }
            left = made;
        }
        let origin = Origin { commit: id, author: commit.author, committer: commit.committer };
        for item in left {
            let known = &mut self.found[item];
            if known.as_ref().is_none_or(|known| known.rank() < origin.rank()) {
                *known = Some(origin.clone());
            }
        }
        Ok(())
    }

    /// Passes items on to the parents that have the version among theirs; answers those that no parent has.
    fn pass_versions(&mut self, parents: &[u32], items: Vec<usize>) -> Result<Vec<usize>> {
        let mut left = items.clone();
        for &parent in parents {
            let tree = self.lineage.tree(parent)?;
            let mut here = Vec::new();
            for &item in &items {
                let (key, version) = self.asked.items[item];
                let document = self.db.tree(tree).get(&self.asked.keys[key])?;
                if self.has(document, version)? {
                    here.push(item);
                }
            }
            left.retain(|item| here.binary_search(item).is_err());
            self.push(parent, here);
        }
        Ok(left)
    }

    /// Whether a version is among those of a document; an absent one has the deletion.
    fn has(&self, document: Option<Document>, version: Option<BlobId>) -> Result<bool> {
        match document {
            None => Ok(version.is_none()),
            Some(Document { blob, conflict: None }) => Ok(version == Some(blob)),
            Some(Document { conflict: Some(id), .. }) => {
                let conflict = self.db.tree(TreeId::EMPTY).conflict(id)?;
                Ok(version.map_or(conflict.deleted, |version| conflict.versions.contains(&version)))
            }
        }
    }

    /// The keys of some items that a commit has in another state than a parent.
    fn changed_against(&mut self, place: u32, parent: u32, is_first: bool, items: &[usize]) -> Result<Vec<usize>> {
        let mut keys = self.asked.keys_of(items);
        if is_first && let Some(filter) = self.lineage.filter(place) {
            keys.retain(|key| self.asked.paths[*key].iter().all(|path| filter.may_hold(*path)));
        }
        if keys.is_empty() {
            return Ok(keys);
        }
        let (old, new) = (self.lineage.tree(parent)?, self.lineage.tree(place)?);
        self.changed(old, new, &keys)
    }

    /// Those of some keys, in ascending order, at which two trees differ.
    fn changed(&self, old: TreeId, new: TreeId, keys: &[usize]) -> Result<Vec<usize>> {
        if old == new {
            return Ok(Vec::new());
        }
        let names: Vec<&Key> = keys.iter().map(|number| &self.asked.keys[*number]).collect();
        let found = self.db.tree(old).differing(&self.db.tree(new), &names)?;
        Ok(found.into_iter().map(|at| keys[at]).collect())
    }
}
