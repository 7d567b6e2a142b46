#![doc = include_str!("../README.md")]
//!
//! # The way of a session
//!
//! [`cookie`] reads the visitor's ticket, [`SessionId`] is what it says, and [`SessionKey`] what it is known by from there
//! on. A [`Store`] keeps the [`Record`] under that key: [`FileStore`], [`MemoryStore`], or one of your own. [`Sessions`]
//! opens it as a [`Session`], which a handler reads and changes, and commits the changes; the [`Committed`] outcome
//! holds the cookie that goes back.

#[cfg(not(unix))]
compile_error!(
    "cloakroom runs on Unix only: its FileStore needs flock(2), shared mappings and modes of files, which Windows does not have"
);

#[cfg(feature = "axum")]
pub mod axum;
pub mod cookie;
#[cfg(feature = "tower")]
pub mod tower;
pub mod value;

mod any;
mod block_on;
mod bytes;
mod codec;
#[cfg(feature = "conformance")]
pub mod conformance;
mod data;
mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod id;
mod key;
mod lifetime;
mod memory;
mod owner;
mod record;
mod session;
mod sessions;
#[cfg(feature = "simulation")]
#[doc(hidden)]
pub mod simulation;
mod status;
mod store;
mod sweeper;
mod time;

pub use any::{AnyStore, DynStore};
pub use data::{Data, MAX_NAME_BYTES};
pub use error::{Error, ErrorKind, Result};
pub use id::{InvalidId, SessionId};
pub use key::{InvalidKey, SessionKey};
pub use lifetime::{Expiry, Lifetime};
pub use memory::MemoryStore;
pub use owner::{MAX_OWNER_BYTES, Owner};
pub use record::{CookieKind, Record, Revision};
pub use session::{AnyEntry, Entry, EntryName, Session};
pub use sessions::{
    Blocking, Committed, Listed, Outcome, Presented, ResponseHeader, SessionSlot, Sessions, SessionsBuilder,
};
pub use store::file::{Damage, FileOptions, FileStore, OnDamage, Stats, Verified};
pub use store::{BeyondLimit, Durability, Limits, OwnerLimit, RuntimeFree, Store, Swept, Update};
pub use sweeper::{Sweeper, SweeperBuilder};
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
pub use value::ValueError;
