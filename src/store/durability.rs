//! What a store states about power losses.

use std::time::Duration;

/// What the acknowledgement of a `create` or an `update` means.
///
/// It says nothing of `destroy`, `destroy_owned_by`, `clear` and `rotate`, which are always as durable as the store can
/// make them; and a touch never waits for the disk.
///
/// ```
/// use std::time::Duration;
///
/// use cloakroom::{Durability, FileStore, Store};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path().join("sessions");
/// // A power loss may cost the changes of the last second, and revives no session that was logged out.
/// let store = FileStore::options().durability(Durability::Every(Duration::from_secs(1))).open(directory)?;
/// assert_eq!(store.durability(), Durability::Every(Duration::from_secs(1)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// The session survives a power loss.
    Always,
    /// The session survives the process. A power loss may take what was stored within this time before it. If the store
    /// cannot make durable what it has stored, all saves fail until it can.
    Every(Duration),
    /// The session survives the process. A power loss may take what the operating system has not written yet.
    Never,
    /// The session ends with the process.
    Volatile,
}
