//! What the layer puts into a request's extensions, found again.

use http::Extensions;

use crate::model::error::{Error, ErrorKind, Result};
use crate::session::Session;
use crate::sessions::SessionSlot;

/// The session of a request, from the request's extensions. The session of a lazy layer is opened now.
///
/// Any handler, extractor or inner layer may call it, with whatever framework:
///
/// ```
/// # use cloakroom::{Error, tower::session_of};
/// async fn visits<B>(request: http::Request<B>) -> Result<u64, Error> {
///     let session = session_of(request.extensions()).await?;
///     Ok(session.get("visits")?.unwrap_or(0))
/// }
/// ```
///
/// # Errors
///
/// Those of [`Sessions::open`](crate::Sessions::open); [`ErrorKind::Config`] if the request did not pass a
/// [`SessionLayer`](super::SessionLayer), or if the layer skips it.
pub async fn session_of(extensions: &Extensions) -> Result<Session> {
    match extensions.get::<SessionSlot>() {
        Some(slot) => slot.session().await,
        None => Err(Error::new(ErrorKind::Config, "finding the request's session")
            .because("no cloakroom::tower::SessionLayer stands before this handler, or it skips this request")),
    }
}
