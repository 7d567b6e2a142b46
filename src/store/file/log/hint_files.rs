//! The hints in the directory: looked at when the log is read, made by the store's thread, removed with their segments.
//!
//! A hint is never needed, so nothing about one is ever an error: what cannot be read is not there, and what cannot be written
//! is left to the next who opens the store.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use crate::store::file::disk::{Disk, DiskFile};
use crate::store::file::format::frame::HEAD;
use crate::store::file::format::hint::{Hint, Seal};
use crate::store::file::format::names;
use crate::store::file::log::segments::Segments;
use crate::store::file::threads::{Mutex, MutexGuard};

/// What is known of the hints.
pub(crate) struct Hints {
    /// Whether they are believed: not by who wants to see every byte.
    pub(crate) are_used: bool,
    /// Sealed segments that have none.
    wanted: Mutex<BTreeSet<u32>>,
    /// Segments in which damage was met.
    spoilt: Mutex<BTreeSet<u32>>,
}

impl Hints {
    pub(crate) fn new(are_used: bool) -> Self {
        Self { are_used, wanted: Mutex::default(), spoilt: Mutex::default() }
    }

    /// A segment was sealed, or read without a hint, and no damage met in it.
    pub(crate) fn want(&self, segment: u32) {
        lock(&self.wanted).insert(segment);
    }

    /// A segment was read, and damage met in it.
    pub(crate) fn spoil(&self, segment: u32) {
        lock(&self.spoilt).insert(segment);
    }

    /// The next segment that needs one. It is asked for no more: who fails once would fail again and again.
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
    /// The hint of a sealed segment, if there is one that holds.
    pub(crate) fn of(segments: &Segments, number: u32, file: &dyn DiskFile, length: u32) -> Option<Hint> {
        let mut seal: Seal = [0; HEAD];
        let from = length.checked_sub(HEAD as u32)?;
        let read = file.read_at(&mut seal, u64::from(from)).ok()?;
        let hint = segments.disk.open(&names::hint(number)).ok()?;
        // A longer one is no hint, and shall not cost more than the segment would.
        let size = hint.len().ok().filter(|size| *size <= u64::from(length))?;
        let mut bytes = vec![0; size as usize];
        let is_whole = hint.read_at(&mut bytes, 0).ok()? == bytes.len() && read == HEAD;
        is_whole.then(|| Hint::parse(&bytes, number, length, &seal, segments.salt))?
    }

    /// Removes the hints of damaged segments: each process that opens the store is to hear of the damage.
    pub(crate) fn remove_spoilt(&self, disk: &dyn Disk) {
        for number in std::mem::take(&mut *lock(&self.spoilt)) {
            let _ = disk.remove(&names::hint(number));
        }
    }

    /// Removes the hints of segments that are damaged, not sealed or not there, and what a crash left of one that was being
    /// written. No other process may use the directory.
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
