//! Making the objects of a new pack's deltas, to learn their ids: from each base down to all that hang on it.
//!
//! A chain is walked with one body in memory. Where it forks, bodies wait for the other branches as long as there is
//! room; beyond that they are made again.

use std::hash::RandomState;
use std::sync::Arc;

use super::entry::{self, EntryKind};
use super::index::IndexEntry;
use super::receive::damaged;
use super::{Flaw, delta, inflate};
use crate::object::{Error, Id, IdMap, Kind, Object, check};
use crate::store::cache::Cache;
use crate::store::{IN_MEMORY_LIMIT, Result};

/// Gives an object that is stored already.
pub(crate) type Resolve<'r> = &'r dyn Fn(Id) -> Result<Option<Object>>;

/// So many bytes of bodies that were made again are kept.
const KEPT: usize = 16 << 20;

/// In place of a base's number: the entry is no delta.
const WHOLE: u32 = u32::MAX;
/// The entry's base is not known yet.
const UNKNOWN: u32 = u32::MAX - 1;

/// The entries of a new pack, of which the deltas have no ids yet.
pub(super) struct Resolver<'r> {
    outside: Resolve<'r>,
    /// In the order of the pack.
    entries: Vec<IndexEntry>,
    /// For each entry the number of its base: from the count of entries on, that of one of `borrowed`.
    bases: Vec<u32>,
    /// Base and delta, both by number; sorted.
    by_number: Vec<(u32, u32)>,
    /// The base's id, and the delta's number; sorted.
    by_id: Vec<(Id, u32)>,
    /// Bases that are not in the pack.
    borrowed: Vec<Id>,
    kept: Cache<u32, Arc<Object>, RandomState>,
    /// The bytes of bodies that wait where chains fork, and how many there may be.
    waiting: usize,
    room: usize,
}

/// A pack all of whose objects are known.
pub(super) struct Resolved<'r> {
    /// In the order of the pack.
    pub(super) entries: Vec<IndexEntry>,
    /// The bases that must be added for the pack to be complete.
    pub(super) added: Vec<Id>,
    pub(super) outside: Resolve<'r>,
}

/// A delta whose base is known, with the base if it waited.
type Step = (u32, u32, Option<Arc<Object>>);

impl<'r> Resolver<'r> {
    /// A resolver that lets about `room` bytes of bodies wait.
    pub(super) fn new(outside: Resolve<'r>, room: usize) -> Resolver<'r> {
        let kept = Cache::new(KEPT);
        let (by_number, by_id) = (Vec::new(), Vec::new());
        let (entries, bases, borrowed) = (Vec::new(), Vec::new(), Vec::new());
        Resolver { outside, entries, bases, by_number, by_id, borrowed, kept, waiting: 0, room }
    }

    /// Adds the next entry of the pack.
    pub(super) fn add(&mut self, entry: IndexEntry, kind: EntryKind) -> Result<(), Flaw> {
        let number = self.entries.len() as u32;
        match kind {
            EntryKind::Whole(_) => {}
            EntryKind::RefDelta(id) => self.by_id.push((id, number)),
            EntryKind::OfsDelta(offset) => {
                let base = self.entries.binary_search_by_key(&offset, IndexEntry::offset);
                let base = base.map_err(|_| Flaw("the base of a delta is no entry"))?;
                self.by_number.push((base as u32, number));
            }
        }
        self.bases.push(if matches!(kind, EntryKind::Whole(_)) { WHOLE } else { UNKNOWN });
        self.entries.push(entry);
        Ok(())
    }

    /// Makes all objects. `pack` is the pack's bytes, as far as the entries go.
    pub(super) fn run(&mut self, pack: &[u8]) -> Result<()> {
        self.by_number.sort_unstable();
        self.by_id.sort_unstable();
        for number in 0..self.entries.len() as u32 {
            if self.bases[number as usize] == WHOLE {
                let children = self.children(number, self.entries[number as usize].id);
                if !children.is_empty() {
                    let object = self.whole(pack, number)?;
                    self.descend(pack, number, object, children)?;
                }
            }
        }
        // What is left hangs on bases that are not here, or on what hangs on them.
        let mut at = 0;
        while let Some(&(id, delta)) = self.by_id.get(at) {
            at += 1;
            if self.bases[delta as usize] != UNKNOWN {
                continue;
            }
            if let Some(object) = (self.outside)(id)? {
                let number = (self.entries.len() + self.borrowed.len()) as u32;
                self.borrowed.push(id);
                let children = self.children(UNKNOWN, id);
                self.descend(pack, number, object, children)?;
            }
        }
        match self.by_id.iter().find(|(_, delta)| self.bases[*delta as usize] == UNKNOWN) {
            Some(&(id, _)) => Err(Error::Missing { id, kind: None }),
            None => Ok(()),
        }
    }

    /// What came of it.
    pub(super) fn finish(self) -> Result<Resolved<'r>> {
        let mut here: IdMap<Option<u32>> = self.borrowed.iter().map(|&id| (id, None)).collect();
        for (number, entry) in (0..).zip(&self.entries) {
            if let Some(twin) = here.get_mut(&entry.id) {
                *twin = Some(number);
            }
        }
        let twins: Vec<Option<u32>> = self.borrowed.iter().map(|id| here[id]).collect();
        // A base that is in the pack after all serves from there, unless it is made from what hangs on it.
        for &twin in twins.iter().flatten() {
            let (mut at, mut steps) = (twin, 0);
            while at != WHOLE && steps <= self.entries.len() {
                let base = self.bases[at as usize];
                at = match (base as usize).checked_sub(self.entries.len()) {
                    Some(borrowed) if base != WHOLE => twins[borrowed].unwrap_or(WHOLE),
                    _ => base,
                };
                steps += 1;
            }
            if at != WHOLE {
                return Err(damaged(Flaw("deltas are each other's bases")));
            }
        }
        let added = self.borrowed.iter().zip(&twins).filter(|(_, twin)| twin.is_none()).map(|(&id, _)| id);
        let added = added.collect();
        Ok(Resolved { entries: self.entries, added, outside: self.outside })
    }

