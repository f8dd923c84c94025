//! What one objects directory holds at one moment, and what is known of each object, for fsck.
//!
//! A million documents are two million objects, so an object is known by a number and costs five bytes: a byte of
//! state, and for the tree of a plain document the number of its content. The numbers are the places in the packs'
//! indexes, one pack after the other, then the loose objects.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use super::pack::Pack;
use super::{Result, Store, io_error};
use crate::object::{Id, Kind, Object, Objects};

/// The number of no object.
const NONE: u32 = u32::MAX;
const REACHED: u8 = 0x80;
const WALKED: u8 = 0x40;
const WALKED_AS_ROOT: u8 = 0x20;
const DAMAGED: u8 = 0x10;
const CLEAN: u8 = 0x08;
/// 0 for what was not read or is damaged, else a kind's place and one.
const KIND: u8 = 0x07;
const KINDS: [Kind; 4] = [Kind::Blob, Kind::Tree, Kind::Commit, Kind::Tag];

/// One pack, and the number of its first object.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) pack: Arc<Pack>,
    pub(super) first: u32,
}

/// The objects of a store, without what it borrows. An object that is stored more than once has more than one number,
/// and stands under the first.
#[derive(Debug)]
pub(crate) struct Census {
    pub(super) packs: Vec<Counted>,
    /// Sorted.
    pub(super) loose: Vec<Id>,
    pub(super) first_loose: u32,
    states: Vec<AtomicU8>,
    contents: Vec<AtomicU32>,
}

/// A way to go through an object: what was gone through in one is not gone through in it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    /// As a root folder or a commit.
    Root,
    /// As a folder.
    Folder,
}

impl Census {
    /// Lists what there is; nothing is read.
    pub(super) fn take(store: &Store) -> Result<Census> {
        let mut loose = Vec::new();
        store.own.all_loose_ids(&mut loose)?;
        loose.sort_unstable();
        // After the loose ones: what another process packs meanwhile is seen twice then, and never not at all.
        store.own.packs().rescan()?;
        let listed = store.own.packs().listed()?;
        let too_many = || io_error(&store.objects)(io::Error::other("there are 2^32 objects or more"));
        let (mut packs, mut first) = (Vec::new(), 0u32);
        for pack in &listed.packs {
            packs.push(Counted { pack: pack.clone(), first });
            first = first.checked_add(pack.index().len()).ok_or_else(too_many)?;
        }
        let len = u32::try_from(loose.len()).ok().and_then(|len| first.checked_add(len));
        let len = len.filter(|&len| len != NONE).ok_or_else(too_many)? as usize;
        let states = std::iter::repeat_with(|| AtomicU8::new(0)).take(len).collect();
        let contents = std::iter::repeat_with(|| AtomicU32::new(NONE)).take(len).collect();
        Ok(Census { packs, loose, first_loose: first, states, contents })
    }

