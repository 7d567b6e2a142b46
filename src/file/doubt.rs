//! Doubt about sessions: frames are lost of which nobody can tell what they said, and they may have ended any session that
//! stands before them (protocol rule 11).

use super::index::KeySet;
use super::position::Position;
use crate::key::SessionKey;

/// The sessions that stand before a place, but for those of which something was heard behind it.
pub(crate) struct Doubt {
    before: Position,
    /// Sessions that stand before it and were touched behind it, so they lived.
    touched: KeySet,
    /// Sessions that stood before it and were moved behind it, which says nothing.
    moved: KeySet,
}

impl Doubt {
    pub(crate) fn of_all_before(before: Position) -> Self {
        Self { before, touched: KeySet::default(), moved: KeySet::default() }
    }

    /// Whether a session that stands here is in doubt.
    pub(crate) fn is_about(&self, key: &SessionKey, at: Position) -> bool {
        at < self.before && !self.touched.contains(key) || self.moved.contains(key)
    }

    /// Whether what was lost stood before this place.
    pub(crate) fn lies_before(&self, place: Position) -> bool {
        self.before <= place
    }

    pub(crate) fn touched(&mut self, key: SessionKey) {
        self.moved.remove(&key);
        self.touched.insert(key);
    }

    /// A session that was put lived then.
    pub(crate) fn put(&mut self, key: &SessionKey) {
        self.moved.remove(key);
    }

    /// One that was moved, and stood here before, is in doubt as much as it was.
    pub(crate) fn moved(&mut self, key: SessionKey, stood: Option<Position>) {
        if stood.is_some_and(|at| self.is_about(&key, at)) {
            self.moved.insert(key);
        } else {
            self.moved.remove(&key);
        }
    }
}
