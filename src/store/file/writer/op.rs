//! The operations that may write, and their answers: plain data. How an operation is carried out is the plan's.

use crate::model::error::{Error, Result};
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;
use crate::store::file::format::position::Position;
use crate::store::{Swept, Update};

/// An operation that may write.
#[derive(Debug)]
pub(crate) enum Op {
    Create {
        record: Record,
        traces: Vec<(SessionKey, Trace)>,
        now: Timestamp,
    },
    Update {
        record: Record,
        expected: Revision,
        now: Timestamp,
    },
    Touch {
        key: SessionKey,
        now: Timestamp,
    },
    Rotate {
        old: SessionKey,
        expected: Revision,
        record: Record,
        // In a box, or each operation would take as much memory.
        trace: Option<Box<Trace>>,
        now: Timestamp,
    },
    Destroy {
        key: SessionKey,
        trace: Option<Box<Trace>>,
    },
    DestroyOwned {
        owner: Owner,
        except: Option<SessionKey>,
    },
    /// Ends these sessions, all or none of them.
    End {
        keys: Vec<SessionKey>,
    },
    Sweep {
        now: Timestamp,
        budget: usize,
    },
    Clear,
    /// Appends again what still lives at these positions of the oldest segment (compaction).
    Move {
        live: Vec<(SessionKey, Position)>,
    },
    /// Takes the segments below this number out of the log.
    Trim {
        oldest: u32,
    },
    /// States that all before it is durable: a clean close.
    Mark,
}

impl Op {
    /// How many sessions one sweep ends at most, so that saves and loads do not wait for long.
    pub(crate) const SWEPT_AT_ONCE: usize = 500;

    /// Whether it changes so much at once that no operation can be planned after it in the same group (rule 14).
    pub(crate) const fn is_alone(&self) -> bool {
        use Op::{Clear, DestroyOwned, Mark, Move, Sweep, Trim};
        matches!(self, DestroyOwned { .. } | Sweep { .. } | Clear | Move { .. } | Trim { .. } | Mark)
    }

    /// Whether it ends sessions, frees space, or marks a clean close. Such operations may use the last space of a full disk
    /// (rule 7).
    pub(crate) const fn is_needed_when_full(&self) -> bool {
        use Op::{Clear, Destroy, DestroyOwned, End, Mark, Move, Sweep, Trim};
        matches!(
            self,
            Destroy { .. } | DestroyOwned { .. } | End { .. } | Sweep { .. } | Clear | Move { .. } | Trim { .. } | Mark
        )
    }

    /// Whether its caller can do without it.
    pub(crate) const fn is_best_effort(&self) -> bool {
        matches!(self, Self::Touch { .. })
    }

    /// When it makes a session or a trace exist beside which others leave, by its caller's clock.
    pub(crate) const fn creates_at(&self) -> Option<Timestamp> {
        match self {
            Self::Create { now, .. } | Self::Rotate { trace: Some(_), now, .. } => Some(*now),
            _ => None,
        }
    }

    /// When it saves a session, by its caller's clock.
    pub(crate) const fn saves_at(&self) -> Option<Timestamp> {
        match self {
            Self::Create { now, .. } | Self::Update { now, .. } | Self::Rotate { now, .. } => Some(*now),
            _ => None,
        }
    }

    /// Whether it may take the space that is kept for ending sessions (rule 24). Moves and the mark of a close may not.
    pub(crate) const fn may_take_all(&self) -> bool {
        self.is_needed_when_full() && !matches!(self, Self::Move { .. } | Self::Mark)
    }

    /// About how many bytes it will take in the log.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Create { record, .. } | Self::Update { record, .. } | Self::Rotate { record, .. } => {
                512 + record.data().size()
            }
            _ => 64,
        }
    }
}

/// An operation's answer, and whether the answer has to wait for the disk.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) answer: Result<Answer>,
    pub(crate) waits: Waits,
}

/// What the caller gets.
#[derive(Debug)]
pub(crate) enum Answer {
    Created(Revision),
    Updated(Update),
    Touched(bool),
    Counted(u64),
    /// And how many traces were removed beside.
    Swept((Swept, usize)),
    Done,
}

/// When an answer may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// At once.
    Never,
    /// When the operation is durable, if the store's durability says that saves wait; else at once.
    AsConfigured,
    /// When the operation is durable, whatever the durability says: a session was ended, and must never come back (rule 1).
    Always,
}

impl Answered {
    pub(crate) fn failed(error: Error) -> Self {
        Self { answer: Err(error), waits: Waits::Never }
    }

    /// The session is not there. That is final only once the frame that ended it is durable (rule 1).
    pub(crate) fn gone() -> Self {
        Self { answer: Ok(Answer::Updated(Update::Gone)), waits: Waits::AsConfigured }
    }
}
