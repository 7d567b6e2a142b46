//! Removes expired sessions now and then, so that they take no space.

use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::block_on::block_on;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{RuntimeFree, Store, Swept};
use crate::time::Clock;

/// What is told of each round.
type OnRound = Box<dyn FnMut(&Result<Swept>) + Send>;

/// Settings of a [`Sweeper`].
///
/// ```
/// use cloakroom::{MemoryStore, SweeperBuilder, SystemClock};
///
/// # fn main() -> cloakroom::Result<()> {
/// let store = MemoryStore::new();
/// let sweeper = SweeperBuilder::new(store.clone(), SystemClock)
///     .on_round(|round| {
///         if let Err(error) = round {
///             eprintln!("sweeping: {error}");
///         }
///     })
///     .spawn()?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct SweeperBuilder<S, C> {
    store: S,
    clock: C,
    every: Duration,
    budget: usize,
    on_round: OnRound,
}

impl<S: Store, C: Clock> SweeperBuilder<S, C> {
    /// A sweeper of this store: a round every 60 seconds, in steps of at most 10,000 sessions.
    pub fn new(store: S, clock: C) -> Self {
        Self { store, clock, every: Duration::from_secs(60), budget: 10_000, on_round: Box::new(|_| ()) }
    }

    /// How long to wait between two rounds. The first begins at once.
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = interval;
        self
    }

    /// How many sessions one call of [`Store::sweep`] may remove. A round makes as many calls as it takes to remove
    /// all that has expired; other work on the store gets its turn between them.
    pub fn budget(mut self, sessions: usize) -> Self {
        self.budget = sessions;
        self
    }

    /// Hears of each round what it removed in all, or the error that ended it. The next round runs in any case.
    ///
    /// Should it panic on the sweeper's thread, the panic is reported as any other is (by the panic hook), and the
    /// next round runs, and is told to it, as well.
    pub fn on_round(mut self, report: impl FnMut(&Result<Swept>) + Send + 'static) -> Self {
        self.on_round = Box::new(report);
        self
    }

    /// Starts a thread that sweeps until the [`Sweeper`] is dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the interval or the budget is zero, [`ErrorKind::Io`] if there is no thread to be had.
    pub fn spawn(mut self) -> Result<Sweeper>
    where
        S: RuntimeFree,
    {
        self.check()?;
        let shared = Arc::new(Shared::default());
        let state = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("cloakroom sweeper".into())
            .spawn(move || {
                while !state.is_stopped() {
                    let outcome = catch_unwind(AssertUnwindSafe(|| {
                        let mut round = Round::default();
                        while !state.is_stopped() {
                            let step = block_on(self.store.sweep(self.clock.now(), self.budget));
                            if let Some(swept) = round.add(step) {
                                state.note(&swept);
                                (self.on_round)(&swept);
                                break;
                            }
                        }
                    }));
                    // A panic: the panic hook has told it, and the next round may do better.
                    drop(outcome);
                    state.wait(self.every);
                }
            })
            .map_err(|cause| Error::io("starting the sweeper's thread", cause))?;
        Ok(Sweeper { shared, thread: Some(thread) })
    }

    /// Sweeps as a future, for stores that need a runtime: on the caller's executor, with the caller's timer (such as
    /// `tokio::time::sleep`). It ends when it is dropped; a panic of what `on_round` was given goes through it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the interval or the budget is zero. Otherwise it never returns.
    pub async fn run<F: Future>(mut self, mut sleep: impl FnMut(Duration) -> F) -> Result<Infallible> {
        self.check()?;
        loop {
            let mut round = Round::default();
            let swept = loop {
                let step = self.store.sweep(self.clock.now(), self.budget).await;
                if let Some(swept) = round.add(step) {
                    break swept;
                }
                // No time at all, but the executor's other tasks have their turn.
                sleep(Duration::ZERO).await;
            };
            (self.on_round)(&swept);
            sleep(self.every).await;
        }
    }

    fn check(&self) -> Result<()> {
        if self.every.is_zero() || self.budget == 0 {
            let what = "starting a sweeper whose interval or budget is zero";
            return Err(Error::new(ErrorKind::Config, what));
        }
        Ok(())
    }
}

/// What the steps of a round have removed so far.
#[derive(Default)]
struct Round(u64);

