//! What threads share and wait with: that of std; or, under `--cfg shuttle`, that of a scheduler which tries one order of
//! things after another (`tests/campaigns/scheduling`). Nothing here knows of a log.

pub(crate) mod oneshot;
#[cfg(feature = "simulation")]
pub(crate) mod schedule;
pub(crate) mod wait;

use std::sync::OnceLock;
use std::time::Duration;

#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::{
        Mutex, MutexGuard, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicU64},
    },
    thread::{Builder, JoinHandle, Thread, current, sleep},
};

#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::{
        Mutex, MutexGuard, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicU64},
    },
    thread::{Builder, JoinHandle, Thread, current, sleep},
};

/// Wakes a thread that rests.
#[derive(Default)]
pub(crate) struct Bell {
    /// Whom it wakes; until then nobody.
    thread: OnceLock<Thread>,
    #[cfg(shuttle)]
    rung: (Mutex<bool>, shuttle::sync::Condvar),
}

impl Bell {
    pub(crate) fn hang_up_for(&self, thread: Thread) {
        self.thread.set(thread).expect("a bell hangs for one thread");
    }

    /// Whether it is this thread that rests here.
    pub(crate) fn is_for_this_thread(&self) -> bool {
        self.thread.get().is_some_and(|thread| thread.id() == current().id())
    }

    /// Rests until the bell rings, or has rung since the last rest, or the time is over; or for no reason at all.
    #[cfg(not(shuttle))]
    pub(crate) fn rest(&self, pause: Duration) {
        std::thread::park_timeout(pause);
    }

    #[cfg(not(shuttle))]
    pub(crate) fn ring(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Shuttle knows no time. A pause between two attempts ends; a longer one ends never, and nobody wakes for no reason: so
    /// that a wake-up which only the next tick would make up for is a deadlock.
    #[cfg(shuttle)]
    pub(crate) fn rest(&self, pause: Duration) {
        if pause < Duration::from_millis(10) {
            return shuttle::thread::yield_now();
        }
        let (rung, changed) = &self.rung;
        let mut rung = rung.lock().expect("no thread panics with it");
        while !std::mem::take(&mut *rung) {
            rung = changed.wait(rung).expect("no thread panics with it");
        }
    }

    #[cfg(shuttle)]
    pub(crate) fn ring(&self) {
        *self.rung.0.lock().expect("no thread panics with it") = true;
        self.rung.1.notify_one();
    }
}
