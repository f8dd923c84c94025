//! Folders that several threads walk: who has much gives away, who has nothing takes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::three::Sides;
use crate::object::TreeId;

/// A folder that is to be walked.
pub(super) struct Task {
    pub(super) path: String,
    pub(super) sides: Sides<TreeId>,
}

/// The folders that nobody has taken yet. A thread that was started counts as at work until it finds none.
pub(super) struct Pool {
    state: Mutex<State>,
    changed: Condvar,
    /// Whether somebody waits for a folder. A hint: what is given away too much is taken back.
    hungry: AtomicBool,
}

struct State {
    tasks: Vec<Task>,
    /// How many threads are at work, and how many wait.
    busy: usize,
    waiting: usize,
    is_over: bool,
}

impl Pool {
    /// A pool of one folder, and one thread that is about to take it.
    pub(super) fn new(first: Task) -> Pool {
        let state = State { tasks: vec![first], busy: 1, waiting: 0, is_over: false };
        Pool { state: Mutex::new(state), changed: Condvar::new(), hungry: AtomicBool::new(false) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done in it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more thread is about to work.
    pub(super) fn join(&self) {
        self.state().busy += 1;
    }

    /// A thread will not work after all.
    pub(super) fn leave(&self) {
        self.state().busy -= 1;
    }

    /// A folder to walk. Waits while others have some left; nothing when there is none any more.
    pub(super) fn take(&self) -> Option<Task> {
        let mut state = self.state();
        state.busy -= 1;
        loop {
            if state.is_over || (state.tasks.is_empty() && state.busy == 0) {
                state.is_over = true;
                self.changed.notify_all();
                return None;
            }
            if let Some(task) = state.tasks.pop() {
                state.busy += 1;
                self.set_hungry(&state);
                return Some(task);
            }
            state.waiting += 1;
            self.set_hungry(&state);
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
    }

    /// Whether a folder should be given away.
    pub(super) fn is_hungry(&self) -> bool {
        self.hungry.load(Ordering::Relaxed)
    }

    /// Gives a folder away.
    pub(super) fn give(&self, task: Task) {
        let mut state = self.state();
        state.tasks.push(task);
        self.set_hungry(&state);
        self.changed.notify_one();
    }

    /// Ends it for all: one has failed.
    pub(super) fn stop(&self) {
        self.state().is_over = true;
        self.changed.notify_all();
    }

    fn set_hungry(&self, state: &State) {
        self.hungry.store(state.tasks.len() < state.waiting, Ordering::Relaxed);
    }

    /// Ends it for all when the thread that holds this panics: nobody waits for it then.
    pub(super) fn end_on_panic(&self) -> EndOnPanic<'_> {
        EndOnPanic(self)
    }
}

pub(super) struct EndOnPanic<'p>(&'p Pool);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}
