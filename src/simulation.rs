//! For the project's own campaigns (`tests/campaigns`), with the feature `simulation`: a file store on a simulated disk, one
//! step at a time. It is no part of the interface, and changes without notice.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use crate::store::file::{
    Disk, DiskFile, DiskLock, Inode, Lost, MemoryDisk, Page, Scheduler, SharedPage, longest_hold, schedule,
};

use crate::model::error::Result;
use crate::store::file::{FileOptions, FileStore, Round, Settings, Sizes};

/// The options, with sizes so small that cases that are rare in a real store come again and again.
fn simulated(options: FileOptions) -> Settings {
    Settings { sizes: Sizes::SIMULATED, ..options.0 }
}

/// A simulated process that has a store open. It has no background thread: the campaign does that thread's work, a
/// round at a time, with [`keep`](Self::keep). Dropping it without [`close`](Self::close) is a kill: it writes nothing
/// more, and its locks are free.
pub struct Process {
    store: FileStore,
    round: Round,
}

impl Process {
    /// Opens the store.
    ///
    /// # Errors
    ///
    /// The errors of [`FileStore::open`].
    pub fn open(disk: Arc<dyn Disk>, options: FileOptions) -> Result<Self> {
        let (store, round) = FileStore::open_by_hand(disk, simulated(options), Path::new("simulated"))?;
        Ok(Self { store, round })
    }

    /// Opens the store with a thread of its own, as a user does.
    ///
    /// # Errors
    ///
    /// The errors of [`FileStore::open`].
    pub fn open_with_thread(disk: Arc<dyn Disk>, options: FileOptions) -> Result<FileStore> {
        FileStore::open_on(disk, simulated(options), Path::new("simulated"))
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &FileStore {
        &self.store
    }

    /// One round of the store's thread. Returns for how long the thread would rest now if nothing woke it.
    pub fn keep(&mut self) -> Duration {
        self.round.run(&self.store.engine).unwrap_or_default()
    }

    /// Closes the store as [`FileStore::close`] does.
    ///
    /// # Errors
    ///
    /// The errors of [`FileStore::close`].
    pub fn close(mut self) -> Result<()> {
        self.store.engine.begin_close();
        while let Some(rest) = self.round.run(&self.store.engine) {
            crate::store::file::sleep(rest);
        }
        self.store.engine.end_close()
    }
}
