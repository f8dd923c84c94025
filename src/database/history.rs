//! History: commits from given ones back, newest first, of all documents or of some.
//!
//! What the commit-graph file tells is not read from objects: of a commit that it has, only one that is shown is read, and
//! trees only where the file's filter cannot rule out that one of the keys changed. The answer is the same without it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};

use super::Database;
use super::error::Result;
use super::lineage::{Lineage, Places};
use crate::object::{Commit, CommitId, Objects, TreeId};
use crate::store::FilterPath;
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
    lineage: Lineage<'a>,
    options: HistoryOptions,
    /// For each of the keys, the paths of the folders on the way to it and its own: when it changes, they all do.
    paths: Vec<Vec<FilterPath>>,
    /// The commits to look at: by time, the first found of one second first.
    queue: BinaryHeap<(i64, Reverse<u64>, u32)>,
    seen: Places,
    found: u64,
    /// What a commit that is yet to be looked at has at each of the keys.
    states: HashMap<u32, Vec<Option<TreeId>>>,
    sorted: Option<VecDeque<Shown>>,
}

/// A commit to show, by its place, and its parents within the history.
#[derive(Debug)]
struct Shown {
    place: u32,
    parents: Vec<u32>,
}

/// A commit that was looked at.
struct Visit {
    place: u32,
    is_shown: bool,
    /// The parents that the history goes on with.
    followed: Vec<u32>,
}

impl Database {
    /// The history of some commits.
    pub fn history(&self, heads: &[CommitId], options: HistoryOptions) -> Result<History<'_>> {
        let mut history = History {
            db: self,
            lineage: self.lineage()?,
            paths: options.keys.iter().map(paths).collect(),
            options,
            queue: BinaryHeap::new(),
            seen: Places::default(),
            found: 0,
            states: HashMap::new(),
            sorted: None,
        };
        for &head in heads {
            let place = history.lineage.place(head);
            history.push(place)?;
        }
        Ok(history)
    }
}

/// The paths that are in the filter of every commit that changed what is at or below a key, the shortest first.
pub(super) fn paths(key: &Key) -> Vec<FilterPath> {
    let path = key.path().as_bytes();
    let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    ends.map(|(end, _)| FilterPath::new(&path[..end])).collect()
}

