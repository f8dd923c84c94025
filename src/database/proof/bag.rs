//! The objects of a proof, to read from as from any others: each must be asked for, in the order in which they come.
//!
//! The [`Recorder`] notes that order while the same questions are put to a store. So a proof holds what its check asks for,
//! and nothing else.

use std::cell::{Cell, RefCell};

use super::broken;
use crate::database::error::Result;
use crate::object::{self, CommitId, Id, IdMap, IdSet, Kind, Memory, Object, Objects, check};

/// The objects of a proof.
#[derive(Debug, Default)]
pub(super) struct Bag {
    objects: Memory,
    order: Vec<Id>,
    places: IdMap<usize>,
    /// The place of the first object that nobody has asked for.
    next: Cell<usize>,
}

impl Bag {
    /// Adds the next object, which is hashed.
    pub(super) fn add(&mut self, kind: Kind, body: &[u8]) -> Result<()> {
        check(kind, body).map_err(|error| broken(&error.to_string()))?;
        let id = self.objects.put(kind, body)?;
        if self.places.contains_key(&id) {
            return Err(broken("it holds an object twice"));
        }
        self.places.insert(id, self.order.len());
        self.order.push(id);
        Ok(())
    }

    /// Which of some commits is the next object.
    pub(super) fn next_of(&self, commits: &[CommitId]) -> Option<CommitId> {
        let next = self.order.get(self.next.get())?;
        commits.iter().copied().find(|commit| commit.0 == *next)
    }

    /// Whether all objects have been asked for.
    pub(super) fn is_used_up(&self) -> bool {
        self.next.get() == self.order.len()
    }
}

impl Objects for Bag {
    fn get(&self, id: Id) -> Result<Option<Object>, object::Error> {
        match self.places.get(&id) {
            Some(&place) if place > self.next.get() => return Ok(None),
            Some(&place) => self.next.set(self.next.get().max(place + 1)),
            None => {}
        }
        self.objects.get(id)
    }

    fn put(&self, kind: Kind, body: &[u8]) -> Result<Id, object::Error> {
        self.objects.put(kind, body)
    }
}

/// Other objects, and the order in which they were asked for.
#[derive(Debug)]
pub(super) struct Recorder<'a, O> {
    objects: &'a O,
    asked: RefCell<(Vec<Id>, IdSet)>,
}

impl<'a, O: Objects> Recorder<'a, O> {
    pub(super) fn new(objects: &'a O) -> Recorder<'a, O> {
        Recorder { objects, asked: RefCell::default() }
    }

    /// What was asked for, each once.
    pub(super) fn into_order(self) -> Vec<Id> {
        self.asked.into_inner().0
    }
}

impl<O: Objects> Objects for Recorder<'_, O> {
    fn get(&self, id: Id) -> Result<Option<Object>, object::Error> {
        let (order, seen) = &mut *self.asked.borrow_mut();
        if seen.insert(id) {
            order.push(id);
        }
        self.objects.get(id)
    }

    fn put(&self, kind: Kind, body: &[u8]) -> Result<Id, object::Error> {
        self.objects.put(kind, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::TreeId;

    #[test]
    fn objects_come_in_their_order() {
        let mut bag = Bag::default();
        let ids = [b"a", b"b"].map(|body| object::hash(Kind::Blob, body));
        bag.add(Kind::Blob, b"a").unwrap();
        bag.add(Kind::Blob, b"b").unwrap();
        assert!(bag.add(Kind::Blob, b"a").unwrap_err().to_string().contains("twice"));
        assert!(bag.add(Kind::Tree, b"a").is_err());
        assert!(bag.get(ids[1]).unwrap().is_none() && !bag.is_used_up());
        assert_eq!(bag.next_of(&[CommitId(ids[1]), CommitId(ids[0])]), Some(CommitId(ids[0])));
        for _ in 0..2 {
            assert_eq!(bag.get(ids[0]).unwrap().unwrap().body, b"a");
        }
        assert_eq!(bag.next_of(&[CommitId(ids[0])]), None);
        assert!(bag.get(ids[1]).unwrap().is_some() && bag.is_used_up());
        assert!(bag.get(Id::ZERO).unwrap().is_none());
        let recorder = Recorder::new(&bag);
        for id in [ids[1], ids[0], ids[1]] {
            recorder.get(id).unwrap();
        }
        recorder.tree(TreeId::EMPTY).unwrap_err();
        assert_eq!(recorder.into_order(), [ids[1], ids[0], TreeId::EMPTY.0]);
    }
}
