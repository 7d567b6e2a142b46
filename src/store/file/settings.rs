//! How a file store is set up: plain values, which every other file of the store may use. `options.rs` checks them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::store::file::threads::wait::LOCK_WAIT;
use crate::store::sweeper::beside_creates;
use crate::store::{Durability, Limits};

/// The values of [`FileOptions`](crate::FileOptions), whose methods say what each of them means.
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
    pub(crate) admitted: Admitted,
    pub(crate) on_damage: OnDamage,
    pub(crate) zeros_ahead: bool,
    /// Whether a replay believes hints; otherwise it reads every segment.
    pub(crate) uses_hints: bool,
    pub(crate) sizes: Sizes,
}

/// Whose access to the directory is no reason to refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admitted {
    OwnerAlone,
    /// The group with this number, if the directory and its files belong to it.
    Group(u32),
    /// Whatever group the directory belongs to: for a process that reads and makes nothing.
    AnyGroup,
}

/// How much the engine does at a time, and how much it keeps.
///
/// These are values and not constants, for two reasons. A simulation sets small ones, so that rare cases come again and
/// again. And the feature `simulation`, which any crate of a build may switch on, then changes no real store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Segments that are kept open.
    pub(crate) files_open: usize,
    /// How many bytes of the log may be unsynced while no save waits for a sync. More of them would stall the next roll.
    pub(crate) backlog: u64,
    /// Bytes of a segment that the hint maker reads at a time.
    pub(crate) hint_step: u32,
    /// A hint is made where it is shorter than its segment by this factor. Small sessions have longer ones.
    pub(crate) hint_part: u32,
    /// A close leaves a snapshot where the log has so many bytes. It takes a moment to read a shorter one.
    pub(crate) snapshot_from: u64,
    /// How far beyond the tail zeros are written, in bytes. More are written when a third of that is left.
    pub(crate) zeros_ahead: u32,
    /// Bytes of zeros that are written at a time, with the writer lock held. Few, so that no save waits for long (rule 12).
    pub(crate) zeros_piece: u32,
    /// Zeros are worth writing while a sync makes no more bytes than this durable, in the mean. So many zeros are about as much
    /// for the disk as what the file system's journal writes at a sync without them.
    pub(crate) worth_zeros: u64,
    /// A process that is more bytes of the log behind than this, with the writer lock taken, gives the lock up and catches up.
    pub(crate) far_behind: u32,
    /// So many writes between two looks make the writer lock worth a look every millisecond.
    pub(crate) busy: u32,
    /// So many writes in a millisecond make the writer lock worth keeping between them.
    pub(crate) worth_keeping: u32,
    /// So many dead sessions leave the index in one hold of its lock.
    pub(crate) let_go: usize,
    /// After so many refusals a process gets in line for the writer lock. In a real store that takes a fifth of a second.
    pub(crate) patience: u32,
    /// So often one group sweeps where a save finds no room, so that no save takes long. The next save goes on.
    pub(crate) sweeps_for_room: u32,
    /// A create removes sessions that have been over for so long.
    pub(crate) swept_behind: Duration,
}

impl Sizes {
    /// The sizes of a real store.
    pub(crate) const REAL: Self = Self {
        files_open: 64,
        backlog: 8 << 20,
        hint_step: 256 << 10,
        hint_part: 16,
        snapshot_from: 1 << 20,
        zeros_ahead: 384 << 10,
        zeros_piece: 64 << 10,
        worth_zeros: 16 << 10,
        far_behind: 64 << 10,
        busy: 64,
        worth_keeping: 4,
        let_go: 500,
        patience: 48,
        sweeps_for_room: 8,
        swept_behind: beside_creates::BEHIND,
    };

    #[cfg(feature = "simulation")]
    pub(crate) const SIMULATED: Self = Self {
        files_open: 2,
        backlog: 1 << 10,
        hint_step: 2 << 10,
        hint_part: 1,
        snapshot_from: 1 << 10,
        zeros_ahead: 600,
        zeros_piece: 150,
        worth_zeros: 1_000,
        far_behind: 200,
        busy: 1,
        worth_keeping: 1,
        let_go: 1,
        patience: 2,
        // Which save finds a failing disk full, and sweeps, no model can tell.
        sweeps_for_room: 0,
        swept_behind: Duration::from_secs(1),
    };
}

/// What becomes of sessions that a damaged place makes doubtful. In a configuration file it is `report` or `end-older`.
///
/// Where the log is so damaged that the store cannot tell to which sessions its frames belonged, one of these frames
/// may have ended a session: by a logout, or by the rotation at a login. Sessions whose newest frame stands before such
/// a place are [doubtful](crate::FileStore::doubtful). Nearly all of them live rightly, and a few may not.
///
/// ```
/// use cloakroom::{Clock, FileStore, OnDamage, SystemClock};
///
/// # let kept = tempfile::tempdir()?;
/// # let directory = kept.path().join("sessions");
/// // A bank: no logout may be undone, even if some users have to log in again.
/// let store = FileStore::options().on_damage(OnDamage::EndOlder).open(directory)?;
/// # assert!(store.doubtful(SystemClock.now())?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "kebab-case")]
pub enum OnDamage {
    /// They live on, and [`FileStore::doubtful`](crate::FileStore::doubtful) names them.
    #[default]
    Report,
    /// They end, durably, before the store is open. A user that was logged out stays logged out, at the price that
    /// others are logged out as well.
    ///
    /// Only a process that opens the directory while no other process uses it ends them. A process that joins others ends
    /// none.
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
            admitted: Admitted::OwnerAlone,
            on_damage: OnDamage::Report,
            zeros_ahead: true,
            uses_hints: true,
            sizes: Sizes::REAL,
        }
    }
}
