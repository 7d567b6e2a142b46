//! Which records stay in memory: those used lately, within a budget of bytes.

use crate::model::bytes::Bytes;
use crate::model::key::SessionKey;
use crate::model::record::Revision;
use crate::store::file::index::Index;
use crate::store::file::index::hash_table::SlotNumber;

/// A clock: a hand goes round over the sessions' slots, and where it passes a record that was not used since it came by,
/// that record goes.
///
/// The records themselves hang in the slots, so that a load is one look-up and keeping one takes no memory but its own.
pub(crate) struct Cache {
    budget: usize,
    hand: SlotNumber,
}

impl Cache {
    pub(crate) fn new(budget: usize) -> Self {
        Self { budget, hand: 0 }
    }

    /// Whether anything is kept at all.
    pub(crate) fn keeps_any(&self) -> bool {
        self.budget > 0
    }

    /// Keeps the bytes of a record that the index knows at this revision; others are not kept.
    pub(crate) fn keep(&mut self, index: &mut Index, key: &SessionKey, revision: Revision, bytes: Bytes) {
        if index.cache(key, revision, bytes, self.budget) {
            while index.cached() > self.budget {
                self.hand = index.pass(self.hand);
            }
        }
    }
}
