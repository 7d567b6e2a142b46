//! The operations that have not returned yet, so that the report on a check that does not end can name them.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The names of the operations under way.
#[derive(Default)]
pub(super) struct Waiting(Mutex<Vec<&'static str>>);

impl Waiting {
    /// Notes that an operation begins. It ends when the result is dropped.
    pub(super) fn begin(&self, what: &'static str) -> Returns<'_> {
        self.lock().push(what);
        Returns(self, what)
    }

    /// Each operation that has not returned, once; none if the check itself does not end.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let mut names = self.lock().clone();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn lock(&self) -> MutexGuard<'_, Vec<&'static str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Returns<'a>(&'a Waiting, &'static str);

impl Drop for Returns<'_> {
    fn drop(&mut self) {
        let mut names = self.0.lock();
        if let Some(place) = names.iter().position(|name| *name == self.1) {
            names.swap_remove(place);
        }
    }
}
