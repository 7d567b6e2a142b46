//! What the log asks of a disk: files, locks and the shared page, by their names. A simulated disk can stand in for the real
//! one. Of what they hold, only the layout of the shared page stands here; a disk never looks into a file.

mod directory;
mod file_system;
pub(crate) mod held;
pub(crate) mod line;
pub(crate) mod lock;
pub(crate) mod mapping;
#[cfg(any(test, fuzzing, feature = "simulation"))]
#[allow(dead_code, reason = "tests, fuzz targets and campaigns each use another part of it")]
pub(crate) mod memory;
pub(crate) mod page;
pub(crate) mod page_file;
pub(crate) mod real;
mod rights;
pub(crate) mod signal;
pub(crate) mod unreadable;

use std::io;
use std::sync::Arc;

use self::held::{Inode, Lost};
use self::mapping::SharedPage;

/// A directory of files, with what a log needs and nothing more. Names are plain file names.
///
/// A call that fails may have done a part of its work; the log assumes nothing about it.
pub trait Disk: Send + Sync + 'static {
    /// The names of all files.
    fn names(&self) -> io::Result<Vec<String>>;
    /// Creates a file, or empties the one with this name.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file that exists.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Removes a file; open handles stay valid.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Creates or replaces a whole file atomically: an opener sees the old file or the new one. The new file is not synced:
    /// a power loss may leave any part of it, or nothing.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Gives a file this name, and takes the name from the file that has it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Makes the names durable, that is, which files were created and removed.
    fn sync_names(&self) -> io::Result<()>;
    /// A lock on the file with this name, which is created if need be and never removed; or on the directory itself.
    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>>;
    /// The page that all processes share which use the directory. `fresh` makes a new one, zeros but for what the one before has
    /// left to it; a page that was handed out before stays as it was left.
    fn shared_page(&self, name: &str, fresh: bool) -> io::Result<SharedPage>;
    /// Copies damaged bytes into the quarantine, where a person can look at them.
    fn set_aside(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// The file to which this name leads now.
    fn inode(&self, name: &str) -> io::Result<Inode>;
    /// What is not as it was opened any more: the directory, or a lock or page that was handed out (rule 22).
    fn lost(&self) -> Option<Lost>;
    /// Whether another process has recovered the log since this one read it without a page of its own: another shared page
    /// stands there than then.
    fn is_outdated(&self) -> bool {
        false
    }
    /// A number that is the same in all processes whose locks and page are the same files, and in no others.
    fn number(&self) -> u64;
}

/// An open file.
#[allow(clippy::len_without_is_empty, reason = "no caller asks whether a segment is empty")]
pub trait DiskFile: Send + Sync {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// What file it is, whatever its name.
    fn inode(&self) -> io::Result<Inode>;
    /// Reads up to `into.len()` bytes; fewer only at the file's end. Readers that want to know what is there, and write
    /// none of it again, read past what cannot be read (`unreadable.rs`).
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize>;
    /// Writes all the bytes.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Makes what was written durable.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file to this length.
    fn cut(&self, length: u64) -> io::Result<()>;
    /// Reserves space for these bytes (preallocation) without changing the length, where the file system can.
    fn reserve(&self, from: u64, bytes: u64) -> io::Result<()>;
    /// Bytes of the disk that the file has for its content at least, reserved ones and those beyond its length among them.
    fn allocated(&self) -> io::Result<u64>;
    /// Drops the file's clean pages from the page cache, so that the next read shows what the disk has (rule 4).
    fn drop_cache(&self) -> io::Result<()>;
}

/// A lock between processes. It is released when its handle is dropped, and when its process ends.
pub trait DiskLock: Send + Sync {
    /// Takes the lock exclusively, if that is possible without waiting; returns whether it did.
    fn try_exclusive(&self) -> io::Result<bool>;
    /// The same, shared. A handle that holds the lock exclusively goes over to shared.
    fn try_shared(&self) -> io::Result<bool>;
    /// Releases the lock.
    fn unlock(&self) -> io::Result<()>;
}
