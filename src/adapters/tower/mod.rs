//! The adapter for [tower](https://docs.rs/tower-service): a layer for any service. It opens the session before a
//! request is handled, and commits the session before the response leaves, so that a redirect never overtakes its own
//! save.
//!
//! Only conversions belong here, between the types of `http` and those of the core. What the end of a request means for
//! its session, and for the response's headers, is decided by [`Sessions::settle`](crate::Sessions::settle) and
//! [`Committed::into_headers`](crate::Committed::into_headers), for all frameworks.
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
//! The inner service finds its [`Session`](crate::Session) in the request's extensions, with [`session_of`]. With the
//! feature `axum`, a handler takes it as an argument.
//!
//! | what the inner service does | what becomes of the session |
//! |---|---|
//! | answers with a status below 500 | it is committed |
//! | answers with 500 to 599, fails, or panics | its changes are dropped, but for `destroy` ([configurable](crate::SessionsBuilder::keep_changes_on_error)) |
//! | is cancelled, because the client has closed the connection | nothing is stored, nothing is destroyed |
//!
//! A response that a handler made by looking at the session, or that sets its cookie, gets `Vary: Cookie` and, unless
//! the handler has set a Cache-Control of its own, `Cache-Control: no-store`.
//!
//! A store that fails gives an error response (see [`Error::http_status`](crate::Error::http_status); 503 in most
//! cases), never an empty session. The error itself is in the response's extensions, as an `Arc<Error>`, for a layer
//! that writes logs. So is the error of a [touch](crate::Committed::touch_error) that failed, in a response that is as the
//! handler made it.
//!
//! The layer costs some hundred nanoseconds a request, beside the store's load. Most of it is for the boxed future (a
//! store's futures have no names) and for the request's extensions. A request that is
//! [skipped](SessionLayer::skip) costs none of it.

mod catch;
mod extensions;
mod failure;
mod future;
mod headers;
mod layer;
mod service;

pub use crate::sessions::SessionSlot;
pub use extensions::session_of;
#[cfg(feature = "axum")]
pub(crate) use failure::fail;
pub use failure::{DefaultFailure, FailureResponse};
pub use future::ResponseFuture;
pub use layer::SessionLayer;
pub use service::SessionService;
