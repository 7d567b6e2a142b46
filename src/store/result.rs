//! The results of operations on a store.

use crate::model::record::{Record, Revision};
use crate::model::trace::Trace;

/// The result of a [`find`](super::Store::find).
///
/// ```
/// use cloakroom::{Found, TraceKind};
///
/// /// What an administrator reads of a session.
/// fn told(found: &Found) -> &'static str {
///     match found {
///         Found::Live(_) => "lives",
///         Found::Trace(trace) if trace.kind() == TraceKind::Ended => "has just ended",
///         Found::Trace(_) => "goes on, or was replaced",
///         _ => "is not there",
///     }
/// }
///
/// assert_eq!(told(&Found::Nothing), "is not there");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Found {
    /// The session lives.
    Live(Record),
    /// It does not, and this says what became of it a short while ago.
    Trace(Trace),
    /// Nothing: missing, expired and destroyed look the same, and so does a trace that is over.
    Nothing,
}

impl Found {
    /// The session, if it lives.
    pub fn live(self) -> Option<Record> {
        match self {
            Self::Live(record) => Some(record),
            Self::Trace(_) | Self::Nothing => None,
        }
    }

    /// The trace, if one stands in the place of the session.
    pub const fn trace(&self) -> Option<&Trace> {
        match self {
            Self::Trace(trace) => Some(trace),
            Self::Live(_) | Self::Nothing => None,
        }
    }
}

/// The result of an [`update`](super::Store::update) or a [`rotate`](super::Store::rotate).
///
/// ```
/// use cloakroom::{Revision, Update};
///
/// /// The revision of what was stored, if anything was.
/// fn stored(update: &Update) -> Option<Revision> {
///     match update {
///         Update::Stored(revision) => Some(*revision),
///         _ => None,
///     }
/// }
///
/// assert_eq!(stored(&Update::Gone), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Update {
    /// The record is stored, with this revision.
    Stored(Revision),
    /// Another write came first, and nothing was stored. This is the session as it is now.
    Conflict(Box<Record>),
    /// The session does not exist, or not any more, and nothing was stored.
    Gone,
}

/// The result of a [`sweep`](super::Store::sweep).
///
/// ```
/// use cloakroom::{Store, Swept, Timestamp};
///
/// /// Removes all expired sessions, in steps, so that other work gets its turn between two of them.
/// async fn sweep_all(store: &impl Store, now: Timestamp) -> cloakroom::Result<u64> {
///     let mut all = 0;
///     loop {
///         let Swept { removed, more, .. } = store.sweep(now, 1000).await?;
///         all += removed;
///         if !more {
///             return Ok(all);
///         }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// How many expired sessions were removed. Traces are not counted.
    pub removed: u64,
    /// Whether expired sessions or traces are left, because the budget was spent.
    pub more: bool,
}

impl Swept {
    /// What a store's sweep did.
    pub const fn new(removed: u64, more: bool) -> Self {
        Self { removed, more }
    }
}
