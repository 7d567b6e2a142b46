//! How a file store is set up.

use std::path::Path;
use std::time::Duration;

use super::FileStore;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Durability, Limits, OwnerLimit};

/// Options for [`FileStore`]; each has a default that suits a web server.
#[derive(Clone, Debug)]
#[must_use]
pub struct FileOptions(pub(crate) Settings);

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
/// [doubtful](FileStore::doubtful): nearly all of them live rightly, and one may not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDamage {
    /// They live, and [`FileStore::doubtful`] names them.
    #[default]
    Report,
    /// They end, before the store is open: whoever was logged out stays so, at the price that others are logged out as well.
    /// This is done by the process that opens the directory when no other has it open.
    EndOlder,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self(Settings {
            durability: Durability::Always,
            segment_bytes: 64 << 20,
            cache_bytes: 256 << 20,
            store_bytes: u64::MAX,
            limits: Limits::default(),
            lock_wait: super::wait::LOCK_WAIT,
            open_wait: Duration::from_secs(60),
            allow_network_file_system: false,
            on_damage: OnDamage::Report,
            uses_hints: true,
            sizes: Sizes::REAL,
        })
    }
}

impl FileOptions {
    /// When a save is acknowledged: [`Durability::Always`] (the default), [`Durability::Every`] or
    /// [`Durability::Never`]. What ends a session is durable at each of them.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.0.durability = durability;
        self
    }

    /// The size at which a segment ends, in bytes: 64 MiB by default, 4 KiB to 1 GiB. A single write may go beyond it.
    pub fn segment_bytes(mut self, bytes: u32) -> Self {
        self.0.segment_bytes = bytes;
        self
    }

    /// How many bytes of records may be kept in memory: 256 MiB by default.
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.0.cache_bytes = bytes;
        self
    }

    /// How many bytes of live records the store may hold; no limit by default. On disk it takes at most twice as much
    /// and one segment. A save beyond it is [`ErrorKind::Full`].
    pub fn store_bytes(mut self, bytes: u64) -> Self {
        self.0.store_bytes = bytes;
        self
    }

    /// The largest record, in bytes: 1 MiB by default.
    pub fn record_bytes(mut self, bytes: usize) -> Self {
        self.0.limits.record_bytes = bytes;
        self
    }

    /// How many live sessions a user may have; no limit by default.
    pub fn per_owner(mut self, limit: OwnerLimit) -> Self {
        self.0.limits.per_owner = Some(limit);
        self
    }

    /// All limits on records at once.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.0.limits = limits;
        self
    }

    /// How long an operation waits for another process to finish its write: 5 s by default. Then it fails with
    /// [`ErrorKind::Timeout`], and was not begun. A process that writes all the time keeps the lock between its writes, and
    /// gives it up within a millisecond when another wants it; one that is stopped just then keeps it until it goes on or ends.
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.0.lock_wait = wait;
        self
    }

    /// How long opening waits for another process that is opening the directory: 60 s by default.
    pub fn open_wait(mut self, wait: Duration) -> Self {
        self.0.open_wait = wait;
        self
    }

    /// Allows a directory on a network file system. The promises then hold only if one machine alone uses it.
    pub fn allow_network_file_system(mut self, allow: bool) -> Self {
        self.0.allow_network_file_system = allow;
        self
    }

    /// What becomes of sessions that a damaged place makes doubtful: by default they are [reported](OnDamage::Report).
    pub fn on_damage(mut self, on_damage: OnDamage) -> Self {
        self.0.on_damage = on_damage;
        self
    }

    /// Opens the store in this directory, which is created if need be (mode 0700).
    ///
    /// # Errors
    ///
    /// As [`FileStore::open`]; and [`ErrorKind::Config`] for options out of their range.
    pub fn open(self, directory: impl AsRef<Path>) -> Result<FileStore> {
        let Settings { durability, segment_bytes, limits, .. } = &self.0;
        let wrong = if *durability == Durability::Volatile {
            Some("a file store cannot be volatile; use MemoryStore".to_owned())
        } else if matches!(durability, Durability::Every(interval) if *interval < Duration::from_millis(1)) {
            Some("a sync more often than every millisecond; use Durability::Always".to_owned())
        } else if !(4 << 10..=1 << 30).contains(segment_bytes) {
            Some(format!("a segment of {segment_bytes} bytes; 4 KiB to 1 GiB are possible"))
        } else if limits.record_bytes > 256 << 20 {
            Some(format!("records of {} bytes; at most 256 MiB are possible", limits.record_bytes))
        } else {
            None
        };
        match wrong {
            Some(why) => {
                Err(Error::new(ErrorKind::Config, "opening the session directory").at(directory.as_ref()).because(why))
            }
            None => FileStore::open_with(self.0, directory.as_ref()),
        }
    }
}
