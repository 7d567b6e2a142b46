//! A site with a clock that stands still, a store that can be watched, and a browser.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use cloakroom::cookie::Cookie;
use cloakroom::{
    Acknowledged, Committed, Error, ErrorKind, Found, Handle, ManualClock, MemoryStore, Outcome, Owner, Record, Result,
    Revision, RuntimeFree, Session, SessionId, SessionKey, Sessions, SessionsBuilder, Store, Swept, Timestamp, Trace,
    Update,
};

pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(60 * 60);
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// When the tests begin.
pub const START: Timestamp = Timestamp::from_secs(1_700_000_000);

/// A site whose sessions last 30 minutes idle and 12 hours at most, with the cookie `__Host-sid`.
pub struct Site {
    pub clock: ManualClock,
    pub store: Watched,
    pub sessions: Sessions<Watched>,
}

pub fn site() -> Site {
    site_with(|builder| builder)
}

pub fn site_with(settings: impl FnOnce(SessionsBuilder<Watched>) -> SessionsBuilder<Watched>) -> Site {
    site_over(ManualClock::at(START), Watched::default(), settings)
}

/// Another deployment of a site, over the same store.
pub fn site_over(
    clock: ManualClock,
    store: Watched,
    settings: impl FnOnce(SessionsBuilder<Watched>) -> SessionsBuilder<Watched>,
) -> Site {
    let builder = Sessions::builder(store.clone()).cookie(Cookie::named("sid")).clock(clock.clone());
    Site { sessions: settings(builder).build().unwrap(), clock, store }
}

impl Site {
    pub fn open(&self, browser: &Browser) -> Session {
        self.sessions.blocking().open(browser.headers(self)).unwrap()
    }

    pub fn commit(&self, session: Session) -> Committed {
        self.sessions.blocking().commit(session).unwrap()
    }

    /// A whole request, of which nothing but its effects matters.
    pub fn visit(&self, browser: &mut Browser, handler: impl FnOnce(&Session)) {
        let _ = self.request(browser, handler);
    }

    /// A whole request.
    pub fn request(&self, browser: &mut Browser, handler: impl FnOnce(&Session)) -> Committed {
        let session = self.open(browser);
        handler(&session);
        let committed = self.commit(session);
        browser.receive(self, &committed);
        committed
    }

    pub fn advance(&self, by: Duration) {
        use cloakroom::Clock;
        self.clock.advance(by);
        assert!(self.clock.now() >= START);
    }

    pub fn now(&self) -> Timestamp {
        use cloakroom::Clock;
        self.clock.now()
    }

    pub fn count(&self) -> u64 {
        use cloakroom::Clock;
        now(self.store.memory.count(self.clock.now())).unwrap()
    }
}

/// Keeps one cookie as browsers do: until its Max-Age is over, or it is removed.
#[derive(Clone, Default)]
pub struct Browser {
    cookie: Option<String>,
    until: Option<Timestamp>,
}

impl Browser {
    /// With a cookie of this value, however it came there.
    pub fn with_id(id: &str) -> Self {
        Self { cookie: Some(format!("__Host-sid={id}")), until: None }
    }

    pub fn has_cookie(&self) -> bool {
        self.cookie.is_some()
    }

    pub fn id(&self) -> &str {
        self.cookie.as_deref().unwrap().strip_prefix("__Host-sid=").unwrap()
    }

    pub fn headers(&self, site: &Site) -> Vec<String> {
        use cloakroom::Clock;
        let is_kept = self.until.is_none_or(|until| site.clock.now() < until);
        self.cookie.iter().filter(|_| is_kept).cloned().collect()
    }

    pub fn receive(&mut self, site: &Site, committed: &Committed) {
        use cloakroom::Clock;
        let Some(set) = committed.set_cookie() else { return };
        let age = max_age(committed);
        self.cookie = (age != Some(0)).then(|| set.as_str().split(';').next().unwrap().to_owned());
        self.until = age.map(|age| site.clock.now().plus(Duration::from_secs(age)));
    }

