//! The sweeping that goes with each create, so that a store that nobody sweeps does not grow without bound: how much of it,
//! and how far behind the clock. Each store removes the sessions itself, in the same step as it stores the new one.

use std::time::Duration;

use crate::model::time::Timestamp;

/// So many expired sessions at most leave with a create. Each create adds one session, so what nobody sweeps becomes less.
pub(crate) const SWEPT: usize = 2;

/// Only sessions that have been over for so long leave, with a create as by a sweeper. The clocks of two processes differ, and
/// what the one does that is ahead must not remove what lives for the other.
pub(crate) const BEHIND: Duration = Duration::from_secs(5 * 60);

/// A create at this time removes sessions that were over by the time that is returned.
pub(crate) fn over_by(now: Timestamp, behind: Duration) -> Timestamp {
    Timestamp::from_millis(now.as_millis().saturating_sub(behind.as_millis() as u64))
}
