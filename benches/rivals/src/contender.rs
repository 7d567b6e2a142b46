//! What is measured, and who.

use std::path::Path;
use std::sync::Arc;

use cloakroom::{Record, SessionKey, Timestamp, value};
use serde::{Deserialize, Serialize};

use crate::contenders::{
    CACHE_BYTES, cloakroom::Cloakroom, files::Files, fjall::Fjall, lmdb::Lmdb, map, map::Map, raw::Raw, redb::Redb,
    redis::Redis, sled::Sled, sqlite::Sqlite, tower,
};
use crate::session::{ENTRY, Session};

/// A place for sessions. What it cannot do is `None`, and shown so.
///
/// A contender answers as its documentation advises to ask it; errors end the run, since a figure of something that
/// failed is none.
pub(crate) trait Contender: Send + Sync {
    /// Stores sessions that are new, as fast as it can take them.
    fn fill(&self, sessions: &mut dyn Iterator<Item = Session>, now: Timestamp);

    /// Lets the session know what its owner knows from having loaded it.
    fn meet(&self, _session: &mut Session, _now: Timestamp) {}

    /// The session, if it is there and not over.
    fn load(&self, _key: &SessionKey, _now: Timestamp) -> Option<Option<Loaded>> {
        None
    }

    /// Notes that a session was seen, which puts off its end. Says whether it is there.
    fn touch(&self, _key: &SessionKey, _now: Timestamp) -> Option<bool> {
        None
    }

    /// Replaces a session.
    fn save(&self, session: &mut Session, now: Timestamp) -> Option<()>;

    /// Removes what is over. Says how many there were, if it knows.
    fn sweep(&self, _now: Timestamp) -> Option<Option<u64>> {
        None
    }

    /// The process that does the work, if it is another one.
    fn server(&self) -> Option<u32> {
        None
    }

    /// Ends it in good order.
    fn close(self: Box<Self>) {}
}

/// What a load hands out: something that its caller owns.
pub(crate) enum Loaded {
    Record(Record),
    Bytes(Vec<u8>),
    Held(Arc<map::Held>),
    Tower(tower_sessions_core::session::Record),
}

impl Loaded {
    /// What [`text`](crate::session::text) it holds.
    pub(crate) fn text(&self, key: &SessionKey) -> Option<String> {
        let record = match self {
            Self::Tower(record) => return Some(record.data.get(ENTRY)?.as_str()?.to_owned()),
            Self::Held(held) => return value::decode(&held.data).ok(),
            Self::Record(record) => record.clone(),
            Self::Bytes(bytes) => Record::from_bytes(*key, cloakroom::Revision::fresh(), bytes).ok()?,
        };
        value::decode(record.data().get(ENTRY)?).ok()
    }
}

/// What an acknowledged save has survived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Class {
    /// The process's end, if anything.
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

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Cloakroom,
    CloakroomEvery,
    Map,
    Raw,
    Files,
    Redb,
    Fjall,
    Sled,
    Sqlite,
    Lmdb,
    Redis,
    TowerMemory,
    TowerSqlite,
    TowerFiles,
}

