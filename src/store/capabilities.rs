//! What a store states about the promises that not every medium can keep to the letter.

use crate::store::traces::MAX_TRACES;

/// How far a store keeps a promise. [`Capabilities`] shows its use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// At every moment, also while other threads, processes and machines call the store.
    Exactly,
    /// As far as one request after another can tell. Requests that race may see less.
    BestEffort,
    /// Not at all: the store does without.
    NotAtAll,
}

/// Which promises of the [contract](crate::Store#the-contract) a store keeps exactly, and which as well as its medium can.
///
/// The suite `conformance` holds a store to what it states, and not to more.
///
/// ```
/// use cloakroom::{Capabilities, Kept, MemoryStore, Store};
///
/// assert_eq!(MemoryStore::new().capabilities(), Capabilities::EXACT);
///
/// // As a store would say whose medium removes expired sessions by itself and walks through keys by a cursor.
/// let mut capabilities = Capabilities::EXACT;
/// capabilities.sweep = Kept::NotAtAll;
/// capabilities.scan = Kept::BestEffort;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// [`Limits::per_owner`](crate::Limits::per_owner). `BestEffort`: sessions that arrive at once may be too many for a while.
    /// `NotAtAll`: no limit is kept.
    pub owner_limits: Kept,
    /// A rotation is one step. Otherwise another request may find the session under both keys for a moment, or under none.
    /// When the rotation has returned, it is under the new key alone.
    pub rotate: Kept,
    /// A [trace](crate::Store#traces) is left in the same step as what leaves it. `BestEffort`: it is left first, by a step of its own,
    /// so another request may find it beside a session that lives, and a crash may leave it there. `NotAtAll`: none is left.
    pub traces: Kept,
    /// How many traces there are at most; those that would have ended first go. A store may leave that to its
    /// [`sweep`](crate::Store::sweep). `None`: they are bounded by their time alone.
    pub most_traces: Option<usize>,
    /// [`sweep`](crate::Store::sweep) removes what has expired and counts it. `BestEffort`: its count may differ, for another
    /// may remove the same. `NotAtAll`: the medium removes expired sessions by itself. No sweep ever removes what lives.
    pub sweep: Kept,
    /// [`scan`](crate::Store::scan) visits each session once. Otherwise it visits one at least once that lives throughout.
    pub scan: Kept,
    /// Whether the visitor of a scan may wait for another call of the store.
    pub visitor_may_call: bool,
}

impl Capabilities {
    /// Every promise is kept exactly, and traces up to [`MAX_TRACES`].
    pub const EXACT: Self = Self {
        owner_limits: Kept::Exactly,
        rotate: Kept::Exactly,
        traces: Kept::Exactly,
        most_traces: Some(MAX_TRACES),
        sweep: Kept::Exactly,
        scan: Kept::Exactly,
        visitor_may_call: true,
    };
}

impl Default for Capabilities {
    fn default() -> Self {
        Self::EXACT
    }
}
