//! Joining a store that is in use: openers read side by side, and none of them recovers what another one uses.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::*;
use crate::store::file::disk::mapping::SharedPage;
use crate::store::file::disk::{DiskFile, DiskLock};
use crate::store::file::format::names;

/// A disk as one process sees it. Its reads of frames stop until the test lets them go on.
struct Gated {
    disk: MemoryDisk,
    gate: Arc<Gate>,
    /// Told of each read before it stops.
    reading: Sender<()>,
}

#[derive(Default)]
struct Gate {
    /// Reads go on while no test holds this.
    open: Mutex<()>,
    /// Whether the process has taken the users' lock shared.
    is_user: AtomicBool,
}

fn gated(disk: &MemoryDisk) -> (Gated, Arc<Gate>, Receiver<()>) {
    let (reading, heard) = channel();
    let gate = Arc::new(Gate::default());
    (Gated { disk: disk.clone(), gate: gate.clone(), reading }, gate, heard)
}

struct GatedFile(Arc<dyn DiskFile>, Arc<Gate>, Sender<()>);

impl Disk for Gated {
    fn names(&self) -> io::Result<Vec<String>> {
        self.disk.names()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.create(name)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(GatedFile(self.disk.open(name)?, self.gate.clone(), self.reading.clone())))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.disk.replace(name, bytes)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.disk.sync_names()
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        let (lock, gate) = (Disk::lock(&self.disk, name)?, self.gate.clone());
        Ok(Box::new(TrackedLock { lock, name: name.to_owned(), gate }))
    }

    fn shared_page(&self, name: &str, fresh: bool) -> io::Result<SharedPage> {
        assert!(!fresh, "only a recovery makes a new page");
        self.disk.shared_page(name, fresh)
    }

    fn set_aside(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.disk.set_aside(name, bytes)
    }

    fn is_gone(&self) -> io::Result<bool> {
        self.disk.is_gone()
    }
}

/// A lock of a process that never gives up the openers' lock before it is a user.
struct TrackedLock {
    lock: Box<dyn DiskLock>,
    name: String,
    gate: Arc<Gate>,
}

impl DiskLock for TrackedLock {
    fn try_exclusive(&self) -> io::Result<bool> {
        self.lock.try_exclusive()
    }

    fn try_shared(&self) -> io::Result<bool> {
        let taken = self.lock.try_shared()?;
        self.gate.is_user.fetch_or(taken && self.name == names::USERS_LOCK, Ordering::Relaxed);
        Ok(taken)
    }

    fn unlock(&self) -> io::Result<()> {
        assert!(self.name != names::OPENING_LOCK || self.gate.is_user.load(Ordering::Relaxed));
        self.lock.unlock()
    }
}

impl DiskFile for GatedFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        if at >= u64::from(HEADER) {
            let _ = self.2.send(());
            drop(self.1.open.lock().unwrap_or_else(PoisonError::into_inner));
        }
        self.0.read_at(into, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.0.write_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.0.cut(length)
    }

    fn reserve(&self, from: u64, bytes: u64) -> io::Result<()> {
        self.0.reserve(from, bytes)
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.0.drop_cache()
    }
}

/// Opens without a thread, and without waiting for another opener.
fn open_at_once(disk: impl Disk, settings: &Settings, reads_only: bool) -> Result<Engine> {
    let settings = Settings { open_wait: Duration::ZERO, lock_wait: Duration::ZERO, ..settings.clone() };
    let open = if reads_only { recovery::open_to_read } else { recovery::open };
    open(Arc::new(disk), Path::new("simulated"), settings)
}

fn living(engine: &Engine, numbers: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let lives = |n: &u32| engine.log.load(&key(*n), NOW).unwrap().is_some();
    numbers.into_iter().filter(lives).collect()
}

#[test]
fn an_opener_that_joins_keeps_no_other_one_waiting_while_it_reads() {
    for reads_only in [false, true] {
        let disk = MemoryDisk::default();
        let (_store, settings) = filled(&disk);
        let (slow, gate, reading) = gated(&disk);
        thread::scope(|scope| {
            let closed = gate.open.lock().unwrap();
            let joining = scope.spawn(|| open_at_once(slow, &settings, reads_only).unwrap());
            reading.recv().unwrap();
            for _ in 0..100 {
                let next = open_at_once(disk.clone(), &settings, false).unwrap();
                assert_eq!(living(&next, 0..100).len(), 100);
            }
            assert_eq!(living(&open_at_once(disk.clone(), &settings, true).unwrap(), 0..100).len(), 100);
            drop(closed);
            assert_eq!(living(&joining.join().unwrap(), 0..100).len(), 100);
        });
    }
}

#[test]
fn what_an_opener_is_reading_is_joined_and_not_recovered_though_all_other_users_have_gone() {
    for closes in [false, true] {
        let disk = MemoryDisk::default();
        let (store, settings) = filled(&disk);
        let other = open_at_once(disk.clone(), &settings, false).unwrap();
        let (slow, gate, reading) = gated(&disk);
        thread::scope(|scope| {
            let closed = gate.open.lock().unwrap();
            let joining = scope.spawn(|| open_at_once(slow, &settings, false).unwrap());
            reading.recv().unwrap();
            store.close().unwrap();
            if closes {
                other.begin_close();
                other.end_close().unwrap();
            }
            // Dropped without a close, it is a process that was killed.
            drop(other);
            // The gated disk refuses a new page, which a recovery would make. Its gate lets these reads pass by.
            let (next, _, _reading) = gated(&disk);
            let next = Arc::new(open_at_once(next, &settings, false).unwrap());
            let background = Arc::new(Background::start(next.clone()).unwrap());
            let next = FileStore { engine: next, background };
            // What the slow one is about to read is trimmed meanwhile.
            let (first, mut compactor) = (disk.segments()[0].clone(), Compactor::default());
            (0..90).for_each(|n| block_on(next.destroy(&key(n))).unwrap());
            create(&next, 100, b"later");
            while compactor.try_step(&next.engine).unwrap() {}
            assert!(!disk.segments().contains(&first));
            drop(closed);
            let joined = joining.join().unwrap();
            assert_eq!(living(&joined, 0..=100), (90..=100).collect::<Vec<_>>());
            assert_eq!(joined.log.segments.damage.list(), []);
            // Both follow one page from now on.
            create(&next, 101, b"of the next");
            assert_eq!(living(&joined, [101]), [101]);
        });
    }
}
