//! The layer, and what can be chosen about it.

use std::fmt;
use std::sync::Arc;

use http::Response;
use http::request::Parts;
use tower_layer::Layer;

use super::failure::DefaultFailure;
use super::service::SessionService;
use super::slot::Open;
use crate::{Error, Sessions, Store};

type Skip = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

/// Opens the session before, and commits it after every request; see [the module](super).
///
/// An inner layer whose cookie has the same name reuses the outer layer's session and leaves the commit to it. Layers
/// with cookies of different names stand beside each other; a handler finds the session of the innermost.
pub struct SessionLayer<S, F = DefaultFailure> {
    pub(super) sessions: Sessions<S>,
    pub(super) opener: Arc<dyn Open>,
    pub(super) lazy: bool,
    pub(super) skip: Option<Skip>,
    pub(super) failure: F,
}

impl<S: Store> SessionLayer<S> {
    /// A layer that opens the session of every request, so that every request counts as activity.
    pub fn new(sessions: Sessions<S>) -> Self {
        let opener = Arc::new(sessions.clone());
        Self { sessions, opener, lazy: false, skip: None, failure: DefaultFailure }
    }
}

impl<S, F> SessionLayer<S, F> {
    /// Opens a session only when someone asks for it: the extractor, [`session_of`](super::session_of) or
    /// [`SessionSlot::session`](super::SessionSlot::session). Other requests cost a look at their cookies, and do
    /// not count as activity.
    #[must_use]
    pub fn lazy(mut self) -> Self {
        self.lazy = true;
        self
    }

    /// Leaves requests alone for which this says yes, such as those for assets. They have no session.
    #[must_use]
    pub fn skip(mut self, skip: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.skip = Some(Arc::new(skip));
        self
    }

    /// Makes the response when the session could not be opened or committed. Without it, see [`DefaultFailure`].
    #[must_use]
    pub fn on_error<B, G>(self, respond: G) -> SessionLayer<S, G>
    where
        G: Fn(&Error) -> Response<B> + Clone + Send + Sync + 'static,
    {
        let Self { sessions, opener, lazy, skip, failure: _ } = self;
        SessionLayer { sessions, opener, lazy, skip, failure: respond }
    }
}

impl<Inner, S, F> Layer<Inner> for SessionLayer<S, F>
where
    F: Clone,
{
    type Service = SessionService<Inner, S, F>;

    fn layer(&self, inner: Inner) -> Self::Service {
        SessionService { inner, layer: self.clone() }
    }
}

// By hand, because it takes no clone of the store.
impl<S, F: Clone> Clone for SessionLayer<S, F> {
    fn clone(&self) -> Self {
        Self {
            sessions: self.sessions.clone(),
            opener: Arc::clone(&self.opener),
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
