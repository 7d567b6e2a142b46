//! What the store can be asked to do with the log, and how it answers.

use crate::model::error::{Error, Result};
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::store::file::format::position::Position;
use crate::store::{Swept, Update};

/// An operation that may write.
#[derive(Debug)]
pub(crate) enum Op {
    Create {
        record: Record,
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
        now: Timestamp,
    },
    Destroy {
        key: SessionKey,
    },
    DestroyOwned {
        owner: Owner,
        except: Option<SessionKey>,
    },
    /// Ends these sessions, all or none.
    End {
        keys: Vec<SessionKey>,
    },
    Sweep {
        now: Timestamp,
        budget: usize,
    },
    Clear,
    /// What still lives at these places of the oldest segment is appended again.
    Move {
        live: Vec<(SessionKey, Position)>,
    },
    /// Segments below this one leave the log.
    Trim {
        oldest: u32,
    },
    /// States what is durable: a clean close.
    Mark,
}

impl Op {
    /// Whether it changes so much at once that nothing can be planned behind it in the same group.
    pub(crate) const fn is_alone(&self) -> bool {
        matches!(self, Self::Sweep { .. } | Self::Clear | Self::Move { .. } | Self::Trim { .. } | Self::Mark)
    }

    /// Whether it frees space, or keeps someone out: such operations may use the last of a full disk (rule 7).
    pub(crate) const fn is_needed_when_full(&self) -> bool {
        use Op::{Clear, Destroy, DestroyOwned, End, Mark, Move, Sweep, Trim};
        matches!(
            self,
            Destroy { .. } | DestroyOwned { .. } | End { .. } | Sweep { .. } | Clear | Move { .. } | Trim { .. } | Mark
        )
    }

    /// Bytes that it will take, about.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Create { record, .. } | Self::Update { record, .. } | Self::Rotate { record, .. } => {
                512 + record.data().size()
            }
            _ => 64,
        }
    }
}

/// What an operation answers, and whether the answer has to wait for the disk.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) answer: Result<Answer>,
    pub(crate) waits: Waits,
}

/// What the caller is told.
#[derive(Debug)]
pub(crate) enum Answer {
    Created(Revision),
    Updated(Update),
    Touched(bool),
    Counted(u64),
    Swept(Swept),
    Done,
}

/// When an answer may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// At once.
    Never,
    /// When it is durable, if the store's durability says that saves wait.
    AsConfigured,
    /// When the log is durable up to here, in any case: something was ended, and must never come back.
    Always,
}

impl Answered {
    pub(crate) fn failed(error: Error) -> Self {
        Self { answer: Err(error), waits: Waits::Never }
    }

    /// The session is not there: true for good only once what ended it is durable (rule 1).
    pub(crate) fn gone() -> Self {
        Self { answer: Ok(Answer::Updated(Update::Gone)), waits: Waits::AsConfigured }
    }
}
