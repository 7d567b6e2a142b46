//! One session, as a request sees it: the handle, the changes that the request makes through it, what their commit means for
//! the response, and the site's policy, which says when the session ends and what its cookie says.
//!
//! Nothing here calls a store, reads a request's cookies or knows a framework: [`sessions`](crate::sessions) opens and
//! commits what is here.

mod about;
mod changes;
mod committed;
mod early;
mod entry;
mod flash;
mod handle;
mod headers;
mod login;
mod once;
mod policy;
mod state;
mod stored;

pub(crate) use changes::Changes;
pub use committed::{Committed, Outcome};
pub(crate) use entry::checked;
pub use entry::{AnyEntry, Entry, EntryName};
pub use handle::Session;
pub use headers::ResponseHeader;
pub(crate) use login::check_owner;
pub(crate) use policy::{OnLost, Policy};
pub(crate) use state::{Access, Barred, Came, Early, HiddenAt, State, Stood, Visitor};
pub(crate) use stored::decode;
