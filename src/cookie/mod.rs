//! Cookies: reading `Cookie` headers, writing `Set-Cookie` headers, and signing values.
//!
//! What belongs here: the grammar, the rules and the signatures of cookies. What never does: sessions and
//! stores. So the module serves any cookie, a consent banner's as well as a session's. It takes and gives
//! plain bytes and strings, so it fits any HTTP library.
//!
//! The rules are those of the cookie standard's revision, draft-ietf-httpbis-rfc6265bis ("RFC 6265bis"
//! below). The module writes only what section 4.1 allows. It reads exactly what a browser sends
//! (section 4.2), and decodes and repairs nothing.
//!
//! ```
//! use cloakroom::cookie::{Cookie, Key, Keys};
//!
//! # fn main() -> Result<(), cloakroom::cookie::CookieError> {
//! let keys = Keys::new(Key::derive(b"at least 32 bytes of secret, from the configuration")?);
//! let consent = Cookie::named("consent").signed(keys).build()?;
//!
//! let set = consent.set("necessary")?;
//! assert!(set.as_str().ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"));
//!
//! // The browser sends back what stands before the first semicolon.
//! let header = set.as_str().split(';').next().unwrap();
//! assert_eq!(consent.values([header]).next(), Some("necessary"));
//! # Ok(())
//! # }
//! ```

mod age;
mod builder;
mod error;
mod header;
mod name;
mod prefix;
mod scope;
mod set_cookie;
mod sign;
mod template;

pub use age::MAX_AGE;
pub use builder::{CookieBuilder, SameSite};
pub use error::CookieError;
pub use header::{MAX_HEADER_BYTES, MAX_PAIRS, Pairs, pairs};
pub use prefix::Prefix;
pub use scope::MAX_ATTRIBUTE_BYTES;
pub use set_cookie::{SetCookie, SetCookies};
pub use sign::{Key, Keys, MIN_SECRET_BYTES};
pub use template::{Cookie, MAX_COOKIE_BYTES};

/// The response header, as (name, value), that keeps every cache from storing a response made for one
/// visitor (RFC 9111 section 5.2.2.5). It belongs on each response for which a session was read.
pub const NO_STORE: (&str, &str) = ("cache-control", "no-store");

/// The response header, as (name, value), that tells caches that the response depends on the request's
/// cookies (RFC 9110 section 12.5.5). Append it, because a response may vary by other headers as well.
pub const VARY: (&str, &str) = ("vary", "Cookie");
