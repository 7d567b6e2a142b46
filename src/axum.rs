//! axum: a handler takes its [`Session`] as an argument, and may answer with an [`Error`].
//!
//! ```
//! # use cloakroom::{Result, Session};
//! async fn visits(session: Session) -> Result<String> {
//!     session.modify("visits", |visits: Option<u64>| Some(visits.unwrap_or(0) + 1))?;
//!     Ok(format!("This is your visit number {}.", session.get::<u64>("visits")?.unwrap_or(0)))
//! }
//! ```
//!
//! The session comes from the [`SessionLayer`](crate::tower::SessionLayer) that the router is wrapped in.

use std::any::Any;
use std::sync::Arc;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;

use crate::tower::headers::mark_private;
use crate::tower::{SessionSlot, session_of, status};
use crate::{Error, Result, Session};

/// Without a layer, the rejection is a 500 that names it.
impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        session_of(&parts.extensions).await
    }
}

/// `None` only where no layer is, or where it skips the request; a store that fails is an error here, too.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>> {
        match parts.extensions.get::<SessionSlot>() {
            Some(slot) => slot.session().await.map(Some),
            None => Ok(None),
        }
    }
}

/// The status that the error [asks for](Error::http_status) and a [sentence](Error::for_visitors) as text. The error
/// itself is among the response's extensions, as an `Arc<Error>`, for whoever writes logs.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = text(&self);
        mark_private(response.headers_mut());
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

fn text(error: &Error) -> Response {
    let mut response = Response::new(Body::from(error.for_visitors().into_owned()));
    *response.status_mut() = status(error);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The error as text, if the body asked for is axum's.
pub(crate) fn text_response<B: 'static>(error: &Error) -> Option<http::Response<B>> {
    let mut response = Some(text(error));
    (&mut response as &mut dyn Any).downcast_mut::<Option<http::Response<B>>>()?.take()
}
