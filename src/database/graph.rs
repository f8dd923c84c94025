//! The commit-graph file of a database: when it is read, how it is made, and whether it is right.

use std::collections::HashSet;
use std::io;

use super::Database;
use super::error::{Result, io_error};
use super::lineage::{Lineage, Places};
use crate::object::{CommitId, Objects, TreeId};
use crate::store::{
    CommitGraph, FilterPath, Filters, GraphCommit, MAX_FILTER_PATHS, MAX_TIME, NO_GENERATION, changed_entries,
    parents_first,
};
use crate::tree::{cores, on_all_cores, without_parts};

/// From this many commits on, threads share the work of comparing trees.
const THREADS_FROM: usize = 64;

impl Database {
    /// The commit-graph file, opened when it is first asked for. `None` where there is none, where it cannot be used,
    /// and where `core.commitGraph` is false: then commits are read one by one.
    fn commit_graph(&self) -> Result<Option<&CommitGraph>> {
        if self.config().get_bool("core.commitGraph")? == Some(false) {
            return Ok(None);
        }
        let open = || self.store().open_commit_graph().ok().flatten();
        Ok(self.graph.get_or_init(open).as_ref())
    }

    /// What is known of commits without reading them.
    pub(super) fn lineage(&self) -> Result<Lineage<'_>> {
        Ok(Lineage::new(self.store(), self.commit_graph()?))
    }

    /// The commits that refs lead to, through annotated tags, in the order of the refs' names, and HEAD's; each once.
    pub fn heads(&self) -> Result<Vec<CommitId>> {
        let mut heads = Vec::new();
        for (_, id) in self.refs().list("refs/")? {
            let id = self.peel(id)?;
            // A ref may lead to something that is no commit: it has no history.
            if self.is_commit(id)? {
                heads.push(CommitId(id));
            }
        }
        heads.extend(self.head()?.1);
        let mut seen = HashSet::new();
        heads.retain(|head| seen.insert(*head));
        Ok(heads)
    }

    /// Writes the commit-graph file, durably, of all commits that these lead to; answers how many it has. What an
    /// earlier file tells of them is taken from it, so the cost follows what is new. The database that is open goes on
    /// with the file that it has.
    ///
    /// Commits later than the year 2514, which the file cannot hold, are left out, with their descendants.
    ///
    /// # Errors
    /// When a commit or a tree cannot be read, or the disk fails; the file is as it was then.
    pub fn write_commit_graph(&self, roots: &[CommitId]) -> Result<u64> {
        let old = self.store().open_commit_graph().ok().flatten().filter(CommitGraph::is_whole);
        let mut lineage = Lineage::new(self.store(), old.as_ref());
        let places = reachable(&mut lineage, roots)?;
        let mut index = vec![u32::MAX; places.iter().max().map_or(0, |place| *place as usize + 1)];
        for (at, place) in places.iter().enumerate() {
            index[*place as usize] = at as u32;
        }
        let mut commits = Vec::with_capacity(places.len());
        for &place in &places {
            let parents = lineage.parents(place)?.into_iter().map(|parent| index[parent as usize]).collect();
            let (id, tree, time) = (lineage.id(place), lineage.tree(place)?, lineage.time(place)?);
            commits.push(GraphCommit { id, tree, time, parents });
        }
        let filters = self.filters(&lineage, &places, &commits)?;
        self.store().write_commit_graph(&commits, Some(&filters))?;
        Ok(commits.len() as u64)
    }

    /// The filter of each commit.
    fn filters(&self, lineage: &Lineage<'_>, places: &[u32], commits: &[GraphCommit]) -> Result<Filters> {
        let some = |range: std::ops::Range<usize>| -> Result<Filters> {
            let mut filters = Filters::default();
            for at in range {
                match lineage.filter(places[at]) {
                    Some(filter) => filters.push_stored(filter),
                    None => {
                        let parent = commits[at].parents.first().map(|parent| commits[*parent as usize].tree);
                        filters.push(self.changed_paths(parent, commits[at].tree)?);
                    }
                }
            }
            Ok(filters)
        };
        let each = commits.len().div_ceil(cores()).max(THREADS_FROM);
        let starts: Vec<usize> = (0..commits.len()).step_by(each).collect();
        let mut all = Filters::default();
        for filters in on_all_cores(&starts, 1, |&start| some(start..(start + each).min(commits.len()))) {
            all.append(filters?);
        }
        Ok(all)
    }

    /// The paths and keys that are different in a commit's tree than in its parent's; `None` when they are too many.
    fn changed_paths(&self, old: Option<TreeId>, new: TreeId) -> Result<Option<Vec<FilterPath>>> {
        let (mut paths, mut keys) = (Vec::new(), Vec::new());
        let mut is_listed = true;
        changed_entries(self.store(), old, new, &mut |entry| {
            is_listed &= paths.len() < MAX_FILTER_PATHS;
            if is_listed {
                paths.push(FilterPath::new(entry.path));
                keys.extend(without_parts(entry.path).map(|key| FilterPath::new(&key)));
            }
            // Once they are too many, no further tree is read.
            Ok(is_listed)
        })?;
        paths.extend(keys);
        Ok(is_listed.then_some(paths))
    }

    /// Compares the commit-graph file with the commits; tells of what is wrong with it, if anything is.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn check_commit_graph(&self) -> Result<Option<String>> {
        let graph = match self.store().open_commit_graph() {
            Ok(Some(graph)) => graph,
            Ok(None) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(Some(error.to_string())),
            Err(error) => return Err(io_error(&self.root().join("objects/info/commit-graph"))(error)),
        };
        if !graph.is_whole() {
            return Ok(Some("its checksum is wrong".into()));
        }
        let mut parents = Vec::new();
        for position in 0..graph.len() {
            let id = graph.id(position);
            if position > 0 && graph.id(position - 1) >= id {
                return Ok(Some("its ids are out of order".into()));
            }
            if graph.find(id) != Some(position) {
                return Ok(Some(format!("commit {id} is not found in it")));
            }
            parents.clear();
            let is_sound = graph.parents(position, &mut parents);
            let Ok(commit) = self.store().commit(id) else {
                return Ok(Some(format!("commit {id}, which it has, cannot be read")));
            };
            let is_right = is_sound
                && graph.tree(position) == commit.tree
                && graph.time(position) == commit.committer.seconds()
                && parents.iter().map(|parent| graph.id(*parent)).eq(commit.parents.iter().copied());
            if !is_right {
                return Ok(Some(format!("what it says of commit {id} is wrong")));
            }
            let generation = graph.generation(position);
            if generation == NO_GENERATION || parents.iter().any(|at| graph.generation(*at) >= generation) {
                return Ok(Some(format!("the generation of commit {id} is wrong")));
            }
        }
        Ok(None)
    }
}

