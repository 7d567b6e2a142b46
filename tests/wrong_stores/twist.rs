//! A correct store with one thing wrong: what a wrong store does not twist, a `MemoryStore` does.

use std::collections::HashMap;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use cloakroom::conformance::{Report, Suite};
use cloakroom::{
    Acknowledged, BeyondLimit, Capabilities, Durability, Error, ErrorKind, Expiry, Handle, MemoryStore, RuntimeFree,
    Store,
};
// The macros below name these by their way through this module.
pub(crate) use cloakroom::{
    Found, Limits, Owner, Record, Result, Revision, SessionKey, Swept, Timestamp, Trace, Update,
};

/// Long enough for another thread to come in between.
pub(crate) fn pause() {
    thread::sleep(Duration::from_millis(1));
}

pub(crate) type Creating<'a> = Pin<Box<dyn Future<Output = Result<Revision>> + Send + 'a>>;
pub(crate) type Change<'a> = &'a (dyn Fn(&mut Record) -> Result<bool> + Send + Sync);
pub(crate) type Traces<'a> = &'a [(SessionKey, Trace)];
pub(crate) type Visit<'a> = &'a mut (dyn FnMut(Record) -> ControlFlow<()> + Send);

pub(crate) fn error<T>(kind: ErrorKind) -> Result<T> {
    Err(Error::new(kind, "being wrong"))
}

/// As a store of records without handles gives it back: the handle is the key.
pub(crate) fn without_handle(record: &Record) -> Record {
    let mut record = record.clone();
    record.set_handle(Handle::from_bytes(*record.key().as_bytes()));
    record
}

/// What a wrong store remembers besides its sessions.
#[derive(Default)]
pub(crate) struct Notes<T>(Mutex<T>);

impl<T> Notes<T> {
    pub(crate) fn get(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("no wrong store panics")
    }
}

/// Deadlines that a wrong store shows in place of the right ones.
pub(crate) type Deadlines = Notes<HashMap<SessionKey, Expiry>>;

pub(crate) fn with_deadline(record: Option<Record>, deadlines: &Deadlines) -> Result<Option<Record>> {
    Ok(record.map(|mut record| {
        if let Some(expiry) = deadlines.get().get(record.key()) {
            record.set_expiry(*expiry);
        }
        record
    }))
}

/// A `MemoryStore`, called without async, and the limits it should have.
pub(crate) struct Memory {
    store: MemoryStore,
    pub(crate) limits: Limits,
}

/// The future of a `MemoryStore`: ready at once.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("a MemoryStore never waits"),
    }
}

