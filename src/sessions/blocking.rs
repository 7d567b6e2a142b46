//! Sessions for servers without async.

use std::fmt;

use crate::model::error::Result;
use crate::model::handle::Handle;
use crate::model::owner::Owner;
use crate::session::{Committed, Session};
use crate::sessions::handle::Sessions;
use crate::sessions::owned::Listed;
use crate::sessions::presented::Presented;
use crate::store::block_on::block_on;
use crate::store::runtime_free::RuntimeFree;
use crate::store::{Store, Swept};

/// [`Sessions`] for servers without async, from [`Sessions::blocking`]. Its methods are those of the same names there;
/// each parks the thread until it is done. Cheap to clone.
///
/// ```
/// use cloakroom::{MemoryStore, Sessions};
///
/// let sessions = Sessions::builder(MemoryStore::new()).build()?.blocking();
///
/// // A request without a cookie ...
/// let session = sessions.open([""; 0])?;
/// session.login("user 42")?;
/// let committed = sessions.commit(session)?;
/// let set_cookie = committed.into_set_cookie().unwrap().into_string();
///
/// // ... and the next one, with the cookie.
/// let session = sessions.open(set_cookie.split(';').next())?;
/// assert_eq!(session.owner()?, Some("user 42".into()));
/// assert_eq!(sessions.end_all("user 42")?, 1);
/// # Ok::<(), cloakroom::Error>(())
/// ```
pub struct Blocking<S>(Sessions<S>);

impl<S: Store> Sessions<S> {
    /// The same sessions for servers without async. Do not use them inside an async runtime, whose thread they would
    /// park.
    pub fn blocking(&self) -> Blocking<S>
    where
        S: RuntimeFree,
    {
        Blocking(self.clone())
    }
}

impl<S: RuntimeFree> Blocking<S> {
    /// Opens the session of a request: the one that its cookie names, or a blank one. `headers` are the values of the
    /// request's `Cookie` headers. As [`Sessions::open`].
    ///
    /// # Errors
    ///
    /// The error of the store's [`load`](crate::Store::load). A store that fails never gives a blank session.
    pub fn open<I, H>(&self, headers: I) -> Result<Session>
    where
        I: IntoIterator<Item = H>,
        H: AsRef<[u8]>,
    {
        block_on(self.0.open(headers))
    }

    /// Opens the session of a request by the ids that the request presents. As [`Sessions::open_presented`].
    ///
    /// # Errors
    ///
    /// The error of the store's [`load`](crate::Store::load).
    pub fn open_presented(&self, presented: Presented) -> Result<Session> {
        block_on(self.0.open_presented(presented))
    }

    /// The blank session of a visitor who brings no cookie. As [`Sessions::blank`].
    pub fn blank(&self) -> Session {
        self.0.blank()
    }

