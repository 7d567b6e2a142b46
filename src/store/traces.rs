//! Traces as a store in memory keeps them, and how many any store of this crate keeps.

use std::collections::BTreeSet;

use crate::model::key::{KeyMap, SessionKey};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;

/// [`Limits::traces`](crate::Limits::traces) by default: a thousand rotations, logins and logouts in a second, for more than a
/// minute.
pub const MAX_TRACES: usize = 100_000;

/// Traces by key, those that are over included, and in the order of their ends. Both change together.
pub(super) struct Traces {
    most: usize,
    by_key: KeyMap<Trace>,
    by_end: BTreeSet<(Timestamp, SessionKey)>,
}

impl Default for Traces {
    fn default() -> Self {
        Self::at_most(MAX_TRACES)
    }
}

impl Traces {
    /// No traces. Beyond this number the one goes that would have ended first.
    pub(super) fn at_most(most: usize) -> Self {
        Self { most, by_key: KeyMap::default(), by_end: BTreeSet::new() }
    }

    /// The trace under a key, unless it is over.
    pub(super) fn get(&self, key: &SessionKey, now: Timestamp) -> Option<&Trace> {
        self.by_key.get(key).filter(|trace| !trace.is_over_at(now))
    }

    /// Leaves a trace in the place of whatever trace stands there.
    pub(super) fn set(&mut self, key: SessionKey, trace: Trace) {
        self.remove(&key);
        self.by_end.insert((trace.ends(), key));
        self.by_key.insert(key, trace);
        if self.by_end.len() > self.most
            && let Some((_, first)) = self.by_end.pop_first()
        {
            self.by_key.remove(&first);
        }
    }

    pub(super) fn remove(&mut self, key: &SessionKey) {
        if let Some(trace) = self.by_key.remove(key) {
            self.by_end.remove(&(trace.ends(), *key));
        }
    }

    /// Removes traces that are over by this time, so many at most, and says whether there are more.
    pub(super) fn sweep(&mut self, over_by: Timestamp, budget: usize) -> bool {
        let mut left = budget;
        while let Some(&(_, key)) = self.by_end.first().filter(|(end, _)| *end <= over_by) {
            if left == 0 {
                return true;
            }
            left -= 1;
            self.remove(&key);
        }
        false
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.by_key.len(), self.by_end.len());
        self.by_key.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_than_the_bound_and_the_one_that_ends_first_goes() {
        let key = |n: usize| SessionKey::from_bytes((n as u128).to_le_bytes());
        let mut traces = Traces::at_most(3);
        for n in 0..10 {
            traces.set(key(n), Trace::ended(Timestamp::from_millis(10_000 - n as u64)));
        }
        assert_eq!(traces.len(), 3);
        let stands = |n: usize| traces.get(&key(n), Timestamp::EPOCH).is_some();
        // Each of those beyond the bound would have ended first itself.
        assert!(stands(0) && stands(2) && !stands(3));
    }
}
