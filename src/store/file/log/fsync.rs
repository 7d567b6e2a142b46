//! Making the log durable, and what becomes of a store where that fails.

use std::io;
use std::sync::atomic::Ordering;

use crate::model::error::{Error, ErrorKind, Result};
use crate::store::file::format::names;
use crate::store::file::format::segment;
use crate::store::file::log::segments::{Segments, is_not_found};

impl Segments {
    /// Makes all durable that is in the log now.
    pub(crate) fn sync(&self) -> Result<()> {
        self.sync_tail().map_err(|error| match error.kind() {
            // They say that nothing was done. What waits for this is in the log, and may become durable yet.
            ErrorKind::Full | ErrorKind::NotWritable => error.of_kind(ErrorKind::Io),
            _ => error,
        })
    }

    /// Whether so much is not on disk yet that somebody would wait for it who begins a new segment, be it that no save does.
    pub(crate) fn has_backlog(&self, most: u64) -> bool {
        let (tail, durable) = (self.tail(), self.durable());
        tail.segment() == durable.segment() && tail.as_u64().saturating_sub(durable.as_u64()) > most
    }

    fn sync_tail(&self) -> Result<()> {
        // The tail first: what is covered must have been written before the sync begins.
        let tail = self.tail();
        if self.durable() < tail {
            if self.disk.is_gone().map_err(|error| self.io("syncing the log", error))? {
                let why = "the directory was removed while the store was open; nothing in it can last";
                return Err(Error::new(ErrorKind::Io, "syncing the log").at(&self.path).because(why));
            }
            match self.sync_segment(tail.segment()) {
                // Rolled, which syncs, and trimmed since the tail was read.
                Err(error) if is_not_found(&error) && self.durable() > tail => {}
                synced => synced?,
            }
            self.page().durable.raise(tail.as_u64());
        }
        Ok(())
    }

    /// Makes a segment durable. After a failure nobody writes any more: the kernel has dropped what it could not write,
    /// and would call the next sync a success (rule 4).
    pub(crate) fn sync_segment(&self, number: u32) -> Result<()> {
        self.refuse_if_poisoned()?;
        let (file, age) = self.file_and_age(number)?;
        let failed = |error| self.segment_io("syncing the log", number, error);
        let (durable, tail) = (self.durable(), self.tail());
        if age.segment() == number && durable < age {
            // Not synced yet, and written before this process opened the file: a failure to write it back may have been
            // told to a descriptor that is closed by now. Written again, it is this descriptor's business; what is not yet
            // part of the log is still its writer's, who may be writing it.
            let from = if durable.segment() == number { durable.offset() } else { segment::HEADER };
            let mut bytes = vec![0; (age.min(tail).offset() - from) as usize];
            file.read_at(&mut bytes, u64::from(from)).map_err(failed)?;
            file.write_at(&bytes, u64::from(from)).map_err(failed)?;
        }
        self.syncs.fetch_add(1, Ordering::Relaxed);
        file.sync().map_err(|error| self.poisoned(number, error))?;
        if age <= tail {
            self.adopt_file(number, file);
        }
        Ok(())
    }

    /// A sync of this segment, or of its name, has failed.
    pub(crate) fn poisoned(&self, number: u32, error: io::Error) -> Error {
        self.poison();
        let path = self.path.join(names::segment(number));
        Error::new(ErrorKind::Poisoned, "syncing the log").at(path).because(error)
    }

    /// After a failed sync no process writes until the store is opened anew.
    pub(crate) fn poison(&self) {
        self.page().poison.set(1);
    }

    pub(crate) fn refuse_if_poisoned(&self) -> Result<()> {
        if self.page().poison.get() == 0 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Poisoned, "saving a session").at(&self.path))
    }
}
