//! Every promise of the [`Store`](crate::Store) contract, as a check that runs against any store.
//!
//! ```
//! use cloakroom::MemoryStore;
//! use cloakroom::conformance::Suite;
//!
//! Suite::new(async |limits| MemoryStore::with_limits(limits)).run().assert();
//! ```
//!
//! What belongs here: checks that call a store through its trait. What never does: the inner parts of any one store.
//!
//! Each promise is judged alone: a store with one fault breaks one promise, and the report names it. Some checks rest on
//! what another promise covers: only after a session was destroyed can a check see whether an update brings it back. If
//! that other promise does not hold, the verdict is [`Verdict::Unreached`] and not `Broken`.
//!
//! Threads check the promises about concurrent requests. The suite does not judge what a check cannot see: that the cost
//! of a sweep is in proportion to what has expired is for a benchmark, and that an acknowledged session survives a power
//! loss needs a simulated disk.

mod bench;
mod create;
mod destroy;
mod dropped;
mod durability;
mod fixture;
mod hooks;
mod hostile;
mod limits;
mod load;
mod owner_limits;
mod owners;
mod report;
mod rotate;
mod scan;
mod suite;
mod sweep;
mod touch;
mod update;

pub use self::hooks::Work;
pub use self::report::{Report, Verdict};
pub use self::suite::Suite;
