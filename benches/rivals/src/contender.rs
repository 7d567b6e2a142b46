//! What a contender is: the trait that all of them implement, what a load hands out, and the classes of durability.

use std::sync::Arc;

use cloakroom::{Record, SessionKey, Timestamp, value};
use serde::{Deserialize, Serialize};

use crate::session::{ENTRY, Session};

/// A place for sessions. A method returns `None` where the contender cannot do the operation, and the tables show that.
///
/// A contender uses its library as the library's documentation advises. An error ends the run, since the figure of a
/// failed operation means nothing.
pub(crate) trait Contender: Send + Sync {
    /// Stores new sessions, as fast as the contender can take them.
    fn fill(&self, sessions: &mut dyn Iterator<Item = Session>, now: Timestamp);

    /// Notes in the session what a server knows once it has loaded it.
    fn meet(&self, _session: &mut Session, _now: Timestamp) {}

    /// The session, if it exists and has not expired.
    fn load(&self, _key: &SessionKey, _now: Timestamp) -> Option<Option<Loaded>> {
        None
    }

    /// Notes that a session was seen, which puts off its end. Returns whether the session exists.
    fn touch(&self, _key: &SessionKey, _now: Timestamp) -> Option<bool> {
        None
    }

    /// Replaces a session.
    fn save(&self, session: &mut Session, now: Timestamp) -> Option<()>;

    /// Removes the expired sessions. Returns their number, if the contender knows it.
    fn sweep(&self, _now: Timestamp) -> Option<Option<u64>> {
        None
    }

    /// The process that does the work, if it is not this one.
    fn server(&self) -> Option<u32> {
        None
    }

    /// Closes the contender in good order.
    fn close(self: Box<Self>) {}
}

/// What a load hands out: something that its caller owns.
pub(crate) enum Loaded {
    Record(Record),
    Bytes(Vec<u8>),
    /// An encoded value that the contender goes on holding.
    Shared(Arc<dyn AsRef<[u8]>>),
    Tower(tower_sessions_core::session::Record),
}

impl Loaded {
    /// The [`text`](crate::session::Model::text) in it.
    pub(crate) fn text(&self, key: &SessionKey) -> Option<String> {
        let record = match self {
            Self::Tower(record) => return Some(record.data.get(ENTRY)?.as_str()?.to_owned()),
            Self::Shared(value) => return value::decode((**value).as_ref()).ok(),
            Self::Record(record) => record.clone(),
            Self::Bytes(bytes) => Record::from_bytes(*key, cloakroom::Revision::fresh(), bytes).ok()?,
        };
        value::decode(record.data().get(ENTRY)?).ok()
    }
}

/// What an acknowledged save survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Class {
    /// The end of the process, if anything.
    Relaxed,
    /// A power loss.
    Durable,
}

impl Class {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Relaxed => "relaxed",
            Self::Durable => "durable",
        }
    }
}
