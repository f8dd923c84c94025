//! Which of some keys differ, against asking for each of them; and what is read for it.

use std::sync::Mutex;

use proptest::collection::vec;
use proptest::prelude::*;

use super::names::nested_key;
use super::properties::nested_step;
use super::state::{State, key};
use crate::object::{BlobId, Error, Id, Kind, Memory, Object, Objects, TreeId};
use crate::tree::{Document, Edit, Key, Tree};

/// As [`Tree::differing`], but by looking up each key twice.
fn one_by_one(old: &Tree<'_, Memory>, new: &Tree<'_, Memory>, keys: &[&Key]) -> Vec<usize> {
    (0..keys.len()).filter(|at| old.get(keys[*at]).unwrap() != new.get(keys[*at]).unwrap()).collect()
}

proptest! {
    #[test]
    fn those_that_lookups_find(
        first in vec((nested_key(), nested_step()), 0..40),
        second in vec((nested_key(), nested_step()), 0..12),
        asked in vec(nested_key(), 0..20),
    ) {
        let mut state = State::new();
        state.apply(&first);
        let old = state.root;
        state.apply(&second);
        let mut keys: Vec<Key> = asked.iter().chain(second.iter().map(|(text, _)| text)).map(|text| key(text)).collect();
        keys.sort();
        let keys: Vec<&Key> = keys.iter().collect();
        let (old, new) = (Tree::new(&state.objects, old), Tree::new(&state.objects, state.root));
        let empty = old.with_root(TreeId::EMPTY);
        for (old, new) in [(old, new), (new, old), (empty, new), (new, empty), (new, new)] {
            prop_assert_eq!(old.differing(&new, &keys).unwrap(), one_by_one(&old, &new, &keys));
        }
    }
}

/// Objects that count which trees are read.
struct Counting<'a>(&'a Memory, Mutex<usize>);

impl Objects for Counting<'_> {
    fn get(&self, id: Id) -> Result<Option<Object>, Error> {
        *self.1.lock().unwrap() += 1;
        self.0.get(id)
    }

    fn put(&self, kind: Kind, body: &[u8]) -> Result<Id, Error> {
        self.0.put(kind, body)
    }
}

#[test]
fn what_is_equal_is_not_read() {
    let memory = Memory::new();
    let blob = |text: &[u8]| Document { blob: BlobId(memory.put(Kind::Blob, text).unwrap()), conflict: None };
    let keys: Vec<Key> = (0..400).map(|n| key(&format!("{}/{:02}/x/y/z", n / 40, n % 40))).collect();
    let all = keys.iter().map(|key| (key.clone(), Edit::Put(blob(b"1")))).collect();
    let old = Tree::new(&memory, TreeId::EMPTY).edit(&all).unwrap();
    let one = [(keys[123].clone(), Edit::Put(blob(b"2")))].into_iter().collect();
    let new = old.edit(&one).unwrap();
    let counting = Counting(&memory, Mutex::new(0));
    let asked: Vec<&Key> = keys.iter().collect();
    let found = Tree::new(&counting, old.id()).differing(&Tree::new(&counting, new.id()), &asked).unwrap();
    assert_eq!(found, [123]);
    let read = *counting.1.lock().unwrap();
    // The root once for each of ten folders, one of these for each of its forty, and the way down: all on both sides.
    assert!(read <= 2 * (10 + 40 + 4), "{read}");
}
