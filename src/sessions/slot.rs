//! The session of a request, opened when a handler asks for it.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use crate::model::error::{Error, ErrorKind, Result};
use crate::session::{Policy, Session};
use crate::sessions::handle::{Sessions, Shared};
use crate::sessions::presented::Presented;
use crate::store::Store;

/// The place of a request's session: empty until the handler asks for the session, and then the same session for all
/// that ask. Cheap to clone; an adapter keeps it where a framework keeps what belongs to one request.
///
/// The type does not name the store, so that handlers need not name it either.
///
/// ```
/// # use cloakroom::{MemoryStore, Sessions};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> cloakroom::Result<()> {
/// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
/// let slot = sessions.slot(sessions.presented(["__Host-sid=0123"]));
/// assert!(slot.opened().is_none());
/// slot.session().await?.insert("visits", &1)?;
/// assert_eq!(slot.session().await?.get("visits")?, Some(1));
/// assert!(slot.opened().is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SessionSlot(Slot);

#[derive(Clone)]
enum Slot {
    Opened(Session),
    Lazy(Arc<Lazy>),
}

struct Lazy {
    sessions: Arc<dyn Open>,
    presented: Presented,
    session: OnceLock<Session>,
}

impl<S: Store> Sessions<S> {
    /// An empty slot for the session of a request that presents these ids. No I/O happens.
    pub fn slot(&self, presented: Presented) -> SessionSlot {
        SessionSlot(Slot::Lazy(Arc::new(Lazy { sessions: self.0.clone(), presented, session: OnceLock::new() })))
    }
}

/// A slot that is not empty: its session was opened before any handler asks for it, so that the request counts as
/// activity.
impl From<Session> for SessionSlot {
    fn from(session: Session) -> Self {
        Self(Slot::Opened(session))
    }
}

impl SessionSlot {
    /// The request's session; opened now if the slot is empty.
    ///
    /// Two tasks that ask an empty slot at the same time may both load the session. One of the two then serves
    /// both tasks.
    ///
    /// # Errors
    ///
    /// Those of [`Sessions::open`]. The slot stays empty, and the next call tries again.
    pub async fn session(&self) -> Result<Session> {
        let lazy = match (self.opened(), &self.0) {
            (Some(session), _) | (None, Slot::Opened(session)) => return Ok(session.clone()),
            (None, Slot::Lazy(lazy)) => lazy,
        };
        let session = Arc::clone(&lazy.sessions).open(lazy.presented.clone()).await?;
        Ok(lazy.session.get_or_init(|| session).clone())
    }

    /// The request's session if the slot is not empty. Only then is there something to
    /// [`settle`](Sessions::settle) at the end of the request.
    pub fn opened(&self) -> Option<&Session> {
        match &self.0 {
            Slot::Opened(session) => Some(session),
            Slot::Lazy(lazy) => lazy.session.get(),
        }
    }

    /// Whether the slot is of these `Sessions`. An adapter that finds such a slot in the request leaves the session, and
    /// its commit, to the outer adapter that has put the slot there. It stands beside a slot with a cookie of another
    /// name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if other `Sessions` have put the slot there whose cookie has the same name: the browser keeps
    /// one cookie of a name, and two stores would take turns to lose their sessions.
    pub fn is_of<S: Store>(&self, sessions: &Sessions<S>) -> Result<bool> {
        let (outer, inner) = (self.policy().cookie.name(), sessions.cookie().name());
        // Each `Sessions` has a policy of its own, which its clones share.
        if Arc::ptr_eq(self.policy(), &sessions.0.policy) {
            return Ok(true);
        }
        if outer != inner {
            return Ok(false);
        }
        Err(Error::new(ErrorKind::Config, "putting a session layer into another").because(format!(
            "both have the cookie {outer:?} and each has Sessions of its own; give both a clone of the same Sessions, or \
             their cookies different names"
        )))
    }

    fn policy(&self) -> &Arc<Policy> {
        match &self.0 {
            Slot::Opened(session) => session.policy(),
            Slot::Lazy(lazy) => lazy.sessions.policy(),
        }
    }
}

impl fmt::Debug for SessionSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionSlot")
            .field("cookie", &self.policy().cookie.name())
            .field("opened", &self.opened().is_some())
            .finish_non_exhaustive()
    }
}

/// [`Sessions`] of any store.
trait Open: Send + Sync {
    fn open(self: Arc<Self>, presented: Presented) -> Pin<Box<dyn Future<Output = Result<Session>> + Send>>;
    fn policy(&self) -> &Arc<Policy>;
}

impl<S: Store> Open for Shared<S> {
    fn open(self: Arc<Self>, presented: Presented) -> Pin<Box<dyn Future<Output = Result<Session>> + Send>> {
        Box::pin(async move { Sessions(self).open_presented(presented).await })
    }

    fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::Cookie;
    use crate::store::block_on::block_on;
    use crate::store::memory::MemoryStore;

    #[test]
    fn all_that_ask_get_one_session_and_it_is_the_visitors() {
        let sessions = Sessions::builder(MemoryStore::new()).build().unwrap();
        let cookie = block_on(sessions.test_cookie(|session| session.insert("n", &1))).unwrap();
        let presented = sessions.presented([&cookie]);
        for slot in [sessions.slot(presented.clone()), block_on(sessions.open_presented(presented)).unwrap().into()] {
            let one = block_on(slot.session()).unwrap();
            assert_eq!(one.get("n").unwrap(), Some(1));
            one.insert("n", &2).unwrap();
            assert_eq!(block_on(slot.session()).unwrap().get("n").unwrap(), Some(2));
        }
    }

    #[test]
    fn a_slot_belongs_to_its_own_sessions_and_others_of_the_same_cookie_are_an_error() {
        let sessions = |name| Sessions::builder(MemoryStore::new()).cookie(Cookie::named(name)).build().unwrap();
        let site = sessions("sid");
        let slot = site.slot(Presented::default());
        assert!(slot.is_of(&site.clone()).unwrap());
        assert!(!slot.is_of(&sessions("admin")).unwrap());
        let error = slot.is_of(&sessions("sid")).unwrap_err();
        assert!(error.kind() == &ErrorKind::Config && error.to_string().contains("__Host-sid"), "{error}");
    }
}
