//! What was written in a schedule, and what stands: the model's sessions and traces in as few bytes as possible, for the
//! oracle keeps millions of states.

use std::fmt;

use cloakroom::Timestamp;

use crate::left::Left;
use crate::support::model::{self, Notation};

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
    /// Its revision, once a process was told it.
    pub revision: Option<u64>,
}

/// What was written in a schedule, by its number.
pub type Writes = [Written];

/// A session that stands: which write, and when it was last seen.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Session {
    pub value: Value,
    pub seen: u64,
}

/// What stands under a key.
pub type Standing = model::Standing<Session, Left>;

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}@{}", self.value, self.seen % 10_000_000)
    }
}

/// All keys.
pub type State = [Option<Standing>; KEYS];

/// A session is known by the number of its write, and so is its revision: `None` is one that no write has.
impl Notation for Writes {
    type Session = Session;
    type Revision = Option<Value>;
    type Owner = u8;
    type Trace = Left;

    fn revision(&self, session: &Session) -> Option<Value> {
        Some(session.value)
    }

    fn owner(&self, session: &Session) -> Option<u8> {
        self[usize::from(session.value)].owner
    }

    fn last_seen(&self, session: &Session) -> Timestamp {
        Timestamp::from_millis(session.seen)
    }

    fn ends_at(&self, session: &Session) -> Timestamp {
        let written = &self[usize::from(session.value)];
        let idle = written.idle.map_or(u64::MAX, |idle| session.seen + idle);
        Timestamp::from_millis(idle.min(written.absolute.unwrap_or(u64::MAX)))
    }

    fn see(&self, session: &mut Session, at: Timestamp) {
        session.seen = session.seen.max(at.as_millis());
    }

    fn over_at(&self, trace: &Left) -> Timestamp {
        trace.over_at()
    }

    fn join(&self, older: &Left, newer: &Left) -> Left {
        older.join(newer)
    }
}
