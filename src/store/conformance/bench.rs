//! What every check uses: the store, called as if it were blocking, and ways to say what went wrong.

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::Barrier;
use std::thread;

use super::hooks::{Hooks, Work};
use super::waiting::Waiting;
use crate::model::error::Result;
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;
use crate::store::{Found, Limits, Store, Swept, Update};

/// A promise: its name, and the check that judges it.
pub(super) struct Promise<S> {
    pub(super) name: &'static str,
    pub(super) check: fn(&Bench<'_, S>) -> Checked,
}

impl<S> Clone for Promise<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Promise<S> {}

pub(super) type Checked<T = ()> = Result<T, Trouble>;

/// Why a check does not find a promise kept. [`Verdict`](super::Verdict) describes the three kinds.
pub(super) enum Trouble {
    Broken(String),
    Unreached(String),
    Skipped(&'static str),
}

macro_rules! promises {
    ($($name:literal => $check:ident,)+) => {
        pub(super) fn promises<S: crate::store::Store>() -> Vec<super::bench::Promise<S>> {
            vec![$(super::bench::Promise { name: $name, check: $check::<S> }),+]
        }
    };
}

/// What the check at hand judges: the promise is broken unless it holds.
macro_rules! ensure {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(super::bench::Trouble::Broken(format!($($why)+)));
        }
    };
}

/// What another promise covers: the promise at hand is unreached unless it holds.
macro_rules! given {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(super::bench::Trouble::Unreached(format!($($why)+)));
        }
    };
}

pub(super) use {ensure, given, promises};

/// Opens stores.
pub(super) struct Bench<'a, S> {
    pub(super) hooks: &'a Hooks<S>,
    pub(super) block_on: &'a (dyn Fn(Work<'_>) + Sync),
    pub(super) waiting: &'a Waiting,
}

impl<'a, S: Store> Bench<'a, S> {
    pub(super) fn open(&self) -> Subject<'a, S> {
        self.open_with(Limits::default())
    }

    pub(super) fn open_with(&self, limits: Limits) -> Subject<'a, S> {
        let store = wait(self.block_on, self.waiting, "open", (self.hooks.open)(limits));
        Subject { store, block_on: self.block_on, waiting: self.waiting }
    }

    pub(super) fn reopen(&self, subject: Subject<'a, S>) -> Checked<Subject<'a, S>> {
        let reopen = self.hooks.reopen.as_ref().ok_or(Trouble::Skipped("the suite was not told how to reopen"))?;
        let store = wait(self.block_on, self.waiting, "reopen", reopen(subject.store));
        Ok(Subject { store, ..subject })
    }

    pub(super) fn damage(&self, subject: Subject<'a, S>, key: SessionKey) -> Checked<Subject<'a, S>> {
        let damage = self.hooks.damage.as_ref().ok_or(Trouble::Skipped("the suite was not told how to damage"))?;
        let store = wait(self.block_on, self.waiting, "damage", damage(subject.store, key));
        Ok(Subject { store, ..subject })
    }
}

pub(super) fn wait<T: Send>(
    block_on: &(dyn Fn(Work<'_>) + Sync),
    waiting: &Waiting,
    what: &'static str,
    future: impl Future<Output = T> + Send,
) -> T {
    let _waits = waiting.begin(what);
    let mut output = None;
    block_on(Box::pin(async { output = Some(future.await) }));
    output.expect("the executor runs the future to its end")
}

/// The store under test. An error that a check does not expect breaks its promise. The methods that begin with `try_`
/// return errors to the check.
pub(super) struct Subject<'a, S> {
    pub(super) store: S,
    block_on: &'a (dyn Fn(Work<'_>) + Sync),
    waiting: &'a Waiting,
}

