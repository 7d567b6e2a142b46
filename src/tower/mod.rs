//! A layer for any [tower](https://docs.rs/tower-service) service: opens the session before a request is handled, and
//! commits it before the response leaves, so that a redirect never overtakes its own save.
//!
//! ```
//! # use cloakroom::{MemoryStore, Session, Sessions, tower::SessionLayer};
//! # fn main() -> cloakroom::Result<()> {
//! let sessions = Sessions::builder(MemoryStore::new()).build()?;
//! let layer = SessionLayer::new(sessions).skip(|request| request.uri.path().starts_with("/assets/"));
//! # Ok(())
//! # }
//! ```
//!
//! Whatever stands behind the layer finds its [`Session`](crate::Session) among the request's extensions; with the
//! feature `axum`, a handler takes it as an argument.
//!
//! | what the inner service does | what becomes of the session |
//! |---|---|
//! | answers with a status below 500 | it is committed |
//! | answers with 500 or above, fails, or panics | its changes are dropped, but for `destroy` ([configurable](crate::SessionsBuilder::keep_changes_on_error)) |
//! | is cancelled, because the client went away | nothing is stored, nothing is destroyed |
//!
//! A response that was made by looking at the session, or that sets its cookie, gets `Vary: Cookie` and, unless the
//! handler has set a Cache-Control of its own, `Cache-Control: no-store`.
//!
//! A store that fails gives an error response (see [`Error::http_status`](crate::Error::http_status); 503 in most
//! cases), never an empty session. The error itself is among the response's extensions, as an `Arc<Error>`, for whoever
//! writes logs.
//!
//! The price: some hundred nanoseconds a request, beside what the store's load costs; most of it for the boxed future
//! (a store's futures have no names) and for the request's extensions. [`skip`](SessionLayer::skip)ped requests pay
//! none of it.

mod catch;
mod failure;
mod future;
pub(crate) mod headers;
mod layer;
mod service;
mod slot;

#[cfg(feature = "axum")]
pub(crate) use failure::status;
pub use failure::{DefaultFailure, FailureResponse};
pub use future::ResponseFuture;
pub use layer::SessionLayer;
pub use service::SessionService;
pub use slot::{SessionSlot, session_of};
