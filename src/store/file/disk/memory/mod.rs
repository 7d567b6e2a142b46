//! A disk in memory, for tests and fuzz targets that open a store thousands of times. Here belongs what it does and what of that
//! fails; what a store does on it, never.

mod lock;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use self::lock::{Holders, MemoryLock};
use crate::store::file::disk::held::{Inode, Lost};
use crate::store::file::disk::mapping::SharedPage;
use crate::store::file::disk::page::Page;
use crate::store::file::disk::{Disk, DiskFile, DiskLock};

/// One "directory"; its clones share it. It loses nothing, and calls fail only when a test asks for it.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<Inner>>, Arc<Faults>);

/// What fails from now on, or is away.
#[derive(Default)]
pub struct Faults {
    /// Every sync.
    pub syncs: AtomicBool,
    /// Every write and reservation, as on a full disk.
    pub space: AtomicBool,
    /// So many of the next writes, in the same way.
    pub writes: AtomicU64,
    /// Every reservation.
    pub reservations: AtomicBool,
    /// What is given back: another program takes it at once.
    pub given_back: AtomicBool,
    /// The directory: it was removed.
    pub gone: AtomicBool,
    /// The making, renaming and removing of files: the process has given up its rights.
    pub rights: AtomicBool,
    /// Setting bytes aside.
    pub quarantine: AtomicBool,
    /// So many blocks of 4 KiB the disk has; 0 if it never fills up.
    pub blocks: AtomicU64,
    /// Blocks that files have. Those of a file that was removed come back when its last handle is closed.
    used: AtomicU64,
}

impl Faults {
    fn give_back(&self, blocks: u64) {
        if !self.given_back.load(Ordering::Relaxed) {
            self.used.fetch_sub(blocks, Ordering::Relaxed);
        }
    }

