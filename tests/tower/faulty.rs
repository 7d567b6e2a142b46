//! A store that fails or waits when the test says so, and that notes which operations were called.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use cloakroom::{
    Acknowledged, Error, ErrorKind, Found, MemoryStore, Owner, Record, Result, Revision, SessionKey, Store, Swept,
    Timestamp, Trace, Update,
};
use tokio::sync::Semaphore;

#[derive(Clone)]
pub struct Faulty(Arc<Inner>);

struct Inner {
    store: MemoryStore,
    fails_to_read: AtomicBool,
    fails_to_write: AtomicBool,
    /// Each write goes through a turnstile, which is open until the test closes it.
    writes: Semaphore,
    asked: Mutex<Vec<&'static str>>,
}

impl Faulty {
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            store: MemoryStore::new(),
            fails_to_read: AtomicBool::new(false),
            fails_to_write: AtomicBool::new(false),
            writes: Semaphore::new(1),
            asked: Mutex::default(),
        }))
    }

    pub fn fail_to_read(&self, fails: bool) {
        self.0.fails_to_read.store(fails, Ordering::SeqCst);
    }

    pub fn fail_to_write(&self, fails: bool) {
        self.0.fails_to_write.store(fails, Ordering::SeqCst);
    }

    /// Writes wait from now on, until the turnstile is opened.
    pub fn close_turnstile(&self) {
        self.0.writes.forget_permits(1);
    }

    pub fn open_turnstile(&self) {
        self.0.writes.add_permits(1);
    }

    /// The operations that were called since the last call of `asked`.
    pub fn asked(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.asked.lock().unwrap())
    }

    fn read(&self, what: &'static str) -> Result<&MemoryStore> {
        self.0.asked.lock().unwrap().push(what);
        self.unless(&self.0.fails_to_read, what)
    }

    async fn write(&self, what: &'static str) -> Result<&MemoryStore> {
        self.0.asked.lock().unwrap().push(what);
        drop(self.0.writes.acquire().await);
        self.unless(&self.0.fails_to_write, what)
    }

    fn unless(&self, fails: &AtomicBool, what: &'static str) -> Result<&MemoryStore> {
        if fails.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, what).at("/srv/secret-path"));
        }
        Ok(&self.0.store)
    }
}

impl Store for Faulty {
    async fn create(&self, record: &Record, traces: &[(SessionKey, Trace)], now: Timestamp) -> Result<Revision> {
        self.write("create").await?.create(record, traces, now).await
    }
    async fn find(&self, key: &SessionKey, now: Timestamp) -> Result<Found> {
        // A store that waits for its disk lets other tasks run in between.
        tokio::task::yield_now().await;
        self.read("load")?.find(key, now).await
    }
    async fn update(&self, record: &Record, expected: Revision, now: Timestamp) -> Result<Update> {
        self.write("update").await?.update(record, expected, now).await
    }
    async fn touch(&self, key: &SessionKey, now: Timestamp) -> Result<bool> {
        self.write("touch").await?.touch(key, now).await
    }
    async fn rotate(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        trace: Option<&Trace>,
        now: Timestamp,
    ) -> Result<Update> {
        self.write("rotate").await?.rotate(old, expected, record, trace, now).await
    }
    async fn destroy(&self, key: &SessionKey, trace: Option<&Trace>) -> Result<bool> {
        self.write("destroy").await?.destroy(key, trace).await
    }
    async fn owned_by(&self, owner: &Owner, now: Timestamp) -> Result<Vec<Record>> {
        self.read("owned_by")?.owned_by(owner, now).await
    }
    async fn destroy_owned_by(&self, owner: &Owner, except: Option<&SessionKey>) -> Result<u64> {
        self.write("destroy_owned_by").await?.destroy_owned_by(owner, except).await
    }
    async fn sweep(&self, now: Timestamp, budget: usize) -> Result<Swept> {
        self.write("sweep").await?.sweep(now, budget).await
    }
    async fn scan(&self, now: Timestamp, visit: &mut (dyn FnMut(Record) -> ControlFlow<()> + Send)) -> Result<()> {
        self.read("scan")?.scan(now, visit).await
    }
    async fn count(&self, now: Timestamp) -> Result<u64> {
        self.read("count")?.count(now).await
    }
    async fn clear(&self) -> Result<()> {
        self.write("clear").await?.clear().await
    }
    fn durability(&self) -> Acknowledged {
        self.0.store.durability()
    }
}
