//! What a store states about power losses.

use std::time::Duration;

/// What a store's acknowledgement means when the power fails, for what it stores and for what it ends.
///
/// The two differ: a site may accept that a power loss takes the last second's carts, and not that it brings back a session
/// that was logged out. A touch is never waited for.
///
/// ```
/// use std::time::Duration;
///
/// use cloakroom::{Acknowledged, Durability, FileStore, Store};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path().join("sessions");
/// // A power loss may cost the changes of the last second, and revives no session that was logged out.
/// let second = Durability::Every(Duration::from_secs(1));
/// let store = FileStore::options().durability(second).open(directory)?;
/// assert_eq!(store.durability(), Acknowledged { saves: second, endings: Durability::Always });
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// What `create` and `update` mean.
    pub saves: Durability,
    /// What `destroy`, `destroy_owned_by`, `clear` and `rotate` mean. A rotation ends a session under its old key.
    pub endings: Durability,
}

/// How durable something is when it is acknowledged. [`Acknowledged`] shows its use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// It survives a power loss.
    Always,
    /// It survives the process. A power loss may take what was stored within this time before it. If the store
    /// cannot make durable what it has stored, all saves fail until it can.
    Every(Duration),
    /// It survives the process. A power loss may take what the operating system has not written yet.
    Never,
    /// All sessions end with the process.
    Volatile,
}
