//! How a file store is set up: values, and how they are checked. Every other file of the store may use them.

use std::time::Duration;

use crate::store::file::threads::wait::LOCK_WAIT;
use crate::store::{Durability, Limits};

/// See [`FileOptions`](crate::FileOptions).
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) durability: Durability,
    pub(crate) segment_bytes: u32,
    pub(crate) cache_bytes: usize,
    pub(crate) store_bytes: u64,
    pub(crate) limits: Limits,
    pub(crate) lock_wait: Duration,
    pub(crate) open_wait: Duration,
    pub(crate) allow_network_file_system: bool,
    pub(crate) on_damage: OnDamage,
    /// Whether hints are believed, or every segment is read.
    pub(crate) uses_hints: bool,
    pub(crate) sizes: Sizes,
}

/// How much the engine does at a time, and how much it keeps.
///
/// These are values and not constants, so that a simulation can have small ones, with which what is rare in a real store happens
/// again and again; and so that the feature `simulation`, which any crate of a build may switch on, changes no real store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Segments that are kept open.
    pub(crate) files_open: usize,
    /// Bytes of the log that may wait for a sync though no save waits for it.
    pub(crate) backlog: u64,
    /// Bytes of a segment that are looked through at a time while its hint is made.
    pub(crate) hint_step: u32,
    /// A hint is made where it is shorter than its segment by this factor. Small sessions have longer ones.
    pub(crate) hint_part: u32,
    /// How far beyond the log's end zeros are written, in bytes; more are written when a third of it is left.
    pub(crate) zeros_ahead: u32,
    /// Bytes of zeros that are written at a time, with the writer lock held: no save waits for long (rule 12).
    pub(crate) zeros_piece: u32,
    /// Writes between two looks at the writer lock that make it worth a look every millisecond.
    pub(crate) busy: u32,
    /// Writes in a millisecond that make the lock worth keeping between them.
    pub(crate) worth_keeping: u32,
}

impl Sizes {
    /// Those of a real store.
    pub(crate) const REAL: Self = Self {
        files_open: 64,
        backlog: 8 << 20,
        hint_step: 256 << 10,
        hint_part: 16,
        zeros_ahead: 384 << 10,
        zeros_piece: 64 << 10,
        busy: 64,
        worth_keeping: 4,
    };

    #[cfg(feature = "simulation")]
    pub(crate) const SIMULATED: Self = Self {
        files_open: 2,
        backlog: 1 << 10,
        hint_step: 2 << 10,
        hint_part: 1,
        zeros_ahead: 600,
        zeros_piece: 150,
        busy: 1,
        worth_keeping: 1,
    };
}

/// What becomes of sessions that a damaged place makes doubtful.
///
/// Where the log is so damaged that it can't be told whose frames stood there, one of them may have ended a session: a
/// logout, or the rotation at a login. Sessions whose newest frame lies before such a place are
/// [doubtful](crate::FileStore::doubtful): nearly all of them live rightly, and one may not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDamage {
    /// They live, and [`FileStore::doubtful`](crate::FileStore::doubtful) names them.
    #[default]
    Report,
    /// They end, before the store is open: whoever was logged out stays so, at the price that others are logged out as well.
    /// This is done by the process that opens the directory when no other has it open.
    EndOlder,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            durability: Durability::Always,
            segment_bytes: 64 << 20,
            cache_bytes: 256 << 20,
            store_bytes: u64::MAX,
            limits: Limits::default(),
            lock_wait: LOCK_WAIT,
            open_wait: Duration::from_secs(60),
            allow_network_file_system: false,
            on_damage: OnDamage::Report,
            uses_hints: true,
            sizes: Sizes::REAL,
        }
    }
}
