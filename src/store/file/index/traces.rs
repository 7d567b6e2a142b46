//! Which entries of the arena are traces, in the order of their ends, and how many bytes their frames take.
//!
//! A trace stands in the arena as a session does, so that whatever treats the log treats both alike. What has to tell them
//! apart asks the slot.

use std::collections::BTreeSet;

use crate::model::key::SessionKey;
use crate::store::file::index::deadlines::Place;

/// See the module.
#[derive(Default)]
pub(crate) struct Traces {
    by_end: BTreeSet<Place>,
    bytes: u64,
}

impl Traces {
    pub(super) fn add(&mut self, place: Place, bytes: u32) {
        self.by_end.insert(place);
        self.bytes += u64::from(bytes);
    }

    pub(super) fn remove(&mut self, place: &Place, bytes: u32) {
        self.by_end.remove(place);
        self.bytes -= u64::from(bytes);
    }

    pub(crate) fn len(&self) -> usize {
        self.by_end.len()
    }

    /// How many end by this place.
    pub(crate) fn count_until(&self, last: &Place) -> usize {
        self.by_end.range(..=last).count()
    }

    /// Bytes of their frames.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Their keys, in the order of their ends.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &SessionKey> {
        self.by_end.iter().map(|(_, key)| key)
    }
}
