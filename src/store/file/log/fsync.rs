//! Making the log durable, and poisoning the store where that fails (rule 4). No sync is repeated after a failure.

use std::io;
use std::sync::atomic::Ordering;

use crate::model::error::{Error, ErrorKind, Result};
use crate::store::file::disk::page_file::{FILES_LOST, SYNC_FAILED};
use crate::store::file::disk::unreadable::is_of_the_disk;
use crate::store::file::format::names;
use crate::store::file::format::position::Position;
use crate::store::file::format::segment;
use crate::store::file::log::segments::{Segments, is_not_found};

/// So many syncs have the most weight in the mean of what a sync makes durable.
const MEAN_OF: u64 = 8;

impl Segments {
    /// Makes the log durable up to the tail.
    pub(crate) fn sync(&self) -> Result<()> {
        self.sync_tail().map_err(|error| match error.kind() {
            // To a caller these kinds mean that nothing was done. But the save is in the log, and may still become durable.
            ErrorKind::Full | ErrorKind::NotWritable => error.of_kind(ErrorKind::Io),
            _ => error,
        })
    }

    /// Whether the unsynced backlog would stall the next roll, which syncs the segment. It grows where saves do not wait.
    pub(crate) fn has_backlog(&self, most: u64) -> bool {
        let (tail, durable) = (self.tail(), self.durable());
        tail.segment() == durable.segment() && tail.as_u64().saturating_sub(durable.as_u64()) > most
    }

    fn sync_tail(&self) -> Result<()> {
        // The tail is read before the sync begins: the sync covers only what was written before it.
        let tail = self.tail();
        let durable = self.durable();
        if tail == Position::default() {
            // The page cannot be read any more.
            return self.refuse_if_poisoned();
        }
        if durable < tail {
            match self.sync_segment(tail.segment()) {
                // The segment was rolled, which syncs it, and then trimmed, all after the tail was read.
                Err(error) if is_not_found(&error) && self.durable() > tail => {}
                synced => synced?,
            }
            self.page().raise_durable(tail.as_u64());
            let from = if durable.segment() == tail.segment() { durable.offset() } else { segment::HEADER };
            let mean = self.sync_bytes.load(Ordering::Relaxed);
            let bytes = u64::from(tail.offset() - from);
            self.sync_bytes.store(mean - mean / MEAN_OF + bytes / MEAN_OF, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Makes a segment durable. A failure poisons the store for all processes: the kernel has dropped what it could not
    /// write, and would call the next sync a success (rule 4).
    pub(crate) fn sync_segment(&self, number: u32) -> Result<()> {
        self.refuse_if_poisoned()?;
        let (file, age) = self.file_and_age(number)?;
        let failed = |error| self.segment_io("syncing the log", number, error);
        let (durable, tail) = (self.durable(), self.tail());
        if age.segment() == number && durable < age {
            // These bytes are unsynced, and were written before this process opened the file. The kernel may have reported
            // a failed write-back to another descriptor, which is closed by now. Once written again, they are this
            // descriptor's to report. Bytes beyond the tail are left alone: their writer may be writing them at this
            // moment.
            let from = if durable.segment() == number { durable.offset() } else { segment::HEADER };
            let mut bytes = vec![0; (age.min(tail).offset() - from) as usize];
            file.read_at(&mut bytes, u64::from(from)).map_err(|error| match is_of_the_disk(&error) {
                // They can never be made durable (rule 23).
                true => self.poisoned_by(number, error),
                false => failed(error),
            })?;
            file.write_at(&bytes, u64::from(from)).map_err(failed)?;
        }
        self.syncs.fetch_add(1, Ordering::Relaxed);
        file.sync().map_err(|error| self.poisoned_by(number, error))?;
        // What is in no file of the directory cannot last. The look comes after the sync: whatever was lost before is noticed.
        self.look_at(number, &*file, tail)?;
        if age <= tail {
            self.vouch_for(number, file);
        }
        Ok(())
    }

    /// Poisons the store after a failed sync of a segment or of its name; returns the error for the caller.
    pub(crate) fn poisoned_by(&self, number: u32, error: io::Error) -> Error {
        self.poison();
        let path = self.path.join(names::segment(number));
        Error::new(ErrorKind::Poisoned, "syncing the log").at(path).because(error)
    }

    /// From now on no process writes, until all have closed the store and one opens it anew.
    pub(crate) fn poison(&self) {
        self.page().poison.set(SYNC_FAILED);
    }

    pub(crate) fn refuse_if_poisoned(&self) -> Result<()> {
        match self.page().poison.get() {
            0 => Ok(()),
            FILES_LOST => Err(self.lost_files("a process has found that files were removed, replaced or cut")),
            _ => Err(Error::new(ErrorKind::Poisoned, "saving a session").at(&self.path)),
        }
    }
}