/// The places of the commits that can stand in the file, in the order of their ids.
fn reachable(lineage: &mut Lineage<'_>, roots: &[CommitId]) -> Result<Vec<u32>> {
    let mut seen = Places::default();
    let mut todo: Vec<u32> = roots.iter().map(|root| lineage.place(*root)).collect();
    let (mut places, mut is_late) = (Vec::new(), false);
    while let Some(place) = todo.pop() {
        if seen.insert(place) {
            places.push(place);
            is_late |= lineage.time(place)? > MAX_TIME;
            todo.extend(lineage.parents(place)?);
        }
    }
    if is_late {
        places = without_late(lineage, places)?;
    }
    places.sort_by_key(|place| lineage.id(*place));
    Ok(places)
}

/// The places without those later than the file can hold, and without all that descend from these.
fn without_late(lineage: &mut Lineage<'_>, mut places: Vec<u32>) -> Result<Vec<u32>> {
    places.sort_unstable();
    let mut parents = Vec::with_capacity(places.len());
    let mut is_late = Vec::with_capacity(places.len());
    for place in &places {
        let above = lineage.parents(*place)?;
        // All parents of a place that was reached were reached.
        parents.push(above.iter().map(|p| places.partition_point(|place| place < p) as u32).collect::<Vec<u32>>());
        is_late.push(lineage.time(*place)? > MAX_TIME);
    }
    for at in parents_first(places.len(), |at| &parents[at]) {
        is_late[at as usize] |= parents[at as usize].iter().any(|parent| is_late[*parent as usize]);
    }
    let mut is_late = is_late.into_iter();
    places.retain(|_| is_late.next() == Some(false));
    Ok(places)
}
