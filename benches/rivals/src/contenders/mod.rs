//! One file a contender.

/// How many bytes each may keep in memory, where that can be said.
pub(crate) const CACHE_BYTES: usize = 4 << 30;

/// How many sessions are stored at once to fill one that has transactions.
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
