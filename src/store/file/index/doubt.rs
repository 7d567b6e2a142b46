//! Doubt about sessions: a lost frame may have been a tombstone of any session that stands before it (protocol rule 11).

use crate::model::key::{KeySet, SessionKey};
use crate::store::file::format::position::Position;

/// The sessions that stand before a bad place, without those that a frame beyond it shows to have lived.
pub(crate) struct Doubt {
    before: Position,
    /// Sessions that stand before the place and were touched beyond it, so they lived.
    touched: KeySet,
    /// Sessions that stood before the place and were moved beyond it, which does not show that they lived.
    moved: KeySet,
}

impl Doubt {
    pub(crate) fn of_all_before(before: Position) -> Self {
        Self { before, touched: KeySet::default(), moved: KeySet::default() }
    }

    /// Whether a session whose record stands here is in doubt.
    pub(crate) fn is_about(&self, key: &SessionKey, at: Position) -> bool {
        at < self.before && !self.touched.contains(key) || self.moved.contains(key)
    }

    /// Whether all that was lost stood before this place.
    pub(crate) fn lies_before(&self, place: Position) -> bool {
        self.before <= place
    }

    /// A session whose record stands here was touched. Beyond the place nothing has to be noted of it.
    pub(crate) fn touched(&mut self, key: SessionKey, at: Position) {
        self.moved.remove(&key);
        if at < self.before {
            self.touched.insert(key);
        }
    }

    /// A session was put, so it lived then; or it has ended. Nothing more has to be known of it, so that sessions that come
    /// and go leave nothing here.
    pub(crate) fn forget(&mut self, key: &SessionKey) {
        self.moved.remove(key);
        self.touched.remove(key);
    }

    /// A session that was moved, and whose record stood here before, is in doubt if it was in doubt there.
    pub(crate) fn moved(&mut self, key: SessionKey, stood: Option<Position>) {
        let was_doubtful = stood.is_some_and(|at| self.is_about(&key, at));
        self.forget(&key);
        if was_doubtful {
            self.moved.insert(key);
        }
    }

    /// Of how many sessions something is noted.
    #[cfg(test)]
    pub(crate) fn noted(&self) -> usize {
        self.touched.len() + self.moved.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Position = Position::new(1, 500);
    const BEFORE: Position = Position::new(1, 100);
    const BEYOND: Position = Position::new(1, 600);

    fn key(byte: u8) -> SessionKey {
        SessionKey::from_bytes([byte; 16])
    }

    #[test]
    fn a_session_is_in_doubt_until_something_is_heard_of_it() {
        let mut doubt = Doubt::of_all_before(PLACE);
        assert!(doubt.is_about(&key(1), BEFORE));
        assert!(!doubt.is_about(&key(1), PLACE));
        doubt.touched(key(1), BEFORE);
        assert!(!doubt.is_about(&key(1), BEFORE));
        assert!(doubt.is_about(&key(2), BEFORE), "nothing was heard of this one");
    }

    #[test]
    fn a_move_tells_nothing_and_a_put_or_a_touch_behind_it_does() {
        let mut doubt = Doubt::of_all_before(PLACE);
        for n in 1..=3 {
            doubt.moved(key(n), Some(BEFORE));
            assert!(doubt.is_about(&key(n), BEYOND));
        }
        doubt.forget(&key(1));
        doubt.touched(key(2), BEYOND);
        doubt.moved(key(3), Some(BEYOND));
        assert_eq!([1, 2, 3].map(|n| doubt.is_about(&key(n), BEYOND)), [false, false, true]);
        // No doubt is about a session that was touched before it moved, nor about one that stood beyond the place.
        doubt.touched(key(4), BEFORE);
        doubt.moved(key(4), Some(BEFORE));
        doubt.moved(key(5), Some(BEYOND));
        doubt.moved(key(6), None);
        assert_eq!([4, 5, 6].map(|n| doubt.is_about(&key(n), BEYOND)), [false; 3]);
    }

    #[test]
    fn what_was_lost_lies_before_its_place() {
        let doubt = Doubt::of_all_before(PLACE);
        assert_eq!([BEFORE, PLACE, BEYOND].map(|place| doubt.lies_before(place)), [false, true, true]);
    }
}
