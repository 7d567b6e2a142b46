//! What the store promises, as a function: from the sessions that stand and a call to its answer and the sessions that
//! stand then. It knows nothing of logs.

use std::fmt;

pub const KEYS: usize = 5;
pub const OWNERS: u8 = 2;

/// The number of what was written; no two writes of a schedule have the same.
pub type Value = u16;

/// What a create, update or rotate writes. Times are milliseconds.
#[derive(Clone, Debug)]
pub struct Written {
    pub key: usize,
    pub owner: Option<u8>,
    pub created: u64,
    pub idle: Option<u64>,
    pub absolute: Option<u64>,
    /// Bytes of data beyond the number.
    pub padding: usize,
    /// Its revision, once somebody has seen it.
    pub revision: Option<u64>,
}

impl Written {
    /// When a session of this kind ends that was last seen then.
    fn ends_at(&self, seen: u64) -> u64 {
        let idle = self.idle.map_or(u64::MAX, |idle| seen + idle);
        idle.min(self.absolute.unwrap_or(u64::MAX))
    }
}

/// What stands under a key: which write, and when it was last seen.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Standing {
    pub value: Value,
    pub seen: u64,
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}@{}", self.value, self.seen % 10_000_000)
    }
}

/// All keys; expired sessions stand until they are swept, replaced or destroyed.
pub type State = [Option<Standing>; KEYS];

/// What a store is asked. An expected revision is named by the write that has it; `None` is one that no write has.
#[derive(Clone, Debug)]
pub enum Ask {
    Create {
        value: Value,
    },
    Update {
        value: Value,
        expected: Option<Value>,
    },
    Rotate {
        old: usize,
        value: Value,
        expected: Option<Value>,
    },
    Touch {
        key: usize,
    },
    Destroy {
        key: usize,
    },
    DestroyOwned {
        owner: u8,
        except: Option<usize>,
    },
    Sweep {
        budget: usize,
    },
    Clear,
    Load {
        key: usize,
    },
    Count,
    /// Each session on its own; not all at one moment.
    OwnedBy {
        owner: u8,
    },
    Scan,
    /// A clean close, behind which nothing may be lost.
    Close,
    /// The store's thread had the time to sync, as it should now and then. Nobody asks for it.
    Rest,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Stored,
    Taken,
    Conflict(Standing),
    Gone,
    Touched(bool),
    Done,
    Counted(u64),
    Swept {
        removed: u64,
        more: bool,
    },
    Loaded(Option<Standing>),
    Listed(State),
    /// It failed, and says that nothing was done.
    NotDone,
    /// It failed, and nobody knows whether it was done.
    Unknown,
}

impl Ask {
    /// What it would write.
    pub fn writes(&self) -> Option<Value> {
        match self {
            Self::Create { value } | Self::Update { value, .. } | Self::Rotate { value, .. } => Some(*value),
            _ => None,
        }
    }

    /// Whether it never changes anything.
    pub fn only_reads(&self) -> bool {
        matches!(self, Self::Load { .. } | Self::Count | Self::OwnedBy { .. } | Self::Scan | Self::Close | Self::Rest)
    }

    /// Whether this answer may be given only when all that it rests on is durable.
    pub fn is_durable(&self, answer: &Answer, saves_wait: bool) -> bool {
        match self {
            Self::Destroy { .. } | Self::DestroyOwned { .. } | Self::Clear | Self::Close | Self::Rest => {
                *answer == Answer::Done || matches!(answer, Answer::Counted(_))
            }
            Self::Rotate { .. } if *answer == Answer::Stored => true,
            Self::Create { .. } | Self::Update { .. } | Self::Rotate { .. } => {
                saves_wait && matches!(answer, Answer::Stored | Answer::Gone)
            }
            _ => false,
        }
    }
}

impl Answer {
    /// Whether whoever got this answer changed nothing: such a call may be put at any moment that fits.
    pub fn changed_nothing(&self) -> bool {
        match self {
            Self::Taken | Self::Conflict(_) | Self::Gone | Self::Touched(false) | Self::Loaded(_) | Self::Listed(_) => {
                true
            }
            Self::Counted(count) | Self::Swept { removed: count, .. } => *count == 0,
            Self::Stored | Self::Touched(true) | Self::Done | Self::NotDone | Self::Unknown => false,
        }
    }
}

