//! Checking all that is stored without changing anything.

use std::path::Path;
use std::sync::Arc;

use super::FileStore;
use crate::model::error::{ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::time::Timestamp;
use crate::store::file::disk::{Disk, real::RealDisk};
use crate::store::file::log::damage::Damage;
use crate::store::file::recovery;
use crate::store::file::settings::{Admitted, Settings};

/// What [`FileStore::verify`] found.
///
/// ```
/// use cloakroom::Verified;
///
/// fn report(verified: &Verified) {
///     println!("{} sessions live in {} bytes", verified.live, verified.bytes);
///     for damage in &verified.damage {
///         println!("{} is damaged from byte {} to byte {}", damage.file, damage.from, damage.to);
///     }
///     for key in &verified.unreadable {
///         println!("session {key} cannot be read");
///     }
/// }
///
/// # report(&Verified::default());
/// assert!(Verified::default().is_sound());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Segments, the files of the log.
    pub segments: u64,
    /// Bytes of the log, without the space beyond its end that is reserved for it.
    pub bytes: u64,
    /// Live sessions with a record that was read and is whole.
    pub live: u64,
    /// Sessions that have expired and were not swept.
    pub expired: u64,
    /// Live sessions with a record that is damaged, or that a newer version of this crate wrote.
    pub unreadable: Vec<SessionKey>,
    /// Live sessions that a lost frame may have ended; see [`OnDamage`](crate::OnDamage).
    pub doubtful: Vec<SessionKey>,
    /// The places that are not what was written there, at most the first 1,000. A write that a crash left half done
    /// beyond the end of the log is among them, until the next opener sets it aside.
    pub damage: Vec<Damage>,
}

impl Verified {
    /// Whether everything is as it was written: no damage, and no record that cannot be read.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.unreadable.is_empty()
    }
}

impl FileStore {
    /// Reads all segments in the store's directory, checks them, and changes nothing: it creates, writes and removes no
    /// file. It believes no hint, and reads each segment itself.
    ///
    /// Other processes may use the store meanwhile; then the check ends where their log ended when it began. If no
    /// process has the store open, none can open it to write until the check is done. It takes the time to read all
    /// files, and memory for an index of all sessions.
    ///
    /// ```
    /// use cloakroom::{Clock, FileStore, Sessions, SystemClock};
    ///
    /// # let kept = tempfile::tempdir()?;
    /// # let directory = kept.path().join("sessions");
    /// let sessions = Sessions::builder(FileStore::open(&directory)?).build()?.blocking();
    /// sessions.test_cookie(|session| session.login("user 42"))?;
    ///
    /// let verified = FileStore::verify(&directory, SystemClock.now())?;
    /// assert!(verified.is_sound());
    /// assert_eq!(verified.live, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`FileStore::open`], but for a network file system, which is no error here; [`ErrorKind::Io`] for a
    /// directory without a store. Damage is reported and no error, unless no segment has a header that can be read.
    pub fn verify(directory: impl AsRef<Path>, now: Timestamp) -> Result<Verified> {
        let directory = directory.as_ref();
        // Also on a network file system, and whatever group is let in, since nothing is written.
        let settings =
            Settings { allow_network_file_system: true, admitted: Admitted::AnyGroup, ..Settings::default() };
        verify_on(Arc::new(RealDisk::open_to_read(directory, &settings)?), directory, now)
    }
}

/// [`FileStore::verify`], of a directory on this disk.
pub(crate) fn verify_on(disk: Arc<dyn Disk>, directory: &Path, now: Timestamp) -> Result<Verified> {
    // A hint says what was written, and not what is there now.
    let settings = Settings { uses_hints: false, cache_bytes: 0, ..Settings::default() };
    let engine = recovery::open_to_look_through(disk, directory, settings)?;
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