impl Kind {
    pub(crate) const ALL: [Self; 14] = [
        Self::Cloakroom,
        Self::CloakroomEvery,
        Self::Map,
        Self::Raw,
        Self::Files,
        Self::Redb,
        Self::Fjall,
        Self::Sled,
        Self::Sqlite,
        Self::Lmdb,
        Self::Redis,
        Self::TowerMemory,
        Self::TowerSqlite,
        Self::TowerFiles,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cloakroom => "cloakroom",
            Self::CloakroomEvery => "cloakroom-every",
            Self::Map => "map",
            Self::Raw => "raw",
            Self::Files => "files",
            Self::Redb => "redb",
            Self::Fjall => "fjall",
            Self::Sled => "sled",
            Self::Sqlite => "sqlite",
            Self::Lmdb => "lmdb",
            Self::Redis => "redis",
            Self::TowerMemory => "tower-memory",
            Self::TowerSqlite => "tower-sqlite",
            Self::TowerFiles => "tower-files",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Opens it in its directory, which exists and may be empty.
    pub(crate) fn open(self, directory: &Path, class: Class) -> Box<dyn Contender> {
        match self {
            Self::Cloakroom => Box::new(Cloakroom::open(directory, Cloakroom::durability(class))),
            Self::CloakroomEvery => Box::new(Cloakroom::open(directory, Cloakroom::EVERY)),
            Self::Map => Box::<Map>::default(),
            Self::Raw => Box::new(Raw::open(directory, class)),
            Self::Files => Box::new(Files::open(directory, class)),
            Self::Redb => Box::new(Redb::open(directory, class)),
            Self::Fjall => Box::new(Fjall::open(directory, class)),
            Self::Sled => Box::new(Sled::open(directory, class)),
            Self::Sqlite => Box::new(Sqlite::open(directory, class)),
            Self::Lmdb => Box::new(Lmdb::open(directory, class)),
            Self::Redis => Box::new(Redis::open(directory, class)),
            Self::TowerMemory => Box::new(tower::memory()),
            Self::TowerSqlite => Box::new(tower::sqlite(directory, class)),
            Self::TowerFiles => Box::new(tower::files(directory, class)),
        }
    }

    /// Opens it once more while another process has it open, if it can be shared.
    pub(crate) fn join(self, directory: &Path, class: Class) -> Option<Box<dyn Contender>> {
        match self {
            Self::Redis => Some(Box::new(Redis::join(directory))),
            _ => self.is_shared().then(|| self.open(directory, class)),
        }
    }

    /// Whether several processes may have it open at once.
    pub(crate) fn is_shared(self) -> bool {
        match self {
            Self::Cloakroom | Self::CloakroomEvery | Self::Files | Self::Sqlite | Self::Lmdb => true,
            Self::Redis | Self::TowerSqlite | Self::TowerFiles => true,
            // Between processes, redb refuses commits that do not wait for the disk, and so is not opened for several.
            Self::Redb => false,
            Self::Map | Self::Raw | Self::Fjall | Self::Sled | Self::TowerMemory => false,
        }
    }

    /// Whether an acknowledged save can have survived a power loss.
    pub(crate) fn can_be_durable(self) -> bool {
        !matches!(self, Self::CloakroomEvery | Self::Map | Self::TowerMemory)
    }

    /// Whether its sweep looks at files one by one, which takes seconds.
    pub(crate) fn sweeps_slowly(self) -> bool {
        matches!(self, Self::Files | Self::TowerFiles)
    }

    /// Whether there is something to open that was stored before.
    pub(crate) fn is_stored(self) -> bool {
        !self.is_in_memory() && self != Self::Raw
    }

    /// Whether it keeps sessions only as long as it is open.
    pub(crate) fn is_in_memory(self) -> bool {
        matches!(self, Self::Map | Self::TowerMemory)
    }

    /// About what so many sessions take, so that a machine that has no room for them is not filled up.
    pub(crate) fn needs(self, sessions: u64) -> Needs {
        let cached = (900 * sessions).min(CACHE_BYTES as u64);
        let (memory, disk) = match self {
            Self::Cloakroom | Self::CloakroomEvery => (290 * sessions + cached, 1_500),
            Self::Map => (900 * sessions, 0),
            Self::Raw => (0, 0),
            Self::Files | Self::TowerFiles => (0, 4_300),
            Self::Redb => (cached, 3_000),
            Self::Fjall => (cached, 1_600),
            Self::Sled => (cached, 2_500),
            Self::Sqlite | Self::TowerSqlite => (0, 1_000),
            Self::Lmdb => (0, 1_500),
            Self::Redis => (1_000 * sessions, 1_600),
            Self::TowerMemory => (1_300 * sessions, 0),
        };
        Needs { memory, disk: disk * sessions }
    }
}

/// Bytes.
pub(crate) struct Needs {
    pub(crate) memory: u64,
    /// After some saves.
    pub(crate) disk: u64,
}

#[cfg(test)]
mod tests;
