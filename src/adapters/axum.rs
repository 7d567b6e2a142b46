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
//! The session comes from the [`SessionLayer`](crate::adapters::tower::SessionLayer) that the router is wrapped in.
//!
//! # A test of a handler
//!
//! [`Sessions::test_cookie`](crate::Sessions::test_cookie) makes a visitor as the test needs one. No network is needed, only
//! `cargo add --dev tower --features util`.
//!
//! ```
//! use axum::body::{Body, to_bytes};
//! use axum::{Router, http::Request, routing::get};
//! use cloakroom::{MemoryStore, Result, Session, Sessions, tower::SessionLayer};
//! use tower::ServiceExt;
//!
//! async fn account(session: Session) -> Result<String> {
//!     Ok(session.owner()?.map_or("Log in first.".into(), |owner| format!("This is {owner}.")))
//! }
//!
//! # /*
//! #[tokio::test]
//! # */
//! # #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<()> {
//!     let sessions = Sessions::builder(MemoryStore::new()).build()?;
//!     let cookie = sessions.test_cookie(|session| session.login("user 42")).await?;
//!     let app = Router::new().route("/account", get(account)).layer(SessionLayer::new(sessions));
//!     let request = Request::get("/account").header("cookie", cookie).body(Body::empty()).unwrap();
//!     let response = app.oneshot(request).await.unwrap();
//!     let page = to_bytes(response.into_body(), 1000).await.unwrap();
//!     assert_eq!(page, "This is user 42.");
//!     Ok(())
//! }
//! ```

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use crate::adapters::tower::{DefaultFailure, SessionSlot, fail, session_of};
use crate::model::error::{Error, Result};
use crate::session::Session;

/// Without a layer, the rejection is a 500 that names the layer.
impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        session_of(&parts.extensions).await
    }
}

/// `None` only where there is no layer, or where the layer skips the request. A store that fails is an error here, too.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>> {
        match parts.extensions.get::<SessionSlot>() {
            Some(slot) => slot.session().await.map(Some),
            None => Ok(None),
        }
    }
}

/// The response has the status that the error [asks for](Error::http_status) and a [sentence](Error::for_visitors) as
/// its text. The error itself is in the response's extensions, as an `Arc<Error>`, for a layer that writes logs.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        fail(&DefaultFailure, self)
    }
}
