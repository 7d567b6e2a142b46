//! Figures about an open store.

use std::sync::atomic::Ordering;

use crate::model::error::Result;
use crate::model::time::Timestamp;
use crate::store::file::disk::page::PageAccess;
use crate::store::file::engine::Engine;

/// Figures about a file store, for a monitoring page, from [`FileStore::stats`](crate::FileStore::stats).
///
/// ```
/// use cloakroom::Stats;
///
/// /// The share of this process's loads that needed no file.
/// fn hit_rate(stats: &Stats) -> f64 {
///     let loads = stats.cache_hits + stats.cache_misses;
///     if loads == 0 { 1.0 } else { stats.cache_hits as f64 / loads as f64 }
/// }
///
/// assert_eq!(hit_rate(&Stats::default()), 1.0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions that live, of all processes.
    pub live: u64,
    /// Sessions that have expired and were not swept.
    pub expired: u64,
    /// Bytes of the log that are still needed: the frames of all sessions, expired ones among them.
    pub live_bytes: u64,
    /// Bytes of the log, without the space beyond its end that is reserved for it.
    pub disk_bytes: u64,
    /// Segments, the files of the log.
    pub segments: u64,
    /// Loads that were answered from memory, by this process since it opened the store.
    pub cache_hits: u64,
    /// Loads that read a file, by this process since it opened the store.
    pub cache_misses: u64,
    /// Operations that waited for the disk, by this process since it opened the store.
    pub disk_waits: u64,
    /// Syncs of a segment, by this process since it opened the store. One sync may serve many operations.
    pub syncs: u64,
    /// Damaged places that this process has met since it opened the store, counted up to 1,000.
    pub damaged: u64,
    /// How this process reaches the page that it shares with others.
    pub page: PageAccess,
    /// What keeps this process from beginning a new file of the log: it goes on in the one that it has, up to 2 GiB. The process
    /// may have given up the right to make files since it opened the store, or the disk is full. `None` if it could when it
    /// last tried.
    pub roll_error: Option<String>,
    /// What kept this process from compacting the log when it last tried: while there is an error, the log may only grow.
    /// `None` if it could, or had nothing to compact.
    pub compaction_error: Option<String>,
}

impl Engine {
    pub(crate) fn stats(&self, now: Timestamp) -> Result<Stats> {
        let (live, expired) = self.log.count(now)?;
        let state = self.log.read()?;
        let index = &state.index;
        Ok(Stats {
            live: live as u64,
            expired: expired as u64,
            live_bytes: index.live_bytes(),
            disk_bytes: index.log_bytes(),
            segments: index.segments().into(),
            cache_hits: state.hits.load(Ordering::Relaxed),
            cache_misses: self.log.cache_misses.load(Ordering::Relaxed),
            disk_waits: self.disk_waits.load(Ordering::Relaxed),
            syncs: self.log.segments.syncs.load(Ordering::Relaxed),
            damaged: self.log.segments.damage.list().len() as u64,
            page: self.log.segments.page_access(),
            roll_error: self.log.failed_roll.tell().err().map(|error| error.to_string()),
            compaction_error: self.failed_compaction.tell().err().map(|error| error.to_string()),
        })
    }
}
