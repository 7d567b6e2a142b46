//! For the project's own campaigns (`tests/campaigns`), with the feature `simulation`: a file store on a disk of theirs, one
//! step at a time. No part of the interface; it changes without notice.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use crate::file::{Disk, DiskFile, DiskLock, MemoryDisk, Page, Tail};

use crate::error::Result;
use crate::file::{FileOptions, FileStore, Keeping, Settings, Sizes};

/// Who decides what happens when, on the thread that installed it.
pub trait Scheduler {
    /// Called before each look at the shared page; a disk of the campaign's may call it as well. Others may run meanwhile.
    fn step(&self);
    /// The time, from any beginning.
    fn now(&self) -> Duration;
    /// Lets time go by.
    fn sleep(&self, pause: Duration);
}

thread_local! {
    static SCHEDULER: RefCell<Option<Rc<dyn Scheduler>>> = const { RefCell::new(None) };
}

/// From now on this thread's steps and its time are the scheduler's; `None` gives them back.
pub fn schedule(scheduler: Option<Rc<dyn Scheduler>>) {
    SCHEDULER.with(|current| *current.borrow_mut() = scheduler);
}

fn scheduler() -> Option<Rc<dyn Scheduler>> {
    // A handle of its own: nothing is borrowed while others run.
    SCHEDULER.with(|current| current.borrow().clone())
}

pub(crate) fn step() {
    if let Some(scheduler) = scheduler() {
        scheduler.step();
    }
}

pub(crate) fn now() -> Option<Instant> {
    thread_local! {
        static BEGINNING: Instant = Instant::now();
    }
    scheduler().map(|scheduler| BEGINNING.with(|beginning| *beginning) + scheduler.now())
}

/// Whether somebody saw to it.
pub(crate) fn sleep(pause: Duration) -> bool {
    scheduler().map(|scheduler| scheduler.sleep(pause)).is_some()
}

/// The options, with sizes so small that what is rare in a real store happens again and again.
fn simulated(options: FileOptions) -> Settings {
    Settings { sizes: Sizes::SIMULATED, ..options.0 }
}

/// A process that has a store open, whose thread's work is done when the campaign says so. Dropped without
/// [`close`](Self::close) it is a process that was killed: nothing more is written, and its locks are free.
pub struct Process {
    store: FileStore,
    keeping: Keeping,
}

impl Process {
    /// Opens the store.
    ///
    /// # Errors
    ///
    /// As [`FileStore::open`].
    pub fn open(disk: Arc<dyn Disk>, options: FileOptions) -> Result<Self> {
        let (store, keeping) = FileStore::open_by_hand(disk, simulated(options), Path::new("simulated"))?;
        Ok(Self { store, keeping })
    }

    /// Opens the store with a thread of its own, as a user does.
    ///
    /// # Errors
    ///
    /// As [`FileStore::open`].
    pub fn open_with_thread(disk: Arc<dyn Disk>, options: FileOptions) -> Result<FileStore> {
        FileStore::open_on(disk, simulated(options), Path::new("simulated"))
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &FileStore {
        &self.store
    }

    /// One round of the store's thread; says for how long it would rest now, unless it was woken.
    pub fn keep(&mut self) -> Duration {
        self.keeping.round(&self.store.engine).unwrap_or_default()
    }

    /// Closes the store as [`FileStore::close`] does.
    ///
    /// # Errors
    ///
    /// As [`FileStore::close`].
    pub fn close(mut self) -> Result<()> {
        self.store.engine.begin_close();
        while let Some(rest) = self.keeping.round(&self.store.engine) {
            sleep(rest);
        }
        self.store.engine.end_close()
    }
}
