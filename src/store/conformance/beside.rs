//! One thread that comes to its end beside another that does something again and again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::bench::{ATTEMPTS, Checked, conflicts, together};

/// Runs `once` to its end, and meanwhile `again` over and over: at least once, and at least once more after the end.
pub(super) fn beside(once: impl Fn(&Quiet) -> Checked + Sync, again: impl Fn() -> Checked + Sync) -> Checked {
    let (quiet, done) = (Quiet(AtomicBool::new(false)), AtomicBool::new(false));
    together(2, |thread| {
        if thread == 0 {
            let ended = once(&quiet);
            done.store(true, Ordering::SeqCst);
            return ended;
        }
        loop {
            let last = done.load(Ordering::SeqCst);
            again()?;
            if last {
                return Ok(());
            }
            while quiet.0.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_micros(50));
            }
        }
    })?;
    Ok(())
}

/// Keeps the other thread waiting. A store whose compare-and-swap takes long would otherwise meet a conflict for ever: the
/// other thread changes the session each time before it is done.
pub(super) struct Quiet(AtomicBool);

impl Quiet {
    /// Attempts something until it says that it is done: first beside the other thread, and after a conflict in quiet.
    pub(super) fn until_done(&self, attempt: impl Fn() -> Checked<bool>) -> Checked {
        let mut ended = Err(conflicts());
        for _ in 0..ATTEMPTS {
            match attempt() {
                Ok(false) => self.0.store(true, Ordering::SeqCst),
                done => {
                    ended = done.map(drop);
                    break;
                }
            }
        }
        self.0.store(false, Ordering::SeqCst);
        ended
    }
}
