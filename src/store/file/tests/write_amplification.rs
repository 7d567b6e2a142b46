//! What a disk writes for the log: blocks, and the journal's part of each sync that makes a file's length durable.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Waker};

use super::watched::{Watch, Watched};
use super::*;
use crate::store::file::engine::background::Round;
use crate::store::file::settings::Sizes;

const BLOCK: u64 = 4096;
/// Measured on ext4: a descriptor, an inode's block and the commit.
const JOURNAL: u64 = 3 * BLOCK;

#[derive(Default)]
struct Counted(Mutex<Counts>);

#[derive(Clone, Default)]
struct Counts {
    dirty: BTreeSet<u64>,
    length: u64,
    /// Bytes that the disk has written, and that the log has given to it.
    disk: u64,
    given: u64,
    /// Syncs that had no length to make durable, and those that had.
    short: u64,
    long: u64,
}

impl Watch for Counted {
    fn writes(&self, at: u64, bytes: usize) {
        let mut counts = self.0.lock().unwrap();
        counts.dirty.extend(at / BLOCK..(at + bytes as u64).div_ceil(BLOCK));
        counts.given += bytes as u64;
    }

    fn syncs(&self, length: u64) {
        let mut counts = self.0.lock().unwrap();
        counts.disk += BLOCK * std::mem::take(&mut counts.dirty).len() as u64;
        if std::mem::replace(&mut counts.length, length) == length {
            counts.short += 1;
        } else {
            counts.long += 1;
            counts.disk += JOURNAL;
        }
    }
}

/// A store whose saves all wait for the disk.
struct Amplified {
    store: FileStore,
    round: Round,
    counted: Arc<Counted>,
    saved: u32,
}

impl Amplified {
    fn new(zeros_ahead: bool) -> Self {
        let counted = Arc::new(Counted::default());
        let disk = Watched::on(&MemoryDisk::default(), counted.clone());
        let settings = Settings { durability: Durability::Always, zeros_ahead, ..FileStore::options().0 };
        let engine = Arc::new(recovery::open(Arc::new(disk), Path::new("simulated"), settings).unwrap());
        let round = Round::of(&engine);
        let store = FileStore { background: Arc::new(Background::by_hand(engine.clone())), engine, reader: None };
        Self { store, round, counted, saved: 0 }
    }

    /// Saves in groups, each of which waits for one sync and is so many bytes; `total` bytes in all. What was counted for it,
    /// and how long the log has become.
    fn save(&mut self, group: usize, total: usize) -> (Counts, u64) {
        let (tail, before) = (self.tail(), self.counts());
        for _ in 0..total / group {
            self.saved += 1;
            let record = record(self.saved, &vec![1; group]);
            let mut save = pin!(self.store.create(&record, &[], NOW));
            assert!(save.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            self.round.run(&self.store.engine);
            assert!(save.poll(&mut Context::from_waker(Waker::noop())).is_ready());
        }
        let Counts { disk, given, short, long, .. } = self.counts();
        let counts = Counts {
            disk: disk - before.disk,
            given: given - before.given,
            short: short - before.short,
            long: long - before.long,
            ..Counts::default()
        };
        (counts, self.tail() - tail)
    }

    fn tail(&self) -> u64 {
        self.store.engine.log.segments.tail().offset().into()
    }

    fn counts(&self) -> Counts {
        self.counted.0.lock().unwrap().clone()
    }
}

const MUCH: usize = 3 << 19;

#[test]
fn with_zeros_ahead_the_disk_writes_less_for_small_groups_and_at_most_1_3_times_as_much_for_any() {
    for group in [600, 5_000, 15_000, 20_000, 40_000] {
        let [(with, log), (without, _)] = [true, false].map(|zeros| Amplified::new(zeros).save(group, MUCH));
        let times = with.disk as f64 / without.disk as f64;
        assert!(times <= if group < 1_000 { 0.4 } else { 1.3 }, "{group} bytes a sync: {times:.2} times");
        // Each byte of a small group is a zero first. A large group is met by the first zeros alone.
        let zeros = with.given - log;
        let most = u64::from(Sizes::REAL.zeros_ahead) * 2 + if group < 16_000 { log } else { 0 };
        assert!(zeros <= most, "{group} bytes a sync: {zeros} zeros for {log} bytes");
    }
}

#[test]
fn nearly_all_syncs_of_small_groups_have_no_length_to_make_durable_also_after_large_ones() {
    let mut store = Amplified::new(true);
    for _ in 0..2 {
        let (Counts { short, long, .. }, _) = store.save(600, MUCH);
        assert!(long * 50 < short, "{long} of {short} syncs were long");
        let (Counts { short, long, .. }, _) = store.save(100_000, MUCH);
        assert!(short < long, "zeros are for small groups");
    }
    let (Counts { given, short, .. }, log) = Amplified::new(false).save(600, MUCH / 4);
    assert_eq!((given, short), (log, 0), "there are none unless they are wanted");
}
