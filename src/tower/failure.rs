//! The response to a request whose session could not be opened or committed.

use std::sync::Arc;

use http::{Response, StatusCode};

use super::headers::mark_private;
use crate::Error;

/// Makes the response when the session could not be opened or committed: [`DefaultFailure`], or any
/// `Fn(&Error) -> Response<B>`.
pub trait FailureResponse<B>: Clone + Send + Sync + 'static {
    /// The response to this error. It must not show the error itself to the visitor: that may tell paths.
    fn respond(&self, error: &Error) -> Response<B>;
}

/// The status that the error [asks for](Error::http_status), and an empty body; or, with the feature `axum` and
/// axum's body, [a sentence](Error::for_visitors).
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultFailure;

impl<B: Default + 'static> FailureResponse<B> for DefaultFailure {
    fn respond(&self, error: &Error) -> Response<B> {
        #[cfg(feature = "axum")]
        if let Some(response) = crate::axum::text_response(error) {
            return response;
        }
        let mut response = Response::new(B::default());
        *response.status_mut() = status(error);
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

pub(crate) fn status(error: &Error) -> StatusCode {
    StatusCode::from_u16(error.http_status()).expect("http_status gives a status")
}

/// The error's response, not to be cached, with the error in its extensions.
pub(super) fn fail<B>(failure: &impl FailureResponse<B>, error: Error) -> Response<B> {
    let mut response = failure.respond(&error);
    mark_private(response.headers_mut());
    response.extensions_mut().insert(Arc::new(error));
    response
}
