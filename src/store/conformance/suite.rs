//! The suite: all promises, and how they are to be checked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::bench::Promise;
use super::hooks::{Executor, Hooks, Opening, Work};
use super::judge::judge;
use super::report::{Report, Verdict};
use super::{
    create, destroy, dropped, durability, hostile, limits, load, owner_limits, owners, rotate, same_step, scan, sweep,
    touch, traces, unchanged, update,
};
use crate::model::key::SessionKey;
use crate::store::block_on::block_on;
use crate::store::runtime_free::RuntimeFree;
use crate::store::{Limits, Store};

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
///
/// While a store is being written, a part of the suite is enough, and it may say what it is at:
///
/// ```
/// use std::time::Duration;
///
/// use cloakroom::MemoryStore;
/// use cloakroom::conformance::Suite;
///
/// Suite::new(async |limits| MemoryStore::with_limits(limits))
///     .only("rotate") // the promises whose names contain this
///     .repeat(3) // each of them so often, for what only some runs meet
///     .time_limit(Duration::from_secs(30))
///     .progress(|promise, verdict| match verdict {
///         None => eprintln!("{promise} ..."),
///         Some(verdict) => eprintln!("{promise}: {verdict}"),
///     })
///     .run()
///     .assert();
/// ```
#[must_use]
pub struct Suite<S> {
    hooks: Hooks<S>,
    only: Vec<String>,
    times: usize,
    time_limit: Duration,
    progress: Option<Box<Progress>>,
}

type Progress = dyn Fn(&'static str, Option<&Verdict>) + Sync;

/// Far more than any check takes, also on a busy machine or on a slow disk.
const TIME_LIMIT: Duration = Duration::from_secs(120);

impl<S: Store> Suite<S> {
    /// A suite whose `open` opens a fresh, empty store with the given limits.
    ///
    /// The suite calls `open` for every promise, for some more than once. The stores must not see each other's sessions.
    /// If `open` panics, the promise is broken, and the suite goes on.
    ///
    /// The suite's times begin a day after the system clock's. So an engine that removes expired sessions by a clock of
    /// its own (a database's time to live) removes none too early.
    pub fn new<F>(open: impl Fn(Limits) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = S> + Send + 'static,
    {
        let open: Arc<dyn Fn(Limits) -> Opening<S> + Send + Sync> = Arc::new(move |limits| Box::pin(open(limits)));
        let hooks = Hooks { open, reopen: None, damage: None, tear_down: None };
        Self { hooks, only: Vec::new(), times: 1, time_limit: TIME_LIMIT, progress: None }
    }

    /// Sets how to close a store and open the same sessions again, as after the end of the process. Without it, the suite
    /// skips the promises about what survives the process. The limits are [`Limits::default`].
    pub fn reopen<F>(mut self, reopen: impl Fn(S) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = S> + Send + 'static,
    {
        self.hooks.reopen = Some(Arc::new(move |store| Box::pin(reopen(store))));
        self
    }

    /// Sets how to make a stored session unreadable, as a failing disk does; `damage` returns the store. Without it, the
    /// suite skips the promise that such a session is an error. The limits are [`Limits::default`].
    pub fn damage<F>(mut self, damage: impl Fn(S, SessionKey) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = S> + Send + 'static,
    {
        self.hooks.damage = Some(Arc::new(move |store, key| Box::pin(damage(store, key))));
        self
    }

    /// Sets what to do after each promise, whatever its verdict: to drop tables, keys or directories that `open` made.
    /// The stores of that promise are dropped before, but for a promise that ran into its time limit. If the tear-down
    /// panics or takes longer than the time limit, the promise counts as broken.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    ///
    /// use cloakroom::MemoryStore;
    /// use cloakroom::conformance::Suite;
    ///
    /// let opened = Arc::new(Mutex::new(Vec::new()));
    /// let tables = opened.clone();
    /// let open = move |limits| {
    ///     let mut tables = tables.lock().unwrap();
    ///     let name = format!("sessions_{}", tables.len());
    ///     tables.push(name); // CREATE TABLE
    ///     async move { MemoryStore::with_limits(limits) }
    /// };
    /// let tables = opened.clone();
    /// let tear_down = move || {
    ///     tables.lock().unwrap().clear(); // DROP TABLE
    ///     async {}
    /// };
    /// Suite::new(open).tear_down(tear_down).only("create").run().assert();
    /// assert!(opened.lock().unwrap().is_empty());
    /// ```
    pub fn tear_down<F>(mut self, tear_down: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.hooks.tear_down = Some(Arc::new(move || Box::pin(tear_down())));
        self
    }

    /// Checks only the promises whose names contain this text. If it is called again, those that contain any of the texts.
    pub fn only(mut self, text: impl Into<String>) -> Self {
        self.only.push(text.into());
        self
    }

    /// Checks each promise so many times, or until it is not kept. By default once.
    pub fn repeat(mut self, times: usize) -> Self {
        self.times = times.max(1);
        self
    }

    /// Sets how long the check of a promise may take, each time. Two minutes by default. A check that takes longer is left
    /// to itself, with its threads and its store, and the verdict is [`Verdict::TimedOut`]. It names the operations that had
    /// not returned, so that a deadlock is found.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Sets who hears of each promise when its check begins, without a verdict, and when it ends, with one. By default the
    /// suite is silent until its report.
    pub fn progress(mut self, tell: impl Fn(&'static str, Option<&Verdict>) + Sync + 'static) -> Self {
        self.progress = Some(Box::new(tell));
        self
    }

    /// Checks every promise, on threads that park while a future waits. This is for stores that need no runtime.
    ///
    /// # Panics
    ///
    /// If no promise's name contains what [`only`](Self::only) asks for.
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
    /// suite.run_with(move |work| runtime.block_on(work)).assert();
    /// ```
    ///
    /// # Panics
    ///
    /// If no promise's name contains what [`only`](Self::only) asks for. If `block_on` returns before the future is done,
    /// the promise is broken.
    pub fn run_with(&self, block_on: impl Fn(Work<'_>) + Send + Sync + 'static) -> Report {
        let block_on: Executor = Arc::new(block_on);
        let is_chosen = |name: &str| self.only.is_empty() || self.only.iter().any(|text| name.contains(text.as_str()));
        let chosen: Vec<Promise<S>> = promises().into_iter().filter(|promise| is_chosen(promise.name)).collect();
        assert!(!chosen.is_empty(), "no promise's name contains any of {:?}", self.only);
        Report::of(chosen.into_iter().map(|promise| (promise.name, self.judge(promise, &block_on))).collect())
    }

    fn judge(&self, promise: Promise<S>, block_on: &Executor) -> Verdict {
        let tell = |verdict| self.progress.iter().for_each(|tell| tell(promise.name, verdict));
        tell(None);
        let mut verdicts = (0..self.times).map(|_| judge(promise, &self.hooks, block_on, self.time_limit));
        let verdict = verdicts.find(|verdict| *verdict != Verdict::Kept).unwrap_or(Verdict::Kept);
        tell(Some(&verdict));
        verdict
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
        traces::promises(),
        same_step::promises(),
        durability::promises(),
        unchanged::promises(),
        hostile::promises(),
        dropped::promises(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
