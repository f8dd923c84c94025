//! The bodies that went into a pack lately, in bounded memory: a series of commits reads its own fresh trees, and a new
//! tree is stored as what differs from the one before.

use std::sync::Arc;

use crate::object::{Id, IdMap, Kind};

/// Two halves of this many bytes: when the newer is full, it becomes the older one, which is forgotten.
const HALF: usize = 2 << 20;
/// What a body costs beside its bytes.
const OVERHEAD: usize = 128;

/// A body of the pack that is being written.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) kind: Kind,
    pub(super) bytes: Arc<[u8]>,
    /// How many deltas it takes to read it from the pack.
    pub(super) depth: u8,
}

/// The newest bodies, by id.
#[derive(Debug, Default)]
pub(super) struct Window {
    newer: IdMap<Body>,
    older: IdMap<Body>,
    /// The size of the newer ones.
    size: usize,
}

impl Window {
    pub(super) fn get(&self, id: Id) -> Option<&Body> {
        self.newer.get(&id).or_else(|| self.older.get(&id))
    }

    pub(super) fn insert(&mut self, id: Id, body: Body) {
        let size = body.bytes.len() + OVERHEAD;
        if size > HALF {
            return;
        }
        if self.size + size > HALF {
            std::mem::swap(&mut self.newer, &mut self.older);
            self.newer.clear();
            self.size = 0;
        }
        self.size += size;
        self.newer.insert(id, body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::hash;

    #[test]
    fn keeps_the_newest() {
        let id = |n: usize| hash(Kind::Blob, &n.to_le_bytes());
        let mut window = Window::default();
        let body = |len: usize| Body { kind: Kind::Tree, bytes: vec![0; len].into(), depth: 0 };
        for n in 0..1000 {
            window.insert(id(n), body(10_000));
            let held = (0..=n).filter(|n| window.get(id(*n)).is_some()).count();
            assert!(window.get(id(n)).is_some() && held * 10_000 <= 2 * HALF);
            assert!(n < 200 || held >= 200, "{held}");
        }
        window.insert(id(1000), body(HALF));
        assert!(window.get(id(1000)).is_none());
    }
}
