//! How much is measured: as much as a figure to be published needs, or a quick look.

use std::time::Duration;

use crate::operation::Operation;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    /// How long a contender's turn takes.
    pub(crate) slice: Duration,
    /// How long the filling of a contender may take.
    pub(crate) patience: Duration,
    /// The most saves between the first and the second look at the disk.
    pub(crate) churn: u64,
    /// The most sessions that requests are measured with.
    pub(crate) request_sessions: u64,
    pub(crate) http_rounds: usize,
    /// How long a turn of requests over the network takes. wrk takes only whole seconds.
    pub(crate) http_seconds: u64,
}

impl Effort {
    pub(crate) const FULL: Self = Self {
        rounds: 21,
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

    /// Slow operations have fewer rounds. Bytes are counted once.
    pub(crate) fn rounds_of(self, operation: Operation) -> usize {
        match operation {
            operation if operation.is_bytes() => 1,
            operation if operation.is_http() => self.http_rounds,
            Operation::Sweep => self.rounds.min(7),
            Operation::OpenCleanWarm | Operation::OpenCleanCold => self.rounds.min(7),
            Operation::OpenKilledWarm | Operation::OpenKilledCold => self.rounds.min(5),
            _ => self.rounds,
        }
    }

    /// How many turns a turn of this operation counts as, for the estimate of the time that is left.
    pub(crate) fn weight_of(self, operation: Operation) -> u64 {
        // A second is as long as twenty turns of 50 ms. With all that surrounds them, shorter turns take about as long.
        if operation.is_http() { self.http_seconds * 20 } else { 1 }
    }

    /// How many turns all rounds of an operation count as.
    pub(crate) fn turns_of(self, operation: Operation) -> u64 {
        self.rounds_of(operation) as u64 * self.weight_of(operation)
    }

    /// How long a contender may take in one discipline. The rounds that it has done by then count.
    pub(crate) fn patience_in_a_race(self) -> Duration {
        self.patience / 10
    }
}
