//! Joining a store that is in use: openers read side by side, and none of them recovers what another one uses.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::watched::{Watch, Watched};
use super::*;
use crate::store::file::format::names;

/// A process that joins. Its reads of frames stop until the test lets them go on.
struct Gate {
    /// Told of each read before it stops.
    reading: Sender<()>,
    /// Reads go on while the test does not hold this.
    open: Arc<Mutex<()>>,
    is_user: AtomicBool,
}

impl Watch for Gate {
    fn reads(&self, at: u64) {
        if at >= u64::from(HEADER) {
            let _ = self.reading.send(());
            drop(self.open.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn makes_a_page(&self) {
        panic!("only a recovery makes a new page");
    }

    fn has_shared(&self, lock: &str) {
        self.is_user.fetch_or(lock == names::USERS_LOCK, Ordering::Relaxed);
    }

    fn gives_up(&self, lock: &str) {
        assert!(lock != names::OPENING_LOCK || self.is_user.load(Ordering::Relaxed), "it is a user before");
    }
}

fn gated(disk: &MemoryDisk) -> (Watched<Gate>, Arc<Mutex<()>>, Receiver<()>) {
    let (reading, heard) = channel();
    let open = Arc::<Mutex<()>>::default();
    let gate = Gate { reading, open: open.clone(), is_user: AtomicBool::default() };
    (Watched::on(disk, Arc::new(gate)), open, heard)
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
            let closed = gate.lock().unwrap();
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
            let closed = gate.lock().unwrap();
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
            let next = FileStore { engine: next, background, reader: None };
            // What the slow one is about to read is trimmed meanwhile.
            let (first, mut compactor) = (disk.segments()[0].clone(), Compactor::default());
            (0..90).for_each(|n| assert!(block_on(next.destroy(&key(n), None)).unwrap()));
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

#[test]
fn who_joins_finds_a_log_that_was_cut_and_all_are_told() {
    for lost in [1, 20] {
        let disk = MemoryDisk::default();
        let store = open(&disk, options()).unwrap();
        create(&store, 1, b"one");
        // All of the log is durable then.
        block_on(store.destroy(&key(2), None)).unwrap();
        let end = tail(&store);
        disk.open("00000001.log").unwrap().cut(u64::from(end.offset()) - lost).unwrap();
        let joined = open(&disk, options()).map(drop);
        assert_eq!(joined.unwrap_err().kind(), &ErrorKind::FilesLost);
        let saved = block_on(store.create(&record(3, b"three"), &[], NOW));
        assert_eq!(saved.unwrap_err().kind(), &ErrorKind::FilesLost);
    }
}
