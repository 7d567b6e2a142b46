//! One round of a sweeper.

use crate::model::error::{Error, Result};
use crate::store::Swept;

/// What the steps of a round have done so far.
#[derive(Default)]
pub(super) struct Round {
    removed: u64,
    pub(super) is_prepared: bool,
    /// What went wrong before the sweeping, which goes on all the same.
    pub(super) unprepared: Option<Error>,
}

impl Round {
    /// Adds a step. If that was the last one, returns the result of the whole round.
    pub(super) fn add(&mut self, step: Result<Swept>) -> Option<Result<Swept>> {
        match step {
            Ok(Swept { removed, more }) => {
                self.removed += removed;
                // A store that has more to remove, and removes nothing, would keep the round going for ever.
                (!more || removed == 0).then(|| match self.unprepared.take() {
                    Some(error) => Err(error),
                    None => Ok(Swept { removed: self.removed, more }),
                })
            }
            Err(error) => Some(Err(error)),
        }
    }
}
