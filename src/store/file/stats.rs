//! Figures about an open store.

use std::sync::atomic::Ordering;

use crate::model::error::Result;
use crate::model::time::Timestamp;
use crate::store::file::engine::Engine;

/// Figures about a file store, for a monitoring page. Counts of this process begin when it opened the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions that live.
    pub live: u64,
    /// Sessions that have expired and were not swept.
    pub expired: u64,
    /// Bytes of the log that are needed.
    pub live_bytes: u64,
    /// Bytes of the log, without space that is reserved ahead of it.
    pub disk_bytes: u64,
    /// Files of the log.
    pub segments: u64,
    /// Loads by this process that were answered from memory.
    pub cache_hits: u64,
    /// Loads by this process that read a file.
    pub cache_misses: u64,
    /// Operations of this process that waited for the disk.
    pub disk_waits: u64,
    /// Syncs that served them.
    pub syncs: u64,
    /// Damaged places that this process has met.
    pub damaged: u64,
}

impl Engine {
    pub(crate) fn stats(&self, now: Timestamp) -> Result<Stats> {
        self.log.sort_deadlines(now, usize::MAX)?;
        let state = self.log.read()?;
        let index = &state.index;
        let expired = index.ended_at(now).count() as u64;
        Ok(Stats {
            live: index.len() as u64 - expired,
            expired,
            live_bytes: index.live_bytes(),
            disk_bytes: index.log_bytes(),
            segments: index.segments().into(),
            cache_hits: state.hits.load(Ordering::Relaxed),
            cache_misses: self.log.cache_misses.load(Ordering::Relaxed),
            disk_waits: self.disk_waits.load(Ordering::Relaxed),
            syncs: self.log.segments.syncs.load(Ordering::Relaxed),
            damaged: self.log.segments.damage.list().len() as u64,
        })
    }
}
