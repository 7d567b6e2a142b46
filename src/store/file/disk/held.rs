//! What a process relies on in its directory: the directory itself, its locks and its page, by what they are and not by
//! their names (rule 22).
//!
//! A name says nothing: a cleaner removes a file, a backup is copied over it, and a new one stands in its place. A look that
//! cannot be had, as in a sandbox, proves nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use rustix::io::Errno;
use xxhash_rust::xxh3::xxh3_64;

use crate::store::file::threads::{Mutex, MutexGuard};

/// What a file is, whatever its name: its device and its number there.
pub type Inode = (u64, u64);

/// What has become of a file that a process has open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Its name leads nowhere.
    #[error("{0} was removed or renamed")]
    Removed(String),
    /// Its name leads to another file.
    #[error("{0} was replaced by another")]
    Replaced(String),
    /// It lacks bytes that were in it.
    #[error("{0} was cut or overwritten")]
    Cut(String),
}

/// How errors name the directory.
const DIRECTORY: &str = "the directory";

/// A directory is opened so that its entries can be looked at, which takes no right to list them.
#[cfg(any(target_os = "linux", target_os = "android"))]
const TO_LOOK: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const TO_LOOK: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);

/// See the module.
pub(crate) struct Held {
    path: PathBuf,
    directory: Inode,
    /// The directory's name, and the directory that it stands in.
    place: Option<(OwnedFd, OsString)>,
    /// The locks and the page, by their names.
    files: Mutex<BTreeMap<String, Inode>>,
}

impl Held {
    /// Of a directory that was opened by this absolute path.
    pub(crate) fn of(directory: &File, path: &Path) -> io::Result<Self> {
        let parent = path.parent().and_then(|parent| rustix::fs::open(parent, TO_LOOK, Mode::empty()).ok());
        let place = parent.zip(path.file_name().map(OsString::from));
        let directory = inode_of(&rustix::fs::fstat(directory)?);
        Ok(Self { path: path.to_owned(), directory, place, files: Mutex::default() })
    }

    /// Notes a lock or the page.
    ///
    /// # Errors
    ///
    /// If another file was noted under this name, and `is_new` is false.
    pub(crate) fn note(&self, name: &str, file: &File, is_new: bool) -> io::Result<()> {
        let inode = inode_of(&rustix::fs::fstat(file)?);
        let known = self.lock().insert(name.to_owned(), inode);
        match known.filter(|known| *known != inode && !is_new) {
            Some(known) => {
                self.lock().insert(name.to_owned(), known);
                Err(io::Error::other(Lost::Replaced(name.to_owned())))
            }
            None => Ok(()),
        }
    }

    /// What is not as it was, if anything. `directory` is the directory's descriptor.
    pub(crate) fn lost(&self, directory: &File) -> Option<Lost> {
        let removed = rustix::fs::fstat(directory).is_ok_and(|stat| stat.st_nlink == 0);
        let place = self.place.iter().find_map(|(parent, name)| {
            let found = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
            became(DIRECTORY, self.directory, found.map(|stat| inode_of(&stat)))
        });
        // A path that leads nowhere proves nothing: this process may have changed its root.
        let path = rustix::fs::stat(&self.path).ok().map(|stat| inode_of(&stat));
        let elsewhere = path.and_then(|found| became(DIRECTORY, self.directory, Ok(found)));
        let removed = removed.then(|| Lost::Removed(DIRECTORY.into()));
        removed.or(place).or(elsewhere).or_else(|| {
            let files = self.lock().clone();
            files.iter().find_map(|(name, held)| became(name, *held, inode_at(directory, name)))
        })
    }

    /// A number that is the same in all processes that have these locks and this page open, and in no others.
    pub(crate) fn number(&self) -> u64 {
        // A process in a container may see another device.
        let numbers: Vec<u64> = self.lock().values().map(|inode| inode.1).chain([self.directory.1]).collect();
        xxh3_64(&numbers.into_iter().flat_map(u64::to_le_bytes).collect::<Vec<u8>>())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Inode>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has become of this file, if the look at its name proves anything.
pub(crate) fn became(what: &str, held: Inode, found: rustix::io::Result<Inode>) -> Option<Lost> {
    match found {
        Ok(found) => (found != held).then(|| Lost::Replaced(what.into())),
        Err(Errno::NOENT) => Some(Lost::Removed(what.into())),
        Err(_) => None,
    }
}

#[allow(clippy::unnecessary_cast, reason = "elsewhere a device's number is of another type")]
pub(crate) fn inode_of(stat: &Stat) -> Inode {
    (stat.st_dev as u64, stat.st_ino)
}

/// The file to which this name leads now.
pub(crate) fn inode_at(directory: impl AsFd, name: &str) -> rustix::io::Result<Inode> {
    rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| inode_of(&stat))
}
