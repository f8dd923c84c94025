//! Which objects a pack that is being written has: a hash table of entry numbers.
//!
//! Ids are hashes already, and the entries hold them, so a slot is four bytes: a million documents make two million
//! entries, and a map with its own copy of the ids would cost more than all the rest.

use super::index::IndexEntry;
use crate::object::Id;

const EMPTY: u32 = u32::MAX;
/// The number of slots at first; a power of two, as always.
const SLOTS: usize = 1 << 10;

/// Numbers of entries, found by the entries' ids.
#[derive(Debug)]
pub(super) struct Table {
    slots: Vec<u32>,
    len: usize,
}

impl Table {
    pub(super) fn new() -> Table {
        Table { slots: vec![EMPTY; SLOTS], len: 0 }
    }

    /// The number of an id's entry.
    pub(super) fn find(&self, entries: &[IndexEntry], id: Id) -> Option<u32> {
        let number = self.slots[self.slot(entries, id)];
        (number != EMPTY).then_some(number)
    }

    /// The slot that holds an id's entry, or would.
    fn slot(&self, entries: &[IndexEntry], id: Id) -> usize {
        let mut at = self.home(id);
        while self.slots[at] != EMPTY && entries[self.slots[at] as usize].id != id {
            at = (at + 1) & (self.slots.len() - 1);
        }
        at
    }

    fn home(&self, id: Id) -> usize {
        let key = u64::from_le_bytes(*id.as_bytes().first_chunk().expect("an id has 32 bytes"));
        key as usize & (self.slots.len() - 1)
    }

    /// Adds the newest entry, which no other has the id of.
    pub(super) fn insert(&mut self, entries: &[IndexEntry]) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            // The slots are made anew from the entries, so the old ones are given back first.
            let larger = self.slots.len() * 2;
            self.slots = Vec::new();
            self.slots = vec![EMPTY; larger];
            for number in 0..self.len {
                self.place(entries, number);
            }
        }
        self.place(entries, self.len);
        self.len += 1;
    }

    fn place(&mut self, entries: &[IndexEntry], number: usize) {
        let mut at = self.home(entries[number].id);
        while self.slots[at] != EMPTY {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = number as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{Kind, hash};

    #[test]
    fn finds_what_is_in_and_nothing_else() {
        let id = |n: usize| hash(Kind::Blob, &n.to_le_bytes());
        let (mut table, mut entries) = (Table::new(), Vec::new());
        for n in 0..5000 {
            assert_eq!(table.find(&entries, id(n)), None);
            entries.push(IndexEntry::new(id(n), 0, 0));
            table.insert(&entries);
        }
        assert!((0..5000).all(|n| table.find(&entries, id(n)) == Some(n as u32)));
        assert!((5000..6000).all(|n| table.find(&entries, id(n)).is_none()));
    }
}
