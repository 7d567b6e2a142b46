//! A signal in the shared page: a process rests until another one gives it. What has happened, other words of the page say.
//!
//! A look at the page now and then takes a process longer than what it waits for, where many processes do so. The kernel can
//! wake them instead (a futex). No promise rests on that: a process that would give the signal may die, so each wait has
//! a limit, and a wait may end early.

use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::time::Duration;

#[cfg(all(target_os = "linux", not(shuttle)))]
use rustix::thread::futex;

use crate::store::file::threads::wait;

/// The lowest bit of its word says that a process may rest. Each signal clears it, and changes the other bits.
#[derive(Debug)]
pub(crate) enum Signal {
    /// In this process's memory.
    Here(AtomicU32),
    /// In the mapped page, which lives as long as the signal.
    Mapped(&'static AtomicU32),
    /// None can be given where the page is not mapped: a process looks again after a short pause.
    Silent,
}

impl Default for Signal {
    fn default() -> Self {
        Self::Here(AtomicU32::default())
    }
}

/// What the word said when a process asked for the next signal.
#[derive(Clone, Copy)]
pub(crate) struct Asked(u32);

impl Signal {
    fn word(&self) -> Option<&AtomicU32> {
        match self {
            Self::Here(word) => Some(word),
            Self::Mapped(word) => Some(word),
            Self::Silent => None,
        }
    }

    /// Asks for the next signal. The caller looks next at what it waits for, and then waits: a signal that was given since ends
    /// the wait at once.
    pub(crate) fn ask(&self) -> Asked {
        Asked(self.word().map_or(1, |word| word.fetch_or(1, Ordering::SeqCst) | 1))
    }

    /// Whether the signal was given since.
    pub(crate) fn is_given(&self, asked: Asked) -> bool {
        self.word().is_some_and(|word| word.load(Ordering::SeqCst) != asked.0)
    }

    /// Rests until the signal is given, or the pause is over; sometimes less long.
    pub(crate) fn wait(&self, asked: Asked, pause: Duration) {
        match self.word() {
            Some(word) if !self.is_given(asked) => rest(word, asked.0, pause),
            Some(_) => {}
            None => wait::sleep(pause.min(wait::FIRST_PAUSE)),
        }
    }

    /// Wakes all that wait. The caller has stored before what they wait for. Where none waits, this is no system call.
    pub(crate) fn give(&self) {
        fence(Ordering::SeqCst);
        if let Some(word) = self.word().filter(|word| word.load(Ordering::SeqCst) & 1 != 0) {
            word.fetch_add(1, Ordering::SeqCst);
            wake(word);
        }
    }
}

/// Where the kernel cannot wake a process, or a simulation decides about the time, the process looks again after a short pause.
#[cfg(any(not(target_os = "linux"), shuttle))]
fn rest(_word: &AtomicU32, _asked: u32, pause: Duration) {
    wait::sleep(pause.min(wait::FIRST_PAUSE));
}

#[cfg(any(not(target_os = "linux"), shuttle))]
fn wake(_word: &AtomicU32) {}

#[cfg(all(target_os = "linux", not(shuttle)))]
fn rest(word: &AtomicU32, asked: u32, pause: Duration) {
    #[cfg(feature = "simulation")]
    if crate::store::file::threads::schedule::sleep(pause.min(wait::FIRST_PAUSE)) {
        return;
    }
    let limit = pause.try_into().expect("the pause is short");
    // Each error is a reason to look again: the word has changed, the pause is over, or a signal of the system came.
    let _ = futex::wait(word, futex::Flags::empty(), asked, Some(&limit));
}

#[cfg(all(target_os = "linux", not(shuttle)))]
fn wake(word: &AtomicU32) {
    let _ = futex::wake(word, futex::Flags::empty(), i32::MAX as u32);
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// For ever, to a test that is not to wait for it.
    const LONG: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_signal_ends_the_waits_of_all_that_have_asked_before_it() {
        let signal = Signal::default();
        let asked = [signal.ask(), signal.ask()];
        signal.give();
        asked.into_iter().for_each(|asked| signal.wait(asked, LONG));
        let resting = signal.ask();
        std::thread::scope(|scope| {
            let waiting = [(); 3].map(|()| scope.spawn(|| signal.wait(resting, LONG)));
            signal.give();
            waiting.into_iter().for_each(|waiting| waiting.join().unwrap());
        });
    }

    #[test]
    fn a_signal_that_no_process_has_asked_for_changes_nothing_and_a_wait_without_one_has_a_limit() {
        let signal = Signal::default();
        signal.give();
        assert_eq!(signal.word().unwrap().load(Ordering::Relaxed), 0);
        let (asked, begun) = (signal.ask(), Instant::now());
        while begun.elapsed() < Duration::from_millis(1) {
            signal.wait(asked, Duration::from_micros(100));
        }
        signal.give();
        let said = signal.word().unwrap().load(Ordering::Relaxed);
        signal.give();
        assert_eq!(signal.word().unwrap().load(Ordering::Relaxed), said, "once");
    }
}