    /// Stores what the request changed, before its response leaves. As [`Sessions::commit`].
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Outcome, Sessions};
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?.blocking();
    /// let session = sessions.open([""; 0])?;
    /// session.insert("theme", "dark")?;
    /// let committed = sessions.commit(session)?;
    /// assert_eq!(committed.outcome(), Outcome::Created);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict), [`ErrorKind::Contention`](crate::ErrorKind::Contention),
    /// [`ErrorKind::Entry`](crate::ErrorKind::Entry) and [`ErrorKind::Committed`](crate::ErrorKind::Committed), each as
    /// [`Sessions::commit`] says; the store's errors.
    pub fn commit(&self, session: Session) -> Result<Committed> {
        block_on(self.0.commit(session))
    }

    /// Commits after the request failed: the changes are dropped, but a logout is carried out. As
    /// [`Sessions::commit_after_error`].
    ///
    /// # Errors
    ///
    /// Those of [`commit`](Blocking::commit).
    pub fn commit_after_error(&self, session: Session) -> Result<Committed> {
        block_on(self.0.commit_after_error(session))
    }

    /// Commits the session as the end of its request asks for; `status` is the response's, `None` if the handler failed
    /// or panicked. As [`Sessions::settle`].
    ///
    /// # Errors
    ///
    /// Those of [`commit`](Blocking::commit), and [`ErrorKind::Lost`](crate::ErrorKind::Lost). The response is then not to
    /// be sent.
    pub fn settle(&self, session: Session, method: &str, status: Option<u16>) -> Result<Committed> {
        block_on(self.0.settle(session, method, status))
    }

    /// Drops the session's changes, and loads it again. As [`Sessions::reload`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Committed`](crate::ErrorKind::Committed) after the commit; the error of the store's
    /// [`load`](crate::Store::load).
    pub fn reload(&self, session: &Session) -> Result<()> {
        block_on(self.0.reload(session))
    }

    /// Changes a session from outside of its requests, such as in a background thread; `None` if the session is gone.
    /// As [`Sessions::edit`].
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?.blocking();
    /// # let cookie = sessions.test_cookie(|session| session.login("user 42"))?;
    /// let session = sessions.open([&cookie])?;
    /// std::thread::scope(|threads| {
    ///     threads.spawn(|| sessions.edit(&session, |session| session.insert("report", "ready")));
    /// });
    /// assert!(sessions.open([&cookie])?.contains("report")?);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The error of `f`; [`ErrorKind::NoVisitor`](crate::ErrorKind::NoVisitor) where `f` asks for a new id;
    /// [`ErrorKind::Contention`](crate::ErrorKind::Contention) after 256 conflicts; the store's errors.
    pub fn edit<T>(&self, session: &Session, f: impl Fn(&Session) -> Result<T>) -> Result<Option<T>> {
        block_on(self.0.edit(session, f))
    }

    /// Whether a session goes on, under this id or another. As [`Sessions::still_lives`].
    ///
    /// # Errors
    ///
    /// The store's errors.
    pub fn still_lives(&self, session: &Session) -> Result<bool> {
        block_on(self.0.still_lives(session))
    }

    /// All live sessions of a user, the session that was seen last first. As [`Sessions::owned_by`].
    ///
    /// # Errors
    ///
    /// The store's errors.
    pub fn owned_by(&self, owner: impl Into<Owner>) -> Result<Vec<Listed>> {
        block_on(self.0.owned_by(owner))
    }

    /// Ends one of a user's devices. Says whether the user had a session of this handle. As [`Sessions::end`].
    ///
    /// # Errors
    ///
    /// The store's errors.
    pub fn end(&self, owner: impl Into<Owner>, handle: &Handle) -> Result<bool> {
        block_on(self.0.end(owner, handle))
    }

    /// Ends all of a user's sessions. Says how many there were. As [`Sessions::end_all`].
    ///
    /// # Errors
    ///
    /// The store's errors.
    pub fn end_all(&self, owner: impl Into<Owner>) -> Result<u64> {
        block_on(self.0.end_all(owner))
    }

    /// Ends all of a user's sessions but those of one handle. Says how many were ended. As [`Sessions::end_others`].
    ///
    /// # Errors
    ///
    /// The store's errors.
    pub fn end_others(&self, owner: impl Into<Owner>, keep: &Handle) -> Result<u64> {
        block_on(self.0.end_others(owner, keep))
    }

    /// Gives the sessions of one of a user's handles to the same user under another name. As [`Sessions::rename_owner`].
    ///
    /// # Errors
    ///
    /// Those of [`Sessions::rename_owner`].
    pub fn rename_owner(&self, owner: impl Into<Owner>, handle: &Handle, new: impl Into<Owner>) -> Result<bool> {
        block_on(self.0.rename_owner(owner, handle, new))
    }

    /// Changes all live sessions of a user. Says how many were changed. As [`Sessions::update_owned_by`].
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?.blocking();
    /// # sessions.test_cookie(|session| session.login("user 42"))?;
    /// assert_eq!(sessions.update_owned_by("user 42", |session| session.insert("role", "editor"))?, 1);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`edit`](Blocking::edit). Some of the sessions may be changed then.
    pub fn update_owned_by(
        &self,
        owner: impl Into<Owner>,
        f: impl Fn(&Session) -> Result<()> + Send + Sync,
    ) -> Result<u64> {
        block_on(self.0.update_owned_by(owner, f))
    }

    /// Counts the sessions that live by today's policy. As [`Sessions::count`].
    ///
    /// # Errors
    ///
    /// The store's errors.
    pub fn count(&self) -> Result<u64> {
        block_on(self.0.count())
    }

    /// Removes sessions that are over by today's policy, at most `budget` of them. As [`Sessions::sweep`].
    ///
    /// # Errors
    ///
    /// The store's errors.
    pub fn sweep(&self, budget: usize) -> Result<Swept> {
        block_on(self.0.sweep(budget))
    }

    /// For tests of handlers: stores a session into which `f` has put something, and gives the value of the `Cookie`
    /// header that opens it. As [`Sessions::test_cookie`].
    ///
    /// # Errors
    ///
    /// The error of `f`; the store's errors; [`ErrorKind::Config`](crate::ErrorKind::Config) if `f` puts nothing in.
    pub fn test_cookie(&self, f: impl FnOnce(&Session) -> Result<()>) -> Result<String> {
        block_on(self.0.test_cookie(f))
    }
}

impl<S> Clone for Blocking<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> fmt::Debug for Blocking<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blocking").field(&self.0).finish()
    }
}