    /// The handle of the session that the cookie opens.
    pub fn handle(&self, site: &Site) -> Option<Handle> {
        site.open(self).handle()
    }

    /// The key of the cookie's id.
    pub fn key(&self) -> SessionKey {
        SessionKey::of(&SessionId::parse(self.id()).unwrap())
    }
}

/// The cookie's Max-Age; `None` for a cookie that ends with the browser.
pub fn max_age(committed: &Committed) -> Option<u64> {
    let set = committed.set_cookie()?.as_str();
    set.split("; ").find_map(|attribute| attribute.strip_prefix("Max-Age=")).map(|age| age.parse().unwrap())
}

/// Checks that the commit did nothing and set no cookie.
#[track_caller]
pub fn assert_nothing(committed: &Committed) {
    assert_eq!(committed.outcome(), Outcome::Unchanged);
    assert_eq!(committed.set_cookie(), None);
}

#[track_caller]
pub fn assert_lost(committed: &Committed) {
    assert_eq!(committed.outcome(), Outcome::Lost);
    assert_eq!(committed.set_cookie(), None);
}

/// A future that is ready at its first poll.
pub fn now<F: Future>(future: F) -> F::Output {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("not ready at once"),
    }
}

type Hook = Box<dyn Fn() + Send + Sync>;

/// A MemoryStore that notes which of its operations were called, and runs what the test wants before one of them.
#[derive(Clone, Default)]
pub struct Watched {
    pub memory: MemoryStore,
    watch: Arc<Watch>,
}

#[derive(Default)]
struct Watch {
    calls: Mutex<Vec<&'static str>>,
    proposed: Mutex<Vec<Revision>>,
    /// What happens before the next operations of these names.
    hooks: Mutex<VecDeque<(&'static str, Hook)>>,
    fails: Mutex<Option<(&'static str, ErrorKind)>>,
    damaged: Mutex<Vec<(SessionKey, ErrorKind)>>,
    /// How often each operation yields to other tasks, before its work and after it.
    slow: Mutex<bool>,
}

impl Watched {
    /// The operations called since this was last asked.
    pub fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.watch.calls.lock().unwrap())
    }

    /// The revisions proposed so far.
    pub fn proposed(&self) -> Vec<Revision> {
        self.watch.proposed.lock().unwrap().clone()
    }

    /// Makes something happen right before the next operation of this name.
    pub fn before(&self, operation: &'static str, hook: impl Fn() + Send + Sync + 'static) {
        self.watch.hooks.lock().unwrap().push_back((operation, Box::new(hook)));
    }

    /// Makes all operations of this name fail.
    pub fn fail(&self, operation: &'static str) {
        self.fail_as(operation, ErrorKind::Unavailable);
    }

    pub fn fail_as(&self, operation: &'static str, kind: ErrorKind) {
        *self.watch.fails.lock().unwrap() = Some((operation, kind));
    }

    /// Makes a session one that cannot be read.
    pub fn damage(&self, key: SessionKey) {
        self.cannot_read(key, ErrorKind::Damaged);
    }

    /// Makes every look at a session fail in this way.
    pub fn cannot_read(&self, key: SessionKey, kind: ErrorKind) {
        self.watch.damaged.lock().unwrap().push((key, kind));
    }

    /// Makes each operation wait, once before its work and once after it.
    pub fn be_slow(&self) {
        *self.watch.slow.lock().unwrap() = true;
    }

    async fn called(&self, operation: &'static str) -> Result<()> {
        self.pause().await;
        self.watch.calls.lock().unwrap().push(operation);
        if let Some((failing, kind)) = &*self.watch.fails.lock().unwrap()
            && *failing == operation
        {
            return Err(Error::new(kind.clone(), operation));
        }
        let hook = {
            let mut hooks = self.watch.hooks.lock().unwrap();
            let at = hooks.iter().position(|(name, _)| *name == operation);
            at.and_then(|at| hooks.remove(at))
        };
        if let Some((_, hook)) = hook {
            hook();
        }
        Ok(())
    }

