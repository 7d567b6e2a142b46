//! How much is measured: as much as a figure to be published needs, or a quick look.

use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    /// How long a contender's turn takes.
    pub(crate) slice: Duration,
    /// How long one may take to be filled.
    pub(crate) patience: Duration,
    /// Saves between the first and the second look at the disk, at most.
    pub(crate) churn: u64,
    /// Requests are measured with so many sessions, at most.
    pub(crate) request_sessions: u64,
    pub(crate) http_rounds: usize,
    /// How long a turn of requests over the network takes, in whole seconds.
    pub(crate) http_seconds: u64,
}

impl Effort {
    pub(crate) const FULL: Self = Self {
        rounds: 31,
        slice: Duration::from_millis(50),
        patience: Duration::from_secs(1_200),
        churn: 100_000,
        request_sessions: 100_000,
        http_rounds: 5,
        http_seconds: 2,
    };

    pub(crate) const QUICK: Self = Self {
        rounds: 3,
        slice: Duration::from_millis(4),
        patience: Duration::from_secs(40),
        churn: 10_000,
        request_sessions: 10_000,
        http_rounds: 1,
        http_seconds: 1,
    };

    /// How long one may take in one discipline; what rounds it has done by then count.
    pub(crate) fn patience_in_a_race(self) -> Duration {
        self.patience / 10
    }
}
