//! Locks between processes. The only file that imports fs2.
//!
//! fs2 is from 2018 and finished. If it has to go, rustix's `flock` can take its place in these three functions.
//! A lock belongs to the open file, so two handles in one process exclude each other as two processes do, and the
//! kernel releases it when the process dies. A shared lock is never upgraded: a refused upgrade loses it (rule 9).

use std::fs::File;
use std::io;

use fs2::FileExt;

use crate::store::file::disk::DiskLock;

/// A lock on a file that is never deleted.
#[derive(Debug)]
pub(crate) struct FileLock(File);

impl FileLock {
    pub(crate) fn on(file: File) -> Self {
        Self(file)
    }
}

impl DiskLock for FileLock {
    fn try_exclusive(&self) -> io::Result<bool> {
        taken(FileExt::try_lock_exclusive(&self.0))
    }

    fn try_shared(&self) -> io::Result<bool> {
        taken(FileExt::try_lock_shared(&self.0))
    }

    fn unlock(&self) -> io::Result<()> {
        FileExt::unlock(&self.0)
    }
}

/// Stands for the lock of a file that does not exist, in a directory where this process creates none: no process holds it.
#[derive(Debug)]
pub(crate) struct AbsentLock;

impl DiskLock for AbsentLock {
    fn try_exclusive(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn try_shared(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn unlock(&self) -> io::Result<()> {
        Ok(())
    }
}

fn taken(attempt: io::Result<()>) -> io::Result<bool> {
    match attempt {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => Ok(false),
        // A signal interrupted the call: the lock is not taken, and the caller tries again as if another process held it.
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        Err(error) => Err(error),
    }
}
