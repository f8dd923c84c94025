//! A set of objects in memory: for tests, and for runs whose result nobody keeps.
//!
//! It holds every object whole and never forgets one, so it is no cache.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Error, Id, Kind, Object, Objects, hash};

/// An [`Objects`] in memory that starts empty. Can be shared between threads; neither `get` nor `put` fails.
#[derive(Debug, Default)]
pub struct Memory {
    objects: Mutex<HashMap<Id, Object>>,
}

impl Memory {
    /// A set without objects.
    pub fn new() -> Memory {
        Memory::default()
    }

    /// How many objects it holds.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// The ids of all its objects, in ascending order.
    pub fn ids(&self) -> Vec<Id> {
        let mut ids: Vec<Id> = self.lock().keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    // The map is whole after every call on it, so a thread that panicked elsewhere takes nothing from the others.
    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Object>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Objects for Memory {
    fn get(&self, id: Id) -> Result<Option<Object>, Error> {
        Ok(self.lock().get(&id).cloned())
    }

    fn put(&self, kind: Kind, body: &[u8]) -> Result<Id, Error> {
        let id = hash(kind, body);
        self.lock().entry(id).or_insert_with(|| Object { kind, body: body.to_vec() });
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{BlobId, CommitId, TreeId};

    #[test]
    fn keeps_what_is_put() {
        let memory = Memory::new();
        assert!(memory.is_empty());
        let id = memory.put(Kind::Blob, b"x").unwrap();
        assert_eq!(memory.put(Kind::Blob, b"x").unwrap(), id);
        let tree = memory.put(Kind::Tree, b"").unwrap();
        assert_eq!(tree, TreeId::EMPTY.0);
        assert_eq!(memory.len(), 2);
        let mut ids = [id, tree];
        ids.sort();
        assert_eq!(memory.ids(), ids);
        let object = memory.get(id).unwrap().unwrap();
        assert_eq!((object.kind, object.body.as_slice(), object.id()), (Kind::Blob, b"x".as_slice(), id));
        assert!(memory.get(Id::ZERO).unwrap().is_none());
    }

    #[test]
    fn what_is_asked_for_must_be_there_and_whole() {
        let memory = Memory::new();
        let blob = memory.put(Kind::Blob, b"x").unwrap();
        let broken = memory.put(Kind::Tree, b"x").unwrap();
        assert_eq!(memory.blob(BlobId(blob)).unwrap(), b"x");
        let text = |result: Result<(), Error>| result.unwrap_err().to_string();
        assert_eq!(text(memory.tree(TreeId(blob)).map(drop)), format!("{blob} is a blob, not a tree"));
        assert_eq!(text(memory.commit(CommitId(Id::ZERO)).map(drop)), format!("commit {} is missing", Id::ZERO));
        let damaged = text(memory.tree(TreeId(broken)).map(drop));
        assert_eq!(damaged, format!("object {broken} is damaged: not a tree: an entry has no mode"));
    }
}
