//! Parents and times of commits, by places that are small numbers: from the commit-graph file where it has a commit, from
//! the commit itself elsewhere.

use std::collections::HashMap;

use super::error::Result;
use crate::object::{CommitId, Objects, TreeId};
use crate::store::{CommitGraph, Filter, NO_GENERATION, Store};

/// The commits that a walk has met. The first places are those of the file.
#[derive(Debug)]
pub(super) struct Lineage<'a> {
    store: &'a Store,
    graph: Option<&'a CommitGraph>,
    /// The commits that the file does not have, in the order in which they were met.
    others: Vec<Other>,
    places: HashMap<CommitId, u32>,
}

/// A commit that was met, and read if anybody asked.
#[derive(Debug)]
struct Other {
    id: CommitId,
    read: Option<Read>,
}

#[derive(Debug)]
struct Read {
    tree: TreeId,
    time: i64,
    parents: Vec<u32>,
}

impl<'a> Lineage<'a> {
    pub(super) fn new(store: &'a Store, graph: Option<&'a CommitGraph>) -> Lineage<'a> {
        Lineage { store, graph, others: Vec::new(), places: HashMap::new() }
    }

    /// How many places the file has.
    fn first(&self) -> usize {
        self.graph.map_or(0, |graph| graph.len() as usize)
    }

    /// How many places there are: each one is less.
    pub(super) fn len(&self) -> usize {
        self.first() + self.others.len()
    }

    /// The file, for a place that is in it.
    fn graph(&self, place: u32) -> Option<&'a CommitGraph> {
        self.graph.filter(|graph| place < graph.len())
    }

    /// Whether the file has the commit of a place, and so all its ancestors.
    pub(super) fn is_in_file(&self, place: u32) -> bool {
        self.graph(place).is_some()
    }

    /// The place of a commit, which need not be there.
    pub(super) fn place(&mut self, id: CommitId) -> u32 {
        if let Some(position) = self.graph.and_then(|graph| graph.find(id)) {
            return position;
        }
        let next = u32::try_from(self.first() + self.others.len()).expect("memory ends before 2^32 commits do");
        let place = *self.places.entry(id).or_insert(next);
        if place == next {
            self.others.push(Other { id, read: None });
        }
        place
    }

    pub(super) fn id(&self, place: u32) -> CommitId {
        match self.graph(place) {
            Some(graph) => graph.id(place),
            None => self.others[place as usize - self.first()].id,
        }
    }

    fn read(&mut self, place: u32) -> Result<&Read> {
        let at = place as usize - self.first();
        if self.others[at].read.is_none() {
            let commit = self.store.commit(self.others[at].id)?;
            let parents = commit.parents.iter().map(|parent| self.place(*parent)).collect();
            let read = Read { tree: commit.tree, time: commit.committer.seconds(), parents };
            self.others[at].read = Some(read);
        }
        Ok(self.others[at].read.as_ref().expect("it was set if it was not"))
    }

    /// The committer's time, in seconds since 1970.
    pub(super) fn time(&mut self, place: u32) -> Result<i64> {
        match self.graph(place) {
            Some(graph) => Ok(graph.time(place)),
            None => Ok(self.read(place)?.time),
        }
    }

    pub(super) fn tree(&mut self, place: u32) -> Result<TreeId> {
        match self.graph(place) {
            Some(graph) => Ok(graph.tree(place)),
            None => Ok(self.read(place)?.tree),
        }
    }

    pub(super) fn parents(&mut self, place: u32) -> Result<Vec<u32>> {
        let Some(graph) = self.graph(place) else { return Ok(self.read(place)?.parents.clone()) };
        let mut parents = Vec::new();
        if !graph.parents(place, &mut parents) {
            // The file is damaged here; what it was made from tells.
            let commit = self.store.commit(graph.id(place))?;
            parents.extend(commit.parents.into_iter().map(|parent| self.place(parent)));
        }
        Ok(parents)
    }

    /// Some commits and all their ancestors, but for those whose generation is below `least`.
    pub(super) fn reach(&mut self, mut todo: Vec<u32>, least: u64) -> Result<Places> {
        let mut reached = Places::default();
        while let Some(place) = todo.pop() {
            // What a commit below it leads to is below it too.
            if reached.insert(place) && self.generation(place) >= least {
                todo.extend(self.parents(place)?);
            }
        }
        Ok(reached)
    }

    /// The commits without parents that some commits descend from, or are.
    pub(super) fn roots(&mut self, mut todo: Vec<u32>) -> Result<Vec<CommitId>> {
        let (mut seen, mut roots) = (Places::default(), Vec::new());
        while let Some(place) = todo.pop() {
            if seen.insert(place) {
                let parents = self.parents(place)?;
                if parents.is_empty() {
                    roots.push(self.id(place));
                }
                todo.extend(parents);
            }
        }
        Ok(roots)
    }

    /// A number greater than that of every ancestor, or [`NO_GENERATION`].
    pub(super) fn generation(&self, place: u32) -> u64 {
        self.graph(place).map_or(NO_GENERATION, |graph| graph.generation(place))
    }

    /// What tells which keys the commit did not change against its first parent.
    pub(super) fn filter(&self, place: u32) -> Option<Filter<'a>> {
        self.graph(place)?.filter(place)
    }
}

/// A set of places.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<u64>);

impl Places {
    /// Whether the place was new.
    pub(super) fn insert(&mut self, place: u32) -> bool {
        let (word, bit) = (place as usize / 64, 1 << (place % 64));
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    /// Whether the place is among them.
    pub(super) fn has(&self, place: u32) -> bool {
        self.0.get(place as usize / 64).is_some_and(|word| word & 1 << (place % 64) != 0)
    }
}