impl Memory {
    pub(crate) fn create(&self, record: &Record, traces: Traces<'_>, now: Timestamp) -> Result<Revision> {
        ready(self.store.create(record, traces, now))
    }
    pub(crate) fn load(&self, key: &SessionKey, now: Timestamp) -> Result<Option<Record>> {
        ready(self.store.load(key, now))
    }
    pub(crate) fn find(&self, key: &SessionKey, now: Timestamp) -> Result<Found> {
        ready(self.store.find(key, now))
    }
    /// The session, expired or not.
    pub(crate) fn peek(&self, key: &SessionKey) -> Result<Option<Record>> {
        self.load(key, Timestamp::EPOCH)
    }
    pub(crate) fn update(&self, record: &Record, expected: Revision, now: Timestamp) -> Result<Update> {
        ready(self.store.update(record, expected, now))
    }
    pub(crate) fn touch(&self, key: &SessionKey, now: Timestamp) -> Result<bool> {
        ready(self.store.touch(key, now))
    }
    pub(crate) fn rotate(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        trace: Option<&Trace>,
        now: Timestamp,
    ) -> Result<Update> {
        ready(self.store.rotate(old, expected, record, trace, now))
    }
    pub(crate) fn destroy(&self, key: &SessionKey, trace: Option<&Trace>) -> Result<bool> {
        ready(self.store.destroy(key, trace))
    }
    pub(crate) fn owned_by(&self, owner: &Owner, now: Timestamp) -> Result<Vec<Record>> {
        ready(self.store.owned_by(owner, now))
    }
    pub(crate) fn destroy_owned_by(&self, owner: &Owner, except: Option<&SessionKey>) -> Result<u64> {
        ready(self.store.destroy_owned_by(owner, except))
    }
    pub(crate) fn update_owned_by(&self, owner: &Owner, change: Change<'_>, now: Timestamp) -> Result<u64> {
        ready(self.store.update_owned_by(owner, change, now))
    }
    pub(crate) fn sweep(&self, now: Timestamp, budget: usize) -> Result<Swept> {
        ready(self.store.sweep(now, budget))
    }
    pub(crate) fn scan(&self, now: Timestamp, visit: Visit<'_>) -> Result<()> {
        ready(self.store.scan(now, visit))
    }
    pub(crate) fn all(&self, now: Timestamp) -> Result<Vec<Record>> {
        let mut all = Vec::new();
        self.scan(now, &mut |record| {
            all.push(record);
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }
    pub(crate) fn count(&self, now: Timestamp) -> Result<u64> {
        ready(self.store.count(now))
    }
    pub(crate) fn clear(&self) -> Result<()> {
        ready(self.store.clear())
    }

    /// Keeps the owner's limit as a store should, if nobody else writes meanwhile.
    pub(crate) fn make_room(&self, record: &Record, replaced: Option<&SessionKey>, now: Timestamp) -> Result<()> {
        let (Some(owner), Some(limit)) = (record.owner(), self.limits.per_owner) else { return Ok(()) };
        let mut others = self.owned_by(owner, now)?;
        if others.iter().any(|other| Some(other.key()) == replaced) {
            return Ok(());
        }
        if others.len() < limit.sessions {
            return Ok(());
        }
        others.sort_by_key(|other| (other.last_seen(), *other.key()));
        match limit.beyond {
            BeyondLimit::EndOldest => self.destroy(others[0].key(), None).map(drop),
            _ => error(ErrorKind::owner_limit(limit.sessions)),
        }
    }
}

/// Which operation an owner's session arrives by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Create,
    Update,
    Rotate,
}

/// What may happen between the two steps of a store that makes room and then stores.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Between {
    Nothing,
    /// Another thread may come in between.
    Threads,
    /// Another thread may, where it happens to run at that moment.
    Unseen,
    /// Another future of the same thread may come in between as well.
    Futures,
}

/// The operations, each as it should be until a wrong store says otherwise.
pub(crate) trait Twist: Send + Sync + 'static {
    /// The limits that the `MemoryStore` keeps.
    fn limits(&self, limits: Limits) -> Limits {
        limits
    }
    /// What the store states.
    fn capabilities(&self) -> Capabilities {
        Capabilities::EXACT
    }
    /// Whether `make_room` keeps the owner's limit, in place of the `MemoryStore`.
    fn makes_room(&self) -> bool {
        false
    }
    /// Whether room is made only for a session that will be stored.
    fn looks_first(&self, _by: By) -> bool {
        true
    }
    /// What may happen between making room and storing the session.
    fn between(&self, _by: By) -> Between {
        Between::Nothing
    }
    fn make_room(
        &self,
        m: &Memory,
        _by: By,
        record: &Record,
        replaced: Option<&SessionKey>,
        now: Timestamp,
    ) -> Result<()> {
        m.make_room(record, replaced, now)
    }
    fn create(&self, m: &Memory, record: &Record, traces: Traces<'_>, now: Timestamp) -> Result<Revision> {
        m.create(record, traces, now)
    }
    fn creating<'a>(&'a self, m: &'a Memory, record: &'a Record, traces: Traces<'a>, now: Timestamp) -> Creating<'a> {
        Box::pin(async move { self.create(m, record, traces, now) })
    }
    fn load(&self, m: &Memory, key: &SessionKey, now: Timestamp) -> Result<Option<Record>> {
        m.load(key, now)
    }
    /// What stands under a key: what `load` says, or a trace.
    fn find(&self, m: &Memory, key: &SessionKey, now: Timestamp) -> Result<Found> {
        match self.load(m, key, now)? {
            Some(record) => Ok(Found::Live(record)),
            None => m.find(key, now).map(|found| found.trace().map_or(Found::Nothing, |trace| Found::Trace(*trace))),
        }
    }
    fn find_all(&self, m: &Memory, keys: &[SessionKey], now: Timestamp) -> Vec<Result<Found>> {
        keys.iter().map(|key| self.find(m, key, now)).collect()
    }
    /// What is found under many keys one of which cannot be read, in the place of what is found under each.
    fn beside_damage(&self, found: Vec<Result<Found>>) -> Vec<Result<Found>> {
        found
    }
    fn load_damaged(&self) -> Result<Option<Record>> {
        error(ErrorKind::Damaged)
    }
    fn update(&self, m: &Memory, record: &Record, expected: Revision, now: Timestamp) -> Result<Update> {
        m.update(record, expected, now)
    }
    fn touch(&self, m: &Memory, key: &SessionKey, now: Timestamp) -> Result<bool> {
        m.touch(key, now)
    }
    fn rotate(
        &self,
        m: &Memory,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        trace: Option<&Trace>,
        now: Timestamp,
    ) -> Result<Update> {
        m.rotate(old, expected, record, trace, now)
    }
    fn destroy(&self, m: &Memory, key: &SessionKey, trace: Option<&Trace>) -> Result<bool> {
        m.destroy(key, trace)
    }
    fn owned_by(&self, m: &Memory, owner: &Owner, now: Timestamp) -> Result<Vec<Record>> {
        m.owned_by(owner, now)
    }
    fn destroy_owned_by(&self, m: &Memory, owner: &Owner, except: Option<&SessionKey>) -> Result<u64> {
        m.destroy_owned_by(owner, except)
    }
    fn update_owned_by(&self, m: &Memory, owner: &Owner, change: Change<'_>, now: Timestamp) -> Result<u64> {
        m.update_owned_by(owner, change, now)
    }
    fn sweep(&self, m: &Memory, now: Timestamp, budget: usize) -> Result<Swept> {
        m.sweep(now, budget)
    }
    fn scan(&self, m: &Memory, now: Timestamp, visit: Visit<'_>) -> Result<()> {
        m.scan(now, visit)
    }
    fn count(&self, m: &Memory, now: Timestamp) -> Result<u64> {
        m.count(now)
    }
    fn clear(&self, m: &Memory) -> Result<()> {
        m.clear()
    }
    /// What the end of the process does to the sessions: nothing.
    fn reopen(&self, _m: &Memory) -> Result<()> {
        Ok(())
    }
}