    fn takes_a_write(&self) -> bool {
        let fails = self.writes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        !fails && !self.space.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
struct Inner {
    files: BTreeMap<String, MemoryFile>,
    locks: BTreeMap<String, Arc<Mutex<Holders>>>,
    page: Arc<Page>,
    aside: BTreeMap<String, Vec<u8>>,
}

impl MemoryDisk {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    fn refuse_without_rights(&self) -> io::Result<()> {
        if self.1.rights.load(Ordering::Relaxed) { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
    }

    /// A disk with the same files, which no store uses.
    pub fn copy(&self) -> Self {
        let copy = Self::default();
        for (name, file) in &self.lock().files {
            copy.set(name, file.content.lock().unwrap().bytes.clone());
        }
        copy
    }

    /// The switches that make calls fail.
    pub fn faults(&self) -> &Faults {
        &self.1
    }

    /// A file's bytes.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        self.lock().files[name].content.lock().unwrap().bytes.clone()
    }

    /// Creates or replaces a file.
    pub fn set(&self, name: &str, bytes: Vec<u8>) {
        let file = MemoryFile::of(bytes, &self.1);
        self.lock().files.insert(name.to_owned(), file);
    }

    /// From now on these blocks of 4 KiB of a file cannot be read, and no others.
    pub fn make_unreadable(&self, name: &str, blocks: &[u64]) {
        *self.lock().files[name].unreadable.lock().unwrap() = blocks.iter().map(|block| (*block, u32::MAX)).collect();
    }

    /// The next so many reads of this block of a file fail, and then it can be read again.
    pub fn fail_reads(&self, name: &str, block: u64, times: u32) {
        self.lock().files[name].unreadable.lock().unwrap().insert(block, times);
    }

    /// How many blocks of 4 KiB the files have.
    pub fn blocks(&self) -> u64 {
        self.1.used.load(Ordering::Relaxed)
    }

    /// The shared page.
    pub fn page(&self) -> Arc<Page> {
        self.lock().page.clone()
    }

    /// Puts another page in its place.
    pub fn set_page(&self, page: Page) {
        self.lock().page = Arc::new(page);
    }

    /// The names of the segments, in order.
    pub fn segments(&self) -> Vec<String> {
        self.lock().files.keys().filter(|name| name.ends_with(".log")).cloned().collect()
    }

    /// The bytes that were set aside, by name.
    pub fn kept_aside(&self) -> BTreeMap<String, Vec<u8>> {
        self.lock().aside.clone()
    }

    /// How many damaged places were set aside.
    pub fn aside(&self) -> usize {
        self.lock().aside.len()
    }
}

#[derive(Clone)]
struct MemoryFile {
    content: Arc<Mutex<Content>>,
    /// Blocks, and how many reads of each fail yet; all of them, for the largest number.
    unreadable: Arc<Mutex<BTreeMap<u64, u32>>>,
}

/// A file's bytes, and how many blocks of the disk it has.
struct Content {
    bytes: Vec<u8>,
    blocks: u64,
    faults: Arc<Faults>,
}

impl MemoryFile {
    fn of(bytes: Vec<u8>, faults: &Arc<Faults>) -> Self {
        let mut content = Content { bytes: Vec::new(), blocks: 0, faults: faults.clone() };
        content.take(bytes.len() as u64);
        content.bytes = bytes;
        Self { content: Arc::new(Mutex::new(content)), unreadable: Arc::default() }
    }
}

impl Content {
    /// Takes blocks of the disk for so many bytes, all or none. Says whether the file has them.
    fn reach(&mut self, bytes: u64) -> bool {
        let Faults { blocks, used, .. } = &*self.faults;
        let more = bytes.div_ceil(BLOCK).saturating_sub(self.blocks);
        let all = blocks.load(Ordering::Relaxed);
        let has_room = more == 0 || all == 0 || used.load(Ordering::Relaxed) + more <= all;
        if has_room {
            self.take(bytes);
        }
        has_room
    }

    fn take(&mut self, bytes: u64) {
        let blocks = self.blocks.max(bytes.div_ceil(BLOCK));
        self.faults.used.fetch_add(blocks - self.blocks, Ordering::Relaxed);
        self.blocks = blocks;
    }

    fn cut(&mut self, length: u64) {
        self.bytes.resize(length as usize, 0);
        let blocks = length.div_ceil(BLOCK);
        self.faults.used.fetch_add(blocks, Ordering::Relaxed);
        self.faults.give_back(std::mem::replace(&mut self.blocks, blocks));
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.faults.give_back(self.blocks);
    }
}

/// A disk gives space by blocks of so many bytes.
const BLOCK: u64 = 4096;

impl Disk for MemoryDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.lock().files.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.refuse_without_rights()?;
        let file = MemoryFile::of(Vec::new(), &self.1);
        self.lock().files.insert(name.to_owned(), file.clone());
        Ok(Arc::new(file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.lock().files.get(name).cloned();
        Ok(Arc::new(file.ok_or(io::ErrorKind::NotFound)?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.refuse_without_rights()?;
        self.lock().files.remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.refuse_without_rights()?;
        let file = MemoryFile::of(Vec::new(), &self.1);
        let has_room = file.content.lock().unwrap().reach(bytes.len() as u64);
        if !has_room || self.1.space.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.content.lock().unwrap().bytes = bytes.to_vec();
        self.lock().files.insert(name.to_owned(), file);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.refuse_without_rights()?;
        let files = &mut self.lock().files;
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        let holders = MemoryDisk::lock(self).locks.entry(name.to_owned()).or_default().clone();
        Ok(Box::new(MemoryLock::on(holders)))
    }

    fn shared_page(&self, _: &str, fresh: bool) -> io::Result<SharedPage> {
        let mut inner = self.lock();
        if fresh {
            inner.page = Arc::new(inner.page.successor());
        }
        Ok(SharedPage::InMemory(inner.page.clone()))
    }

    fn set_aside(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if self.1.quarantine.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if !MemoryFile::of(Vec::new(), &self.1).content.lock().unwrap().reach(bytes.len() as u64) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.lock().aside.insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn inode(&self, name: &str) -> io::Result<Inode> {
        self.lock().files.get(name).ok_or(io::ErrorKind::NotFound)?.inode()
    }

    fn lost(&self) -> Option<Lost> {
        self.1.gone.load(Ordering::Relaxed).then(|| Lost::Removed("the directory".into()))
    }

    fn number(&self) -> u64 {
        0
    }
}

impl DiskFile for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.content.lock().unwrap().bytes.len() as u64)
    }

    fn inode(&self) -> io::Result<Inode> {
        Ok((0, Arc::as_ptr(&self.content).addr() as u64))
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        // Before the content, as a write locks them.
        let mut unreadable = self.unreadable.lock().unwrap();
        let bytes = &self.content.lock().unwrap().bytes;
        let from = (at as usize).min(bytes.len());
        let count = into.len().min(bytes.len() - from);
        let blocks = at / BLOCK..(at + count as u64).div_ceil(BLOCK);
        if count > 0
            && let Some((_, times)) = unreadable.range_mut(blocks).next()
        {
            *times -= u32::from(*times < u32::MAX);
            unreadable.retain(|_, times| *times > 0);
            return Err(io::Error::from_raw_os_error(5));
        }
        into[..count].copy_from_slice(&bytes[from..from + count]);
        Ok(count)
    }

    fn write_at(&self, new: &[u8], at: u64) -> io::Result<()> {
        if new.is_empty() {
            return Ok(());
        }
        // What cannot be read can be overwritten as a whole block only: of a part of it, the rest would have to be read.
        let end = at + new.len() as u64;
        let mut unreadable = self.unreadable.lock().unwrap();
        let is_within = |block: &u64, place: u64| block * BLOCK < place && place < (block + 1) * BLOCK;
        if unreadable.keys().any(|block| is_within(block, at) || is_within(block, end)) {
            return Err(io::Error::from_raw_os_error(5));
        }
        unreadable.retain(|block, _| !(at <= block * BLOCK && (block + 1) * BLOCK <= end));
        let content = &mut *self.content.lock().unwrap();
        let full = !content.faults.takes_a_write() || !content.reach(end);
        // A disk that fills up takes a part of the write.
        let new = if full { &new[..new.len() / 2] } else { new };
        let bytes = &mut content.bytes;
        let end = at as usize + new.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[at as usize..end].copy_from_slice(new);
        if full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        if self.content.lock().unwrap().faults.syncs.load(Ordering::Relaxed) {
            Err(io::Error::other("the disk failed"))
        } else {
            Ok(())
        }
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        let mut unreadable = self.unreadable.lock().unwrap();
        if unreadable.keys().any(|block| block * BLOCK < length && length < (block + 1) * BLOCK) {
            return Err(io::Error::from_raw_os_error(5));
        }
        unreadable.retain(|block, _| block * BLOCK < length);
        self.content.lock().unwrap().cut(length);
        Ok(())
    }

    fn reserve(&self, from: u64, bytes: u64) -> io::Result<()> {
        let mut content = self.content.lock().unwrap();
        let Faults { space, reservations, .. } = &*content.faults;
        let full = space.load(Ordering::Relaxed) || reservations.load(Ordering::Relaxed);
        if full || !content.reach(from + bytes) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn allocated(&self) -> io::Result<u64> {
        Ok(self.content.lock().unwrap().blocks * BLOCK)
    }

    fn drop_cache(&self) -> io::Result<()> {
        Ok(())
    }
}
