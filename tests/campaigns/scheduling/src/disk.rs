//! A disk in memory that knows what was synced, so that the power can be cut at any moment.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use cloakroom::simulation::{Disk, DiskFile, DiskLock, Inode, Lost, MemoryDisk, SharedPage};
use shuttle::rand::Rng as _;

/// Files by name, as they were when they were last synced.
type Synced = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// See the module.
#[derive(Clone, Default)]
pub struct PowerDisk {
    disk: MemoryDisk,
    synced: Synced,
}

struct PowerFile {
    name: String,
    file: Arc<dyn DiskFile>,
    synced: Synced,
}

impl PowerDisk {
    /// What is left when the power fails now: only what was synced.
    pub fn after_power_loss(&self) -> Self {
        let left = Self::default();
        for (name, bytes) in &*self.synced.lock().unwrap() {
            left.disk.set(name, bytes.clone());
            left.synced.lock().unwrap().insert(name.clone(), bytes.clone());
        }
        left
    }

    fn file(&self, name: &str, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(PowerFile { name: name.into(), file, synced: self.synced.clone() })
    }
}

impl Disk for PowerDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        self.disk.names()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(name, self.disk.create(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(name, self.disk.open(name)?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.synced.lock().unwrap().remove(name);
        self.disk.remove(name)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        shuttle::thread::yield_now();
        self.disk.replace(name, bytes)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut synced = self.synced.lock().unwrap();
        if let Some(bytes) = synced.remove(from) {
            synced.insert(to.into(), bytes);
        }
        self.disk.rename(from, to)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.disk.sync_names()
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        Disk::lock(&self.disk, name)
    }

    fn shared_page(&self, name: &str, fresh: bool) -> io::Result<SharedPage> {
        self.disk.shared_page(name, fresh)
    }

    fn set_aside(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.disk.set_aside(name, bytes)
    }

    fn inode(&self, name: &str) -> io::Result<Inode> {
        self.disk.inode(name)
    }

    fn lost(&self) -> Option<Lost> {
        self.disk.lost()
    }

    fn number(&self) -> u64 {
        self.disk.number()
    }
}

impl DiskFile for PowerFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn inode(&self) -> io::Result<Inode> {
        self.file.inode()
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        self.file.read_at(into, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        // Others may come in before a write and after it, as between any two calls of the system.
        shuttle::thread::yield_now();
        let written = self.file.write_at(bytes, at);
        shuttle::thread::yield_now();
        written
    }

    fn sync(&self) -> io::Result<()> {
        shuttle::thread::yield_now();
        let mut bytes = vec![0; self.file.len()? as usize];
        self.file.read_at(&mut bytes, 0)?;
        // What is written from here on is for the next sync; and this one takes its time: others may do a lot meanwhile.
        for _ in 0..shuttle::rand::thread_rng().gen_range(0..40) {
            shuttle::thread::yield_now();
        }
        self.synced.lock().unwrap().insert(self.name.clone(), bytes);
        shuttle::thread::yield_now();
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
