//! A site's sessions, and what a request does with one of them: open, commit, and what the commit means for the
//! response; edits without a visitor; lists of a user's sessions.
//!
//! Each operation here plans first, and then makes one call of the store where no other request interfered. What one
//! session is, and how a handler reads and changes it, is in [`session`](crate::session). Types of a framework or of an
//! HTTP library are never here: an
//! adapter converts them.

mod begin;
mod blocking;
mod builder;
mod commit;
mod committing;
mod edit;
mod ending;
mod follow;
mod handle;
mod live;
mod lookup;
mod lowering;
mod open;
mod owned;
mod presented;
mod refused;
mod settle;
mod slot;
pub(crate) mod status;
mod swap;
mod sweeping;
mod table;
mod traced;

pub use blocking::Blocking;
pub use builder::SessionsBuilder;
pub use handle::Sessions;
pub use owned::Listed;
pub use presented::Presented;
pub use slot::SessionSlot;
