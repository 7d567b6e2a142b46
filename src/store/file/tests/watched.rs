//! A disk in memory, as one process sees it, whose calls a test watches. It counts the open files.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::store::file::disk::held::{Inode, Lost};
use crate::store::file::disk::mapping::SharedPage;
use crate::store::file::disk::{DiskFile, DiskLock};

/// What a test does before a call of the disk. Each does nothing unless the test says otherwise.
pub(super) trait Watch: Send + Sync + 'static {
    fn opens(&self, _name: &str) {}
    fn reads(&self, _at: u64) {}
    fn writes(&self, _at: u64, _bytes: usize) {}
    fn syncs(&self, _length: u64) {}
    fn replaces(&self, _name: &str) {}
    fn renames(&self, _from: &str) {}
    fn makes_a_page(&self) {}
    fn has_shared(&self, _lock: &str) {}
    fn gives_up(&self, _lock: &str) {}
    /// At what became of the files, by their names.
    fn looks(&self) {}
}

impl Watch for () {}

/// See the module.
pub(super) struct Watched<W> {
    disk: MemoryDisk,
    watch: Arc<W>,
    files: Arc<Files>,
}

/// How many files are open, and how many were at most.
#[derive(Default)]
pub(super) struct Files {
    open: AtomicUsize,
    pub(super) most: AtomicUsize,
}

impl<W: Watch> Watched<W> {
    pub(super) fn on(disk: &MemoryDisk, watch: Arc<W>) -> Self {
        Self { disk: disk.clone(), watch, files: Arc::default() }
    }

    pub(super) fn files(&self) -> Arc<Files> {
        self.files.clone()
    }

    fn file(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let open = self.files.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.files.most.fetch_max(open, Ordering::Relaxed);
        Arc::new(WatchedFile { file, watch: self.watch.clone(), files: self.files.clone() })
    }
}

impl<W: Watch> Disk for Watched<W> {
    fn names(&self) -> io::Result<Vec<String>> {
        self.disk.names()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(self.disk.create(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.watch.opens(name);
        Ok(self.file(self.disk.open(name)?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.watch.replaces(name);
        self.disk.replace(name, bytes)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.watch.renames(from);
        self.disk.rename(from, to)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.disk.sync_names()
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        let lock = Disk::lock(&self.disk, name)?;
        Ok(Box::new(WatchedLock { lock, name: name.to_owned(), watch: self.watch.clone() }))
    }

    fn shared_page(&self, name: &str, fresh: bool) -> io::Result<SharedPage> {
        if fresh {
            self.watch.makes_a_page();
        }
        self.disk.shared_page(name, fresh)
    }

    fn set_aside(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.disk.set_aside(name, bytes)
    }

    fn inode(&self, name: &str) -> io::Result<Inode> {
        self.watch.looks();
        self.disk.inode(name)
    }

    fn lost(&self) -> Option<Lost> {
        self.watch.looks();
        self.disk.lost()
    }

    fn number(&self) -> u64 {
        self.disk.number()
    }
}

struct WatchedLock<W> {
    lock: Box<dyn DiskLock>,
    name: String,
    watch: Arc<W>,
}

impl<W: Watch> DiskLock for WatchedLock<W> {
    fn try_exclusive(&self) -> io::Result<bool> {
        self.lock.try_exclusive()
    }

    fn try_shared(&self) -> io::Result<bool> {
        let taken = self.lock.try_shared()?;
        if taken {
            self.watch.has_shared(&self.name);
        }
        Ok(taken)
    }

    fn unlock(&self) -> io::Result<()> {
        self.watch.gives_up(&self.name);
        self.lock.unlock()
    }
}

struct WatchedFile<W> {
    file: Arc<dyn DiskFile>,
    watch: Arc<W>,
    files: Arc<Files>,
}

impl<W> Drop for WatchedFile<W> {
    fn drop(&mut self) {
        self.files.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<W: Watch> DiskFile for WatchedFile<W> {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn inode(&self) -> io::Result<Inode> {
        self.file.inode()
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        self.watch.reads(at);
        self.file.read_at(into, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.watch.writes(at, bytes.len());
        self.file.write_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.watch.syncs(self.file.len()?);
        self.file.sync()
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.file.cut(length)
    }

    fn reserve(&self, from: u64, bytes: u64) -> io::Result<()> {
        self.file.reserve(from, bytes)
    }

    fn allocated(&self) -> io::Result<u64> {
        self.file.allocated()
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.file.drop_cache()
    }
}
