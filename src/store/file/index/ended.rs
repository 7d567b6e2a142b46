//! Looks at the sessions that have ended, or may have: each in a number of steps that is bounded, or in parts.
//!
//! The order in which sessions end is not kept here, and nothing is removed.

use crate::model::time::Timestamp;
use crate::store::file::index::arena::{Arena, MANY};
use crate::store::file::index::deadlines::{Bucket, Place, end_of};
use crate::store::file::index::hash_table::SlotNumber;
use crate::store::file::index::list::Linked as _;
use crate::store::file::threads::steps;

impl Arena {
    /// Bucket after bucket, the sessions that may end by this place: all that do, and others.
    pub(crate) fn ending_by(&self, last: Place) -> impl Iterator<Item = impl Iterator<Item = SlotNumber>> {
        let counted = |number: SlotNumber| {
            steps::count(1);
            number
        };
        let lives = |number: &SlotNumber| !self.is_dead(*number);
        self.deadlines.until(&self.cold, last).map(move |bucket| bucket.map(counted).filter(lives))
    }

    /// Counts the sessions that have ended by this time, without traces, from bucket `from` on. After many sessions it stops at the end of a
    /// bucket and returns the next one.
    pub(crate) fn count_ended(&self, mut from: Bucket, now: Timestamp, ended: &mut usize) -> Option<Bucket> {
        let (mut seen, last) = (0, Bucket::last_of(&end_of(now)));
        while let Some((here, first)) = self.deadlines.first_within(from..=last) {
            for number in self.cold.chain(first) {
                steps::count(1);
                seen += 1;
                let counts = !self.is_dead(number) && !self.at(number).is_trace();
                *ended += usize::from(counts && self.hot[number].expiry.is_expired_at(now));
            }
            from = here.next();
            if seen >= MANY {
                return Some(from);
            }
        }
        None
    }

    /// Looks at some of the sessions that end first, at most so many, and returns those that have ended by this time.
    /// One that stands too early moves into its true bucket, so that the next look finds others.
    pub(crate) fn some_ended(&mut self, by: Timestamp, looks: usize) -> Vec<Place> {
        let (mut from, last) = (Bucket::FIRST, Bucket::last_of(&end_of(by)));
        let (mut left, mut ended) = (looks, Vec::new());
        while let Some((here, first)) = self.deadlines.first_within(from..=last).filter(|_| left > 0) {
            for number in self.cold.chain(first).take(left).collect::<Vec<_>>() {
                steps::count(1);
                left -= 1;
                let place = self.place(number);
                if place.0 <= by {
                    ended.extend((!self.is_dead(number)).then_some(place));
                } else if !self.deadlines.holds(here)(&place) {
                    self.deadlines.leave(&mut self.cold, number);
                    self.deadlines.join(&mut self.cold, &place, number);
                }
            }
            from = here.next();
        }
        ended
    }

    /// How many sessions stand in each bucket.
    #[cfg(test)]
    pub(crate) fn ending_together(&self) -> Vec<usize> {
        self.deadlines.until(&self.cold, end_of(Timestamp::NEVER)).map(Iterator::count).collect()
    }
}