/// A wrong store. It is one type for all of them, so that the suite is compiled once.
pub(crate) struct Wrong {
    memory: Memory,
    twist: Box<dyn Twist>,
    writing: Mutex<()>,
    damaged: Option<SessionKey>,
}

impl Wrong {
    fn new(twist: Box<dyn Twist>, limits: Limits) -> Self {
        let mut kept = twist.limits(limits);
        if twist.makes_room() {
            kept.per_owner = None;
        }
        let memory = Memory { store: MemoryStore::with_limits(kept), limits };
        Self { memory, twist, writing: Mutex::default(), damaged: None }
    }

    /// Makes room for an owner's session and writes it. `old` is the session that it replaces, and the expected revision.
    async fn write<R>(
        &self,
        by: By,
        record: &Record,
        old: Option<(&SessionKey, Revision)>,
        now: Timestamp,
        write: impl FnOnce() -> Result<R>,
    ) -> Result<R> {
        if !self.twist.makes_room() || self.twist.looks_first(by) && self.would_refuse(by, record, old, now)? {
            return write();
        }
        let make_room = || self.twist.make_room(&self.memory, by, record, old.map(|(key, _)| key), now);
        match self.twist.between(by) {
            Between::Nothing => {
                let _writing = self.writing.lock().expect("no wrong store panics");
                make_room()?;
                write()
            }
            Between::Threads => {
                make_room()?;
                if self.memory.limits.per_owner.is_some() {
                    // As long as the way to a store on another machine and back.
                    pause();
                }
                write()
            }
            Between::Unseen => {
                make_room()?;
                write()
            }
            Between::Futures => {
                make_room()?;
                yield_once().await;
                write()
            }
        }
    }

    /// Whether the `MemoryStore` will refuse this write, whatever room there is.
    fn would_refuse(
        &self,
        by: By,
        record: &Record,
        old: Option<(&SessionKey, Revision)>,
        now: Timestamp,
    ) -> Result<bool> {
        if self.memory.limits.check(record, &record.to_bytes()).is_err() {
            return Ok(true);
        }
        if let Some((key, expected)) = old
            && self.memory.load(key, now)?.is_none_or(|current| current.revision() != expected)
        {
            return Ok(true);
        }
        Ok(by != By::Update && self.memory.load(record.key(), now)?.is_some())
    }
}

