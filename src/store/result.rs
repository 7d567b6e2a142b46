//! The results of operations on a store.

use crate::model::record::{Record, Revision};

/// The result of an [`update`](super::Store::update) or a [`rotate`](super::Store::rotate). See there for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Update {
    /// The record is stored, with this revision.
    Stored(Revision),
    /// Another write came first, and nothing was stored. This is the session as it is now.
    Conflict(Box<Record>),
    /// The session does not exist, or not any more, and nothing was stored.
    Gone,
}

/// The result of a [`sweep`](super::Store::sweep). See there for an example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many expired sessions were removed.
    pub removed: u64,
    /// Whether expired sessions are left, because the budget was spent.
    pub more: bool,
}
