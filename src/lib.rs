//! cloakroom: a session store that any server links in.

mod any;
mod block_on;
mod codec;
#[cfg(feature = "conformance")]
pub mod conformance;
mod data;
mod error;
mod id;
mod key;
mod lifetime;
mod memory;
mod owner;
mod record;
mod store;
mod sweeper;
mod time;
pub mod value;

pub use any::{AnyStore, DynStore};
pub use data::{Data, MAX_NAME_BYTES};
pub use error::{Error, ErrorKind, Result};
pub use id::{InvalidId, SessionId};
pub use key::{InvalidKey, SessionKey};
pub use lifetime::{Expiry, Lifetime};
pub use memory::MemoryStore;
pub use owner::{MAX_OWNER_BYTES, Owner};
pub use record::{CookieKind, Record, Revision};
pub use store::{BeyondLimit, Durability, Limits, OwnerLimit, RuntimeFree, Store, Swept, Update};
pub use sweeper::{Sweeper, SweeperBuilder};
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
pub use value::ValueError;
