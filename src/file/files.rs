//! The log's segments as open files.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use super::disk::DiskFile;
use super::log::Log;
use super::position::Position;
use super::segment;
use super::threads::{Mutex, MutexGuard};
use crate::error::Result;

/// Segments that are open, by number.
pub(crate) struct Files {
    open: Mutex<BTreeMap<u32, OpenSegment>>,
    /// How many are kept open.
    most: usize,
}

/// A segment's file, and up to where something may have been written before it was opened.
type OpenSegment = (Arc<dyn DiskFile>, Position);

impl Files {
    pub(crate) fn new(most: usize) -> Self {
        Self { open: Mutex::default(), most }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, OpenSegment>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// An open segment.
    ///
    /// # Errors
    ///
    /// One that [`is_not_found`](super::log::is_not_found) if the segment is not there (any more).
    pub(crate) fn file(&self, number: u32) -> Result<Arc<dyn DiskFile>> {
        self.file_and_age(number).map(|(file, _)| file)
    }

    /// An open segment, and up to where something may have been written before it was opened: that may have failed to reach
    /// the disk without this descriptor ever saying so (rule 4).
    pub(crate) fn file_and_age(&self, number: u32) -> Result<OpenSegment> {
        let mut files = self.files.lock();
        if let Some(known) = files.get(&number) {
            return Ok(known.clone());
        }
        let opened = self.disk.open(&segment::name(number));
        let file = opened.map_err(|error| self.segment_io("opening a segment", number, error))?;
        if files.len() >= self.files.most {
            files.pop_first();
        }
        // What a writer was about to write may be written already and not yet part of the log. In this order: an intent that
        // is gone was published before.
        let intent = Position::from_u64(self.page().intent.get());
        let known = (file, intent.max(self.tail()));
        files.insert(number, known.clone());
        Ok(known)
    }

    /// A segment that this process has just created, or all of whose bytes it has just synced.
    pub(crate) fn adopt_file(&self, number: u32, file: Arc<dyn DiskFile>) {
        self.files.lock().insert(number, (file, segment::start(number)));
    }

    /// Closes segments that were trimmed, so that this process pins no space (rule 15).
    pub(crate) fn close_trimmed(&self, oldest: u32) {
        let mut files = self.files.lock();
        *files = files.split_off(&oldest);
    }
}
