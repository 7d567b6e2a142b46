//! One session, as a request sees it: the handle, the changes that the request makes through it, and the site's policy,
//! which says when the session ends and what its cookie says.
//!
//! Nothing here calls a store, reads a request's cookies or knows a framework: [`sessions`](crate::sessions) opens and
//! commits what is here.

mod about;
mod changes;
mod entry;
mod flash;
mod handle;
mod login;
mod once;
mod policy;
mod state;
mod stored;

pub(crate) use changes::Changes;
pub(crate) use entry::checked;
pub use entry::{AnyEntry, Entry, EntryName};
pub use handle::Session;
pub(crate) use login::check_owner;
pub(crate) use policy::{OnLost, Policy};
pub(crate) use state::{Access, Barred, Came, HiddenAt, State, Stood, Visitor};
pub(crate) use stored::decode;
