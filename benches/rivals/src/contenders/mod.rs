//! One file for each contender, and what several of them share.
//!
//! A file here imports the trait and the sessions, never the list of all contenders or what is measured.

/// How many bytes of memory a contender may use as its cache, where its library lets that be set.
pub(crate) const CACHE_BYTES: usize = 4 << 30;

/// How many sessions go into a transaction while a contender is filled.
const BATCH: usize = 2_000;

pub(crate) mod cloakroom;
pub(crate) mod files;
pub(crate) mod fjall;
mod layout;
pub(crate) mod lmdb;
pub(crate) mod map;
mod pool;
pub(crate) mod raw;
pub(crate) mod redb;
pub(crate) mod redis;
pub(crate) mod sled;
pub(crate) mod sqlite;
pub(crate) mod tower;
