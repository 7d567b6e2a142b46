//! Sessions by deadline, in buckets. The buckets are in the order of (end, key); the sessions of one bucket are in no order.
//!
//! As in a timer wheel, the sessions that end within the same 16 seconds share a bucket at first. If there are many, the
//! bucket is split when a sweep reaches it: else each sweep of a hundred would look at all of them. A session stands in any
//! bucket that begins at or before its own place in the order: so a put-off deadline moves nothing. Nothing here knows when
//! a session ends, or moves one by itself.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::ops::RangeInclusive;

use crate::model::key::SessionKey;
use crate::model::time::Timestamp;
use crate::store::file::index::hash_table::SlotNumber;
use crate::store::file::index::list::{Linked, NONE};

/// A session's place in the order of ends.
pub(crate) type Place = (Timestamp, SessionKey);

/// The place behind all sessions that have ended by this time.
pub(crate) fn end_of(now: Timestamp) -> Place {
    (now, SessionKey::from_bytes([u8::MAX; 16]))
}

/// Where a bucket begins: the window of 2^14 milliseconds (30 bits), the millisecond in it (14), the first bits of the key
/// (16), and the level (3). A bucket of level 0 begins with its window. Each further level tells apart some more of the
/// bits, and its buckets come after the one that was split into them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bucket(u64);

const WINDOW_BITS: u32 = 14;
const KEY_BITS: u32 = 16;
const FINE_BITS: u32 = WINDOW_BITS + KEY_BITS;
const LEVEL_BITS: u32 = 3;

/// How many of the fine bits each level tells apart.
const TOLD_APART: [u32; 5] = [0, 7, 14, 22, FINE_BITS];

/// The last window holds all sessions that end later than in five hundred years, or never.
const LAST_WINDOW: u64 = (1 << 30) - 1;

impl Bucket {
    pub(crate) const FIRST: Self = Self(0);

    /// The bucket of a level that this place belongs to.
    fn of((end, key): &Place, level: usize) -> Self {
        let window = (end.as_millis() >> WINDOW_BITS).min(LAST_WINDOW);
        let millis = (end.as_millis() - (window << WINDOW_BITS)).min((1 << WINDOW_BITS) - 1);
        let [first, second, ..] = *key.as_bytes();
        let fine = millis << KEY_BITS | u64::from(u16::from_be_bytes([first, second]));
        let equal = FINE_BITS - TOLD_APART[level];
        Self((window << FINE_BITS | fine >> equal << equal) << LEVEL_BITS | level as u64)
    }

    /// The last bucket in which a session of this place, or of one before it, may stand.
    pub(crate) fn last_of(place: &Place) -> Self {
        Self::of(place, TOLD_APART.len() - 1)
    }

    /// The bucket of the next level for a session of this one; `None` if the levels tell no more apart, or if the session
    /// does not belong into this window.
    pub(crate) fn part_for(self, place: &Place) -> Option<Self> {
        let part = self.can_be_split().then(|| Self::of(place, self.level() + 1))?;
        (part.window() == self.window()).then_some(part)
    }

    pub(crate) fn can_be_split(self) -> bool {
        self.level() + 1 < TOLD_APART.len()
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    fn level(self) -> usize {
        (self.0 & ((1 << LEVEL_BITS) - 1)) as usize
    }

    fn window(self) -> u32 {
        (self.0 >> (FINE_BITS + LEVEL_BITS)) as u32
    }
}

/// The first session of each bucket.
#[derive(Default)]
pub(crate) struct Deadlines {
    first: BTreeMap<Bucket, SlotNumber>,
    /// The buckets above level 0 by number, and the free numbers. A bucket of level 0 has the number of its window, so it
    /// costs nothing here.
    parts: Vec<Bucket>,
    free: Vec<u32>,
}

/// The numbers of chains from here on belong to `parts`.
const PARTS: u32 = LAST_WINDOW as u32 + 1;

impl Deadlines {
    /// Puts a session into the bucket that its place lies in.
    pub(crate) fn join(&mut self, sessions: &mut impl Linked, place: &Place, number: SlotNumber) {
        let bucket = Bucket::last_of(place);
        let before = self.first.range_mut(..=bucket).next_back();
        match before.filter(|(before, _)| before.window() == bucket.window()) {
            Some((_, first)) => sessions.join(sessions.chain_of(*first), first, number),
            None => self.join_bucket(sessions, Bucket::of(place, 0), number),
        }
    }

    /// Puts a session into this bucket, which begins at or before its place.
    pub(crate) fn join_bucket(&mut self, sessions: &mut impl Linked, bucket: Bucket, number: SlotNumber) {
        if let Some(first) = self.first.get_mut(&bucket) {
            return sessions.join(sessions.chain_of(*first), first, number);
        }
        let chain = match bucket.level() {
            0 => bucket.window(),
            _ => match self.free.pop() {
                Some(chain) => {
                    self.parts[(chain - PARTS) as usize] = bucket;
                    chain
                }
                None => {
                    self.parts.push(bucket);
                    PARTS + self.parts.len() as u32 - 1
                }
            },
        };
        sessions.join(chain, self.first.entry(bucket).or_insert(NONE), number);
    }

    pub(crate) fn leave(&mut self, sessions: &mut impl Linked, number: SlotNumber) {
        match sessions.leave(number) {
            Some((chain, NONE)) => self.remove(chain),
            Some((chain, first)) => {
                self.first.insert(self.bucket_of(chain), first);
            }
            None => {}
        }
    }

    /// Removes a bucket with all that is in it, by its chain.
    pub(crate) fn remove(&mut self, chain: u32) {
        self.first.remove(&self.bucket_of(chain));
        if chain >= PARTS {
            self.free.push(chain);
            if self.free.len() == self.parts.len() {
                (self.parts, self.free) = Default::default();
            }
        }
    }

    /// Notes that a session stands at this number: it was moved with its link.
    pub(crate) fn moved(&mut self, sessions: &mut impl Linked, number: SlotNumber) {
        if let Some(chain) = sessions.moved(number) {
            self.first.insert(self.bucket_of(chain), number);
        }
    }

    fn bucket_of(&self, chain: u32) -> Bucket {
        let window = Bucket(u64::from(chain) << (FINE_BITS + LEVEL_BITS));
        chain.checked_sub(PARTS).map_or(window, |part| self.parts[part as usize])
    }

    /// The sessions of each bucket up to the one that this place lies in.
    pub(crate) fn until(
        &self,
        sessions: &impl Linked,
        last: Place,
    ) -> impl Iterator<Item = impl Iterator<Item = SlotNumber>> {
        self.first.range(..=Bucket::last_of(&last)).map(|(_, first)| sessions.chain(*first))
    }

    /// The first of these buckets that holds any session, and its first session.
    pub(crate) fn first_within(&self, buckets: RangeInclusive<Bucket>) -> Option<(Bucket, SlotNumber)> {
        // A map panics where a range begins behind its end.
        let buckets = (!buckets.is_empty()).then_some(buckets)?;
        self.first.range(buckets).next().map(|(bucket, first)| (*bucket, *first))
    }

    /// The places that lie in this bucket and in no other.
    pub(crate) fn holds(&self, bucket: Bucket) -> impl Fn(&Place) -> bool + use<> {
        let next = self.first.range((Excluded(bucket), Unbounded)).next().map(|(next, _)| *next);
        move |place| {
            let last = Bucket::last_of(place);
            last.window() == bucket.window() && next.is_none_or(|next| last < next)
        }
    }

    #[cfg(test)]
    pub(crate) fn parts(&self) -> usize {
        self.parts.len()
    }
}