impl History<'_> {
    fn push(&mut self, place: u32) -> Result<()> {
        if self.seen.insert(place) {
            let time = self.lineage.time(place)?;
            if self.options.since.is_none_or(|since| time >= since) {
                self.found += 1;
                self.queue.push((time, Reverse(self.found), place));
            }
        }
        Ok(())
    }

    /// What a commit has at each of the keys.
    fn state(&mut self, place: u32) -> Result<Vec<Option<TreeId>>> {
        if let Some(state) = self.states.get(&place) {
            return Ok(state.clone());
        }
        let tree = self.db.tree(self.lineage.tree(place)?);
        let state = self.options.keys.iter().map(|key| Ok(tree.folder(Some(key))?)).collect::<Result<Vec<_>>>()?;
        self.states.insert(place, state.clone());
        Ok(state)
    }

    /// Whether it is certain that a commit has the same at all keys as its first parent, or nothing without one.
    fn is_unchanged(&self, place: u32) -> bool {
        let Some(filter) = self.lineage.filter(place) else { return false };
        !self.paths.iter().any(|paths| paths.iter().all(|path| filter.may_hold(*path)))
    }

    /// Whether a commit changed one of the keys, and the parents that the history goes on with.
    fn compare(&mut self, place: u32, parents: Vec<u32>) -> Result<(bool, Vec<u32>)> {
        if self.is_unchanged(place) {
            let state = self.states.remove(&place);
            let first = parents.first().copied();
            if let (Some(first), Some(state)) = (first, state) {
                self.states.entry(first).or_insert(state);
            }
            return Ok((false, first.into_iter().collect()));
        }
        let mine = self.state(place)?;
        self.states.remove(&place);
        for &parent in &parents {
            if self.state(parent)? == mine {
                return Ok((false, vec![parent]));
            }
        }
        Ok((!parents.is_empty() || mine.iter().any(Option::is_some), parents))
    }

    fn visit(&mut self) -> Result<Option<Visit>> {
        let Some((time, _, place)) = self.queue.pop() else { return Ok(None) };
        let (mut is_shown, mut followed) = (true, self.lineage.parents(place)?);
        if !self.options.keys.is_empty() {
            (is_shown, followed) = self.compare(place, followed)?;
        }
        for &parent in &followed {
            self.push(parent)?;
        }
        is_shown &= self.options.until.is_none_or(|until| time <= until);
        Ok(Some(Visit { place, is_shown, followed }))
    }

    fn step(&mut self) -> Result<Option<Entry>> {
        if self.options.topological {
            if self.sorted.is_none() {
                self.sorted = Some(self.sort()?);
            }
            let next = self.sorted.as_mut().and_then(VecDeque::pop_front);
            return next.map(|shown| self.entry(shown)).transpose();
        }
        while let Some(Visit { place, is_shown, followed }) = self.visit()? {
            if is_shown {
                return self.entry(Shown { place, parents: followed }).map(Some);
            }
        }
        Ok(None)
    }

    fn entry(&self, shown: Shown) -> Result<Entry> {
        let id = self.lineage.id(shown.place);
        let parents = shown.parents.into_iter().map(|parent| self.lineage.id(parent)).collect();
        Ok(Entry { id, commit: self.db.store().commit(id)?, parents })
    }

    /// All entries, children before parents, and among those that could come next the newest first.
    fn sort(&mut self) -> Result<VecDeque<Shown>> {
        let mut followed = HashMap::new();
        let mut shown = Vec::new();
        while let Some(visit) = self.visit()? {
            if visit.is_shown {
                shown.push(Shown { place: visit.place, parents: Vec::new() });
            }
            followed.insert(visit.place, (visit.is_shown, visit.followed));
        }
        let mut children: HashMap<u32, usize> = HashMap::new();
        for entry in &mut shown {
            let parents = followed.get(&entry.place).map_or(&[][..], |(_, parents)| parents);
            entry.parents = parents.iter().flat_map(|&parent| nearest_shown(parent, &followed)).collect();
            let mut seen = HashSet::new();
            entry.parents.retain(|&parent| seen.insert(parent));
            for &parent in &entry.parents {
                *children.entry(parent).or_default() += 1;
            }
        }
        let mut entries: HashMap<u32, (usize, Shown)> =
            shown.into_iter().enumerate().map(|(order, entry)| (entry.place, (order, entry))).collect();
        let mut ready: BinaryHeap<Reverse<(usize, u32)>> = entries
            .values()
            .filter(|(_, entry)| !children.contains_key(&entry.place))
            .map(|(order, entry)| Reverse((*order, entry.place)))
            .collect();
        let mut sorted = VecDeque::new();
        while let Some(Reverse((_, place))) = ready.pop() {
            let Some((_, entry)) = entries.remove(&place) else { continue };
            for parent in &entry.parents {
                let left = children.get_mut(parent).map(|count| {
                    *count -= 1;
                    *count
                });
                if let (Some(0), Some((order, entry))) = (left, entries.get(parent)) {
                    ready.push(Reverse((*order, entry.place)));
                }
            }
            sorted.push_back(entry);
        }
        Ok(sorted)
    }
}

/// The commit itself if it is shown, else the nearest that are on the way back from it.
fn nearest_shown(place: u32, followed: &HashMap<u32, (bool, Vec<u32>)>) -> Vec<u32> {
    let mut found = Vec::new();
    let mut todo = vec![place];
    let mut seen = HashSet::new();
    while let Some(place) = todo.pop() {
        match followed.get(&place) {
            Some((true, _)) => found.push(place),
            Some((false, parents)) if seen.insert(place) => todo.extend(parents.iter().rev()),
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
