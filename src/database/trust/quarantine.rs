//! Quarantine: what comes from outside is stored apart, where it can be read with all that the database has, until it is
//! known whether it may come in.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::refusal::{self, RefMove, Refusal};
use crate::database::Database;
use crate::database::conflicts::Gathered;
use crate::database::error::Result;
use crate::object::{CommitId, Ident};
use crate::refs::{RefEdit, Refs};
use crate::script::Runner;
use crate::store::{Incoming, Store};

/// Objects from outside that are not let in yet. Dropping it removes them.
///
/// Objects are put or [received](Store::receive) into [`Quarantine::store`]; [`Quarantine::database`] reads them on top of
/// what the database has, so that every question can be asked of them. Then [`Quarantine::check`] tells what stands against
/// the moves of refs that go with them, and [`Quarantine::accept`] lets them in.
#[derive(Debug)]
pub struct Quarantine<'a> {
    /// As the database, but for the store.
    view: Database,
    incoming: Incoming,
    /// Commits that were made here, of documents and of parents.
    made: HashSet<CommitId>,
    /// What is in conflict in the commits that came, as far as it was seen when they were made or checked.
    bounds: Mutex<Gathered>,
    held: Accepted<'a>,
}

/// Objects that were let in. While it lives nothing of them is removed: the refs that lead to them are moved before it is
/// dropped.
#[derive(Debug)]
#[must_use = "what no ref leads to may be removed once this is dropped"]
pub struct Accepted<'a> {
    db: &'a Database,
}

impl Drop for Accepted<'_> {
    fn drop(&mut self) {
        self.db.store.let_go_of();
    }
}

impl Database {
    /// A place for objects from outside. Until it is dropped, nothing is removed from the database.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn quarantine(&self) -> Result<Quarantine<'_>> {
        // What comes in may rest on anything that is stored, which must still be there when a ref has moved.
        self.store.hold_on()?;
        let held = Accepted { db: self };
        let (incoming, store) = self.store.incoming()?;
        let temporary = self.root.join("isodb").join("tmp");
        let view = Database {
            disk: self.disk.clone(),
            root: self.root.clone(),
            store,
            refs: Refs::new(self.disk.clone(), &self.root, &temporary),
            config: self.config.clone(),
            patience: self.patience,
            graph: OnceLock::from(self.store.open_commit_graph().ok().flatten()),
        };
        Ok(Quarantine { view, incoming, made: HashSet::new(), bounds: Mutex::default(), held })
    }
}

impl<'a> Quarantine<'a> {
    /// Where objects from outside are put.
    pub fn store(&self) -> &Store {
        &self.view.store
    }

    /// The database with the objects that were put, or received and kept. Nothing is written through it.
    pub fn database(&self) -> &Database {
        &self.view
    }

    /// Notes that a commit in it was not taken over but made: its folders by editing those of a parent, of contents that are
    /// there, or all of it by merging its parents. Then it is whole if its parents are.
    pub(crate) fn vouch(&mut self, commit: CommitId) {
        self.made.insert(commit);
    }

    /// The commits that [`Quarantine::vouch`] was told of, to tell another quarantine that reads them.
    pub(crate) fn take_made(&mut self) -> HashSet<CommitId> {
        std::mem::take(&mut self.made)
    }

    /// What is in conflict in the commits in it, for who makes them to add to. It is noted when they are let in.
    pub(crate) fn bounds(&self) -> MutexGuard<'_, Gathered> {
        self.bounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what stands against some moves of refs, if anything does. With `trust.require = signed` every new commit must
    /// be trusted; bad signatures, merge commits that are not what their parents make them, missing and damaged objects
    /// always count, and so does a ref that goes backwards or sideways.
    ///
    /// # Errors
    /// When the disk fails or the setting `trust.require` or `trust.anchor` is wrong; [`Error::Script`](crate::Error::Script) when this machine
    /// failed to run a merge script.
    pub fn check(&self, moves: &[RefMove], runner: &mut dyn Runner) -> Result<Vec<Refusal>> {
        self.store().settle()?;
        refusal::check(self.held.db, &self.view, (&self.made, &mut self.bounds()), moves, runner)
    }

    /// Lets the objects in, durably. No ref is moved: that is for the caller to do, before the answer is dropped.
    ///
    /// # Errors
    /// When the disk fails: some of the objects may be in by then, and no ref leads to them.
    pub fn accept(self) -> Result<Accepted<'a>> {
        let Quarantine { view, incoming, bounds, held, .. } = self;
        incoming.accept(view.store, &held.db.store, &[])?;
        held.db.note_conflicts(&bounds.into_inner().unwrap_or_else(PoisonError::into_inner).into_bounds());
        Ok(held)
    }

    /// Lets the objects in and moves refs, all or none of these, with fewer waits for the disk than one after the other. The
    /// objects are in even where the second answer is that a ref has not moved, unless it is an error of the disk's.
    ///
    /// # Errors
    /// As [`Quarantine::accept`]; the second answer's are those of [`Database::move_refs`].
    pub fn accept_and_move(self, edits: Vec<RefEdit>, who: &Ident) -> Result<(Accepted<'a>, Result<()>)> {
        let Quarantine { view, incoming, bounds, held, .. } = self;
        let db = held.db;
        let mut waiting = Some((incoming, view.store));
        let moved = db.move_refs_after(edits, who, |files| match waiting.take() {
            Some((incoming, store)) => Ok(incoming.accept(store, &db.store, files)?),
            None => Ok(()),
        });
        if let Some((incoming, store)) = waiting {
            incoming.accept(store, &db.store, &[])?;
        }
        db.note_conflicts(&bounds.into_inner().unwrap_or_else(PoisonError::into_inner).into_bounds());
        Ok((held, moved))
    }
}
