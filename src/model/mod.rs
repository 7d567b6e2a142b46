//! What a session is: its id, key and owner, its deadlines, its record, and how each is laid out in bytes.
//!
//! Nothing here reads a file or a clock (but [`SystemClock`](time::SystemClock)), knows a store, or knows a cookie.

pub(crate) mod bytes;
pub(crate) mod codec;
pub(crate) mod data;
pub(crate) mod error;
pub(crate) mod handle;
mod hex;
pub(crate) mod id;
pub(crate) mod key;
pub(crate) mod lifetime;
pub(crate) mod owner;
pub(crate) mod record;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod trace;
pub mod value;