impl RuntimeFree for Wrong {}

impl Store for Wrong {
    async fn create(&self, record: &Record, traces: &[(SessionKey, Trace)], now: Timestamp) -> Result<Revision> {
        if self.twist.makes_room() {
            return self
                .write(By::Create, record, None, now, || self.twist.create(&self.memory, record, traces, now))
                .await;
        }
        self.twist.creating(&self.memory, record, traces, now).await
    }
    async fn find(&self, key: &SessionKey, now: Timestamp) -> Result<Found> {
        match self.damaged {
            Some(damaged) if damaged == *key => Ok(self.twist.load_damaged()?.map_or(Found::Nothing, Found::Live)),
            _ => self.twist.find(&self.memory, key, now),
        }
    }
    async fn find_all(&self, keys: &[SessionKey], now: Timestamp) -> Vec<Result<Found>> {
        let mut found = self.twist.find_all(&self.memory, keys, now);
        let Some(damaged) = self.damaged else { return found };
        for (found, _) in found.iter_mut().zip(keys).filter(|(_, key)| **key == damaged) {
            *found = self.twist.load_damaged().map(|record| record.map_or(Found::Nothing, Found::Live));
        }
        self.twist.beside_damage(found)
    }
    async fn load(&self, key: &SessionKey, now: Timestamp) -> Result<Option<Record>> {
        match self.damaged {
            Some(damaged) if damaged == *key => self.twist.load_damaged(),
            _ => self.twist.load(&self.memory, key, now),
        }
    }
    async fn update(&self, record: &Record, expected: Revision, now: Timestamp) -> Result<Update> {
        let write = || self.twist.update(&self.memory, record, expected, now);
        self.write(By::Update, record, Some((record.key(), expected)), now, write).await
    }
    async fn touch(&self, key: &SessionKey, now: Timestamp) -> Result<bool> {
        self.twist.touch(&self.memory, key, now)
    }
    async fn rotate(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        trace: Option<&Trace>,
        now: Timestamp,
    ) -> Result<Update> {
        let write = || self.twist.rotate(&self.memory, old, expected, record, trace, now);
        self.write(By::Rotate, record, Some((old, expected)), now, write).await
    }
    async fn destroy(&self, key: &SessionKey, trace: Option<&Trace>) -> Result<bool> {
        self.twist.destroy(&self.memory, key, trace)
    }
    async fn owned_by(&self, owner: &Owner, now: Timestamp) -> Result<Vec<Record>> {
        self.twist.owned_by(&self.memory, owner, now)
    }
    async fn destroy_owned_by(&self, owner: &Owner, except: Option<&SessionKey>) -> Result<u64> {
        self.twist.destroy_owned_by(&self.memory, owner, except)
    }
    async fn update_owned_by(
        &self,
        owner: &Owner,
        change: impl Fn(&mut Record) -> Result<bool> + Send + Sync,
        now: Timestamp,
    ) -> Result<u64> {
        self.twist.update_owned_by(&self.memory, owner, &change, now)
    }
    async fn sweep(&self, now: Timestamp, budget: usize) -> Result<Swept> {
        self.twist.sweep(&self.memory, now, budget)
    }
    async fn scan(&self, now: Timestamp, visit: Visit<'_>) -> Result<()> {
        self.twist.scan(&self.memory, now, visit)
    }
    async fn count(&self, now: Timestamp) -> Result<u64> {
        self.twist.count(&self.memory, now)
    }
    async fn clear(&self) -> Result<()> {
        self.twist.clear(&self.memory)
    }
    fn durability(&self) -> Acknowledged {
        // The same memory is "reopened", so everything survives unless a wrong store says otherwise.
        Acknowledged::new(Durability::Never, Durability::Never)
    }
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.twist.capabilities();
        capabilities.most_traces = capabilities.most_traces.map(|_| self.memory.limits.traces);
        capabilities
    }
}

/// Lets the executor look at something else first.
pub(crate) async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

pub(crate) fn suite<T: Twist + Default>() -> Suite<Wrong> {
    suite_of(|| Box::new(T::default()))
}

fn suite_of(twist: fn() -> Box<dyn Twist>) -> Suite<Wrong> {
    Suite::new(move |limits| async move { Wrong::new(twist(), limits) })
        .reopen(async |store| {
            store.twist.reopen(&store.memory).expect("a MemoryStore does not fail");
            store
        })
        .damage(async |store, key| Wrong { damaged: Some(key), ..store })
}

