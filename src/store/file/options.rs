//! Options to open a file store with.

use std::time::Duration;

use crate::store::file::settings::{Admitted, OnDamage, Settings};
use crate::store::{Durability, Limits, OwnerLimit};

/// Options for [`FileStore`](crate::FileStore). Each has a default that suits a web server.
///
/// Each process gives its own. Processes that share a directory may differ in them.
///
/// ```
/// use std::time::Duration;
///
/// use cloakroom::{Durability, FileStore, Sessions};
///
/// # let kept = tempfile::tempdir()?;
/// # let directory = kept.path().join("sessions");
/// let store = FileStore::options()
///     .durability(Durability::Every(Duration::from_secs(1)))
///     .cache_bytes(64 << 20)
///     .record_bytes(16 << 10)
///     .lock_wait(Duration::from_secs(2))
///     .open(directory)?;
/// let sessions = Sessions::builder(store).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct FileOptions(pub(crate) Settings);

impl FileOptions {
    /// When a save is acknowledged: [`Durability::Always`] (the default), [`Durability::Every`] with an interval of at least
    /// 1 ms, or [`Durability::Never`]. The end of a session is durable with each of them. [`Durability`] has an example.
    ///
    /// [`Durability::Volatile`] is [`ErrorKind::Config`](crate::ErrorKind::Config) when the store is opened.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.0.durability = durability;
        self
    }

    /// The size in bytes at which a file of the log ends and the next one begins: 64 MiB by default, from 4 KiB to 1 GiB.
    /// The write that reaches it may go beyond it, and on a full disk more writes may.
    ///
    /// On disk the store also holds space that is not written yet, so that a full disk can still end sessions and compact the
    /// log: 128 KiB, about 80 bytes for each session, and as much as lives in one file of the log.
    pub fn segment_bytes(mut self, bytes: u32) -> Self {
        self.0.segment_bytes = bytes;
        self
    }

    /// How many bytes of records may be kept in memory: 256 MiB by default; 0 for none. The index, about a hundred bytes a
    /// session, comes on top.
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.0.cache_bytes = bytes;
        self
    }

    /// How many bytes of live records the store may hold; no limit by default. A save beyond it is
    /// [`ErrorKind::Full`](crate::ErrorKind::Full), and nothing of it is stored.
    ///
    /// A save that finds no room is refused only after a sweep, by the save's own `now`.
    ///
    /// The log on disk may take twice as much and one segment before the store's thread compacts it.
    ///
    /// ```
    /// use cloakroom::{ErrorKind, FileStore, Sessions};
    ///
    /// # let kept = tempfile::tempdir()?;
    /// # let directory = kept.path().join("sessions");
    /// let store = FileStore::options().store_bytes(1000).open(directory)?;
    /// let sessions = Sessions::builder(store).build()?.blocking();
    /// let refused = sessions.test_cookie(|session| session.insert("draft", &"x".repeat(2000)));
    /// assert_eq!(refused.unwrap_err().kind(), &ErrorKind::Full);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn store_bytes(mut self, bytes: u64) -> Self {
        self.0.store_bytes = bytes;
        self
    }

    /// The largest record, in bytes of its [encoded form](crate::Record::to_bytes): 1 MiB by default, at most 256 MiB. A
    /// larger one is [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge).
    pub fn record_bytes(mut self, bytes: usize) -> Self {
        self.0.limits.record_bytes = bytes;
        self
    }

    /// How many live sessions a user may have; no limit by default. [`OwnerLimit`] has an example.
    pub fn per_owner(mut self, limit: OwnerLimit) -> Self {
        self.0.limits.per_owner = Some(limit);
        self
    }

    /// All limits on records at once: [`record_bytes`](Self::record_bytes) and [`per_owner`](Self::per_owner).
    pub fn limits(mut self, limits: Limits) -> Self {
        self.0.limits = limits;
        self
    }

    /// How long an operation waits for the writer lock, while another process holds it: 5 s by default, and 0.2 s at most for
    /// a touch, which no response is worth waiting for. Then the operation fails with
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout), and was not begun.
    ///
    /// A process that writes all the time keeps the lock between its writes, and gives it up within about a millisecond
    /// when another process wants it. A process that is stopped while it holds the lock keeps it until it goes on or
    /// ends. The wait for the disk has no limit.
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.0.lock_wait = wait;
        self
    }

    /// How long opening waits for another process that is recovering the directory: 60 s by default. Then it fails with
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout).
    pub fn open_wait(mut self, wait: Duration) -> Self {
        self.0.open_wait = wait;
        self
    }

    /// Allows a directory on a network file system, which is refused by default. The store's promises then hold only if one
    /// machine alone uses the directory.
    pub fn allow_network_file_system(mut self, allow: bool) -> Self {
        self.0.allow_network_file_system = allow;
        self
    }

    /// Lets the members of a group share the store, where a directory or file that its group can read is refused by default.
    ///
    /// The directory and its files must belong to this group, which is given by its number, and this process must be a member.
    /// A directory that this makes has mode 2770, and files 0660. This is for volumes whose rights come from outside, such as
    /// a pod's `fsGroup`, and for servers that run as several users.
    ///
    /// ```
    /// use std::os::unix::fs::MetadataExt as _;
    ///
    /// use cloakroom::FileStore;
    ///
    /// # let kept = tempfile::tempdir()?;
    /// # let volume = kept.path();
    /// // The group of the volume is the one that may share what is in it.
    /// let group = std::fs::metadata(volume)?.gid();
    /// let store = FileStore::options().group(group).open(volume.join("sessions"))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group(mut self, group: u32) -> Self {
        self.0.admitted = Admitted::Group(group);
        self
    }

    /// What becomes of sessions that a damaged place makes doubtful: by default they are [reported](OnDamage::Report).
    /// [`OnDamage`] has an example.
    pub fn on_damage(mut self, on_damage: OnDamage) -> Self {
        self.0.on_damage = on_damage;
        self
    }

    /// Whether saves that wait for the disk may fall into zeros that are written ahead of them; they may by default.
    ///
    /// A sync then takes less time. The disk writes less as well, though each byte of the log is written once as a zero: the
    /// file system's journal has nothing to note at such a sync. Where saves come in groups so large that zeros would be the
    /// more expensive part, none are written. On a file system that never writes in place (btrfs, ZFS) zeros buy nothing, so
    /// there they are better switched off. `docs/performance.md` has the figures.
    ///
    /// ```
    /// use cloakroom::FileStore;
    ///
    /// # let kept = tempfile::tempdir()?;
    /// # let directory = kept.path().join("sessions");
    /// let store = FileStore::options().zeros_ahead(false).open(directory)?;
    /// # store.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn zeros_ahead(mut self, zeros: bool) -> Self {
        self.0.zeros_ahead = zeros;
        self
    }

    /// Why no store can be opened with these options; `None` if one can.
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
