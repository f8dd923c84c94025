//! The history that is judged: its commits, parents first, and what each has at the key of the list.
//!
//! Where a commit is remembered with all its ancestors the walk ends; what lies below it has been judged before.

use std::collections::HashMap;

use super::lists::{Lists, Place};
use super::memory::{Memory, Record};
use crate::database::Database;
use crate::database::error::Result;
use crate::database::history;
use crate::database::lineage::Lineage;
use crate::database::signers::signers_key;
use crate::object::{CommitId, TreeId};
use crate::store::{FilterPath, parents_first};
use crate::tree::on_all_cores;

/// So many pieces of work a core takes at once.
pub(super) const PIECE: usize = 32;

/// One commit of the history.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: CommitId,
    /// Its place in the lineage.
    pub(super) place: u32,
    pub(super) tree: TreeId,
    /// The numbers of its parents, each lower than its own. None where it is remembered with all its ancestors.
    pub(super) parents: Vec<u32>,
    /// What its tree has at the key of the list.
    pub(super) list: Place,
    /// What is remembered of it.
    pub(super) record: Option<Record>,
    /// Whether an anchor names it or a descendant of it.
    pub(super) is_pinned: bool,
}

/// Commits, parents first.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) entries: Vec<Entry>,
    numbers: HashMap<CommitId, u32>,
}

impl Walked {
    /// The number of a commit.
    pub(super) fn number(&self, commit: CommitId) -> Option<u32> {
        self.numbers.get(&commit).copied()
    }

    pub(super) fn entry(&self, number: u32) -> &Entry {
        &self.entries[number as usize]
    }

    /// What an entry's parents are.
    pub(super) fn parents(&self, number: u32) -> impl Iterator<Item = (u32, &Entry)> {
        self.entry(number).parents.iter().map(|parent| (*parent, self.entry(*parent)))
    }

    /// Whether a commit has another list than one of its parents.
    pub(super) fn is_list_changed(&self, number: u32) -> bool {
        let entry = self.entry(number);
        if entry.parents.is_empty() {
            return entry.list != Place::Empty;
        }
        self.parents(number).any(|(_, parent)| parent.list != entry.list)
    }
}

/// Goes through the history of some commits.
pub(super) fn walk(
    db: &Database,
    lineage: &mut Lineage<'_>,
    heads: &[CommitId],
    memory: &Memory,
    lists: &Lists,
) -> Result<Walked> {
    let mut met: HashMap<u32, u32> = HashMap::new();
    let mut found: Vec<(u32, Option<Record>)> = Vec::new();
    let mut meet = |place: u32, found: &mut Vec<(u32, Option<Record>)>| {
        let next = found.len() as u32;
        let number = *met.entry(place).or_insert(next);
        if number == next {
            found.push((place, None));
        }
        number
    };
    for head in heads {
        meet(lineage.place(*head), &mut found);
    }
    let mut parents: Vec<Vec<u32>> = Vec::new();
    while let Some((place, record)) = found.get_mut(parents.len()) {
        let place = *place;
        *record = memory.get(lineage.id(place));
        let is_end = record.is_some_and(|record| record.is_whole);
        let above = if is_end { Vec::new() } else { lineage.parents(place)? };
        parents.push(above.into_iter().map(|parent| meet(parent, &mut found)).collect());
    }
    let order = parents_first(found.len(), |at| &parents[at]);
    let mut ranks = vec![0; order.len()];
    order.iter().zip(0u32..).for_each(|(at, rank)| ranks[*at as usize] = rank);
    let mut walked = Walked::default();
    for at in order {
        let (place, record) = found[at as usize];
        let parents = parents[at as usize].iter().map(|parent| ranks[*parent as usize]).collect();
        let (id, tree) = (lineage.id(place), lineage.tree(place)?);
        walked.numbers.insert(id, walked.entries.len() as u32);
        walked.entries.push(Entry { id, place, tree, parents, list: Place::Empty, record, is_pinned: false });
    }
    find_lists(db, lineage, &mut walked, lists)?;
    find_pinned(db, lineage, &mut walked, lists)?;
    Ok(walked)
}

/// Finds what each commit has at the key of the list. Where the commit-graph file tells that a commit has the same there as
/// its first parent, no tree is read.
fn find_lists(db: &Database, lineage: &Lineage<'_>, walked: &mut Walked, lists: &Lists) -> Result<()> {
    let paths: Vec<FilterPath> = history::paths(&signers_key());
    let is_unchanged = |entry: &Entry| {
        let is_end = entry.record.is_some_and(|record| record.is_whole);
        let filter = lineage.filter(entry.place).filter(|_| !is_end);
        filter.is_some_and(|filter| !paths.iter().all(|path| filter.may_hold(*path)))
    };
    let asked: Vec<(usize, TreeId)> = (walked.entries.iter().enumerate())
        .filter(|(_, entry)| !is_unchanged(entry))
        .map(|(number, entry)| (number, entry.tree))
        .collect();
    let places = on_all_cores(&asked, PIECE, |(_, tree)| lists.place(db.store(), *tree));
    let places = places.into_iter().collect::<Result<Vec<_>>>()?;
    let mut found = asked.iter().map(|(number, _)| *number).zip(places).peekable();
    for number in 0..walked.entries.len() {
        let first = walked.entries[number].parents.first().map(|parent| walked.entry(*parent).list);
        let own = found.next_if(|(at, _)| *at == number).map(|(_, place)| place);
        walked.entries[number].list = own.or(first).unwrap_or(Place::Empty);
    }
    Ok(())
}

/// Finds the commits that the anchors name, with their ancestors.
fn find_pinned(db: &Database, lineage: &mut Lineage<'_>, walked: &mut Walked, lists: &Lists) -> Result<()> {
    let new = walked.entries.iter().filter(|entry| entry.record.is_none());
    let Some(least) = new.map(|entry| lineage.generation(entry.place)).min() else { return Ok(()) };
    let mut pins = Vec::new();
    for commit in lists.anchors().commits() {
        // One that has not come here yet pins nothing.
        if db.store().contains(commit.0)? {
            pins.push(lineage.place(commit));
        }
    }
    if !pins.is_empty() {
        let pinned = lineage.reach(pins, least)?;
        walked.entries.iter_mut().for_each(|entry| entry.is_pinned = pinned.has(entry.place));
    }
    Ok(())
}