    /// How many copies of objects there are.
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    /// The numbers of all copies of an object.
    fn numbers(&self, id: Id) -> impl Iterator<Item = u32> + '_ {
        let packed = self.packs.iter().filter_map(move |pack| Some(pack.first + pack.pack.index().find(id)?));
        packed.chain(
            std::iter::once_with(move || self.loose.binary_search(&id).ok())
                .flatten()
                .map(|at| self.first_loose + at as u32),
        )
    }

    fn pack_of(&self, number: u32) -> Option<&Counted> {
        (number < self.first_loose).then(|| &self.packs[self.packs.partition_point(|pack| pack.first <= number) - 1])
    }

    fn state(&self, number: u32) -> u8 {
        self.states[number as usize].load(Ordering::Relaxed)
    }

    fn kind(&self, number: u32) -> Option<Kind> {
        KINDS.get(usize::from(self.state(number) & KIND).checked_sub(1)?).copied()
    }

    /// Notes that a copy is sound.
    pub(super) fn set_sound(&self, number: u32, kind: Kind) {
        let code = KINDS.iter().position(|&other| other == kind).unwrap_or_default() as u8 + 1;
        self.states[number as usize].fetch_or(code, Ordering::Relaxed);
    }

    /// Notes that a copy is damaged.
    pub(super) fn set_damaged(&self, number: u32) {
        self.states[number as usize].fetch_or(DAMAGED, Ordering::Relaxed);
    }

    /// Notes the content of a document whose tree has nothing else, if it is here.
    pub(super) fn set_content(&self, number: u32, blob: Id) {
        if let Some(blob) = self.numbers(blob).next() {
            self.contents[number as usize].store(blob, Ordering::Relaxed);
        }
    }

    /// The number of an object that has a sound copy, and its kind.
    pub(crate) fn sound(&self, id: Id) -> Option<(u32, Kind)> {
        let mut numbers = self.numbers(id);
        let first = numbers.next()?;
        let kind = self.kind(first).or_else(|| numbers.find_map(|number| self.kind(number)))?;
        Some((first, kind))
    }

    /// Whether there are copies of an object, and a damaged one is among them.
    pub(crate) fn is_damaged(&self, id: Id) -> bool {
        self.numbers(id).any(|number| self.state(number) & DAMAGED != 0)
    }

    /// The content of the document whose tree this is, by its number, where the tree has nothing else and both are
    /// sound: such a tree need not be read again.
    pub(crate) fn content(&self, number: u32) -> Option<u32> {
        let blob = self.contents[number as usize].load(Ordering::Relaxed);
        (blob != NONE && self.kind(blob) == Some(Kind::Blob)).then_some(blob)
    }

    /// Notes that something leads to an object.
    pub(crate) fn reach(&self, number: u32) {
        self.states[number as usize].fetch_or(REACHED, Ordering::Relaxed);
    }

    /// Whether something leads to an object.
    pub(crate) fn is_reached(&self, number: u32) -> bool {
        self.state(number) & REACHED != 0
    }

    /// Notes that an object is gone through; true the first time.
    pub(crate) fn walk(&self, number: u32, walk: Walk) -> bool {
        let bit = if walk == Walk::Root { WALKED_AS_ROOT } else { WALKED };
        self.states[number as usize].fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    /// Whether a tree was said to have nothing damaged below it.
    pub(crate) fn is_clean(&self, number: u32) -> bool {
        self.state(number) & CLEAN != 0
    }

    /// Says so.
    pub(crate) fn set_clean(&self, number: u32) {
        self.states[number as usize].fetch_or(CLEAN, Ordering::Relaxed);
    }

    /// How many sound trees and commits there are, copies counted.
    pub(crate) fn walkable(&self) -> u64 {
        let all = 0..self.len() as u32;
        all.filter(|&number| matches!(self.kind(number), Some(Kind::Tree | Kind::Commit))).count() as u64
    }

    /// How many objects there are, and how many of them are sound and nothing leads to them.
    pub(crate) fn count(&self) -> (u64, u64) {
        let (mut objects, mut unreachable) = (0, 0);
        for pack in &self.packs {
            for place in 0..pack.pack.index().len() {
                let number = pack.first + place;
                self.count_one(number, pack.pack.index().id(place), &mut objects, &mut unreachable);
            }
            pack.pack.index().release();
        }
        for (number, &id) in (self.first_loose..).zip(&self.loose) {
            self.count_one(number, id, &mut objects, &mut unreachable);
        }
        (objects, unreachable)
    }

    fn count_one(&self, number: u32, id: Id, objects: &mut u64, unreachable: &mut u64) {
        // The other copies of an object count with the first.
        if self.packs.len() + usize::from(!self.loose.is_empty()) > 1 && self.numbers(id).next() != Some(number) {
            return;
        }
        *objects += 1;
        *unreachable += u64::from(!self.is_reached(number) && self.sound(id).is_some());
    }

    /// Reads an object, from a sound copy without hashing it again if there is one.
    pub(crate) fn read(&self, store: &Store, id: Id) -> Result<Option<Object>> {
        let sound = self.numbers(id).find(|&number| self.kind(number).is_some());
        if let Some(number) = sound
            && let Some(counted) = self.pack_of(number)
            && let Ok(object) = counted.pack.offset(number - counted.first).and_then(|offset| counted.pack.read(offset))
        {
            return Ok(Some(object));
        }
        store.get(id)
    }
}
