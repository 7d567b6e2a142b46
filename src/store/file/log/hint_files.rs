//! The hint files of a directory: which are believed, which are to be made, which are removed. `engine/hint_maker` makes
//! them.
//!
//! No hint is ever needed, so no failure with one is an error. A hint that cannot be read counts as missing. A hint that
//! cannot be written is left to the next opener.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use crate::store::file::disk::{Disk, DiskFile};
use crate::store::file::format::frame::HEAD;
use crate::store::file::format::hint::{Hint, Seal};
use crate::store::file::format::names;
use crate::store::file::log::segments::Segments;
use crate::store::file::threads::{Mutex, MutexGuard};

/// What this process knows of the hints.
pub(crate) struct Hints {
    /// Whether hints are believed. `verify` reads every byte of the log instead.
    pub(crate) are_used: bool,
    /// Sealed segments without a hint.
    wanted: Mutex<BTreeSet<u32>>,
    /// Segments in which damage was met.
    spoilt: Mutex<BTreeSet<u32>>,
}

impl Hints {
    pub(crate) fn new(are_used: bool) -> Self {
        Self { are_used, wanted: Mutex::default(), spoilt: Mutex::default() }
    }

    /// To be called when a segment was sealed, or was read without a hint and without damage.
    pub(crate) fn want(&self, segment: u32) {
        lock(&self.wanted).insert(segment);
    }

    /// To be called when a segment was read and damage was met in it.
    pub(crate) fn spoil(&self, segment: u32) {
        lock(&self.spoilt).insert(segment);
    }

    /// The next segment that needs a hint. Each is named once only: a hint that cannot be made now would fail again and
    /// again.
    pub(crate) fn next(&self, oldest: u32) -> Option<u32> {
        let mut wanted = lock(&self.wanted);
        *wanted = wanted.split_off(&oldest);
        wanted.pop_first()
    }
}

fn lock(segments: &Mutex<BTreeSet<u32>>) -> MutexGuard<'_, BTreeSet<u32>> {
    segments.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hints {
    /// The hint of a sealed segment, if there is a valid one.
    pub(crate) fn of(segments: &Segments, number: u32, file: &dyn DiskFile, length: u32) -> Option<Hint> {
        let mut seal: Seal = [0; HEAD];
        let from = length.checked_sub(HEAD as u32)?;
        let read = file.read_at(&mut seal, u64::from(from)).ok()?;
        let hint = segments.disk.open(&names::hint(number)).ok()?;
        // No hint is longer than its segment. A longer file is not read: it would cost more than the segment.
        let size = hint.len().ok().filter(|size| *size <= u64::from(length))?;
        let mut bytes = vec![0; size as usize];
        let is_whole = hint.read_at(&mut bytes, 0).ok()? == bytes.len() && read == HEAD;
        is_whole.then(|| Hint::parse(&bytes, number, length, &seal, segments.salt))?
    }

    /// Removes the hints of damaged segments, so that each process that opens the store reads the damage and reports it.
    pub(crate) fn remove_spoilt(&self, disk: &dyn Disk) {
        for number in std::mem::take(&mut *lock(&self.spoilt)) {
            let _ = disk.remove(&names::hint(number));
        }
    }

    /// Removes the hints of segments that are damaged, not sealed or missing, and the half-written hints that a crash
    /// left. No other process may use the directory meanwhile.
    pub(crate) fn remove_stray(&self, disk: &dyn Disk, last: u32) {
        self.remove_spoilt(disk);
        let Ok(names) = disk.names() else { return };
        let segments: BTreeSet<u32> = names.iter().filter_map(|name| names::segment_number(name)).collect();
        for name in &names {
            let is_stray = names::hint_number(name).is_some_and(|number| number >= last || !segments.contains(&number));
            if is_stray || names::is_half_written(name) {
                let _ = disk.remove(name);
            }
        }
    }
}

/// Removes the hints of segments that have left the log.
pub(crate) fn remove_trimmed(disk: &dyn Disk, oldest: u32) {
    let names = disk.names().unwrap_or_default();
    for name in names.iter().filter(|name| names::hint_number(name).is_some_and(|number| number < oldest)) {
        let _ = disk.remove(name);
    }
}