    /// The deltas on an entry.
    fn children(&self, number: u32, id: Id) -> Vec<u32> {
        let first = self.by_number.partition_point(|&(base, _)| base < number);
        let here = self.by_number[first..].iter().take_while(|(base, _)| *base == number);
        let first = self.by_id.partition_point(|&(base, _)| base < id);
        let named = self.by_id[first..].iter().take_while(|(base, _)| *base == id);
        let all = here.map(|&(_, delta)| delta).chain(named.map(|&(_, delta)| delta));
        // The second of two equal objects finds that the first has the deltas on their id.
        all.filter(|&delta| self.bases[delta as usize] == UNKNOWN).collect()
    }

    /// Makes all that hangs on an object, directly or not.
    fn descend(&mut self, pack: &[u8], number: u32, object: Object, children: Vec<u32>) -> Result<()> {
        let mut stack: Vec<Step> = Vec::new();
        self.push(&mut stack, number, object, children);
        while let Some((delta, number, base)) = stack.pop() {
            if self.bases[delta as usize] != UNKNOWN {
                continue;
            }
            let object = match base {
                Some(base) => {
                    let object = self.made(pack, delta, &base)?;
                    if Arc::strong_count(&base) == 1 {
                        self.waiting = self.waiting.saturating_sub(base.body.len());
                    }
                    object
                }
                None => {
                    let base = self.again(pack, number)?;
                    self.made(pack, delta, &base)?
                }
            };
            let id = object.id();
            if object.kind != Kind::Blob {
                check(object.kind, &object.body).map_err(|error| error.of_object(id))?;
            }
            let entry = &mut self.entries[delta as usize];
            entry.id = id;
            self.bases[delta as usize] = number;
            let children = self.children(delta, id);
            if !children.is_empty() {
                self.push(&mut stack, delta, object, children);
            }
        }
        Ok(())
    }

    /// Puts the deltas on an object on the stack. The one that is taken next has the object in any case.
    fn push(&mut self, stack: &mut Vec<Step>, number: u32, object: Object, children: Vec<u32>) {
        let fits = self.waiting + object.body.len() <= self.room;
        self.waiting += object.body.len();
        let object = Arc::new(object);
        let last = children.len().saturating_sub(1);
        let step = |(at, delta)| (delta, number, (fits || at == last).then(|| object.clone()));
        stack.extend(children.into_iter().enumerate().map(step));
    }

    /// An object that was made before.
    fn again(&self, pack: &[u8], number: u32) -> Result<Arc<Object>> {
        let (mut path, mut at) = (Vec::new(), number);
        let mut object = loop {
            if let Some(object) = self.kept.get(&at) {
                break object;
            }
            if let Some(&id) = (at as usize).checked_sub(self.entries.len()).and_then(|at| self.borrowed.get(at)) {
                break Arc::new((self.outside)(id)?.ok_or(Error::Missing { id, kind: None })?);
            }
            if self.bases[at as usize] == WHOLE {
                break Arc::new(self.whole(pack, at)?);
            }
            path.push(at);
            at = self.bases[at as usize];
        };
        while let Some(at) = path.pop() {
            object = Arc::new(self.made(pack, at, &object)?);
            self.kept.insert(at, object.clone(), object.body.len() + 128);
        }
        Ok(object)
    }

    /// The data of an entry.
    fn data(&self, pack: &[u8], number: u32) -> Result<(EntryKind, Vec<u8>)> {
        let offset = self.entries[number as usize].offset();
        let rest = usize::try_from(offset).ok().and_then(|at| pack.get(at..)).unwrap_or_default();
        let header = entry::decode(rest, offset).map_err(damaged)?;
        if header.size > IN_MEMORY_LIMIT {
            return Err(Error::TooLarge { id: None, size: header.size, limit: IN_MEMORY_LIMIT });
        }
        let (data, _) = inflate::exact(&rest[header.len..], header.size).map_err(damaged)?;
        Ok((header.kind, data))
    }

    /// The object of an entry that is whole.
    fn whole(&self, pack: &[u8], number: u32) -> Result<Object> {
        match self.data(pack, number)? {
            (EntryKind::Whole(kind), body) => Ok(Object { kind, body }),
            _ => Err(damaged(Flaw("a delta has no base"))),
        }
    }

    /// The object of a delta on this base.
    fn made(&self, pack: &[u8], number: u32, base: &Object) -> Result<Object> {
        let (_, delta) = self.data(pack, number)?;
        let body = delta::apply(&base.body, &delta).map_err(damaged)?;
        Ok(Object { kind: base.kind, body })
    }
}
