//! Steps under a lock: how many slots, frames and lines of a table a thread looks at or moves while it holds the lock of the
//! log's state.
//!
//! Tests and campaigns ask for the longest hold, because a count says the same on every machine. Without the feature
//! `simulation` a store counts nothing. No time is measured here.

#[cfg(any(test, feature = "simulation"))]
use std::cell::Cell;
#[cfg(feature = "simulation")]
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(any(test, feature = "simulation"))]
thread_local! {
    /// The steps of the hold that lasts; `None` outside of one.
    static HELD: Cell<Option<u64>> = const { Cell::new(None) };
    static LONGEST: Cell<u64> = const { Cell::new(0) };
}

#[cfg(feature = "simulation")]
static LONGEST_OF_ALL: AtomicU64 = AtomicU64::new(0);

/// One hold of the lock, from its making to its drop.
pub(crate) struct Hold(());

impl Hold {
    #[inline]
    pub(crate) fn begin() -> Self {
        #[cfg(any(test, feature = "simulation"))]
        HELD.set(Some(0));
        Self(())
    }
}

#[cfg(any(test, feature = "simulation"))]
impl Drop for Hold {
    fn drop(&mut self) {
        let steps = HELD.take().unwrap_or(0);
        LONGEST.set(LONGEST.get().max(steps));
        #[cfg(feature = "simulation")]
        LONGEST_OF_ALL.fetch_max(steps, Ordering::Relaxed);
    }
}

/// Counts steps, if this thread holds the lock.
#[inline]
pub(crate) fn count(_steps: usize) {
    #[cfg(any(test, feature = "simulation"))]
    HELD.set(HELD.get().map(|held| held + _steps as u64));
}

/// The steps of this thread's longest hold since the last call.
#[cfg(test)]
pub(crate) fn longest() -> u64 {
    LONGEST.take()
}

/// The steps of the longest hold of any thread since the last call.
#[cfg(feature = "simulation")]
pub fn longest_hold() -> u64 {
    LONGEST_OF_ALL.swap(0, Ordering::Relaxed)
}
