//! For the project's own campaigns (`tests/campaigns`), with the feature `simulation`: a file store on a disk of theirs, one
//! step at a time. No part of the interface; it changes without notice.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use crate::store::file::{Disk, DiskFile, DiskLock, MemoryDisk, Page, Scheduler, SharedPage, schedule};

use crate::model::error::Result;
use crate::store::file::{FileOptions, FileStore, Round, Settings, Sizes};

/// The options, with sizes so small that what is rare in a real store happens again and again.
fn simulated(options: FileOptions) -> Settings {
    Settings { sizes: Sizes::SIMULATED, ..options.0 }
}

/// A process that has a store open, whose thread's work is done when the campaign says so. Dropped without
/// [`close`](Self::close) it is a process that was killed: nothing more is written, and its locks are free.
pub struct Process {
    store: FileStore,
    round: Round,
}

impl Process {
    /// Opens the store.
    ///
    /// # Errors
    ///
    /// As [`FileStore::open`].
    pub fn open(disk: Arc<dyn Disk>, options: FileOptions) -> Result<Self> {
        let (store, round) = FileStore::open_by_hand(disk, simulated(options), Path::new("simulated"))?;
        Ok(Self { store, round })
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
        self.round.run(&self.store.engine).unwrap_or_default()
    }

    /// Closes the store as [`FileStore::close`] does.
    ///
    /// # Errors
    ///
    /// As [`FileStore::close`].
    pub fn close(mut self) -> Result<()> {
        self.store.engine.begin_close();
        while let Some(rest) = self.round.run(&self.store.engine) {
            crate::store::file::sleep(rest);
        }
        self.store.engine.end_close()
    }
}
