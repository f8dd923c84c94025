//! Whether all is there that something leads to: to be asked of what came in, before a ref leads to it.

use super::walk::{Bounds, Seen, added, reachable};
use super::{Result, Store};
use crate::object::{CommitId, Error, Id, IdSet, Kind, TreeId};

struct Connected<'s> {
    store: &'s Store,
    seen: IdSet,
}

impl Seen for Connected<'_> {
    fn has(&self, id: Id) -> bool {
        self.seen.contains(&id)
    }

    fn add(&mut self, id: Id, kind: Kind, _version: Option<Id>) -> Result<bool> {
        if !self.seen.insert(id) {
            return Ok(false);
        }
        match self.store.header(id)? {
            Some((found, _)) if found != kind => Err(Error::WrongKind { id, expected: kind, found }),
            None if id != TreeId::EMPTY.0 => Err(Error::Missing { id, kind: Some(kind) }),
            _ => Ok(true),
        }
    }
}

impl Store {
    /// Tells that all is there that some commits have and their parents have not, where they come parents first and all is
    /// there that parents which are not among them lead to; and all that `whole` leads to. Every object is of the kind that
    /// it is named as.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::WrongKind`], or that of an object that cannot be read.
    pub fn check_connected(&self, commits: &[CommitId], whole: &[Id]) -> Result<()> {
        let mut connected = Connected { store: self, seen: IdSet::default() };
        added(self, commits, &mut connected)?;
        for &id in whole {
            let (kind, _) = self.header(id)?.ok_or(Error::Missing { id, kind: None })?;
            reachable(self, &[(id, kind)], &Bounds { shallow: &[], is_lenient: false }, &mut connected)?;
        }
        Ok(())
    }
}
