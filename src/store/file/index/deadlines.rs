//! Sessions by deadline, as in a timer wheel: those that end within the same 16 seconds share a bucket, in no order.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::model::time::Timestamp;
use crate::store::file::index::hash_table::SlotNumber;
use crate::store::file::index::list::{Linked, NONE};

/// The first session of each bucket.
#[derive(Default)]
pub(crate) struct Deadlines(BTreeMap<u32, SlotNumber>);

/// A bucket is 2^14 milliseconds wide.
const BUCKET_BITS: u32 = 14;

/// The last bucket holds all sessions that end later than in a thousand years, or never.
pub(crate) const LAST_BUCKET: u32 = (1 << 31) - 2;

/// The bucket of this time.
pub(crate) fn bucket(end: Timestamp) -> u32 {
    (end.as_millis() >> BUCKET_BITS).min(LAST_BUCKET.into()) as u32
}

impl Deadlines {
    pub(crate) fn join(&mut self, sessions: &mut impl Linked, bucket: u32, number: SlotNumber) {
        sessions.join(bucket, self.0.entry(bucket).or_insert(NONE), number);
    }

    pub(crate) fn leave(&mut self, sessions: &mut impl Linked, number: SlotNumber) {
        match sessions.leave(number) {
            Some((bucket, NONE)) => drop(self.0.remove(&bucket)),
            Some((bucket, first)) => drop(self.0.insert(bucket, first)),
            None => {}
        }
    }

    /// The sessions of each bucket up to this one.
    pub(crate) fn until(
        &self,
        sessions: &impl Linked,
        last: u32,
    ) -> impl Iterator<Item = impl Iterator<Item = SlotNumber>> {
        self.0.range(..=last).map(|(_, first)| sessions.chain(*first))
    }

    /// The first of these buckets that holds any session, and its first session.
    pub(crate) fn first_within(&self, buckets: RangeInclusive<u32>) -> Option<(u32, SlotNumber)> {
        self.0.range(buckets).next().map(|(bucket, first)| (*bucket, *first))
    }
}
