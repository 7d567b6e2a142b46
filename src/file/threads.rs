//! What threads share and wait with: that of std; or, under `--cfg shuttle`, that of a scheduler which tries one order of
//! things after another (`tests/campaigns/scheduling`).

#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::{
        Mutex, MutexGuard, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicU64},
    },
    thread::{Builder, JoinHandle, Thread, current, park_timeout, sleep},
};

#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::{
        Mutex, MutexGuard, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicU64},
    },
    thread::{Builder, JoinHandle, Thread, current, sleep},
};

/// Shuttle knows no time. A pause between two attempts ends; a longer one ends never, so that a wake-up which only the next
/// tick would make up for is a deadlock.
#[cfg(shuttle)]
pub(crate) fn park_timeout(pause: std::time::Duration) {
    if pause < std::time::Duration::from_millis(10) {
        shuttle::thread::yield_now();
    } else {
        shuttle::thread::park();
    }
}
