//! What a busy site does all day.

use std::time::Duration;

use cloakroom::Timestamp;

use super::Numbers;

/// What a request does to its session.
pub(crate) enum Visit {
    Load,
    Touch,
    Save,
}

/// A stream of requests, and what is saved by them.
pub(crate) struct Visitor<S> {
    numbers: Numbers,
    now: Timestamp,
    pub(crate) saves: S,
}

impl<S> Visitor<S> {
    pub(crate) fn new(seed: u64, now: Timestamp, saves: S) -> Self {
        Self { numbers: Numbers(seed), now, saves }
    }

    /// 80 % load, 15 % touch, 5 % save: what, which session, and when.
    pub(crate) fn next(&mut self, sessions: u64) -> (Visit, u64, Timestamp) {
        self.now = self.now.plus(Duration::from_millis(1));
        let visit = match self.numbers.below(100) {
            0..80 => Visit::Load,
            80..95 => Visit::Touch,
            _ => Visit::Save,
        };
        (visit, self.numbers.below(sessions), self.now)
    }
}
