//! What the campaigns with real processes on a real disk share: workers, which are this binary again; the operations that
//! they carry out; and what the parent knows of them, to be compared with what it finds. Which blow falls on them is a
//! campaign's own, and never here.

pub mod calls;
pub mod claims;
pub mod crew;
pub mod found;
pub mod lane;
pub mod mounts;
pub mod op;
pub mod process;
pub mod said;
pub mod worker;

use std::time::Duration;

use cloakroom::Timestamp;

/// The time at which all of it happens; only touches and sweeps are later.
pub const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

/// Longer than this nothing may take, on however busy a machine: beyond it, it hangs.
pub const HANGS: Duration = Duration::from_secs(30);
