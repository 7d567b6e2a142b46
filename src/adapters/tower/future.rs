//! The future of a response.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

pub(super) type Boxed<B, E> = Pin<Box<dyn Future<Output = Result<Response<B>, E>> + Send>>;

pin_project! {
    /// The future of [`SessionService`](super::SessionService). For a request that is skipped, or that has its session
    /// from an outer layer, it is the inner service's own future; for any other request it is boxed.
    /// [`SessionLayer`](super::SessionLayer) has an example.
    pub struct ResponseFuture<Inner, B, E> {
        #[pin]
        kind: Kind<Inner, B, E>,
    }
}

pin_project! {
    #[project = Projected]
    enum Kind<Inner, B, E> {
        Plain { #[pin] inner: Inner },
        Session { future: Boxed<B, E> },
    }
}

impl<Inner, B, E> ResponseFuture<Inner, B, E> {
    pub(super) fn plain(inner: Inner) -> Self {
        Self { kind: Kind::Plain { inner } }
    }

    pub(super) fn session(future: Boxed<B, E>) -> Self {
        Self { kind: Kind::Session { future } }
    }
}

impl<Inner, B, E> Future for ResponseFuture<Inner, B, E>
where
    Inner: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project().kind.project() {
            Projected::Plain { inner } => ready!(inner.poll(context)),
            Projected::Session { future } => ready!(future.as_mut().poll(context)),
        })
    }
}
