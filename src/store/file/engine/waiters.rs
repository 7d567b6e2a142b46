//! Saves that are written and wait to be durable: many saves, one sync (group commit). Plain data: it neither syncs nor
//! wakes the store's thread.

use std::sync::{Arc, PoisonError};

use crate::model::error::{Error, Result};
use crate::store::file::format::position::Position;
use crate::store::file::threads::oneshot::Oneshot;
use crate::store::file::threads::{Mutex, MutexGuard};

/// A save that waits until the log is durable up to a position.
pub(crate) struct Waiter {
    until: Position,
    pub(crate) outcome: Oneshot<Result<()>>,
}

/// The saves that wait, in no order. `None` once the store's thread is gone: no sync would come.
pub(crate) struct Waiters(Mutex<Option<Vec<Arc<Waiter>>>>);

impl Default for Waiters {
    fn default() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }
}

impl Waiters {
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().as_ref().is_none_or(Vec::is_empty)
    }

    /// Adds a save; `None` if the store's thread is gone. The caller has to wake the thread next, or the save
    /// waits for the next round.
    pub(crate) fn add(&self, until: Position, outcome: Oneshot<Result<()>>) -> Option<Arc<Waiter>> {
        let waiter = Arc::new(Waiter { until, outcome });
        self.lock().as_mut()?.push(waiter.clone());
        Some(waiter)
    }

    /// Tells the saves that are durable by now; after a failed sync, tells all.
    pub(crate) fn settle(&self, durable: Position, failure: Option<&Error>) {
        let settled: Vec<_> = match &mut *self.lock() {
            Some(waiters) => waiters.extract_if(.., |waiter| failure.is_some() || waiter.until <= durable).collect(),
            None => return,
        };
        tell(settled, durable, failure);
    }

    /// The store's thread is gone. Tells the saves that still wait; a later save syncs for itself.
    pub(crate) fn retire(&self, durable: Position, closed: &Error) {
        let left = self.lock().take().unwrap_or_default();
        tell(left, durable, Some(closed));
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Arc<Waiter>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(waiters: Vec<Arc<Waiter>>, durable: Position, failure: Option<&Error>) {
    for waiter in waiters {
        let failure = failure.filter(|_| waiter.until > durable);
        waiter.outcome.finish(failure.map_or(Ok(()), |error| Err(error.repeated())));
    }
}
