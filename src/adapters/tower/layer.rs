//! The layer and its settings.

use std::fmt;
use std::sync::Arc;

use http::Response;
use http::request::Parts;

use super::failure::DefaultFailure;
use crate::model::error::Error;
use crate::sessions::Sessions;
use crate::store::Store;

type Skip = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

/// Opens the session before each request, and commits it after the request; see [the module](super).
///
/// An inner layer of the same [`Sessions`] uses the outer layer's session, and leaves the commit to the outer layer. Layers
/// with cookies of different names each have their own session; a handler finds that of the innermost. A layer inside
/// another with the same name and `Sessions` of its own answers each request with an [`ErrorKind::Config`], for a browser
/// keeps one cookie of a name.
///
/// [`ErrorKind::Config`]: crate::ErrorKind::Config
///
/// ```
/// use cloakroom::tower::{SessionLayer, session_of};
/// use cloakroom::{Error, MemoryStore, Sessions};
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> cloakroom::Result<()> {
/// let sessions = Sessions::builder(MemoryStore::new()).build()?;
/// let service = SessionLayer::new(sessions).layer(service_fn(async |request: Request<()>| {
///     session_of(request.extensions()).await?.insert("theme", "dark")?;
///     Ok::<_, Error>(Response::new(()))
/// }));
/// let response = service.oneshot(Request::new(())).await?;
/// assert!(response.headers().contains_key("set-cookie"));
/// # Ok(())
/// # }
/// ```
pub struct SessionLayer<S, F = DefaultFailure> {
    pub(super) sessions: Sessions<S>,
    pub(super) lazy: bool,
    pub(super) skip: Option<Skip>,
    pub(super) failure: F,
}

impl<S: Store> SessionLayer<S> {
    /// A layer that opens the session of each request, so that each request counts as activity.
    #[doc(alias = "SessionManagerLayer")]
    pub fn new(sessions: Sessions<S>) -> Self {
        Self { sessions, lazy: false, skip: None, failure: DefaultFailure }
    }
}

impl<S, F> SessionLayer<S, F> {
    /// Whether a session is opened only when the handler asks for it, by the extractor, [`session_of`](super::session_of) or
    /// [`SessionSlot::session`](super::SessionSlot::session). Any other request costs a look at its cookies, and does
    /// not count as activity. The default is no.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions, tower::SessionLayer};
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// let layer = SessionLayer::new(sessions).lazy(true); // most pages of this site need no session
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    #[must_use]
    pub fn lazy(mut self, lazy: bool) -> Self {
        self.lazy = lazy;
        self
    }

    /// Leaves alone the requests for which `skip` says yes, such as those for assets. They have no session, count as no
    /// activity, and never carry its cookie. Of a site whose assets and pages go through one layer, `skip` or
    /// [`lazy`](SessionLayer::lazy) keeps assets cheap.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions, tower::SessionLayer};
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// let layer = SessionLayer::new(sessions).skip(|request| request.uri.path().starts_with("/assets/"));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    #[must_use]
    pub fn skip(mut self, skip: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.skip = Some(Arc::new(skip));
        self
    }

    /// Makes the response when the session could not be opened or committed. Without it, the layer makes the response
    /// of [`DefaultFailure`].
    ///
    /// ```
    /// # use cloakroom::{Error, MemoryStore, Sessions, tower::SessionLayer};
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// let layer = SessionLayer::new(sessions).on_error(|error: &Error| {
    ///     eprintln!("{error}"); // for the log: the visitor must not see it
    ///     let mut response = http::Response::new(error.for_visitors().into_owned());
    ///     *response.status_mut() = http::StatusCode::from_u16(error.http_status()).unwrap();
    ///     response
    /// });
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn on_error<B, G>(self, respond: G) -> SessionLayer<S, G>
    where
        G: Fn(&Error) -> Response<B> + Clone + Send + Sync + 'static,
    {
        let Self { sessions, lazy, skip, failure: _ } = self;
        SessionLayer { sessions, lazy, skip, failure: respond }
    }
}

// By hand, because a derived Clone would ask for a store that is Clone.
impl<S, F: Clone> Clone for SessionLayer<S, F> {
    fn clone(&self) -> Self {
        Self {
            sessions: self.sessions.clone(),
            lazy: self.lazy,
            skip: self.skip.clone(),
            failure: self.failure.clone(),
        }
    }
}

impl<S, F> fmt::Debug for SessionLayer<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer")
            .field("lazy", &self.lazy)
            .field("skips", &self.skip.is_some())
            .finish_non_exhaustive()
    }
}
