//! What a lane does to its sessions, and what they are afterwards.
//!
//! A lane is one thread of a worker. Its sessions are its own, so it and the parent know exactly what each operation makes
//! of them; only the counters are shared by all lanes, and in each of them every lane has a number of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use cloakroom::Durability;
use serde::{Deserialize, Serialize};

/// How many lanes there are at most, in all workers of a directory.
pub const LANES: usize = 8;
/// How many counters the lanes share.
pub const COUNTERS: usize = 2;
/// A lane's sessions belong to so many owners.
pub const OWNERS: u8 = 3;
/// After this time, which no touch reaches, brief sessions are over.
pub const SWEEP_AFTER: Duration = Duration::from_secs(60 * 60);

/// What a session is known by within its lane; never used twice.
pub type Name = u64;

/// A session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub owner: u8,
    /// What it holds is made of this number.
    pub value: u64,
    /// When it was last seen: so many seconds after [`NOW`](super::NOW).
    pub seen: u64,
    /// Whether a sweep ends it.
    pub brief: bool,
}

/// All that a lane has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    pub sessions: BTreeMap<Name, Held>,
    /// What is left of some that were: the name under which the session goes on, if it does.
    pub traces: BTreeMap<Name, Option<Name>>,
    pub counts: [u64; COUNTERS],
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    Create {
        name: Name,
        held: Held,
    },
    Update {
        name: Name,
        value: u64,
    },
    Touch {
        name: Name,
        seen: u64,
    },
    Rotate {
        old: Name,
        new: Name,
        value: u64,
        /// Whether it leaves a trace.
        leaves: bool,
    },
    Destroy {
        name: Name,
        leaves: bool,
    },
    DestroyOwned {
        owner: u8,
        except: Option<Name>,
    },
    /// Ends the brief sessions.
    Sweep,
    /// Counts the lane's number in a counter up, by compare-and-swap with all other lanes.
    Count {
        counter: usize,
    },
}

impl Op {
    /// What it makes of a lane's holdings.
    pub fn apply(&self, holdings: &mut Holdings) {
        let Holdings { sessions, traces, .. } = holdings;
        match *self {
            Self::Create { name, held } => drop(sessions.insert(name, held)),
            Self::Update { name, value } => {
                if let Some(held) = sessions.get_mut(&name) {
                    held.value = value;
                }
            }
            Self::Touch { name, seen } => {
                if let Some(held) = sessions.get_mut(&name) {
                    held.seen = held.seen.max(seen);
                }
            }
            Self::Rotate { old, new, value, leaves } => {
                if let Some(held) = sessions.remove(&old) {
                    sessions.insert(new, Held { value, ..held });
                    traces.extend(leaves.then_some((old, Some(new))));
                }
            }
            Self::Destroy { name, leaves } => {
                if sessions.remove(&name).is_some() {
                    traces.extend(leaves.then_some((name, None)));
                }
            }
            Self::DestroyOwned { owner, except } => {
                sessions.retain(|name, held| held.owner != owner || Some(*name) == except);
            }
            Self::Sweep => sessions.retain(|_, held| !held.brief),
            Self::Count { counter } => holdings.counts[counter] += 1,
        }
    }

    /// Whether its acknowledgement means that it survives a power loss.
    pub fn is_durable(&self, durability: Durability) -> bool {
        match self {
            Self::Touch { .. } | Self::Sweep => false,
            Self::Rotate { .. } | Self::Destroy { .. } | Self::DestroyOwned { .. } => true,
            Self::Create { .. } | Self::Update { .. } | Self::Count { .. } => durability == Durability::Always,
        }
    }

    /// The name under which it leaves a trace.
    pub fn leaves(&self) -> Option<Name> {
        match *self {
            Self::Rotate { old: name, leaves: true, .. } | Self::Destroy { name, leaves: true } => Some(name),
            _ => None,
        }
    }

    /// The newest name that it uses, for none is used twice.
    pub fn name(&self) -> Option<Name> {
        match *self {
            Self::Create { name, .. } | Self::Rotate { new: name, .. } => Some(name),
            _ => None,
        }
    }
}
