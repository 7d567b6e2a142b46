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

    /// Caches the bytes of a record that the index knows at this revision, and drops others until the budget holds. A record
    /// for which the hand finds no room in some steps is not cached: loads wait meanwhile, and the hand may stand before a
    /// million sessions that are not cached. The next record goes on from there.
    pub(crate) fn keep(&mut self, index: &mut Index, key: &SessionKey, revision: Revision, bytes: Bytes) {
        const STEPS: usize = 256;
        let Some(number) = index.cache(key, revision, bytes, self.budget) else { return };
        for _ in 0..STEPS {
            if index.cached_bytes() <= self.budget {
                return;
            }
            self.hand = index.pass(self.hand);
        }
        if index.cached_bytes() > self.budget {
            index.uncache(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::lifetime::Expiry;
    use crate::model::time::Timestamp;
    use crate::store::file::format::effect::Effect;
    use crate::store::file::format::meta::RecordMeta;
    use crate::store::file::format::segment;

    #[test]
    fn the_hand_takes_few_steps_at_a_time_and_the_budget_holds() {
        const SESSIONS: u32 = 5_000;
        let key = |n: u32| {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&n.to_le_bytes());
            SessionKey::from_bytes(bytes)
        };
        let mut index = Index::new(1);
        let revision = Revision::from_u64(1);
        for n in 0..SESSIONS {
            let expiry = Expiry::from_parts(Timestamp::EPOCH, None, None);
            let meta = RecordMeta { at: segment::start(1), bytes: 100, revision, expiry, owner: None, is_trace: false };
            index.apply(Effect::Put(key(n), meta));
        }
        let mut cache = Cache::new(1_000);
        let keep = |cache: &mut Cache, index: &mut Index, n: u32| {
            let hand = cache.hand;
            cache.keep(index, &key(n), revision, [0; 168][..].into());
            assert!(index.cached_bytes() <= 1_000);
            assert!((cache.hand + SESSIONS - hand) % SESSIONS <= 256, "from {hand} to {}", cache.hand);
            index.get(&key(n)).unwrap().is_cached()
        };
        assert!((0..5).all(|n| keep(&mut cache, &mut index, n)), "there is room for five");
        assert!(keep(&mut cache, &mut index, 4_000), "the first one goes");
        // The hand now passes those that stay, and no other is near.
        while cache.hand < 5 {
            let next = 4_000 + cache.hand;
            keep(&mut cache, &mut index, next);
        }
        let cached = (3_000..3_100).rev().filter(|n| keep(&mut cache, &mut index, *n)).count();
        assert!((1..100).contains(&cached), "{cached} of a hundred were cached, in some rounds of the hand");
    }
}
