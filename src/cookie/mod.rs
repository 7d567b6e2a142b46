//! Cookies: reading `Cookie` headers.
//!
//! This module knows nothing of sessions or stores. It takes plain bytes, so it fits any HTTP library.

mod header;

pub use header::{MAX_HEADER_BYTES, MAX_PAIRS, Pairs, pairs};
