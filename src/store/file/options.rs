//! Options to open a file store with.

use std::time::Duration;

use crate::store::file::settings::{OnDamage, Settings};
use crate::store::{Durability, Limits, OwnerLimit};

/// Options for [`FileStore`](crate::FileStore); each has a default that suits a web server.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct FileOptions(pub(crate) Settings);

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
    /// and one segment. A save beyond it is [`ErrorKind::Full`](crate::ErrorKind::Full).
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
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout), and was not begun. A process that writes all the time keeps the lock between its writes, and
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

    /// Why no store can be opened with these, if none can.
    pub(crate) fn wrong(&self) -> Option<String> {
        let Settings { durability, segment_bytes, limits, .. } = &self.0;
        if *durability == Durability::Volatile {
            Some("a file store cannot be volatile; use MemoryStore".to_owned())
        } else if matches!(durability, Durability::Every(interval) if *interval < Duration::from_millis(1)) {
            Some("a sync more often than every millisecond; use Durability::Always".to_owned())
        } else if !(4 << 10..=1 << 30).contains(segment_bytes) {
            Some(format!("a segment of {segment_bytes} bytes; 4 KiB to 1 GiB are possible"))
        } else if limits.record_bytes > 256 << 20 {
            Some(format!("records of {} bytes; at most 256 MiB are possible", limits.record_bytes))
        } else {
            None
        }
    }
}
