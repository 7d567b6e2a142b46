//! Threads, locks, atomics and waiting: std's, or those of shuttle under `--cfg shuttle`, whose scheduler tries one order of
//! steps after another (`tests/campaigns/scheduling`). Nothing here knows of a log.

pub(crate) mod oneshot;
#[cfg(feature = "simulation")]
pub(crate) mod schedule;
pub(crate) mod steps;
pub(crate) mod wait;

use std::sync::OnceLock;
use std::time::Duration;

#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::{
        Mutex, MutexGuard, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicU64},
    },
    thread::{Builder, JoinHandle, Thread, current, sleep, yield_now},
};

#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::{
        Mutex, MutexGuard, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicU64},
    },
    thread::{Builder, JoinHandle, Thread, current, sleep, yield_now},
};

/// Wakes one thread that rests.
#[derive(Default)]
pub(crate) struct Bell {
    /// The thread that it wakes; a ring before this is set wakes none.
    thread: OnceLock<Thread>,
    #[cfg(shuttle)]
    rung: (Mutex<bool>, shuttle::sync::Condvar),
}

impl Bell {
    pub(crate) fn hang_up_for(&self, thread: Thread) {
        self.thread.set(thread).expect("a bell is for one thread");
    }

    /// Whether this bell wakes the calling thread.
    pub(crate) fn is_for_this_thread(&self) -> bool {
        self.thread.get().is_some_and(|thread| thread.id() == current().id())
    }

    /// Rests until the bell rings or the pause is over. A ring since the last rest counts, and spurious wake-ups happen.
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

    /// Shuttle has no clock. A pause between two attempts ends at once; a longer one ends only when the bell rings, never
    /// spuriously. So a lost wake-up, which the next tick would hide in production, is a deadlock here.
    #[cfg(shuttle)]
    pub(crate) fn rest(&self, pause: Duration) {
        if pause < Duration::from_millis(10) {
            return shuttle::thread::yield_now();
        }
        let (rung, changed) = &self.rung;
        let mut rung = rung.lock().expect("no thread panics while it holds this lock");
        while !std::mem::take(&mut *rung) {
            rung = changed.wait(rung).expect("no thread panics while it holds this lock");
        }
    }

    #[cfg(shuttle)]
    pub(crate) fn ring(&self) {
        *self.rung.0.lock().expect("no thread panics while it holds this lock") = true;
        self.rung.1.notify_one();
    }
}
