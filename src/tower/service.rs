//! The way of a request: open, handle, commit.

use std::fmt;
use std::mem;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use http::header::COOKIE;
use http::{Request, Response};
use tower_service::Service;

use super::catch::catch;
use super::failure::{FailureResponse, fail};
use super::future::ResponseFuture;
use super::headers::{mark_private, set_cookie};
use super::layer::SessionLayer;
use super::slot::SessionSlot;
use crate::{Result, Session, Sessions, Store};

/// A service with sessions, made by [`SessionLayer`].
pub struct SessionService<Inner, S, F> {
    pub(super) inner: Inner,
    pub(super) layer: SessionLayer<S, F>,
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
        if skipped || self.layer.has_session(&request) {
            return ResponseFuture::plain(self.inner.call(request));
        }
        // The one that was polled ready takes the request; the clone has yet to become ready.
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

    /// Whether an outer layer of the same cookie has done, and will do, all there is to do.
    fn has_session<A>(&self, request: &Request<A>) -> bool {
        request.extensions().get::<SessionSlot>().is_some_and(|slot| slot.is_of(self.sessions.cookie()))
    }

    /// Puts the session, or a lazy one's slot, where the inner service finds it.
    async fn provide<A>(&self, request: &mut Request<A>) -> Result<SessionSlot> {
        let presented = self.sessions.presented(request.headers().get_all(COOKIE));
        let slot = SessionSlot::new(self.sessions.cookie().clone(), presented.clone(), Arc::clone(&self.opener));
        if self.lazy {
            // That of an outer layer with another cookie.
            request.extensions_mut().remove::<Session>();
        } else {
            let session = self.sessions.open_presented(presented).await?;
            request.extensions_mut().insert(slot.fill(session));
        }
        request.extensions_mut().insert(slot.clone());
        Ok(slot)
    }
}

async fn serve<Inner, S, F, A, B>(
    layer: SessionLayer<S, F>,
    mut inner: Inner,
    mut request: Request<A>,
) -> Result<Response<B>, Inner::Error>
where
    Inner: Service<Request<A>, Response = Response<B>>,
    S: Store,
    F: FailureResponse<B>,
{
    let slot = match layer.provide(&mut request).await {
        Ok(slot) => slot,
        Err(error) => return Ok(fail(&layer.failure, error)),
    };
    let outcome = catch(|| inner.call(request)).await;
    let Some(session) = slot.opened() else { return outcome.unwrap_or_else(|panic| resume_unwind(panic)) };
    settle(&layer.sessions, session.clone(), outcome, &layer.failure).await
}

/// Commits the session as the outcome asks for, and only then lets the outcome go on.
async fn settle<S, F, B, E>(
    sessions: &Sessions<S>,
    session: Session,
    outcome: thread::Result<Result<Response<B>, E>>,
    failure: &F,
) -> Result<Response<B>, E>
where
    S: Store,
    F: FailureResponse<B>,
{
    let mut response = match outcome {
        Ok(Ok(response)) => response,
        // There is no response to put a cookie or an error into; what went wrong first is what is told.
        Ok(Err(error)) => {
            let _ = sessions.commit_after_error(session).await;
            return Err(error);
        }
        Err(panic) => {
            let _ = sessions.commit_after_error(session).await;
            resume_unwind(panic)
        }
    };
    let looked_at = session.was_looked_at();
    let committed = if response.status().is_server_error() {
        sessions.commit_after_error(session).await
    } else {
        sessions.commit(session).await
    };
    match committed {
        Ok(committed) => {
            if looked_at || committed.set_cookie().is_some() {
                mark_private(response.headers_mut());
            }
            if let Some(cookie) = committed.set_cookie() {
                set_cookie(response.headers_mut(), cookie);
            }
            Ok(response)
        }
        Err(error) => Ok(fail(failure, error)),
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
