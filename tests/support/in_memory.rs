//! A place for stores of tests that are not about the disk.

use std::io;
use std::path::Path;

use tempfile::TempDir;

/// A directory in memory, where the system has such a place, and where syncs therefore cost nothing. It goes with its
/// handle.
pub fn in_memory() -> io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
}
