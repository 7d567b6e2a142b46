// Where the links and pictures of README are found from the built documentation. Of two definitions the first counts.
#![cfg_attr(doc, doc = include_str!("../docs/rustdoc.md"))]
#![doc = include_str!("../README.md")]
//!
//! # The way of a session
//!
//! The module [`cookie`] reads the visitor's ticket. The ticket holds a [`SessionId`], and a hash of that, the
//! [`SessionKey`], stands for it everywhere else. A [`Store`] keeps the session's [`Record`] under that key: [`FileStore`],
//! [`MemoryStore`], or a store of your own. [`Sessions`] opens the record as a [`Session`], which a handler reads and
//! changes. Then `Sessions` commits the changes, and the [`Committed`] outcome holds the cookie that goes back.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(unix))]
compile_error!(
    "cloakroom runs on Unix only: its FileStore needs flock(2), shared mappings and modes of files, which Windows does not have"
);

/// The pages whose examples are tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../docs/from-tower-sessions.md")]
    pub struct FromTowerSessions;
}

/// What most servers use, for `use cloakroom::prelude::*`.
///
/// It leaves out what would hide other names: [`Result`] and [`Error`], which stand here as `cloakroom::Result` and
/// `cloakroom::Error`, and the modules `axum` and `tower`, which have the names of crates.
///
/// ```
/// use cloakroom::prelude::*;
///
/// const VISITS: Entry<u64> = Entry::new("visits");
///
/// async fn visits(session: Session) -> cloakroom::Result<String> {
///     session.modify(VISITS, |visits| Some(visits.unwrap_or(0) + 1))?;
///     Ok(session.get(VISITS)?.unwrap_or(0).to_string())
/// }
///
/// let sessions = Sessions::builder(MemoryStore::new()).lifetime(Lifetime::AAL2).build()?;
/// # drop((sessions, visits));
/// # Ok::<(), cloakroom::Error>(())
/// ```
pub mod prelude {
    #[cfg(feature = "tower")]
    #[doc(no_inline)]
    pub use super::tower::SessionLayer;
    #[doc(no_inline)]
    pub use super::{
        AnyStore, Durability, DynStore, Entry, FileStore, Handle, Lifetime, MemoryStore, Owner, Session, Sessions,
        Store, Timestamp,
    };
}

mod adapters;
pub mod cookie;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod model;
mod session;
mod sessions;
#[cfg(feature = "simulation")]
#[doc(hidden)]
pub mod simulation;
mod store;

#[cfg(feature = "axum")]
pub use adapters::axum;
#[cfg(feature = "tower")]
pub use adapters::tower;
pub use model::data::{Data, MAX_NAME_BYTES};
pub use model::error::{Error, ErrorKind, Result};
pub use model::handle::{Handle, InvalidHandle};
pub use model::id::{InvalidId, SessionId};
pub use model::key::{InvalidKey, SessionKey};
pub use model::lifetime::{Expiry, Lifetime};
pub use model::owner::{MAX_OWNER_BYTES, Owner};
pub use model::record::{CookieKind, Record, Revision};
pub use model::time::{Clock, ManualClock, SystemClock, Timestamp};
pub use model::trace::{MAX_SUCCESSORS, Trace, TraceKind};
pub use model::value::{self, ValueError};
pub use session::{AnyEntry, Committed, Entry, EntryName, Outcome, ResponseHeader, Session};
pub use sessions::{Blocking, Listed, Presented, SessionSlot, Sessions, SessionsBuilder};
pub use store::any::AnyStore;
#[cfg(feature = "conformance")]
pub use store::conformance;
pub use store::dyn_store::DynStore;
pub use store::file::{Damage, FileOptions, FileStore, OnDamage, PageAccess, Stats, Verified};
pub use store::memory::MemoryStore;
#[cfg(feature = "mysql")]
pub use store::mysql::{MysqlOptions, MysqlStore};
#[cfg(feature = "postgres")]
pub use store::postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "redis")]
pub use store::redis::{RedisOptions, RedisStore};
pub use store::runtime_free::RuntimeFree;
pub use store::sweeper::{Sweeper, SweeperBuilder};
pub use store::{
    Acknowledged, BeyondLimit, Capabilities, Durability, Found, Kept, Limits, MAX_TRACES, OwnerLimit, Store, Swept,
    Update,
};
