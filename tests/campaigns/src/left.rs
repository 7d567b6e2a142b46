//! A trace in few bytes, with numbers for keys: some campaigns keep millions of them, others write them down. What a trace
//! means, and what two of them make, is the crate's, and never said here.

use std::fmt;

use cloakroom::{MAX_SUCCESSORS, SessionKey, Timestamp, Trace, TraceKind};
use serde::{Deserialize, Serialize};

use crate::support;

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Left {
    /// A [`TraceKind`].
    kind: u8,
    ends: u64,
    /// The successors' numbers, the latest last; [`NONE`] behind them.
    to: [u8; MAX_SUCCESSORS],
}

const NONE: u8 = u8::MAX;

impl Left {
    /// What a session leaves that goes on under this key.
    pub fn moved(to: u8, ends: u64) -> Self {
        Self { kind: TraceKind::Moved as u8, ends, to: [to, NONE, NONE, NONE] }
    }

    /// What a session leaves whose place another took.
    pub fn replaced(to: u8, ends: u64) -> Self {
        Self { kind: TraceKind::Replaced as u8, ..Self::moved(to, ends) }
    }

    /// What a session leaves that was ended.
    pub fn ended(ends: u64) -> Self {
        Self { kind: TraceKind::Ended as u8, ..Self::moved(NONE, ends) }
    }

    /// The trace that a store shows, where the keys have these numbers.
    pub fn of(trace: &Trace, number: impl Fn(&SessionKey) -> u8) -> Self {
        let mut to = [NONE; MAX_SUCCESSORS];
        for (to, successor) in to.iter_mut().zip(trace.successors()) {
            *to = number(successor);
        }
        Self { kind: trace.kind() as u8, ends: trace.ends().as_millis(), to }
    }

    /// The trace that a store is given, where the numbers are those of these keys.
    pub fn trace(&self, key: impl Fn(u8) -> SessionKey) -> Trace {
        let ends = self.over_at();
        let one = |to: u8| match self.kind {
            kind if kind == TraceKind::Moved as u8 => Trace::moved(key(to), ends),
            kind if kind == TraceKind::Replaced as u8 => Trace::replaced(key(to), ends),
            _ => Trace::ended(ends),
        };
        let later = self.to[1..].iter().filter(|to| **to != NONE);
        later.fold(one(self.to[0]), |trace, to| trace.join(&one(*to)))
    }

    pub fn over_at(&self) -> Timestamp {
        Timestamp::from_millis(self.ends)
    }

    /// What both make ([`Trace::join`]).
    pub fn join(&self, newer: &Self) -> Self {
        let key = |to: u8| support::key(to);
        Self::of(&self.trace(key).join(&newer.trace(key)), |key| support::number_of(key) as u8)
    }
}

impl fmt::Debug for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = ["", "moved", "replaced", "ended"][usize::from(self.kind)];
        let to: Vec<u8> = self.to.into_iter().filter(|to| *to != NONE).collect();
        write!(f, "{kind} {to:?} until {}", self.ends % 10_000_000)
    }
}
