//! The cache: records that were used lately stay in memory, within a budget of bytes.

use crate::model::bytes::Bytes;
use crate::model::key::SessionKey;
use crate::model::record::Revision;
use crate::store::file::index::Index;
use crate::store::file::index::hash_table::SlotNumber;

/// The clock algorithm (second chance): a hand goes round over the sessions' slots, and drops each record that was not used
/// since the hand last passed.
///
/// The cached records themselves stand in the arena, so that a load is one look-up and a record takes no memory but its own.
pub(crate) struct Cache {
    budget: usize,
    hand: SlotNumber,
}

impl Cache {
    pub(crate) fn new(budget: usize) -> Self {
        Self { budget, hand: 0 }
    }

    /// Whether any record is cached at all.
    pub(crate) fn keeps_any(&self) -> bool {
        self.budget > 0
    }

    /// Caches the bytes of a record that the index knows at this revision, and drops others until the budget holds.
    pub(crate) fn keep(&mut self, index: &mut Index, key: &SessionKey, revision: Revision, bytes: Bytes) {
        if index.cache(key, revision, bytes, self.budget) {
            while index.cached_bytes() > self.budget {
                self.hand = index.pass(self.hand);
            }
        }
    }
}
