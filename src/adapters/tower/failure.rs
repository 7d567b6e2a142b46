//! The response to a request whose session could not be opened or committed.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use super::headers::add;
use crate::model::error::Error;
use crate::session::ResponseHeader;

/// Makes the response when the session could not be opened or committed: [`DefaultFailure`], or any
/// `Fn(&Error) -> Response<B>`; see [`SessionLayer::on_error`](super::SessionLayer::on_error).
///
/// ```
/// use cloakroom::Error;
/// use cloakroom::tower::FailureResponse;
/// use http::Response;
///
/// #[derive(Clone)]
/// struct Apology;
///
/// impl FailureResponse<String> for Apology {
///     fn respond(&self, error: &Error) -> Response<String> {
///         let mut response = Response::new("Please try again in a minute.".to_owned());
///         *response.status_mut() = http::StatusCode::from_u16(error.http_status()).unwrap();
///         response
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` makes no `Response<{B}>` out of a failure",
    note = "`SessionLayer::on_error` takes a `Fn(&cloakroom::Error) -> Response<{B}>` that is `Clone`; without it, `{B}` must have a \
            `Default`"
)]
pub trait FailureResponse<B>: Clone + Send + Sync + 'static {
    /// The response to this error. It must not show the error itself to the visitor: the error may name paths.
    fn respond(&self, error: &Error) -> Response<B>;
}

/// The response of a layer without [`on_error`](super::SessionLayer::on_error): the status is
/// [`Error::http_status`], and the body is empty. With the feature `axum` and axum's body, the body is
/// [`Error::for_visitors`].
///
/// ```
/// use cloakroom::tower::{DefaultFailure, FailureResponse};
/// use cloakroom::{Error, ErrorKind};
///
/// let response: http::Response<String> = DefaultFailure.respond(&Error::new(ErrorKind::Timeout, "loading"));
/// assert_eq!(response.status(), 503);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultFailure;

impl<B: Default + 'static> FailureResponse<B> for DefaultFailure {
    fn respond(&self, error: &Error) -> Response<B> {
        let text = text_body(error);
        let is_text = text.is_some();
        let mut response = Response::new(text.unwrap_or_default());
        *response.status_mut() = StatusCode::from_u16(error.http_status()).expect("http_status gives a status");
        if is_text {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        }
        response
    }
}

impl<B, F> FailureResponse<B> for F
where
    F: Fn(&Error) -> Response<B> + Clone + Send + Sync + 'static,
{
    fn respond(&self, error: &Error) -> Response<B> {
        self(error)
    }
}

/// The sentence for the visitor, if the body asked for is axum's: no other body is known to take text.
#[cfg(feature = "axum")]
fn text_body<B: 'static>(error: &Error) -> Option<B> {
    let mut body = Some(axum_core::body::Body::from(error.for_visitors().into_owned()));
    (&mut body as &mut dyn std::any::Any).downcast_mut::<Option<B>>()?.take()
}

#[cfg(not(feature = "axum"))]
fn text_body<B>(_: &Error) -> Option<B> {
    None
}

/// The error's response, which no cache may store, with the error in its extensions.
pub(crate) fn fail<B>(failure: &impl FailureResponse<B>, error: Error) -> Response<B> {
    let mut response = failure.respond(&error);
    add(response.headers_mut(), ResponseHeader::PRIVATE);
    response.extensions_mut().insert(Arc::new(error));
    response
}
