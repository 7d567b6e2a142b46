//! The settings of a sweeper, and its two ways to run: a thread or a future.

use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::beside_creates::{BEHIND, over_by};
use super::round::Round;
use super::thread::{Shared, Sweeper};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::time::Clock;
use crate::store::block_on::block_on;
use crate::store::runtime_free::RuntimeFree;
use crate::store::{Store, Swept};

/// Does so much of what goes before a round, and says whether there is more.
pub(crate) type Prepare = Box<dyn FnMut(usize) -> Pin<Box<dyn Future<Output = Result<bool>> + Send>> + Send>;

/// The application's function that gets the result of each round.
type OnRound = Box<dyn FnMut(&Result<Swept>) + Send>;

/// Settings of a [`Sweeper`]. [`Sessions::sweeper`](crate::Sessions::sweeper) begins one with the store and the clock of
/// the sessions.
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
    prepare: Option<Prepare>,
    on_round: OnRound,
}

impl<S: Store, C: Clock> SweeperBuilder<S, C> {
    /// A sweeper of this store. By default it makes a round every 60 seconds, in steps of at most 10,000 sessions.
    pub fn new(store: S, clock: C) -> Self {
        Self { store, clock, every: Duration::from_secs(60), budget: 10_000, prepare: None, on_round: Box::new(|_| ()) }
    }

    /// Sets what each round does first, in steps of the budget.
    pub(crate) fn prepared_by(mut self, prepare: Prepare) -> Self {
        self.prepare = Some(prepare);
        self
    }

    /// How long to wait between two rounds. The first round begins at once.
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = interval;
        self
    }

    /// How many sessions one call of [`Store::sweep`] may remove. A round makes calls until no expired session is left,
    /// and other work on the store gets its turn between two calls.
    pub fn budget(mut self, sessions: usize) -> Self {
        self.budget = sessions;
        self
    }

    /// Sets a function that gets the result of each round: what the round removed in all, or the error that ended it.
    /// The next round runs in any case.
    ///
    /// If the function panics on the sweeper's thread, the panic hook reports it as any other panic. The next round runs
    /// as usual, and the function gets its result.
    pub fn on_round(mut self, report: impl FnMut(&Result<Swept>) + Send + 'static) -> Self {
        self.on_round = Box::new(report);
        self
    }

    /// Starts a thread that sweeps until the [`Sweeper`] is dropped.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use cloakroom::{MemoryStore, SweeperBuilder, SystemClock};
    ///
    /// # fn main() -> cloakroom::Result<()> {
    /// let builder = SweeperBuilder::new(MemoryStore::new(), SystemClock);
    /// let sweeper = builder.every(Duration::from_secs(10)).budget(1000).spawn()?;
    /// drop(sweeper); // stops and joins the thread
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the interval or the budget is zero; [`ErrorKind::Io`] if the operating system starts no
    /// thread.
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
                            if let Some(swept) = block_on(self.step(&mut round)) {
                                state.note(&swept);
                                (self.on_round)(&swept);
                                break;
                            }
                        }
                    }));
                    // The panic hook has reported a panic already, and the next round may succeed.
                    drop(outcome);
                    state.wait(self.every);
                }
            })
            .map_err(|cause| Error::io("starting the sweeper's thread", cause))?;
        Ok(Sweeper { shared, thread: Some(thread) })
    }

    /// Sweeps as a future, for a store that needs a runtime: on the caller's executor and with the caller's timer. The
    /// sweeping ends when the future is dropped. A panic of the function given to [`on_round`](Self::on_round) goes to
    /// the executor.
    ///
    /// ```
    /// use cloakroom::{MemoryStore, SweeperBuilder, SystemClock};
    ///
    /// # #[tokio::main]
    /// # async fn main() {
    /// let sweeper = SweeperBuilder::new(MemoryStore::new(), SystemClock);
    /// let task = tokio::spawn(sweeper.run(tokio::time::sleep));
    /// # tokio::task::yield_now().await;
    /// task.abort(); // when the server stops
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the interval or the budget is zero. Otherwise the future never ends by itself.
    pub async fn run<F: Future>(mut self, mut sleep: impl FnMut(Duration) -> F) -> Result<Infallible> {
        self.check()?;
        loop {
            let mut round = Round::default();
            let swept = loop {
                if let Some(swept) = self.step(&mut round).await {
                    break swept;
                }
                // A sleep of no time gives the executor's other tasks their turn.
                sleep(Duration::ZERO).await;
            };
            (self.on_round)(&swept);
            sleep(self.every).await;
        }
    }

    /// One step of a round; the round's result if that was the last one.
    async fn step(&mut self, round: &mut Round) -> Option<Result<Swept>> {
        if let Some(prepare) = self.prepare.as_mut().filter(|_| !round.is_prepared) {
            match prepare(self.budget).await {
                Ok(more) => round.is_prepared = !more,
                Err(error) => {
                    round.is_prepared = true;
                    round.unprepared = Some(error);
                }
            }
            return None;
        }
        round.add(self.store.sweep(over_by(self.clock.now(), BEHIND), self.budget).await)
    }

    fn check(&self) -> Result<()> {
        if self.every.is_zero() || self.budget == 0 {
            let what = "starting a sweeper whose interval or budget is zero";
            return Err(Error::new(ErrorKind::Config, what));
        }
        Ok(())
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
