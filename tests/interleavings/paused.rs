//! A store whose every call waits for its turn, and which writes down what happened in which order.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use cloakroom::{
    Acknowledged, Found, Owner, Record, Result, Revision, RuntimeFree, SessionKey, Store, Swept, Timestamp, Trace,
    Update,
};

/// What one call did. Times are counted in events.
#[derive(Clone, Debug)]
pub enum Done {
    /// A session has this key from here on; which session it was rotated from, if that has the same owner.
    Begun {
        key: SessionKey,
        from: Option<SessionKey>,
    },
    /// A session was to end, and this request's ending has begun.
    Ending,
    Listed,
    Answered,
}

/// Clones are one store. Each call is pending at its first poll, and carried out at the second, whole: so a driver that polls one
/// request once lets it make one call.
#[derive(Clone)]
pub struct Paused<S> {
    pub store: S,
    events: Arc<Mutex<Vec<(usize, Done)>>>,
    /// The request whose turn it is.
    turn: Arc<Mutex<usize>>,
    /// What the call does that each request waits with.
    pending: Arc<Mutex<[Access; 3]>>,
}

/// What a call does to the store. Two that read may change places, and nothing comes of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    #[default]
    Read,
    Write,
}

impl<S: RuntimeFree> Paused<S> {
    pub fn new(store: S) -> Self {
        Self { store, events: Arc::default(), turn: Arc::default(), pending: Arc::default() }
    }

    pub fn let_go(&self, request: usize) {
        *self.turn.lock().unwrap() = request;
    }

    /// Whether the next calls of both requests only read.
    pub fn both_read(&self) -> bool {
        self.pending.lock().unwrap()[..2] == [Access::Read; 2]
    }

    pub fn note(&self, done: Done) {
        let turn = *self.turn.lock().unwrap();
        self.events.lock().unwrap().push((turn, done));
    }

    pub fn events(&self) -> Vec<(usize, Done)> {
        self.events.lock().unwrap().clone()
    }

    async fn pause(&self, access: Access) {
        let turn = *self.turn.lock().unwrap();
        self.pending.lock().unwrap()[turn] = access;
        let mut is_paused = false;
        poll_fn(|_| if std::mem::replace(&mut is_paused, true) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// The sessions in the order of their beginnings, so that the same turns always do the same.
    fn in_order(&self, records: &mut [Record]) {
        let events = self.events();
        let begun = |key: &SessionKey| {
            events.iter().position(|(_, done)| matches!(done, Done::Begun { key: begun, .. } if begun == key))
        };
        records.sort_by_key(|record| begun(record.key()));
    }
}

impl<S: RuntimeFree> Store for Paused<S> {
    async fn create(&self, record: &Record, traces: &[(SessionKey, Trace)], now: Timestamp) -> Result<Revision> {
        self.pause(Access::Write).await;
        let done = whole(self.store.create(record, traces, now))?;
        self.note(Done::Begun { key: *record.key(), from: None });
        Ok(done)
    }
    async fn find(&self, key: &SessionKey, now: Timestamp) -> Result<Found> {
        self.pause(Access::Read).await;
        whole(self.store.find(key, now))
    }
    async fn find_all(&self, keys: &[SessionKey], now: Timestamp) -> Vec<Result<Found>> {
        self.pause(Access::Read).await;
        whole(self.store.find_all(keys, now))
    }
    async fn update(&self, record: &Record, expected: Revision, now: Timestamp) -> Result<Update> {
        self.pause(Access::Write).await;
        whole(self.store.update(record, expected, now))
    }
    async fn touch(&self, key: &SessionKey, now: Timestamp) -> Result<bool> {
        self.pause(Access::Write).await;
        whole(self.store.touch(key, now))
    }
    async fn rotate(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        trace: Option<&Trace>,
        now: Timestamp,
    ) -> Result<Update> {
        self.pause(Access::Write).await;
        let before = whole(self.store.load(old, now))?;
        let done = whole(self.store.rotate(old, expected, record, trace, now))?;
        if let Update::Stored(_) = done {
            let begins_anew = before.is_none_or(|before| {
                let what = |record: &Record| (record.owner().cloned(), record.authenticated_at(), *record.handle());
                what(&before) != what(record)
            });
            self.note(Done::Begun { key: *record.key(), from: (!begins_anew).then_some(*old) });
        }
        Ok(done)
    }
    async fn destroy(&self, key: &SessionKey, trace: Option<&Trace>) -> Result<bool> {
        self.pause(Access::Write).await;
        self.note(Done::Ending);
        whole(self.store.destroy(key, trace))
    }
    async fn owned_by(&self, owner: &Owner, now: Timestamp) -> Result<Vec<Record>> {
        self.pause(Access::Read).await;
        let mut owned = whole(self.store.owned_by(owner, now))?;
        self.in_order(&mut owned);
        self.note(Done::Listed);
        Ok(owned)
    }
    async fn destroy_owned_by(&self, owner: &Owner, except: Option<&SessionKey>) -> Result<u64> {
        self.pause(Access::Write).await;
        whole(self.store.destroy_owned_by(owner, except))
    }
    async fn sweep(&self, now: Timestamp, budget: usize) -> Result<Swept> {
        self.store.sweep(now, budget).await
    }
    async fn scan(&self, now: Timestamp, visit: &mut (dyn FnMut(Record) -> ControlFlow<()> + Send)) -> Result<()> {
        self.store.scan(now, visit).await
    }
    async fn count(&self, now: Timestamp) -> Result<u64> {
        self.store.count(now).await
    }
    async fn clear(&self) -> Result<()> {
        self.store.clear().await
    }
    fn durability(&self) -> Acknowledged {
        self.store.durability()
    }
}

/// Carries out a call to its end, also one that waits for the store's thread.
pub fn whole<F: Future>(call: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let (mut call, mut context) = (std::pin::pin!(call), std::task::Context::from_waker(&waker));
    loop {
        if let Poll::Ready(done) = call.as_mut().poll(&mut context) {
            return done;
        }
        std::thread::park();
    }
}
