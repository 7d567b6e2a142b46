//! From the ids of a request to its session.

use std::sync::Arc;

use crate::model::error::Result;
use crate::model::id::SessionId;
use crate::model::key::SessionKey;
use crate::model::record::Record;
use crate::model::time::Timestamp;
use crate::session::{Access, Came, Changes, Early, Session, State, Stood, Visitor};
use crate::sessions::handle::Sessions;
use crate::sessions::lookup::LookedUp;
use crate::sessions::presented::Presented;
use crate::store::{Found, Store};

impl<S: Store> Sessions<S> {
    /// Opens the session of a request: the one that its cookie names, or a blank one.
    ///
    /// `headers` are the values of the request's `Cookie` headers. An id that the store does not know is never adopted
    /// (OWASP session management cheat sheet, strict mode): a blank session gets a new id at its commit, if the handler
    /// has put something into it. The id from before a rotation or a login opens nothing, either. If the cookie comes several
    /// times, at most four ids are looked up, in one call: the first session wins if all that live have one owner or none.
    /// Of different owners none is opened ([`ErrorKind::Locked`](crate::ErrorKind::Locked)).
    ///
    /// The future is `Send` and keeps nothing of the headers, but its type names their type. Where that is a hindrance,
    /// call its two halves, [`presented`](Sessions::presented) and [`open_presented`](Sessions::open_presented).
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// # let request_cookies = [""; 0];
    /// let session = sessions.open(request_cookies).await?;
    /// session.insert("theme", "dark")?;
    /// let committed = sessions.commit(session).await?;
    /// # assert!(committed.set_cookie().is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The error of the store's [`find`](Store::find). A store that fails never gives a blank session. A session that is
    /// there and cannot be read is opened: its visitor can log in or out, which ends it, and whatever else looks at it
    /// fails ([`Session`](Session#errors)).
    pub fn open<I, H>(&self, headers: I) -> impl Future<Output = Result<Session>> + Send
    where
        I: IntoIterator<Item = H>,
        H: AsRef<[u8]>,
    {
        self.open_presented(self.presented(headers))
    }

    /// Opens the session of a request by the ids that the request presents; see [`open`](Sessions::open).
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// # let cookie = sessions.test_cookie(|session| session.login("user 42")).await?;
    /// let presented = sessions.presented([cookie]); // no I/O, and it borrows nothing of the request
    /// let session = sessions.open_presented(presented).await?;
    /// assert!(!session.is_new());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The error of the store's [`find`](Store::find).
    pub fn open_presented(&self, presented: Presented) -> impl Future<Output = Result<Session>> + Send {
        // No `async fn`, whose future would have the argument twice.
        let visitor = presented.visitor();
        async move {
            let now = self.policy().now();
            let LookedUp { opened, barred, beside } = self.look_up(&presented, now).await?;
            let mut visitor = Visitor { beside, ..visitor };
            let state = match opened {
                Some((id, record)) if self.policy().may_end_meanwhile(&record, now) => {
                    let key = *record.key();
                    // Boxed, because it is rare, and a request's future has the size of its largest part.
                    let seen = Box::pin(self.see(id, record, now)).await?;
                    if seen.is_none() {
                        visitor.beside.insert(0, Came { key, stood: Stood::Nothing });
                    }
                    seen
                }
                opened => opened.map(|(id, record)| stored(Access::Full, Some(id), record, now)),
            };
            let state = state.unwrap_or_else(|| self.blank_state(now));
            Ok(Session::new(Arc::clone(&self.0.policy), State { visitor, barred, ..state }))
        }
    }

    /// Drops the session's changes, and loads it again. A session that is gone becomes a blank one.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// let session = sessions.open([""; 0]).await?;
    /// session.insert("theme", "dark")?;
    /// sessions.reload(&session).await?;
    /// assert!(!session.contains("theme")?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Committed`](crate::ErrorKind::Committed) after the commit; the error of the store's
    /// [`find`](Store::find), and then the session stays as it was.
    pub async fn reload(&self, session: &Session) -> Result<()> {
        let now = self.policy().now();
        let (access, mut visitor, arrived, id, key) = {
            let state = session.unseen_state();
            state.check_open()?;
            let stored = if state.is_stored { Some(&state.record) } else { state.ended.as_deref() };
            (state.access, state.visitor.clone(), state.arrived, state.id.clone(), stored.map(|record| *record.key()))
        };
        let mut record = None;
        if let Some(key) = key {
            let stood = match self.0.store.find(&key, now).await? {
                Found::Live(found) if !self.policy().is_over(&found, now) => {
                    record = Some(found);
                    None
                }
                Found::Live(_) => Some(Stood::Unusable),
                Found::Trace(trace) => Some(Stood::Trace(trace)),
                Found::Nothing => Some(Stood::Nothing),
            };
            visitor.beside.extend(stood.map(|stood| Came { key, stood }));
        }
        visitor.leaves = false;
        let mut state = session.unseen_state();
        state.check_open()?;
        *state = match record {
            Some(record) => State { visitor, ..stored(access, id, record, arrived) },
            None => State { access, visitor, arrived, ..self.blank_state(now) },
        };
        Ok(())
    }

    /// The blank session of a visitor who brings no cookie, for a test of a function that takes a [`Session`], or where a server
    /// knows that no cookie came. It is not stored unless something is put into it.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// let session = sessions.blank();
    /// session.login("user 42")?;
    /// assert_eq!(session.owner()?, Some("user 42".into()));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn blank(&self) -> Session {
        Session::new(Arc::clone(&self.0.policy), self.blank_state(self.policy().now()))
    }

    fn blank_state(&self, now: Timestamp) -> State {
        State { is_stored: false, ..stored(Access::Full, None, self.policy().blank(now), now) }
    }

    /// Notes that a session near its end is seen, before the request is handled.
    async fn see(&self, id: SessionId, mut record: Record, now: Timestamp) -> Result<Option<State>> {
        let before = record.last_seen();
        // Whether a store that takes no touch matters is decided at the commit.
        let seen_before = match self.0.store.touch(record.key(), now).await {
            Ok(false) => return Ok(None),
            Ok(true) => {
                record.touch(now);
                Some(before)
            }
            Err(_) => None,
        };
        Ok(Some(State { seen_before, ..stored(Access::Full, Some(id), record, now) }))
    }

    /// A session by its key. A session that has expired by today's policy is `None`, too.
    pub(super) async fn load(&self, key: &SessionKey, now: Timestamp) -> Result<Option<Record>> {
        let record = self.0.store.load(key, now).await?;
        Ok(record.filter(|record| self.is_live(record, now)))
    }

    pub(super) fn is_live(&self, record: &Record, now: Timestamp) -> bool {
        !self.policy().is_over(record, now)
    }
}

fn stored(access: Access, id: Option<SessionId>, record: Record, arrived: Timestamp) -> State {
    let (visitor, seen_before) = (Visitor::default(), None);
    State {
        access,
        arrived,
        seen_before,
        visitor,
        id,
        record,
        is_stored: true,
        ended: None,
        barred: None,
        changes: Changes::default(),
        early: Early::None,
    }
}