impl<S: Store> Subject<'_, S> {
    /// Runs an operation to its end. `what` is its name, for the report on a check that does not end.
    pub(super) fn wait<T: Send>(&self, what: &'static str, future: impl Future<Output = T> + Send) -> T {
        wait(self.block_on, self.waiting, what, future)
    }

    pub(super) fn try_create(&self, record: &Record, now: Timestamp) -> Result<Revision> {
        self.wait("create", self.store.create(record, &[], now))
    }

    pub(super) fn try_load(&self, key: &SessionKey, now: Timestamp) -> Result<Option<Record>> {
        self.wait("load", self.store.load(key, now))
    }

    pub(super) fn try_update(&self, record: &Record, expected: Revision, now: Timestamp) -> Result<Update> {
        self.wait("update", self.store.update(record, expected, now))
    }

    pub(super) fn try_rotate(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        now: Timestamp,
    ) -> Result<Update> {
        self.wait("rotate", self.store.rotate(old, expected, record, None, now))
    }

    pub(super) fn create(&self, record: &Record, now: Timestamp) -> Checked<Revision> {
        expect("create", self.try_create(record, now))
    }

    pub(super) fn load(&self, key: &SessionKey, now: Timestamp) -> Checked<Option<Record>> {
        expect("load", self.try_load(key, now))
    }

    pub(super) fn find(&self, key: &SessionKey, now: Timestamp) -> Checked<Found> {
        expect("find", self.wait("find", self.store.find(key, now)))
    }

    pub(super) fn find_all(&self, keys: &[SessionKey], now: Timestamp) -> Checked<Vec<Found>> {
        let found = self.wait("find_all", self.store.find_all(keys, now));
        found.into_iter().map(|found| expect("find_all", found)).collect()
    }

    /// A login that leaves traces.
    pub(super) fn create_leaving(
        &self,
        record: &Record,
        traces: &[(SessionKey, Trace)],
        now: Timestamp,
    ) -> Checked<Revision> {
        expect("create", self.wait("create", self.store.create(record, traces, now)))
    }

    /// A rotation that leaves a trace, and must succeed.
    pub(super) fn rotated_leaving(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        trace: &Trace,
        now: Timestamp,
    ) -> Checked<Revision> {
        let answer = self.wait("rotate", self.store.rotate(old, expected, record, Some(trace), now));
        stored("rotate", expect("rotate", answer)?)
    }

    pub(super) fn destroy_leaving(&self, key: &SessionKey, trace: &Trace) -> Checked<bool> {
        expect("destroy", self.wait("destroy", self.store.destroy(key, Some(trace))))
    }

    pub(super) fn is_there(&self, key: &SessionKey, now: Timestamp) -> Checked<bool> {
        Ok(self.load(key, now)?.is_some())
    }

    /// Whether a session is there and, by its own deadlines, not over.
    pub(super) fn lives(&self, key: &SessionKey, now: Timestamp) -> Checked<bool> {
        Ok(self.load(key, now)?.is_some_and(|record| !record.is_expired_at(now)))
    }

    /// A session that must be there.
    pub(super) fn loaded(&self, key: &SessionKey, now: Timestamp) -> Checked<Record> {
        self.load(key, now)?.ok_or_else(|| Trouble::Broken("a live session is missing".into()))
    }

    pub(super) fn update(&self, record: &Record, expected: Revision, now: Timestamp) -> Checked<Update> {
        expect("update", self.try_update(record, expected, now))
    }

    /// An update that must succeed.
    pub(super) fn updated(&self, record: &Record, expected: Revision, now: Timestamp) -> Checked<Revision> {
        stored("update", self.update(record, expected, now)?)
    }

    pub(super) fn touch(&self, key: &SessionKey, now: Timestamp) -> Checked<bool> {
        expect("touch", self.wait("touch", self.store.touch(key, now)))
    }

    pub(super) fn rotate(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        now: Timestamp,
    ) -> Checked<Update> {
        expect("rotate", self.try_rotate(old, expected, record, now))
    }

    /// A rotation that must succeed.
    pub(super) fn rotated(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        now: Timestamp,
    ) -> Checked<Revision> {
        stored("rotate", self.rotate(old, expected, record, now)?)
    }

    pub(super) fn destroy(&self, key: &SessionKey) -> Checked<bool> {
        expect("destroy", self.wait("destroy", self.store.destroy(key, None)))
    }

    pub(super) fn owned_by(&self, owner: &Owner, now: Timestamp) -> Checked<Vec<Record>> {
        expect("owned_by", self.wait("owned_by", self.store.owned_by(owner, now)))
    }

    pub(super) fn destroy_owned_by(&self, owner: &Owner, except: Option<&SessionKey>) -> Checked<u64> {
        expect("destroy_owned_by", self.wait("destroy_owned_by", self.store.destroy_owned_by(owner, except)))
    }

    pub(super) fn try_update_owned_by(
        &self,
        owner: &Owner,
        change: impl Fn(&mut Record) -> Result<bool> + Send + Sync,
        now: Timestamp,
    ) -> Result<u64> {
        self.wait("update_owned_by", self.store.update_owned_by(owner, change, now))
    }

    pub(super) fn update_owned_by(
        &self,
        owner: &Owner,
        change: impl Fn(&mut Record) -> Result<bool> + Send + Sync,
        now: Timestamp,
    ) -> Checked<u64> {
        expect("update_owned_by", self.try_update_owned_by(owner, change, now))
    }

    pub(super) fn sweep(&self, now: Timestamp, budget: usize) -> Checked<Swept> {
        expect("sweep", self.wait("sweep", self.store.sweep(now, budget)))
    }

    pub(super) fn scan(&self, now: Timestamp, mut visit: impl FnMut(Record) -> ControlFlow<()> + Send) -> Checked {
        expect("scan", self.wait("scan", self.store.scan(now, &mut visit)))
    }

    /// All records that a scan visits.
    pub(super) fn scanned(&self, now: Timestamp) -> Checked<Vec<Record>> {
        let mut visited = Vec::new();
        self.scan(now, |record| {
            visited.push(record);
            ControlFlow::Continue(())
        })?;
        Ok(visited)
    }

    pub(super) fn count(&self, now: Timestamp) -> Checked<u64> {
        expect("count", self.wait("count", self.store.count(now)))
    }

    pub(super) fn clear(&self) -> Checked {
        expect("clear", self.wait("clear", self.store.clear()))
    }

    /// Applies a change by compare-and-swap until it is stored. Returns false if the session ends before that.
    pub(super) fn change(&self, key: &SessionKey, now: Timestamp, change: impl Fn(&mut Record)) -> Checked<bool> {
        for _ in 0..ATTEMPTS {
            match self.attempt(key, now, &change)? {
                Update::Stored(_) => return Ok(true),
                Update::Conflict(_) => {}
                Update::Gone => return Ok(false),
            }
        }
        Err(conflicts())
    }

    /// Loads, changes and compares-and-swaps once.
    pub(super) fn attempt(&self, key: &SessionKey, now: Timestamp, change: impl Fn(&mut Record)) -> Checked<Update> {
        let Some(mut record) = self.load(key, now)? else { return Ok(Update::Gone) };
        let expected = record.revision();
        change(&mut record);
        record.set_revision(Revision::fresh());
        self.update(&record, expected, now)
    }
}

/// That a compare-and-swap met [`ATTEMPTS`] conflicts in a row.
pub(super) fn conflicts() -> Trouble {
    Trouble::Broken(format!("{ATTEMPTS} compare-and-swaps in a row were conflicts"))
}

/// So many conflicts in a row cannot be chance.
pub(super) const ATTEMPTS: usize = 10_000;

fn expect<T>(what: &str, result: Result<T>) -> Checked<T> {
    result.map_err(|error| Trouble::Broken(format!("{what} failed: {error}")))
}

fn stored(what: &str, update: Update) -> Checked<Revision> {
    match update {
        Update::Stored(revision) => Ok(revision),
        Update::Conflict(_) => Err(Trouble::Broken(format!("{what} answered Conflict where nothing stood against it"))),
        Update::Gone => Err(Trouble::Broken(format!("{what} answered Gone for a live session"))),
    }
}

/// Runs the same work on many threads that begin together, and collects their results.
pub(super) fn together<T: Send>(threads: usize, work: impl Fn(usize) -> Checked<T> + Sync) -> Checked<Vec<T>> {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|number| {
                let (start, work) = (&start, &work);
                scope.spawn(move || {
                    start.wait();
                    work(number)
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}