/// What was written in this schedule.
pub type Writes = [Written];

fn live(state: &State, key: usize, now: u64, writes: &Writes) -> Option<Standing> {
    state[key].filter(|standing| writes[usize::from(standing.value)].ends_at(standing.seen) > now)
}

fn owner(standing: Standing, writes: &Writes) -> Option<u8> {
    writes[usize::from(standing.value)].owner
}

/// What one key's part in a list is.
pub fn listed(ask: &Ask, state: &State, key: usize, now: u64, writes: &Writes) -> Option<Standing> {
    let live = live(state, key, now, writes);
    match ask {
        Ask::OwnedBy { owner: wanted } => live.filter(|standing| owner(*standing, writes) == Some(*wanted)),
        _ => live,
    }
}

/// The model itself.
pub fn answer(ask: &Ask, state: &mut State, now: u64, writes: &Writes) -> Answer {
    match ask {
        Ask::Create { value } => {
            let written = &writes[usize::from(*value)];
            if live(state, written.key, now, writes).is_some() {
                return Answer::Taken;
            }
            state[written.key] = Some(Standing { value: *value, seen: written.created });
            Answer::Stored
        }
        Ask::Update { value, expected } => {
            let written = &writes[usize::from(*value)];
            let Some(current) = live(state, written.key, now, writes) else { return Answer::Gone };
            if Some(current.value) != *expected {
                return Answer::Conflict(current);
            }
            state[written.key] = Some(Standing { value: *value, seen: written.created.max(current.seen) });
            Answer::Stored
        }
        Ask::Rotate { old, value, expected } => {
            let written = &writes[usize::from(*value)];
            let Some(current) = live(state, *old, now, writes) else { return Answer::Gone };
            if Some(current.value) != *expected {
                return Answer::Conflict(current);
            }
            if live(state, written.key, now, writes).is_some() {
                return Answer::Taken;
            }
            state[*old] = None;
            state[written.key] = Some(Standing { value: *value, seen: written.created.max(current.seen) });
            Answer::Stored
        }
        Ask::Touch { key } => match live(state, *key, now, writes) {
            Some(current) => {
                state[*key] = Some(Standing { seen: current.seen.max(now), ..current });
                Answer::Touched(true)
            }
            None => Answer::Touched(false),
        },
        Ask::Destroy { key } => {
            state[*key] = None;
            Answer::Done
        }
        Ask::DestroyOwned { owner: wanted, except } => {
            let mut count = 0;
            for (key, standing) in state.iter_mut().enumerate() {
                if standing.is_some_and(|standing| owner(standing, writes) == Some(*wanted)) && Some(key) != *except {
                    *standing = None;
                    count += 1;
                }
            }
            Answer::Counted(count)
        }
        Ask::Sweep { budget } => sweep(state, *budget as u64, now, writes),
        Ask::Clear => {
            *state = [None; KEYS];
            Answer::Done
        }
        Ask::Load { key } => Answer::Loaded(live(state, *key, now, writes)),
        Ask::Count => Answer::Counted((0..KEYS).filter(|key| live(state, *key, now, writes).is_some()).count() as u64),
        Ask::OwnedBy { .. } | Ask::Scan => {
            Answer::Listed(std::array::from_fn(|key| listed(ask, state, key, now, writes)))
        }
        Ask::Close | Ask::Rest => Answer::Done,
    }
}

/// The first that have ended, by their ends and then by their keys.
fn sweep(state: &mut State, budget: u64, now: u64, writes: &Writes) -> Answer {
    let mut removed = 0;
    loop {
        let ends = state.iter().enumerate().filter_map(|(key, standing)| {
            let standing = (*standing)?;
            Some((writes[usize::from(standing.value)].ends_at(standing.seen), key))
        });
        let Some((_, first)) = ends.min().filter(|(end, _)| *end <= now) else {
            return Answer::Swept { removed, more: false };
        };
        if removed == budget {
            return Answer::Swept { removed, more: true };
        }
        state[first] = None;
        removed += 1;
    }
}
