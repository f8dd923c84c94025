//! History: commits from given ones back, newest first, of all documents or of some.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};

use super::Database;
use super::error::Result;
use crate::object::{Commit, CommitId, Objects, TreeId};
use crate::tree::Key;

/// Which commits a history gives.
#[derive(Clone, Debug, Default)]
pub struct HistoryOptions {
    /// Only commits that changed what is at or below one of these keys. As in git, of a merge that took all of it
    /// from one parent only that parent's side is followed.
    pub keys: Vec<Key>,
    /// Only commits at or after this time, in seconds since 1970.
    pub since: Option<i64>,
    /// Only commits at or before this time.
    pub until: Option<i64>,
    /// No commit before all of its descendants: reads the whole history before the first answer.
    pub topological: bool,
}

/// One commit of a history.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The commit's id.
    pub id: CommitId,
    /// The commit.
    pub commit: Commit,
    /// Its parents within the history; with keys, its nearest ancestors that changed them.
    pub parents: Vec<CommitId>,
}

/// The commits of a history, newest first by committer time.
#[derive(Debug)]
pub struct History<'a> {
    db: &'a Database,
    options: HistoryOptions,
    /// The commits to look at: by time, the first found of one second first.
    queue: BinaryHeap<(i64, Reverse<u64>, CommitId)>,
    seen: HashSet<CommitId>,
    found: u64,
    states: HashMap<CommitId, Vec<Option<TreeId>>>,
    sorted: Option<VecDeque<Entry>>,
}

/// A commit that was looked at.
struct Visit {
    entry: Entry,
    is_shown: bool,
    /// The parents that the history goes on with.
    followed: Vec<CommitId>,
}

impl Database {
    /// The history of some commits.
    pub fn history(&self, heads: &[CommitId], options: HistoryOptions) -> Result<History<'_>> {
        let mut history = History {
            db: self,
            options,
            queue: BinaryHeap::new(),
            seen: HashSet::new(),
            found: 0,
            states: HashMap::new(),
            sorted: None,
        };
        for &head in heads {
            history.push(head)?;
        }
        Ok(history)
    }
}

impl History<'_> {
    fn push(&mut self, id: CommitId) -> Result<()> {
        if self.seen.insert(id) {
            let time = self.db.store().commit(id)?.committer.seconds();
            if self.options.since.is_none_or(|since| time >= since) {
                self.found += 1;
                self.queue.push((time, Reverse(self.found), id));
            }
        }
        Ok(())
    }

    /// What a commit has at each of the keys.
    fn state(&mut self, id: CommitId, tree: Option<TreeId>) -> Result<Vec<Option<TreeId>>> {
        if let Some(state) = self.states.get(&id) {
            return Ok(state.clone());
        }
        let root = match tree {
            Some(tree) => tree,
            None => self.db.store().commit(id)?.tree,
        };
        let tree = self.db.tree(root);
        let state = self.options.keys.iter().map(|key| Ok(tree.folder(Some(key))?)).collect::<Result<Vec<_>>>()?;
        self.states.insert(id, state.clone());
        Ok(state)
    }

    fn visit(&mut self) -> Result<Option<Visit>> {
        let Some((time, _, id)) = self.queue.pop() else { return Ok(None) };
        let commit = self.db.store().commit(id)?;
        let (mut is_shown, mut followed) = (true, commit.parents.clone());
        if !self.options.keys.is_empty() {
            let mine = self.state(id, Some(commit.tree))?;
            is_shown = commit.parents.is_empty() && mine.iter().any(Option::is_some) || !commit.parents.is_empty();
            for &parent in &commit.parents {
                if self.state(parent, None)? == mine {
                    (is_shown, followed) = (false, vec![parent]);
                    break;
                }
            }
            self.states.remove(&id);
        }
        for &parent in &followed {
            self.push(parent)?;
        }
        is_shown &= self.options.until.is_none_or(|until| time <= until);
        let entry = Entry { id, parents: followed.clone(), commit };
        Ok(Some(Visit { entry, is_shown, followed }))
    }

    fn step(&mut self) -> Result<Option<Entry>> {
        if self.options.topological {
            if self.sorted.is_none() {
                self.sorted = Some(self.sort()?);
            }
            return Ok(self.sorted.as_mut().and_then(VecDeque::pop_front));
        }
        while let Some(visit) = self.visit()? {
            if visit.is_shown {
                return Ok(Some(visit.entry));
            }
        }
        Ok(None)
    }

    /// All entries, children before parents, and among those that could come next the newest first.
    fn sort(&mut self) -> Result<VecDeque<Entry>> {
        let mut followed = HashMap::new();
        let mut shown = Vec::new();
        while let Some(visit) = self.visit()? {
            followed.insert(visit.entry.id, (visit.is_shown, visit.followed));
            if visit.is_shown {
                shown.push(visit.entry);
            }
        }
        let mut children: HashMap<CommitId, usize> = HashMap::new();
        for entry in &mut shown {
            entry.parents = entry.parents.iter().flat_map(|&parent| nearest_shown(parent, &followed)).collect();
            let mut seen = HashSet::new();
            entry.parents.retain(|&parent| seen.insert(parent));
            for &parent in &entry.parents {
                *children.entry(parent).or_default() += 1;
            }
        }
        let mut entries: HashMap<CommitId, (usize, Entry)> =
            shown.into_iter().enumerate().map(|(place, entry)| (entry.id, (place, entry))).collect();
        let mut ready: BinaryHeap<Reverse<(usize, CommitId)>> = entries
            .values()
            .filter(|(_, entry)| !children.contains_key(&entry.id))
            .map(|(place, entry)| Reverse((*place, entry.id)))
            .collect();
        let mut sorted = VecDeque::new();
        while let Some(Reverse((_, id))) = ready.pop() {
            let Some((_, entry)) = entries.remove(&id) else { continue };
            for parent in &entry.parents {
                let left = children.get_mut(parent).map(|count| {
                    *count -= 1;
                    *count
                });
                if let (Some(0), Some((place, entry))) = (left, entries.get(parent)) {
                    ready.push(Reverse((*place, entry.id)));
                }
            }
            sorted.push_back(entry);
        }
        Ok(sorted)
    }
}

/// The commit itself if it is shown, else the nearest that are on the way back from it.
fn nearest_shown(id: CommitId, followed: &HashMap<CommitId, (bool, Vec<CommitId>)>) -> Vec<CommitId> {
    let mut found = Vec::new();
    let mut todo = vec![id];
    let mut seen = HashSet::new();
    while let Some(id) = todo.pop() {
        match followed.get(&id) {
            Some((true, _)) => found.push(id),
            Some((false, parents)) if seen.insert(id) => todo.extend(parents.iter().rev()),
            _ => {}
        }
    }
    found
}

impl Iterator for History<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.step();
        if item.is_err() {
            self.queue.clear();
        }
        item.transpose()
    }
}
