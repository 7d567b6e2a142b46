//! What a process asks a store, and what the store answers: the calls of the model, and the two moments in which a process
//! may count on all that it was told.

use std::time::Duration;

use cloakroom::{Swept, Timestamp};

use super::state::{KEYS, Session, Standing, State, Value, Writes};
use crate::left::Left;
use crate::support::model::{Model, Outcome, Refusal};

/// What a store is asked. An expected revision is named by the write that has it; `None` is one that no write has.
#[derive(Clone, Debug)]
pub enum Ask {
    Create {
        value: Value,
        /// What it leaves, and where.
        traces: Vec<(usize, Left)>,
    },
    Update {
        value: Value,
        expected: Option<Value>,
    },
    Rotate {
        old: usize,
        value: Value,
        expected: Option<Value>,
        trace: Option<Left>,
    },
    Touch {
        key: usize,
    },
    Destroy {
        key: usize,
        trace: Option<Left>,
    },
    DestroyOwned {
        owner: u8,
        except: Option<usize>,
    },
    Sweep {
        budget: usize,
    },
    Clear,
    Find {
        key: usize,
    },
    Count,
    /// Each session on its own; not all at one moment.
    OwnedBy {
        owner: u8,
    },
    Scan,
    /// A clean close, after which nothing may be lost.
    Close,
    /// The store's thread had the time to sync, as it should now and then. No process asks for it.
    Rest,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Stored,
    Taken,
    Conflict(Session),
    Gone,
    Touched(bool),
    Done,
    Counted(u64),
    Swept {
        removed: u64,
        more: bool,
    },
    Found(Option<Standing>),
    Listed([Option<Session>; KEYS]),
    /// It failed, and says that nothing was done.
    NotDone,
    /// It failed, and does not say whether it was done.
    Unknown,
}

impl Ask {
    /// What it would write.
    pub fn writes(&self) -> Option<Value> {
        match self {
            Self::Create { value, .. } | Self::Update { value, .. } | Self::Rotate { value, .. } => Some(*value),
            _ => None,
        }
    }

    /// Whether it leaves traces.
    pub fn leaves_traces(&self) -> bool {
        match self {
            Self::Create { traces, .. } => !traces.is_empty(),
            Self::Rotate { trace, .. } | Self::Destroy { trace, .. } => trace.is_some(),
            _ => false,
        }
    }

    /// Whether it never changes anything.
    pub fn only_reads(&self) -> bool {
        matches!(self, Self::Find { .. } | Self::Count | Self::OwnedBy { .. } | Self::Scan | Self::Close | Self::Rest)
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
    /// Whether a call with this answer changed nothing: it may be put at any moment that fits.
    pub fn changed_nothing(&self) -> bool {
        match self {
            Self::Taken | Self::Conflict(_) | Self::Gone | Self::Touched(false) | Self::Found(_) | Self::Listed(_) => {
                true
            }
            Self::Counted(count) => *count == 0,
            // Traces that a sweep removes are in no answer.
            Self::Stored | Self::Touched(true) | Self::Swept { .. } | Self::Done | Self::NotDone | Self::Unknown => {
                false
            }
        }
    }
}

/// What the model answers, and what stands then; traces are left out if the store has no room for them.
pub fn answer(ask: &Ask, state: &mut State, now: u64, writes: &Writes, leaves_traces: bool) -> Answer {
    let model = Model { notation: writes, per_owner: None, swept_behind: Duration::from_secs(1), leaves_traces };
    let now = Timestamp::from_millis(now);
    let written = |value: Value| {
        let written = &writes[usize::from(value)];
        (written.key, Session { value, seen: written.created })
    };
    match ask {
        Ask::Create { value, traces } => {
            let (key, session) = written(*value);
            stored(model.create(state, key, session, traces, now))
        }
        Ask::Update { value, expected } => {
            let (key, session) = written(*value);
            stored(model.update(state, key, expected, session, now))
        }
        Ask::Rotate { old, value, expected, trace } => {
            let (key, session) = written(*value);
            stored(model.rotate(state, *old, expected, key, session, trace.as_ref(), now))
        }
        Ask::Touch { key } => Answer::Touched(model.touch(state, *key, now)),
        Ask::Destroy { key, trace } => Answer::Counted(model.destroy(state, *key, trace.as_ref()).into()),
        Ask::DestroyOwned { owner, except } => Answer::Counted(model.destroy_owned_by(state, owner, *except)),
        Ask::Sweep { budget } => {
            let Swept { removed, more, .. } = model.sweep(state, now, *budget);
            Answer::Swept { removed, more }
        }
        Ask::Clear => {
            model.clear(state);
            Answer::Done
        }
        Ask::Find { key } => Answer::Found(model.find(state, *key, now).copied()),
        Ask::Count => Answer::Counted(model.count(state, now)),
        Ask::OwnedBy { owner } => listed(model.owned_by(state, owner, now)),
        Ask::Scan => listed(model.scan(state, now)),
        Ask::Close | Ask::Rest => Answer::Done,
    }
}

fn stored(outcome: Outcome<Writes>) -> Answer {
    match outcome {
        Ok(()) => Answer::Stored,
        Err(Refusal::KeyTaken) => Answer::Taken,
        Err(Refusal::Conflict(current)) => Answer::Conflict(current),
        Err(Refusal::Gone) => Answer::Gone,
        Err(Refusal::OwnerLimit) => unreachable!("no owner has a limit here"),
    }
}

fn listed<'s>(sessions: impl Iterator<Item = (usize, &'s Session)>) -> Answer {
    let mut list = [None; KEYS];
    sessions.for_each(|(key, session)| list[key] = Some(*session));
    Answer::Listed(list)
}
