//! Waiting for what another process holds, never without a bound.

use std::io;
use std::time::{Duration, Instant};

/// How long is waited for the writer lock where nobody has said anything else.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(5);

const FIRST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// The pauses between attempts: short at first, because locks are held for microseconds.
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

/// The time that waits are measured with.
pub(crate) fn now() -> Instant {
    #[cfg(feature = "simulation")]
    if let Some(now) = crate::store::file::threads::schedule::now() {
        return now;
    }
    Instant::now()
}

fn sleep(pause: Duration) {
    #[cfg(feature = "simulation")]
    if crate::store::file::threads::schedule::sleep(pause) {
        return;
    }
    crate::store::file::threads::sleep(pause);
}

/// Tries until it succeeds or the time is over; says whether it succeeded.
///
/// A lock is tried again and again rather than waited for in the kernel, because that wait has no limit, and a thread
/// in it cannot be stopped.
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
