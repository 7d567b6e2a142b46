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
//! What a store does not keep to the letter it states in its [`Capabilities`](crate::Capabilities), and whether its sessions
//! survive the process in its [`Acknowledged`](crate::Acknowledged) durability. The suite tests what is stated. What does not
//! apply is [`Verdict::Skipped`].
//!
//! Each promise has a time limit, for a store that hangs must not hang its author's tests in silence: the verdict
//! [`Verdict::TimedOut`] names the operations that did not return. [`Suite::progress`] tells which promise is being checked,
//! [`Suite::only`] picks some, [`Suite::repeat`] checks them again for what only some runs meet, and [`Suite::tear_down`]
//! cleans up after each.
//!
//! A store that needs a runtime, and tables that are dropped again:
//!
//! ```
//! # use cloakroom::MemoryStore as MyStore;
//! use std::sync::Arc;
//!
//! use cloakroom::conformance::Suite;
//!
//! let runtime = Arc::new(tokio::runtime::Runtime::new().unwrap());
//! let report = Suite::new(async |limits| MyStore::with_limits(limits)) // connects, creates a table with a name of its own
//!     .tear_down(async || { /* drops those tables */ })
//!     .progress(|promise, verdict| match verdict {
//!         None => eprint!("{promise} ... "),
//!         Some(verdict) => eprintln!("{verdict}"),
//!     })
//!     .run_with(move |work| runtime.block_on(work));
//! report.assert();
//! ```
//!
//! Threads check the promises about concurrent requests, and one thread that polls several futures in turn. A store whose
//! look and whose write are two steps is caught at once if it waits between them. If it does not wait, two threads must meet
//! there, so they race until they have met many times: that takes at least two processors, or patience ([`Suite::repeat`]).
//!
//! The suite does not judge what a check cannot see: that the cost of a sweep is in proportion to what has expired is for a
//! benchmark, and that an acknowledged session survives a power loss needs a simulated disk. Whether traces are bounded in number
//! it checks where the store takes the bound from its limits.

mod bench;
mod beside;
mod create;
mod destroy;
mod difference;
mod dropped;
mod durability;
mod fixture;
mod hooks;
mod hostile;
mod judge;
mod limits;
mod load;
mod owner_limits;
mod owners;
mod race;
mod report;
mod rotate;
mod same_step;
mod scan;
mod suite;
mod sweep;
mod touch;
mod traces;
mod unchanged;
mod update;
mod waiting;

pub use self::hooks::Work;
pub use self::report::{Report, Verdict};
pub use self::suite::Suite;
