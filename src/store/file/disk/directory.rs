//! Making the store's directory, and what is missing on the way to it. What stands there already is checked by its opener.

use std::fs::{DirBuilder, File};
use std::io;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::fs::{Mode, OFlags};
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use rustix::io::Errno;

/// Gives the owner access to a directory that the owner cannot open. Never changes the target of a symlink in its place.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn give_to_owner(path: &Path) -> rustix::io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = rustix::fs::open(path, flags, Mode::empty())?;
    rustix::fs::chmod(format!("/proc/self/fd/{}", place.as_raw_fd()), Mode::RWXU)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn give_to_owner(_path: &Path) -> rustix::io::Result<()> {
    Err(Errno::ACCESS)
}

/// Creates a directory and its missing parents; returns whether it did. The caller checks what stands there already when it
/// opens the directory.
pub(crate) fn create_directory(path: &Path) -> io::Result<bool> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let create = || DirBuilder::new().mode(0o700).create(path);
    let created = match create() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_directory(parent)?;
            // If that fails as before, the parent is there, and is a symlink to nowhere or a place like /proc.
            create()
        }
        created => created,
    };
    match created {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(error),
    }
    // Without this sync a power loss could take the directory's name, and the whole store with it (rule 6).
    File::open(parent)?.sync_all()?;
    Ok(true)
}
