//! Which records stay in memory: those used lately, within a budget of bytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::index::Index;
use crate::key::SessionKey;
use crate::record::{Record, Revision};

/// A clock: records leave in the order in which they came, but one that was used meanwhile gets another round.
///
/// The records themselves hang in the index, so that a load is one look-up. What is here is the order, and the bytes
/// that each is counted with; a record that was replaced counts until its turn comes.
pub(crate) struct Cache {
    budget: usize,
    bytes: usize,
    order: VecDeque<(SessionKey, Revision, usize)>,
}

/// What a record costs beyond its data.
const OVERHEAD: usize = 256;

impl Cache {
    pub(crate) fn new(budget: usize) -> Self {
        Self { budget, bytes: 0, order: VecDeque::new() }
    }

    /// Keeps a record that the index knows at this revision; another one is not kept.
    pub(crate) fn keep(&mut self, index: &mut Index, key: &SessionKey, record: Arc<Record>) {
        let bytes = OVERHEAD + record.data().size();
        let revision = record.revision();
        let Some(slot) = index.get_mut_cached(key) else { return };
        if slot.revision != revision || slot.cached.is_some() || bytes > self.budget {
            return;
        }
        slot.cached = Some(record);
        self.order.push_back((*key, revision, bytes));
        self.bytes += bytes;
        self.shrink(index);
    }

    /// The index was replaced, and all records with it.
    pub(crate) fn forget(&mut self) {
        *self = Self::new(self.budget);
    }

    fn shrink(&mut self, index: &mut Index) {
        while self.bytes > self.budget {
            let Some((key, revision, bytes)) = self.order.pop_front() else { return };
            if let Some(slot) = index.get_mut_cached(&key).filter(|slot| slot.revision == revision) {
                if slot.used.swap(false, Ordering::Relaxed) && slot.cached.is_some() {
                    self.order.push_back((key, revision, bytes));
                    continue;
                }
                slot.cached = None;
            }
            self.bytes -= bytes;
        }
    }
}
