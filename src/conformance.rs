//! Every promise of the [`Store`] contract, as a check that runs against any store.
//!
//! ```
//! use cloakroom::MemoryStore;
//! use cloakroom::conformance::Suite;
//!
//! Suite::new(async |limits| MemoryStore::with_limits(limits)).run().assert();
//! ```
//!
//! Each promise is judged on its own: a store with one fault breaks one promise, and the report names it. Where a
//! check rests on what another promise covers (a session must be destroyed before it can be seen whether an update
//! brings it back), and that does not hold, it is [`Outcome::Unreached`] and not broken.
//!
//! Promises about many requests at once are checked with threads. What a check cannot see is not judged: that a sweep
//! costs in proportion to what has expired is for a benchmark, and that an acknowledged session survives a power loss
//! needs a simulated disk.

mod bench;
mod create;
mod destroy;
mod dropped;
mod durability;
mod fixture;
mod hostile;
mod limits;
mod load;
mod owner_limits;
mod owners;
mod report;
mod rotate;
mod scan;
mod sweep;
mod touch;
mod update;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

use self::bench::{Bench, Promise, Trouble};
pub use self::report::{Outcome, Report};
use crate::block_on::block_on;
use crate::key::SessionKey;
use crate::store::{Limits, RuntimeFree, Store};

/// What the suite gives an executor to run to its end.
pub type Work<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

type Opening<S> = Pin<Box<dyn Future<Output = S> + Send>>;
type Damaging<S> = Box<dyn Fn(S, SessionKey) -> Opening<S> + Sync>;

/// The checks, and how to get at stores of the kind to be checked.
#[must_use]
pub struct Suite<S> {
    open: Box<dyn Fn(Limits) -> Opening<S> + Sync>,
    reopen: Option<Box<dyn Fn(S) -> Opening<S> + Sync>>,
    damage: Option<Damaging<S>>,
}

impl<S: Store> Suite<S> {
    /// `open` opens a fresh, empty store with these limits. It is called for every promise, sometimes more than once,
    /// and the stores must not see each other's sessions. It may panic: the promise is broken then, and the suite goes
    /// on.
    ///
    /// The suite's times begin a day after the system clock's, so that an engine that removes expired sessions by a
    /// clock of its own takes nothing away too early.
    pub fn new<F>(open: impl Fn(Limits) -> F + Sync + 'static) -> Self
    where
        F: Future<Output = S> + Send + 'static,
    {
        Self { open: Box::new(move |limits| Box::pin(open(limits))), reopen: None, damage: None }
    }

    /// `reopen` lets go of a store and opens the same sessions again, as after the end of the process. Without it, what
    /// survives the process is not checked. The limits are [`Limits::default`].
    pub fn reopen<F>(mut self, reopen: impl Fn(S) -> F + Sync + 'static) -> Self
    where
        F: Future<Output = S> + Send + 'static,
    {
        self.reopen = Some(Box::new(move |store| Box::pin(reopen(store))));
        self
    }

    /// `damage` makes a stored session unreadable, as a failing disk would, and gives the store back. Without it, it
    /// is not checked that such a session is an error. The limits are [`Limits::default`].
    pub fn damage<F>(mut self, damage: impl Fn(S, SessionKey) -> F + Sync + 'static) -> Self
    where
        F: Future<Output = S> + Send + 'static,
    {
        self.damage = Some(Box::new(move |store, key| Box::pin(damage(store, key))));
        self
    }

    /// Checks every promise, on threads that park while a future waits.
    pub fn run(&self) -> Report
    where
        S: RuntimeFree,
    {
        self.run_with(|work| block_on(work))
    }

    /// Checks every promise. `block_on` runs a future to its end on the calling thread, such as
    /// `|work| runtime.block_on(work)`; several threads call it at once.
    ///
    /// # Panics
    ///
    /// If `block_on` returns before the future is done.
    pub fn run_with(&self, block_on: impl Fn(Work<'_>) + Sync) -> Report {
        let bench = Bench { suite: self, block_on: &block_on };
        Report::of(promises().into_iter().map(|promise| (promise.name, judge(&promise, &bench))).collect())
    }
}

impl<S> fmt::Debug for Suite<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite").finish_non_exhaustive()
    }
}

fn promises<S: Store>() -> Vec<Promise<S>> {
    [
        create::promises(),
        load::promises(),
        update::promises(),
        touch::promises(),
        rotate::promises(),
        destroy::promises(),
        owners::promises(),
        limits::promises(),
        owner_limits::promises(),
        sweep::promises(),
        scan::promises(),
        durability::promises(),
        hostile::promises(),
        dropped::promises(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn judge<S: Store>(promise: &Promise<S>, bench: &Bench<'_, S>) -> Outcome {
    // A store that panics breaks the promise at hand and not the suite.
    match catch_unwind(AssertUnwindSafe(|| (promise.check)(bench))) {
        Ok(Ok(())) => Outcome::Kept,
        Ok(Err(Trouble::Broken(why))) => Outcome::Broken(why),
        Ok(Err(Trouble::Unreached(why))) => Outcome::Unreached(why),
        Ok(Err(Trouble::Skipped(why))) => Outcome::Skipped(why),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
            Outcome::Broken(format!("panicked: {text}"))
        }
    }
}