pub(crate) fn report<T: Twist + Default>() -> Report {
    // What hangs has a limit of its own, in `stuck`. On a busy machine all else takes what it takes.
    suite::<T>().time_limit(Duration::from_secs(600)).run()
}

/// That a wrong store breaks this promise and no other; and that only these could not be judged because of it.
#[track_caller]
pub(crate) fn judge<T: Twist + Default>(promise: &str, hides: &[&str]) {
    let report = report::<T>();
    assert_eq!(report.broken().collect::<Vec<_>>(), [promise], "\n{report}");
    assert_eq!(report.unreached().collect::<Vec<_>>(), hides, "\n{report}");
}

/// Each wrong store as a test: its name, what it remembers, and what it does differently; grouped by the promise that
/// it breaks. What it hides cannot be judged while that promise is broken.
macro_rules! wrong_stores {
    ($($promise:literal {$(
        $(#[$attribute:meta])*
        $store:ident $(($($field:ident: $type:ty),+))? $(hides $hidden:expr)? => {
            $($method:ident($($argument:ident),*) $body:block)+
        }
    )+})+) => {
        pub(crate) const BROKEN: &[&str] = &[$($promise),+];
        $($(
            $(#[$attribute])*
            #[test]
            fn $store() {
                #[derive(Default)]
                struct Store { $($($field: $type),+)? }
                #[allow(unused_variables)]
                impl $crate::twist::Twist for Store {
                    $($crate::twist::method!($method($($argument),*) $body);)+
                }
                #[allow(unused_mut, unused_assignments)]
                let mut hides: &[&str] = &[];
                $(hides = &$hidden;)?
                $crate::twist::judge::<Store>($promise, hides);
            }
        )+)+
    };
}

macro_rules! method {
    (limits($s:ident, $limits:ident) $body:block) => {
        fn limits(&$s, $limits: $crate::twist::Limits) -> $crate::twist::Limits $body
    };
    (makes_room($s:ident) $body:block) => {
        fn makes_room(&$s) -> bool $body
    };
    (looks_first($s:ident, $by:ident) $body:block) => {
        fn looks_first(&$s, $by: $crate::twist::By) -> bool $body
    };
    (between($s:ident, $by:ident) $body:block) => {
        fn between(&$s, $by: $crate::twist::By) -> $crate::twist::Between $body
    };
    (make_room($s:ident, $m:ident, $by:ident, $record:ident, $replaced:ident, $now:ident) $body:block) => {
        fn make_room(
            &$s, $m: &$crate::twist::Memory, $by: $crate::twist::By, $record: &$crate::twist::Record, $replaced: Option<&$crate::twist::SessionKey>, $now: $crate::twist::Timestamp,
        ) -> $crate::twist::Result<()> $body
    };
    (create($s:ident, $m:ident, $record:ident, $traces:ident, $now:ident) $body:block) => {
        fn create(&$s, $m: &$crate::twist::Memory, $record: &$crate::twist::Record, $traces: $crate::twist::Traces<'_>, $now: $crate::twist::Timestamp) -> $crate::twist::Result<$crate::twist::Revision> $body
    };
    (creating($s:ident, $m:ident, $record:ident, $traces:ident, $now:ident) $body:block) => {
        fn creating<'a>(&'a $s, $m: &'a $crate::twist::Memory, $record: &'a $crate::twist::Record, $traces: $crate::twist::Traces<'a>, $now: $crate::twist::Timestamp) -> $crate::twist::Creating<'a> {
            Box::pin(async move $body)
        }
    };
    (load($s:ident, $m:ident, $key:ident, $now:ident) $body:block) => {
        fn load(&$s, $m: &$crate::twist::Memory, $key: &$crate::twist::SessionKey, $now: $crate::twist::Timestamp) -> $crate::twist::Result<Option<$crate::twist::Record>> $body
    };
    (find($s:ident, $m:ident, $key:ident, $now:ident) $body:block) => {
        fn find(&$s, $m: &$crate::twist::Memory, $key: &$crate::twist::SessionKey, $now: $crate::twist::Timestamp) -> $crate::twist::Result<$crate::twist::Found> $body
    };
    (find_all($s:ident, $m:ident, $keys:ident, $now:ident) $body:block) => {
        fn find_all(&$s, $m: &$crate::twist::Memory, $keys: &[$crate::twist::SessionKey], $now: $crate::twist::Timestamp) -> Vec<$crate::twist::Result<$crate::twist::Found>> $body
    };
    (beside_damage($s:ident, $found:ident) $body:block) => {
        fn beside_damage(&$s, $found: Vec<$crate::twist::Result<$crate::twist::Found>>) -> Vec<$crate::twist::Result<$crate::twist::Found>> $body
    };
    (load_damaged($s:ident) $body:block) => {
        fn load_damaged(&$s) -> $crate::twist::Result<Option<$crate::twist::Record>> $body
    };
    (update($s:ident, $m:ident, $record:ident, $expected:ident, $now:ident) $body:block) => {
        fn update(&$s, $m: &$crate::twist::Memory, $record: &$crate::twist::Record, $expected: $crate::twist::Revision, $now: $crate::twist::Timestamp) -> $crate::twist::Result<$crate::twist::Update> $body
    };
    (touch($s:ident, $m:ident, $key:ident, $now:ident) $body:block) => {
        fn touch(&$s, $m: &$crate::twist::Memory, $key: &$crate::twist::SessionKey, $now: $crate::twist::Timestamp) -> $crate::twist::Result<bool> $body
    };
    (rotate($s:ident, $m:ident, $old:ident, $expected:ident, $record:ident, $trace:ident, $now:ident) $body:block) => {
        fn rotate(
            &$s, $m: &$crate::twist::Memory, $old: &$crate::twist::SessionKey, $expected: $crate::twist::Revision, $record: &$crate::twist::Record, $trace: Option<&$crate::twist::Trace>, $now: $crate::twist::Timestamp,
        ) -> $crate::twist::Result<$crate::twist::Update> $body
    };
    (destroy($s:ident, $m:ident, $key:ident, $trace:ident) $body:block) => {
        fn destroy(&$s, $m: &$crate::twist::Memory, $key: &$crate::twist::SessionKey, $trace: Option<&$crate::twist::Trace>) -> $crate::twist::Result<bool> $body
    };
    (owned_by($s:ident, $m:ident, $owner:ident, $now:ident) $body:block) => {
        fn owned_by(&$s, $m: &$crate::twist::Memory, $owner: &$crate::twist::Owner, $now: $crate::twist::Timestamp) -> $crate::twist::Result<Vec<$crate::twist::Record>> $body
    };
    (destroy_owned_by($s:ident, $m:ident, $owner:ident, $except:ident) $body:block) => {
        fn destroy_owned_by(&$s, $m: &$crate::twist::Memory, $owner: &$crate::twist::Owner, $except: Option<&$crate::twist::SessionKey>) -> $crate::twist::Result<u64> $body
    };
    (update_owned_by($s:ident, $m:ident, $owner:ident, $change:ident, $now:ident) $body:block) => {
        fn update_owned_by(&$s, $m: &$crate::twist::Memory, $owner: &$crate::twist::Owner, $change: $crate::twist::Change<'_>, $now: $crate::twist::Timestamp) -> $crate::twist::Result<u64> $body
    };
    (sweep($s:ident, $m:ident, $now:ident, $budget:ident) $body:block) => {
        fn sweep(&$s, $m: &$crate::twist::Memory, $now: $crate::twist::Timestamp, $budget: usize) -> $crate::twist::Result<$crate::twist::Swept> $body
    };
    (scan($s:ident, $m:ident, $now:ident, $visit:ident) $body:block) => {
        fn scan(&$s, $m: &$crate::twist::Memory, $now: $crate::twist::Timestamp, $visit: $crate::twist::Visit<'_>) -> $crate::twist::Result<()> $body
    };
    (count($s:ident, $m:ident, $now:ident) $body:block) => {
        fn count(&$s, $m: &$crate::twist::Memory, $now: $crate::twist::Timestamp) -> $crate::twist::Result<u64> $body
    };
    (clear($s:ident, $m:ident) $body:block) => {
        fn clear(&$s, $m: &$crate::twist::Memory) -> $crate::twist::Result<()> $body
    };
    (reopen($s:ident, $m:ident) $body:block) => {
        fn reopen(&$s, $m: &$crate::twist::Memory) -> $crate::twist::Result<()> $body
    };
}

pub(crate) use {method, wrong_stores};
