//! The users' lock, which says whether processes use a directory: that of its file, and that of the directory itself.
//!
//! A file can be removed under the processes that hold its lock, and the next opener would lock another one. The directory
//! cannot, without being another directory. And a lock on it keeps cleaners away that heed such locks.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::model::error::{Error, ErrorKind, Result};
use crate::store::file::disk::{Disk, DiskLock};
use crate::store::file::format::names;
use crate::store::file::recovery::first_look::OPENING;
use crate::store::file::threads::wait;

/// See the module. As a lock, it is both.
pub(crate) struct UsersLock {
    file: Box<dyn DiskLock>,
    directory: Box<dyn DiskLock>,
}

impl UsersLock {
    pub(crate) fn on(disk: &dyn Disk) -> io::Result<Self> {
        Ok(Self { file: disk.lock(names::USERS_LOCK)?, directory: disk.lock(names::DIRECTORY)? })
    }

    /// Whether no other process uses the directory. Then this one holds both locks exclusively.
    ///
    /// # Errors
    ///
    /// If the file is free and the directory stays locked: a process uses it that has lost its lock file. Nothing of it may be
    /// recovered then, and it cannot be joined.
    pub(crate) fn is_alone(&self, limit: Duration, path: &Path) -> Result<bool> {
        let failed = |error| Error::io(OPENING, error).at(path);
        if !self.file.try_exclusive().map_err(failed)? {
            return Ok(false);
        }
        if wait::until(limit, || self.directory.try_exclusive()).map_err(failed)? {
            return Ok(true);
        }
        self.file.unlock().map_err(failed)?;
        let why = format!(
            "a process uses it whose {} was removed or replaced, or another program has locked the directory; stop it, and \
             open the store again",
            names::USERS_LOCK
        );
        Err(Error::new(ErrorKind::Timeout, OPENING).at(path).because(why))
    }
}

impl DiskLock for UsersLock {
    fn try_exclusive(&self) -> io::Result<bool> {
        Ok(self.file.try_exclusive()? && self.directory.try_exclusive()?)
    }

    fn try_shared(&self) -> io::Result<bool> {
        Ok(self.file.try_shared()? && self.directory.try_shared()?)
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock().and(self.directory.unlock())
    }
}
