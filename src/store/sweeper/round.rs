//! One round of a sweeper.

use crate::model::error::Result;
use crate::store::Swept;

/// How many sessions the steps of a round have removed so far.
#[derive(Default)]
pub(super) struct Round(u64);

impl Round {
    /// Adds a step. If that was the last one, returns the result of the whole round.
    pub(super) fn add(&mut self, step: Result<Swept>) -> Option<Result<Swept>> {
        match step {
            Ok(Swept { removed, more }) => {
                self.0 += removed;
                // A store that has more to remove, and removes nothing, would keep the round going for ever.
                (!more || removed == 0).then_some(Ok(Swept { removed: self.0, more }))
            }
            Err(error) => Some(Err(error)),
        }
    }
}
