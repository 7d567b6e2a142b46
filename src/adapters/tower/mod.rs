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
//! | answers with 408, 499 or 500 to 599, fails, or panics | its changes are dropped, but for `destroy` ([configurable](crate::SessionsBuilder::keep_changes_on_error)) |
//! | is cancelled, because the client has closed the connection | nothing is stored, nothing is destroyed |
//!
//! A response that a handler made by looking at the session gets `Vary: Cookie` and, unless the handler has set a
//! Cache-Control of its own, `Cache-Control: no-store`. One that sets the session's cookie is `no-store` whatever the
//! handler has said, and headers for some caches alone, such as `CDN-Cache-Control`, are taken out. A cookie that only
//! gets a new age is left out of a response that caches may store.
//!
//! # The order of layers
//!
//! A layer that ends requests early, such as a timeout, may stand on either side of this one. Inside, it must answer with
//! 408, 499 or 500 to 599, as tower-http's does, so that the half of the changes that the handler came to is dropped; a
//! status below that commits them. Outside, it drops the whole future: nothing is stored then, or all of it. A layer that
//! stores or compresses responses, or writes Cache-Control, stands inside: what it says of caches must be there when the
//! cookie is added.
//!
//! A store that fails gives an error response (see [`Error::http_status`](crate::Error::http_status); 503 in most
//! cases), never an empty session. Of a session that is there and cannot be read, that is the answer to a handler that
//! looked at it; other pages, login and logout work. The error itself is in the response's extensions, as an
//! `Arc<Error>`, for a layer that writes logs. So is that of a [touch](crate::Committed::touch_error) that failed, in a
//! response that is as the handler made it.
//!
//! If another request ended the session meanwhile, what this one set in it is lost. The answer to a POST and its like is
//! then a 409, that to a GET goes out ([configurable](crate::SessionsBuilder::on_lost)); in both the `Arc<Error>` says
//! what was [lost](crate::ErrorKind::Lost).
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