impl Round {
    /// Adds a step; answers with the whole round if that was the last one.
    fn add(&mut self, step: Result<Swept>) -> Option<Result<Swept>> {
        match step {
            Ok(Swept { removed, more }) => {
                self.0 += removed;
                // A store that has more but removes nothing would keep the round going for ever.
                (!more || removed == 0).then_some(Ok(Swept { removed: self.0, more }))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

impl<S, C> fmt::Debug for SweeperBuilder<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SweeperBuilder")
            .field("every", &self.every)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

/// A background thread that sweeps a store. Dropping it stops and joins the thread: at once if it waits, after the step
/// under way if it sweeps.
#[must_use = "the sweeper stops when it is dropped"]
pub struct Sweeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Sweeper {
    /// How many rounds were run.
    pub fn rounds(&self) -> u64 {
        self.shared.lock().rounds
    }

    /// How many of them ended in an error.
    pub fn failed_rounds(&self) -> u64 {
        self.shared.lock().failed
    }

    /// The error that the last round ended in; `None` if it ended well.
    pub fn last_error(&self) -> Option<Error> {
        self.shared.lock().last_error.as_ref().map(Error::repeated)
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.shared.stop();
        // Whoever lets the thread itself drop its handle must not wait for itself.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Sweeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweeper")
            .field("rounds", &self.rounds())
            .field("failed_rounds", &self.failed_rounds())
            .finish_non_exhaustive()
    }
}

/// What the thread and its handle tell each other.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    stopping: Condvar,
}

#[derive(Default)]
struct State {
    stopped: bool,
    rounds: u64,
    failed: u64,
    last_error: Option<Error>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.stopping.notify_all();
    }

    fn note(&self, round: &Result<Swept>) {
        let mut state = self.lock();
        state.rounds += 1;
        state.failed += u64::from(round.is_err());
        state.last_error = round.as_ref().err().map(Error::repeated);
    }

    /// Waits for the interval, or until it is stopped.
    fn wait(&self, interval: Duration) {
        let _ = self.stopping.wait_timeout_while(self.lock(), interval, |state| !state.stopped);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::ops::ControlFlow;
    use std::pin::pin;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc;
    use std::task::{Context, Poll, Waker};
    use std::time::Instant;

    use super::*;
    use crate::key::SessionKey;
    use crate::lifetime::Lifetime;
    use crate::memory::MemoryStore;
    use crate::owner::Owner;
    use crate::record::{Record, Revision};
    use crate::store::{Durability, Update};
    use crate::time::{ManualClock, Timestamp};

    const HOUR: Duration = Duration::from_secs(3600);

    fn filled(sessions: u8) -> MemoryStore {
        let store = MemoryStore::new();
        for key in 0..sessions {
            let record = Record::new(SessionKey::from_bytes([key; 16]), Lifetime::idle(HOUR), Timestamp::EPOCH);
            block_on(store.create(&record, Timestamp::EPOCH)).unwrap();
        }
        store
    }

    /// A store whose sweep fails every second time, beginning with the first; it can do nothing else.
    #[derive(Clone)]
    struct Failing(Arc<AtomicU64>);

    impl RuntimeFree for Failing {}

    impl Store for Failing {
        async fn sweep(&self, _: Timestamp, _: usize) -> Result<Swept> {
            match self.0.fetch_add(1, Ordering::SeqCst) % 2 {
                0 => Err(Error::new(ErrorKind::Unavailable, "sweeping")),
                _ => Ok(Swept { removed: 1, more: false }),
            }
        }
        async fn create(&self, _: &Record, _: Timestamp) -> Result<Revision> {
            unreachable!()
        }
        async fn load(&self, _: &SessionKey, _: Timestamp) -> Result<Option<Record>> {
            unreachable!()
        }
        async fn update(&self, _: &Record, _: Revision, _: Timestamp) -> Result<Update> {
            unreachable!()
        }
        async fn touch(&self, _: &SessionKey, _: Timestamp) -> Result<bool> {
            unreachable!()
        }
        async fn rotate(&self, _: &SessionKey, _: Revision, _: &Record, _: Timestamp) -> Result<Update> {
            unreachable!()
        }
        async fn destroy(&self, _: &SessionKey) -> Result<()> {
            unreachable!()
        }
        async fn owned_by(&self, _: &Owner, _: Timestamp) -> Result<Vec<Record>> {
            unreachable!()
        }
        async fn destroy_owned_by(&self, _: &Owner, _: Option<&SessionKey>) -> Result<u64> {
            unreachable!()
        }
        async fn scan(&self, _: Timestamp, _: &mut (dyn FnMut(Record) -> ControlFlow<()> + Send)) -> Result<()> {
            unreachable!()
        }
        async fn count(&self, _: Timestamp) -> Result<u64> {
            unreachable!()
        }
        async fn clear(&self) -> Result<()> {
            unreachable!()
        }
        fn durability(&self) -> Durability {
            Durability::Volatile
        }
    }

    #[test]
    fn a_round_removes_all_that_has_expired_in_steps_of_the_budget() {
        let store = filled(25);
        let (heard, rounds) = mpsc::channel();
        let sweeper = SweeperBuilder::new(store.clone(), ManualClock::at(Timestamp::NEVER))
            .every(HOUR)
            .budget(10)
            .on_round(move |round| heard.send(round.as_ref().map(|swept| swept.removed).ok()).unwrap())
            .spawn()
            .unwrap();
        assert_eq!(rounds.recv().unwrap(), Some(25));
        assert_eq!(sweeper.rounds(), 1);
        assert_eq!(block_on(store.count(Timestamp::EPOCH)).unwrap(), 0);
    }

    #[test]
    fn an_error_in_one_round_is_reported_and_the_next_round_runs() {
        let (heard, rounds) = mpsc::channel();
        let sweeper = SweeperBuilder::new(Failing(Arc::default()), ManualClock::default())
            .every(Duration::from_millis(20))
            .on_round(move |round| heard.send(round.is_ok()).unwrap())
            .spawn()
            .unwrap();
        assert!(!rounds.recv().unwrap());
        assert_eq!(sweeper.last_error().unwrap().kind(), &ErrorKind::Unavailable);
        assert!(rounds.recv().unwrap());
        assert!(sweeper.last_error().is_none());
        assert!(!rounds.recv().unwrap());
        assert!(sweeper.failed_rounds() >= 2 && sweeper.rounds() >= 3);
    }

    #[test]
    fn dropping_it_ends_the_thread_without_waiting_out_the_interval() {
        let begin = Instant::now();
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let sweeper = SweeperBuilder::new(filled(1), ManualClock::default())
            .every(Duration::MAX)
            .on_round(move |_| drop(Arc::clone(&held)))
            .spawn()
            .unwrap();
        while sweeper.rounds() == 0 {
            thread::yield_now();
        }
        drop(sweeper);
        assert_eq!(Arc::strong_count(&alive), 1, "the thread is gone, with all that it held");
        assert!(begin.elapsed() < HOUR);
    }

    #[test]
    fn a_panic_of_the_report_does_not_end_the_sweeping() {
        let (heard, rounds) = mpsc::channel();
        let _sweeper = SweeperBuilder::new(filled(1), ManualClock::default())
            .every(Duration::from_millis(1))
            .on_round(move |_| {
                let _ = heard.send(());
                panic!("as the test wants it");
            })
            .spawn()
            .unwrap();
        for _ in 0..3 {
            rounds.recv().unwrap();
        }
    }

    #[test]
    fn an_interval_or_a_budget_of_zero_is_refused() {
        let builder = || SweeperBuilder::new(filled(0), ManualClock::default());
        assert_eq!(builder().every(Duration::ZERO).spawn().unwrap_err().kind(), &ErrorKind::Config);
        assert_eq!(builder().budget(0).spawn().unwrap_err().kind(), &ErrorKind::Config);
        let run = builder().budget(0).run(async |_| ());
        assert_eq!(block_on(run).unwrap_err().kind(), &ErrorKind::Config);
    }

    #[test]
    fn as_a_future_it_sweeps_by_the_callers_timer() {
        let store = filled(25);
        let slept = Arc::new(Mutex::new(Vec::new()));
        let timer = Arc::clone(&slept);
        let run = SweeperBuilder::new(store.clone(), ManualClock::at(Timestamp::NEVER)).every(HOUR).budget(10).run(
            move |duration| {
                timer.lock().unwrap().push(duration);
                poll_fn(move |_| if duration.is_zero() { Poll::Ready(()) } else { Poll::Pending })
            },
        );
        fn is_send<T: Send>(future: T) -> T {
            future
        }
        let mut run = pin!(is_send(run));
        assert!(run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(*slept.lock().unwrap(), [Duration::ZERO, Duration::ZERO, HOUR]);
        assert_eq!(block_on(store.count(Timestamp::EPOCH)).unwrap(), 0);
    }
}
