//! The last failure of work that no caller waits for: a sync at an interval, a new segment, compaction. It is kept until that
//! work succeeds.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use crate::model::error::{Error, Result};
use crate::store::file::threads::{AtomicBool, Mutex};

/// See the module.
#[derive(Default)]
pub(crate) struct Failure {
    /// Whether there is an error. A save looks here first, and takes no lock.
    is_kept: AtomicBool,
    error: Mutex<Option<Error>>,
}

impl Failure {
    /// Keeps how the work ended.
    pub(crate) fn keep(&self, outcome: Result<()>) {
        if outcome.is_ok() && !self.is_kept() {
            return;
        }
        let error = outcome.err();
        self.is_kept.store(error.is_some(), Ordering::Release);
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept.load(Ordering::Acquire)
    }

    /// The error that is kept. It stays, for the next caller has to hear of it as well.
    pub(crate) fn tell(&self) -> Result<()> {
        if !self.is_kept() {
            return Ok(());
        }
        let error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        error.as_ref().map_or(Ok(()), |error| Err(error.repeated()))
    }
}
