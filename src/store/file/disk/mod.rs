//! What the log asks of a disk, so that a simulated one can stand in for the real one. A disk knows files, locks and the shared
//! page by their names, and never what is in them.

pub(crate) mod lock;
pub(crate) mod mapping;
#[cfg(any(test, fuzzing, feature = "simulation"))]
#[allow(dead_code, reason = "tests, fuzz targets and campaigns each use another part of it")]
pub(crate) mod memory;
pub(crate) mod page;
pub(crate) mod real;

use std::io;
use std::sync::Arc;

use self::mapping::SharedPage;

/// A directory of files, with what a log needs and nothing more. Names are plain file names.
///
/// A failing call may have done its work in part; the log assumes nothing about it.
pub trait Disk: Send + Sync + 'static {
    /// The names of all files.
    fn names(&self) -> io::Result<Vec<String>>;
    /// A new, empty file; what was there under this name is emptied.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// A file that exists.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Removes a file; whoever has it open keeps it.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Puts a whole file there at once, in the place of what was there: whoever opens it sees the one or the other. It is not
    /// synced; a power loss may leave any part of it, or nothing.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Makes the names durable: which files were created and removed.
    fn sync_names(&self) -> io::Result<()>;
    /// A lock on the file with this name, which is created if need be and never removed.
    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>>;
    /// The page that all users of the directory share; `fresh` makes it anew, all zeros.
    fn shared_page(&self, name: &str, fresh: bool) -> io::Result<SharedPage>;
    /// Keeps damaged bytes where a person can look at them.
    fn set_aside(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Whether the directory was removed while the store was open.
    fn is_gone(&self) -> io::Result<bool>;
}

/// An open file.
#[allow(clippy::len_without_is_empty, reason = "nobody asks whether a segment is empty")]
pub trait DiskFile: Send + Sync {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Reads up to `into.len()` bytes; fewer only at the file's end.
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize>;
    /// Writes all the bytes.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Makes what was written durable.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file.
    fn cut(&self, length: u64) -> io::Result<()>;
    /// Reserves space up to here without changing the length, where the file system can.
    fn reserve(&self, from: u64, bytes: u64) -> io::Result<()>;
    /// Forgets what is cached and clean, so that the next read shows what the disk has.
    fn drop_cache(&self) -> io::Result<()>;
}

/// A lock that is given up with its handle, and with its process.
pub trait DiskLock: Send + Sync {
    /// Takes it exclusively, if that is possible without waiting.
    fn try_exclusive(&self) -> io::Result<bool>;
    /// Takes it shared, if that is possible without waiting. A handle that holds it exclusively goes over to shared.
    fn try_shared(&self) -> io::Result<bool>;
    /// Gives it up.
    fn unlock(&self) -> io::Result<()>;
}
