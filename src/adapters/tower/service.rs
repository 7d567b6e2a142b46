//! The way of a request: open, handle, commit.

use std::fmt;
use std::mem;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{COOKIE, HOST};
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::catch::catch;
use super::failure::{FailureResponse, fail};
use super::future::ResponseFuture;
use super::headers::add;
use super::layer::SessionLayer;
use crate::model::error::Result;
use crate::session::Session;
use crate::sessions::SessionSlot;
use crate::store::Store;

/// A service whose requests have sessions, made by [`SessionLayer`], whose documentation has an example.
pub struct SessionService<Inner, S, F> {
    pub(super) inner: Inner,
    pub(super) layer: SessionLayer<S, F>,
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

impl<Inner, S, F, A, B> Service<Request<A>> for SessionService<Inner, S, F>
where
    Inner: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    Inner::Future: Send,
    Inner::Error: Send,
    S: Store,
    F: FailureResponse<B>,
    A: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = Inner::Error;
    type Future = ResponseFuture<Inner::Future, B, Inner::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let (skipped, request) = self.layer.skips(request);
        // Whether an outer layer of these Sessions has put its session here, and will commit it.
        let outer = request.extensions().get::<SessionSlot>();
        match outer.map_or(Ok(false), |slot| slot.is_of(&self.layer.sessions)) {
            Ok(false) if !skipped => (),
            Err(error) if !skipped => {
                let response = fail(&self.layer.failure, error);
                return ResponseFuture::session(Box::pin(async { Ok(response) }));
            }
            _ => return ResponseFuture::plain(self.inner.call(request)),
        }
        // The service that was polled ready takes the request: its clone may not be ready.
        let next = self.inner.clone();
        let inner = mem::replace(&mut self.inner, next);
        ResponseFuture::session(Box::pin(serve(self.layer.clone(), inner, request)))
    }
}

impl<S: Store, F> SessionLayer<S, F> {
    fn skips<A>(&self, request: Request<A>) -> (bool, Request<A>) {
        let Some(skip) = &self.skip else { return (false, request) };
        let (parts, body) = request.into_parts();
        (skip(&parts), Request::from_parts(parts, body))
    }

    /// Puts the slot, and the session if it is opened, where the inner service finds them.
    async fn provide<A>(&self, request: &mut Request<A>) -> Result<SessionSlot> {
        let presented = self.sessions.presented(request.headers().get_all(COOKIE));
        let presented = presented.asked_at(|| (host(request), request.uri().path()));
        let slot = match self.lazy {
            true => self.sessions.slot(presented),
            false => self.sessions.open_presented(presented).await?.into(),
        };
        match slot.opened() {
            Some(session) => request.extensions_mut().insert(session.clone()),
            // The session there is that of an outer layer with another cookie.
            None => request.extensions_mut().remove::<Session>(),
        };
        request.extensions_mut().insert(slot.clone());
        Ok(slot)
    }
}

/// The host that the browser asked for: HTTP/2 has it in the address, HTTP/1 in a header.
fn host<A>(request: &Request<A>) -> &str {
    let header = || request.headers().get(HOST)?.to_str().ok();
    request.uri().host().or_else(header).unwrap_or_default()
}

/// No `async fn`, whose future would have each argument twice: as it was given, and as it is used.
fn serve<Inner, S, F, A, B>(
    layer: SessionLayer<S, F>,
    mut inner: Inner,
    mut request: Request<A>,
) -> impl Future<Output = Result<Response<B>, Inner::Error>>
where
    Inner: Service<Request<A>, Response = Response<B>>,
    S: Store,
    F: FailureResponse<B>,
{
    let method = request.method().clone();
    async move {
        let slot = match layer.provide(&mut request).await {
            Ok(slot) => slot,
            Err(error) => return Ok(fail(&layer.failure, error)),
        };
        let handled = catch(|| inner.call(request)).await;
        let Some(session) = slot.opened() else { return handled.unwrap_or_else(|panic| resume_unwind(panic)) };
        let status = match &handled {
            Ok(Ok(response)) => Some(response.status().as_u16()),
            Ok(Err(_)) | Err(_) => None,
        };
        let settled = layer.sessions.settle(session.clone(), method.as_str(), status).await;
        // The handler's panic or failure goes on from here, also if the commit failed as well: it came first.
        let mut response = handled.unwrap_or_else(|panic| resume_unwind(panic))?;
        match settled {
            Ok(committed) => {
                if let Some(error) = committed.touch_error() {
                    response.extensions_mut().insert(Arc::clone(error));
                }
                if let Some(loss) = committed.loss() {
                    response.extensions_mut().insert(Arc::new(loss));
                }
                let mut present = response.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
                let added = committed.into_headers(&mut present);
                add(response.headers_mut(), added);
                Ok(response)
            }
            Err(error) => Ok(fail(&layer.failure, error)),
        }
    }
}

impl<Inner: Clone, S, F: Clone> Clone for SessionService<Inner, S, F> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<Inner: fmt::Debug, S, F> fmt::Debug for SessionService<Inner, S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}
