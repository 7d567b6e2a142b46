//! The suite: all promises, and how the result of a check becomes a verdict.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::bench::{Bench, Promise, Trouble};
use super::hooks::{Hooks, Work};
use super::report::{Report, Verdict};
use super::{
    create, destroy, dropped, durability, hostile, limits, load, owner_limits, owners, rotate, scan, sweep, touch,
    update,
};
use crate::model::key::SessionKey;
use crate::store::block_on::block_on;
use crate::store::{Limits, RuntimeFree, Store};

/// All checks, for one kind of store.
///
/// ```no_run
/// use cloakroom::conformance::Suite;
/// use cloakroom::{Durability, FileStore};
///
/// let open = async |limits| {
///     let directory = tempfile::tempdir().unwrap().keep(); // a fresh one for each store
///     let options = FileStore::options().limits(limits).durability(Durability::Never);
///     options.open(directory.join("sessions")).unwrap()
/// };
/// let reopen = async |store: FileStore| {
///     let directory = store.directory().to_owned();
///     store.close().unwrap();
///     FileStore::open(directory).unwrap()
/// };
/// Suite::new(open).reopen(reopen).run().assert();
/// ```
#[must_use]
pub struct Suite<S>(Hooks<S>);

impl<S: Store> Suite<S> {
    /// A suite whose `open` opens a fresh, empty store with the given limits.
    ///
    /// The suite calls `open` for every promise, for some more than once. The stores must not see each other's sessions.
    /// If `open` panics, the promise is broken, and the suite goes on.
    ///
    /// The suite's times begin a day after the system clock's. So an engine that removes expired sessions by a clock of
    /// its own (a database's time to live) removes none too early.
    pub fn new<F>(open: impl Fn(Limits) -> F + Sync + 'static) -> Self
    where
        F: Future<Output = S> + Send + 'static,
    {
        Self(Hooks { open: Box::new(move |limits| Box::pin(open(limits))), reopen: None, damage: None })
    }

    /// Sets how to close a store and open the same sessions again, as after the end of the process. Without it, the suite
    /// skips the promises about what survives the process. The limits are [`Limits::default`].
    pub fn reopen<F>(mut self, reopen: impl Fn(S) -> F + Sync + 'static) -> Self
    where
        F: Future<Output = S> + Send + 'static,
    {
        self.0.reopen = Some(Box::new(move |store| Box::pin(reopen(store))));
        self
    }

    /// Sets how to make a stored session unreadable, as a failing disk does; `damage` returns the store. Without it, the
    /// suite skips the promise that such a session is an error. The limits are [`Limits::default`].
    pub fn damage<F>(mut self, damage: impl Fn(S, SessionKey) -> F + Sync + 'static) -> Self
    where
        F: Future<Output = S> + Send + 'static,
    {
        self.0.damage = Some(Box::new(move |store, key| Box::pin(damage(store, key))));
        self
    }

    /// Checks every promise, on threads that park while a future waits. This is for stores that need no runtime.
    pub fn run(&self) -> Report
    where
        S: RuntimeFree,
    {
        self.run_with(|work| block_on(work))
    }

    /// Checks every promise, with the executor that the store needs. `block_on` runs a future to its end on the calling
    /// thread. Several threads call it at once.
    ///
    /// ```
    /// use cloakroom::MemoryStore;
    /// use cloakroom::conformance::Suite;
    ///
    /// let runtime = tokio::runtime::Runtime::new().unwrap();
    /// let suite = Suite::new(async |limits| MemoryStore::with_limits(limits));
    /// suite.run_with(|work| runtime.block_on(work)).assert();
    /// ```
    ///
    /// # Panics
    ///
    /// If `block_on` returns before the future is done.
    pub fn run_with(&self, block_on: impl Fn(Work<'_>) + Sync) -> Report {
        let bench = Bench { hooks: &self.0, block_on: &block_on };
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

fn judge<S: Store>(promise: &Promise<S>, bench: &Bench<'_, S>) -> Verdict {
    // A store that panics breaks the current promise and not the suite.
    match catch_unwind(AssertUnwindSafe(|| (promise.check)(bench))) {
        Ok(Ok(())) => Verdict::Kept,
        Ok(Err(Trouble::Broken(why))) => Verdict::Broken(why),
        Ok(Err(Trouble::Unreached(why))) => Verdict::Unreached(why),
        Ok(Err(Trouble::Skipped(why))) => Verdict::Skipped(why),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
            Verdict::Broken(format!("panicked: {text}"))
        }
    }
}
