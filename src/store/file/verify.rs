//! Looking a store through without changing anything in it.

use std::path::Path;
use std::sync::Arc;

use super::FileStore;
use crate::model::error::{ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::time::Timestamp;
use crate::store::file::disk::real::RealDisk;
use crate::store::file::log::damage::Damage;
use crate::store::file::recovery;
use crate::store::file::settings::Settings;

/// What [`FileStore::verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Files of the log.
    pub segments: u64,
    /// Bytes of the log.
    pub bytes: u64,
    /// Sessions that live, and whose record was read and is whole.
    pub live: u64,
    /// Sessions that have expired and were not swept.
    pub expired: u64,
    /// Live sessions whose record cannot be read.
    pub unreadable: Vec<SessionKey>,
    /// Live sessions that a lost frame may have ended; see [`OnDamage`](crate::OnDamage).
    pub doubtful: Vec<SessionKey>,
    /// The places that are not what was written there, at most 1,000. What a crash left half-written behind the end of the
    /// log is among them until the store is opened.
    pub damage: Vec<Damage>,
}

impl Verified {
    /// Whether everything is as it was written.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.unreadable.is_empty()
    }
}

impl FileStore {
    /// Reads everything in the store's directory, checks it, and changes nothing: no file is created, written or removed. What
    /// opening takes from a segment's hint is read from the segment itself.
    ///
    /// The store may be in use; then it is looked through up to where its log reached. Otherwise nobody can open it to write
    /// until this is done. Takes the time to read all files, and memory for an index of them.
    ///
    /// # Errors
    ///
    /// As [`FileStore::open`]; an error of kind [`ErrorKind::Io`] for a directory in which there is no store. What is damaged
    /// is no error, but reported, unless no segment has a header that could be read.
    pub fn verify(directory: impl AsRef<Path>, now: Timestamp) -> Result<Verified> {
        let directory = directory.as_ref();
        // A hint would say what was written, and not what is there.
        let settings = Settings { uses_hints: false, ..FileStore::options().cache_bytes(0).0 };
        // Whatever the file system: nothing is written.
        let disk = RealDisk::open_to_read(directory, true)?;
        let engine = recovery::open_to_read(Arc::new(disk), directory, settings)?;
        let (keys, mut verified) = {
            let state = engine.log.read()?;
            let index = &state.index;
            let live = |key: &&SessionKey| index.live_at(key, now).is_some();
            let keys: Vec<SessionKey> = index.iter().map(|meta| meta.key()).filter(live).copied().collect();
            let verified = Verified {
                segments: index.segments().into(),
                bytes: index.log_bytes(),
                expired: (index.len() - keys.len()) as u64,
                doubtful: index.doubtful().filter(live).copied().collect(),
                ..Verified::default()
            };
            (keys, verified)
        };
        for key in keys {
            match engine.log.load(&key, now) {
                Ok(found) => verified.live += u64::from(found.is_some()),
                Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NewerFormat) => {
                    verified.unreadable.push(key);
                }
                Err(error) => return Err(error),
            }
        }
        verified.damage = engine.log.segments.damage.list();
        Ok(verified)
    }
}
