//! Where the inner service finds the request's session.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use http::Extensions;

use crate::cookie::Cookie;
use crate::{Error, ErrorKind, Presented, Result, Session, Sessions, Store};

/// The place of a request's session, among the request's extensions; a lazy layer leaves it empty until someone asks.
///
/// Without [`lazy`](super::SessionLayer::lazy) the [`Session`] itself is among the extensions, too.
#[derive(Clone)]
pub struct SessionSlot(Arc<Slot>);

struct Slot {
    cookie: Cookie,
    presented: Presented,
    opener: Arc<dyn Open>,
    session: OnceLock<Session>,
}

impl SessionSlot {
    pub(super) fn new(cookie: Cookie, presented: Presented, opener: Arc<dyn Open>) -> Self {
        Self(Arc::new(Slot { cookie, presented, opener, session: OnceLock::new() }))
    }

    /// The request's session; opened now, if nobody has asked for it before.
    ///
    /// # Errors
    ///
    /// Whatever the store's `load` gives. The next call tries again.
    pub async fn session(&self) -> Result<Session> {
        if let Some(session) = self.opened() {
            return Ok(session.clone());
        }
        let session = self.0.opener.open(self.0.presented.clone()).await?;
        Ok(self.fill(session))
    }

    /// Two that ask a lazy layer at once may both load; the session of one of them serves both.
    pub(super) fn fill(&self, session: Session) -> Session {
        self.0.session.get_or_init(|| session).clone()
    }

    pub(super) fn opened(&self) -> Option<&Session> {
        self.0.session.get()
    }

    pub(super) fn is_of(&self, cookie: &Cookie) -> bool {
        self.0.cookie.name() == cookie.name()
    }
}

impl fmt::Debug for SessionSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionSlot")
            .field("cookie", &self.0.cookie.name())
            .field("opened", &self.opened().is_some())
            .finish_non_exhaustive()
    }
}

/// The session of a request, from its extensions; a lazy one is opened.
///
/// # Errors
///
/// Whatever the store's `load` gives; [`ErrorKind::Config`] if there is no [`SessionLayer`](super::SessionLayer).
pub async fn session_of(extensions: &Extensions) -> Result<Session> {
    match extensions.get::<SessionSlot>() {
        Some(slot) => slot.session().await,
        None => Err(Error::new(ErrorKind::Config, "finding the request's session")
            .because("no cloakroom::tower::SessionLayer stands before this handler, or it skips this request")),
    }
}

/// [`Sessions`] of any store.
pub(super) trait Open: Send + Sync {
    fn open(&self, presented: Presented) -> Pin<Box<dyn Future<Output = Result<Session>> + Send + '_>>;
}

impl<S: Store> Open for Sessions<S> {
    fn open(&self, presented: Presented) -> Pin<Box<dyn Future<Output = Result<Session>> + Send + '_>> {
        Box::pin(self.open_presented(presented))
    }
}
