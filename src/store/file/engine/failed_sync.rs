//! The failure of the last sync for which no save waited. Saves that do not wait would be acknowledged for ever on a disk that
//! takes nothing, so each of them is told the failure, until a sync has succeeded.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use crate::model::error::{Error, Result};
use crate::store::file::threads::{AtomicBool, Mutex};

/// See the module.
#[derive(Default)]
pub(crate) struct FailedSync {
    /// Whether there is an error: a save looks here first, and takes no lock.
    is_kept: AtomicBool,
    error: Mutex<Option<Error>>,
}

impl FailedSync {
    /// Keeps how the last sync ended.
    pub(crate) fn keep(&self, outcome: Result<()>) {
        let error = outcome.err();
        self.is_kept.store(error.is_some(), Ordering::Release);
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept.load(Ordering::Acquire)
    }

    /// The error that is kept. It stays, for the next save has to hear of it as well.
    pub(crate) fn tell(&self) -> Result<()> {
        if !self.is_kept() {
            return Ok(());
        }
        let error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        error.as_ref().map_or(Ok(()), |error| Err(error.repeated()))
    }
}
