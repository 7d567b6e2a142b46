//! The handle of a sweeper's thread, and what the two share.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::model::error::{Error, Result};
use crate::store::Swept;

/// A background thread that sweeps a store. It removes a session five minutes after its end, so that a clock that is ahead by less
/// than that removes nothing that lives for another process. Dropping the handle stops and joins the thread: at once while it waits
/// between two rounds, and otherwise after the current step.
///
/// ```
/// use cloakroom::{MemoryStore, Sessions};
///
/// # fn main() -> cloakroom::Result<()> {
/// let sessions = Sessions::builder(MemoryStore::new()).build()?;
/// let sweeper = sessions.sweeper().spawn()?;
/// // In a health check:
/// if let Some(error) = sweeper.last_error() {
///     println!("{} of {} rounds failed, the last one: {error}", sweeper.failed_rounds(), sweeper.rounds());
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "the sweeper stops when it is dropped"]
pub struct Sweeper {
    pub(super) shared: Arc<Shared>,
    pub(super) thread: Option<JoinHandle<()>>,
}

impl Sweeper {
    /// How many rounds have ended.
    pub fn rounds(&self) -> u64 {
        self.shared.lock().rounds
    }

    /// How many of them ended in an error.
    pub fn failed_rounds(&self) -> u64 {
        self.shared.lock().failed
    }

    /// The error that ended the last round, or `None` if the round succeeded.
    pub fn last_error(&self) -> Option<Error> {
        self.shared.lock().last_error.as_ref().map(Error::repeated)
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.shared.stop();
        // The function given to `on_round` may own the handle. The thread then drops it, and must not wait for itself.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Sweeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweeper")
            .field("rounds", &self.rounds())
            .field("failed_rounds", &self.failed_rounds())
            .finish_non_exhaustive()
    }
}

/// What the thread and its handle share.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    stopping: Condvar,
}

#[derive(Default)]
struct State {
    stopped: bool,
    rounds: u64,
    failed: u64,
    last_error: Option<Error>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.stopping.notify_all();
    }

    pub(super) fn note(&self, round: &Result<Swept>) {
        let mut state = self.lock();
        state.rounds += 1;
        state.failed += u64::from(round.is_err());
        state.last_error = round.as_ref().err().map(Error::repeated);
    }

    /// Waits for the interval, or until the handle stops the thread.
    pub(super) fn wait(&self, interval: Duration) {
        let _ = self.stopping.wait_timeout_while(self.lock(), interval, |state| !state.stopped);
    }
}
