//! A model of merging on maps, straight from the format's words: every document is a set of versions.

use std::collections::{BTreeSet, HashMap};

use super::*;

/// A content, or `None` for the deletion.
pub(super) type Version = Option<Vec<u8>>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Doc {
    pub(super) versions: BTreeSet<Version>,
    base: Option<Vec<u8>>,
}

pub(super) type State = BTreeMap<String, Doc>;

impl Doc {
    pub(super) fn of(content: &[u8]) -> Doc {
        Doc { versions: [Some(content.to_vec())].into(), base: None }
    }
}

fn asserted(side: &BTreeSet<Version>, base: &BTreeSet<Version>) -> BTreeSet<Version> {
    if base.is_subset(side) { side - base } else { side.clone() }
}

fn merge_doc(base: Option<&Doc>, left: Option<&Doc>, right: Option<&Doc>) -> Option<Doc> {
    if left == right || right == base {
        return left.cloned();
    }
    if left == base {
        return right.cloned();
    }
    let none = BTreeSet::new();
    let before = base.map_or(&none, |doc| &doc.versions).clone();
    let versions = |side: Option<&Doc>| match side {
        Some(doc) => doc.versions.clone(),
        None if base.is_some() => [None].into(),
        None => BTreeSet::new(),
    };
    let (left, right) = (versions(left), versions(right));
    let mut versions = &left & &right;
    versions.extend(asserted(&left, &before));
    versions.extend(asserted(&right, &before));
    if versions.iter().all(Option::is_none) {
        return None;
    }
    let origin = match base {
        Some(Doc { versions, .. }) if versions.len() == 1 => versions.first().cloned().flatten(),
        base => base.and_then(|base| base.base.clone()),
    };
    let base = if versions.len() > 1 { origin } else { None };
    Some(Doc { versions, base })
}

fn merge_three(base: &State, left: &State, right: &State) -> State {
    let keys: BTreeSet<&String> = base.keys().chain(left.keys()).chain(right.keys()).collect();
    let merged = |key: &String| merge_doc(base.get(key), left.get(key), right.get(key)).map(|doc| (key.clone(), doc));
    keys.into_iter().filter_map(merged).collect()
}

/// Authored commits with what they hold, and merge commits with their parents.
#[derive(Default)]
pub(super) struct History {
    pub(super) commits: HashMap<CommitId, (Vec<CommitId>, State, bool)>,
    merges: HashMap<Vec<CommitId>, State>,
}

impl History {
    fn ancestors(&self, ids: &[CommitId]) -> BTreeSet<CommitId> {
        let mut seen = BTreeSet::new();
        let mut todo = ids.to_vec();
        while let Some(id) = todo.pop() {
            if seen.insert(id) {
                todo.extend(&self.commits[&id].0);
            }
        }
        seen
    }

    pub(super) fn maximal(&self, ids: impl IntoIterator<Item = CommitId>) -> Vec<CommitId> {
        let ids: BTreeSet<CommitId> = ids.into_iter().collect();
        let below: BTreeSet<CommitId> = ids.iter().flat_map(|id| self.ancestors(&self.commits[id].0)).collect();
        ids.difference(&below).copied().collect()
    }

    pub(super) fn frontier(&self, heads: &[CommitId]) -> Vec<CommitId> {
        let authored = heads.iter().flat_map(|id| match &self.commits[id] {
            (_, _, true) => vec![*id],
            (parents, _, false) => parents.clone(),
        });
        self.maximal(authored.collect::<Vec<_>>())
    }

    /// The documents of the merge of some heads.
    pub(super) fn state(&mut self, heads: &[CommitId]) -> State {
        let frontier = self.frontier(heads);
        let Some((first, rest)) = frontier.split_first() else { return State::new() };
        if let Some(state) = self.merges.get(&frontier) {
            return state.clone();
        }
        let (mut state, mut merged) = (self.commits[first].1.clone(), vec![*first]);
        for head in rest {
            let common = &self.ancestors(&merged) & &self.ancestors(&[*head]);
            let bases = self.maximal(common);
            let base = self.state(&bases);
            state = merge_three(&base, &state, &self.commits[head].1);
            merged.push(*head);
        }
        self.merges.insert(frontier, state.clone());
        state
    }

    /// Notes a commit, and its merge commits.
    pub(super) fn add(&mut self, db: &Database, id: CommitId, state: State) {
        let commit = db.store().commit(id).unwrap();
        let is_authored = !is_merge_commit(&commit);
        self.commits.insert(id, (commit.parents, state, is_authored));
    }
}

/// What the model says in the form of [`documents`].
pub(super) fn shown(state: &State) -> BTreeMap<String, Vec<Option<Vec<u8>>>> {
    let in_order = |doc: &Doc| {
        let mut versions: Vec<Version> = doc.versions.iter().cloned().collect();
        versions.sort_by_key(|version| version.as_ref().map(|bytes| crate::object::hash(Kind::Blob, bytes)));
        versions
    };
    state.iter().map(|(key, doc)| (key.clone(), in_order(doc))).collect()
}
