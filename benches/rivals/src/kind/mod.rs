//! All contenders by name: how each is opened, and the facts about it that a run has to know.
//!
//! What a contender does with a session never belongs here, but in its file in `contenders/`. This list stands above
//! those files, and none of them knows it.

use std::path::Path;

use crate::contender::{Class, Contender};
use crate::contenders::{
    CACHE_BYTES, cloakroom::Cloakroom, files::Files, fjall::Fjall, lmdb::Lmdb, map::Map, raw::Raw, redb::Redb,
    redis::Redis, sled::Sled, sqlite::Sqlite, tower,
};

/// A contender of a run.
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

    /// Opens the contender in its directory, which exists and may be empty.
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

    /// Opens the contender a second time, while another process has it open. `None` if processes cannot share it.
    pub(crate) fn join(self, directory: &Path, class: Class) -> Option<Box<dyn Contender>> {
        match self {
            Self::Redis => Some(Box::new(Redis::join(directory))),
            _ => self.is_shared().then(|| self.open(directory, class)),
        }
    }

    /// Whether several processes may have the contender open at once.
    pub(crate) fn is_shared(self) -> bool {
        match self {
            Self::Cloakroom | Self::CloakroomEvery | Self::Files | Self::Sqlite | Self::Lmdb => true,
            Self::Redis | Self::TowerSqlite | Self::TowerFiles => true,
            // A redb that several processes have open refuses the commits that do not wait for the disk.
            Self::Redb => false,
            Self::Map | Self::Raw | Self::Fjall | Self::Sled | Self::TowerMemory => false,
        }
    }

    /// Whether an acknowledged save can survive a power loss.
    pub(crate) fn can_be_durable(self) -> bool {
        !matches!(self, Self::CloakroomEvery | Self::Map | Self::TowerMemory)
    }

    /// Whether a sweep looks at files one by one, which takes seconds.
    pub(crate) fn sweeps_slowly(self) -> bool {
        matches!(self, Self::Files | Self::TowerFiles)
    }

    /// Whether the contender finds its sessions again after it was closed.
    pub(crate) fn is_stored(self) -> bool {
        !self.is_in_memory() && self != Self::Raw
    }

    /// Whether the contender loses its sessions when it is closed.
    pub(crate) fn is_in_memory(self) -> bool {
        matches!(self, Self::Map | Self::TowerMemory)
    }

    /// An estimate of what so many sessions take, so that a run does not fill up a machine that has no room for them.
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

/// An estimate, in bytes.
pub(crate) struct Needs {
    pub(crate) memory: u64,
    /// Once some sessions have been saved again.
    pub(crate) disk: u64,
}

#[cfg(test)]
mod tests;
