//! Whose turn it is to work: a few requests at once, so that each comes to its end, and none that waits for its client.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::Shared;

/// A request's right to have a thread, and to work on it.
pub(super) struct Turn {
    workers: Arc<Semaphore>,
    runtime: Handle,
    working: Mutex<Option<OwnedSemaphorePermit>>,
    _begun: OwnedSemaphorePermit,
}

impl Turn {
    /// Waits for one as long as a request may wait; `None` when that was in vain.
    pub(super) async fn take(shared: &Shared) -> Option<Turn> {
        let until = Instant::now() + shared.limits.queue;
        let free = |of: &Arc<Semaphore>| timeout_at(until, Arc::clone(of).acquire_owned());
        let begun = free(&shared.requests).await.ok()?.ok()?;
        let working = free(&shared.workers).await.ok()?.ok()?;
        let (workers, runtime) = (Arc::clone(&shared.workers), Handle::current());
        Some(Turn { workers, runtime, working: Mutex::new(Some(working)), _begun: begun })
    }

    /// Does what waits for the client, on the request's own thread, and lets others work meanwhile.
    pub(super) fn pause<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.set(None);
        let done = wait();
        // Nobody closes it.
        self.set(self.runtime.block_on(Arc::clone(&self.workers).acquire_owned()).ok());
        done
    }

    fn set(&self, permit: Option<OwnedSemaphorePermit>) {
        *self.working.lock().unwrap_or_else(PoisonError::into_inner) = permit;
    }
}