    async fn pause(&self) {
        let mut waits = *self.watch.slow.lock().unwrap();
        poll_fn(|context| {
            context.waker().wake_by_ref();
            if std::mem::take(&mut waits) { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    async fn found(&self, key: &SessionKey, now: Timestamp) -> Result<Found> {
        let damaged = self.watch.damaged.lock().unwrap().iter().find(|(damaged, _)| damaged == key).cloned();
        match (self.memory.find(key, now).await, damaged) {
            (Ok(Found::Live(_)), Some((_, kind))) => Err(Error::new(kind, "reading a session")),
            (done, _) => done,
        }
    }

    fn propose(&self, record: &Record) {
        self.watch.proposed.lock().unwrap().push(record.revision());
    }
}

impl Store for Watched {
    async fn create(&self, record: &Record, traces: &[(SessionKey, Trace)], now: Timestamp) -> Result<Revision> {
        self.called("create").await?;
        self.propose(record);
        let done = self.memory.create(record, traces, now).await;
        self.pause().await;
        done
    }
    async fn find(&self, key: &SessionKey, now: Timestamp) -> Result<Found> {
        self.called("find").await?;
        let done = self.found(key, now).await;
        self.pause().await;
        done
    }
    async fn find_all(&self, keys: &[SessionKey], now: Timestamp) -> Vec<Result<Found>> {
        let called = self.called("find_all").await;
        let mut found = Vec::new();
        for key in keys {
            found.push(match &called {
                Ok(()) => self.found(key, now).await,
                Err(_) => Err(Error::new(ErrorKind::Unavailable, "find_all")),
            });
        }
        self.pause().await;
        found
    }
    async fn update(&self, record: &Record, expected: Revision, now: Timestamp) -> Result<Update> {
        self.called("update").await?;
        self.propose(record);
        let done = self.memory.update(record, expected, now).await;
        self.pause().await;
        done
    }
    async fn touch(&self, key: &SessionKey, now: Timestamp) -> Result<bool> {
        self.called("touch").await?;
        let done = self.memory.touch(key, now).await;
        self.pause().await;
        done
    }
    async fn rotate(
        &self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        trace: Option<&Trace>,
        now: Timestamp,
    ) -> Result<Update> {
        self.called("rotate").await?;
        self.propose(record);
        let done = self.memory.rotate(old, expected, record, trace, now).await;
        self.pause().await;
        done
    }
    async fn destroy(&self, key: &SessionKey, trace: Option<&Trace>) -> Result<bool> {
        self.called("destroy").await?;
        let done = self.memory.destroy(key, trace).await;
        self.pause().await;
        done
    }
    async fn owned_by(&self, owner: &Owner, now: Timestamp) -> Result<Vec<Record>> {
        self.called("owned_by").await?;
        self.memory.owned_by(owner, now).await
    }
    async fn destroy_owned_by(&self, owner: &Owner, except: Option<&SessionKey>) -> Result<u64> {
        self.called("destroy_owned_by").await?;
        self.memory.destroy_owned_by(owner, except).await
    }
    async fn sweep(&self, now: Timestamp, budget: usize) -> Result<Swept> {
        self.memory.sweep(now, budget).await
    }
    async fn scan(&self, now: Timestamp, visit: &mut (dyn FnMut(Record) -> ControlFlow<()> + Send)) -> Result<()> {
        self.called("scan").await?;
        self.memory.scan(now, visit).await
    }
    async fn count(&self, now: Timestamp) -> Result<u64> {
        self.memory.count(now).await
    }
    async fn clear(&self) -> Result<()> {
        self.memory.clear().await
    }
    fn durability(&self) -> Acknowledged {
        self.memory.durability()
    }
}

impl RuntimeFree for Watched {}
