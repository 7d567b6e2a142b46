//! Waiting for a lock of another process, never without a limit (protocol rule 19).

use std::io;
use std::time::{Duration, Instant};

/// How long an operation waits for the writer lock, unless the options say otherwise.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(5);

pub(crate) const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// The pauses between attempts: short at first, because most locks are held for microseconds.
pub(crate) struct Pauses(Duration);

impl Pauses {
    pub(crate) fn new() -> Self {
        Self(FIRST_PAUSE)
    }

    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST_PAUSE);
        pause
    }
}

/// The clock that measures waits; a simulation has one of its own.
pub(crate) fn now() -> Instant {
    #[cfg(feature = "simulation")]
    if let Some(now) = crate::store::file::threads::schedule::now() {
        return now;
    }
    Instant::now()
}

/// Lets this much time pass.
pub(crate) fn sleep(pause: Duration) {
    #[cfg(feature = "simulation")]
    if crate::store::file::threads::schedule::sleep(pause) {
        return;
    }
    crate::store::file::threads::sleep(pause);
}

/// Repeats the attempt until it succeeds or the time is over; returns whether it succeeded.
///
/// A wait for a lock inside the kernel has no limit, and a thread in it cannot be stopped: so the lock is tried again and
/// again.
pub(crate) fn until(limit: Duration, mut attempt: impl FnMut() -> io::Result<bool>) -> io::Result<bool> {
    let begun = now();
    let mut pauses = Pauses::new();
    while !attempt()? {
        if now() - begun >= limit {
            return Ok(false);
        }
        sleep(pauses.next());
    }
    Ok(true)
}
