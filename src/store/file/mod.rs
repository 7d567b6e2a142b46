//! The default store: one log of append-only files in a directory, shared by any number of threads and processes.
//!
//! It has eight folders, and each imports only those that are named before it: `format` and `threads`, `disk` and `index`,
//! `log`, `writer`, `engine`, `recovery`. Above them are the store that users open, its figures, backup and verification.
//! Comments cite the rules of `docs/protocol.md` by number, and its glossary ties their words to the field's. No file here
//! knows a cookie or a [`Session`](crate::Session), and this file has no logic.

mod backup;
#[cfg_attr(not(feature = "simulation"), allow(unreachable_pub, reason = "part of the feature simulation"))]
mod disk;
mod engine;
mod format;
mod index;
mod log;
mod operations;
mod options;
mod reader;
mod recovery;
mod settings;
mod stats;
mod store;
#[cfg(test)]
mod tests;
mod threads;
mod verify;
mod writer;

pub use self::disk::page::PageAccess;
pub use self::log::damage::Damage;
pub use self::options::FileOptions;
pub use self::settings::OnDamage;
pub use self::stats::Stats;
pub use self::store::FileStore;
pub use self::verify::Verified;

#[cfg(any(fuzzing, feature = "simulation"))]
#[cfg_attr(not(feature = "simulation"), allow(unreachable_pub, reason = "part of the feature simulation"))]
pub use self::disk::memory::MemoryDisk;
#[cfg(fuzzing)]
pub(crate) use self::format::{
    frame::{Frame, Frames, Kind},
    hint::{Hint, Seal, forged as forged_hint, of_effects as hint_bytes},
    names::segment as segment_name,
    position::Position,
    segment::Header,
};
#[cfg(feature = "simulation")]
pub use self::{
    disk::{
        Disk, DiskFile, DiskLock,
        held::{Inode, Lost},
        mapping::SharedPage,
        page::Page,
    },
    threads::schedule::{Scheduler, schedule},
    threads::steps::longest_hold,
};
#[cfg(feature = "simulation")]
pub(crate) use self::{
    engine::background::Round,
    settings::{Settings, Sizes},
    threads::schedule::sleep,
};
