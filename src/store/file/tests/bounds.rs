//! What has a bound whatever the number of segments: open files, and the log under churn.

use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Waker};
use std::thread;

use super::watched::{Watch, Watched};
use super::*;
use crate::store::file::backup;
use crate::store::file::engine::hint_maker::HintMaker;
use crate::store::file::format::names;

/// The segments that stay open, and a few files that are open for a moment.
const MOST_FILES: usize = 64 + 4;

fn small_segments(bytes: u32) -> Settings {
    Settings { segment_bytes: bytes, cache_bytes: 0, ..options() }
}

fn open_on(disk: impl Disk, settings: &Settings) -> Engine {
    recovery::open(Arc::new(disk), Path::new("simulated"), settings.clone()).unwrap()
}

/// Carries out an operation as the store's thread does that has no time for anything but the queue.
fn run(engine: &Engine, compactor: &mut Compactor, op: Op) {
    let mut running = pin!(engine.submit(op));
    let mut context = Context::from_waker(Waker::noop());
    while running.as_mut().poll(&mut context).is_pending() {
        assert!(engine.serve_queue(|| compactor.pays_for_a_roll(engine)));
        engine.sync_at_once();
    }
}

#[test]
fn so_many_files_are_open_and_no_more_whatever_the_number_of_segments() {
    let disk = MemoryDisk::default();
    let settings = small_segments(4096);
    let (mut compactor, mut hint_maker) = (Compactor::default(), HintMaker::default());
    let watched = Watched::on(&disk, Arc::new(()));
    let files = watched.files();
    let (engine, first) = (open_on(watched, &settings), 2_500);
    (0..first).for_each(|n| {
        run(&engine, &mut compactor, Op::Create { record: record(n, &[1; 4100]), traces: Vec::new(), now: NOW })
    });
    assert!(engine.log.read().unwrap().index.segments() > 2_000);
    let is_there = |engine: &Engine, n: u32| engine.log.load(&key(n), NOW).unwrap().is_some();
    assert!((0..first).all(|n| is_there(&engine, n * 7919 % first)));
    while hint_maker.step(&engine) {}

    // Others join it, copy it, and open the copy.
    for is_copy in [false, true] {
        let copy = MemoryDisk::default();
        if is_copy {
            backup::copy_to(&engine.log, &copy).unwrap();
        }
        let watched = Watched::on(if is_copy { &copy } else { &disk }, Arc::new(()));
        let others = watched.files();
        let other = open_on(watched, &settings);
        assert!((0..first).all(|n| is_there(&other, n)));
        assert!(others.most.load(Ordering::Relaxed) <= MOST_FILES);
    }
    (0..first - 100).for_each(|n| run(&engine, &mut compactor, Op::Destroy { key: key(n), trace: None }));
    while compactor.step(&engine) {}
    assert!(engine.log.read().unwrap().index.segments() < 250);
    assert!(files.most.load(Ordering::Relaxed) <= MOST_FILES, "{}", files.most.load(Ordering::Relaxed));
}

/// Another process trims the oldest segment each time that it is to be copied, as often as it is allowed to.
struct Trims {
    engine: Engine,
    left: AtomicU32,
}

impl Watch for Trims {
    fn opens(&self, name: &str) {
        let is_oldest = || names::segment(self.engine.log.read().unwrap().index.oldest) == name;
        let spend = |left: u32| left.checked_sub(1);
        if is_oldest() && self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_ok() {
            let mut compactor = Compactor::default();
            while is_oldest() && compactor.try_step(&self.engine).unwrap() {}
        }
    }
}

#[test]
fn a_copy_is_the_state_of_one_moment_however_often_compaction_overtakes_it() {
    for trims in [0, 1, 3, u32::MAX] {
        let disk = MemoryDisk::default();
        let settings = small_segments(4096);
        let engine = open_on(disk.clone(), &settings);
        let mut compactor = Compactor::default();
        let mut run = |op| run(&engine, &mut compactor, op);
        (0..300).for_each(|n| run(Op::Create { record: record(n, &[1; 1000]), traces: Vec::new(), now: NOW }));
        (0..299).step_by(3).for_each(|n| run(Op::Destroy { key: key(n), trace: None }));
        let watch = Trims { engine: open_on(disk.clone(), &settings), left: AtomicU32::new(0) };
        let watch = Arc::new(watch);
        let copying = open_on(Watched::on(&disk, watch.clone()), &settings);
        watch.left.store(trims, Ordering::Relaxed);
        let copy = MemoryDisk::default();
        backup::copy_to(&copying.log, &copy).unwrap();
        watch.left.store(0, Ordering::Relaxed);
        let copied = open_on(copy.clone(), &settings);
        for n in 0..300 {
            let found = copied.log.load(&key(n), NOW).unwrap();
            assert_eq!(found.is_some(), n % 3 != 0, "session {n} after {trims} trims");
        }
        assert_eq!(copied.log.segments.damage.list(), []);
        assert_eq!(copied.log.read().unwrap().index.segments() as usize, copy.segments().len());
    }
}

#[test]
fn the_log_is_bounded_though_the_thread_has_no_time_for_compaction() {
    let mut seed = 1_u64;
    let mut below = |limit: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % limit
    };
    for _ in 0..12 {
        let segment_bytes = 4096 << below(6);
        let (sessions, largest) = (1 + below(200) as u32, 1 + below(3_000));
        let settings = small_segments(segment_bytes);
        let engine = open_on(MemoryDisk::default(), &settings);
        let mut compactor = Compactor::default();
        let (mut revisions, mut most_live) = (BTreeMap::new(), 0);
        for step in 0..12_000 {
            // At first there is time. What was compacted then buys no growth later.
            while step < 6_000 && step % 20 == 0 && compactor.step(&engine) {}
            let n = below(u64::from(sessions)) as u32;
            let record = record(n, &vec![7; below(largest) as usize]);
            let op = match revisions.get(&n) {
                None => Op::Create { record, traces: Vec::new(), now: NOW },
                Some(revision) => Op::Update { record, expected: *revision, now: NOW },
            };
            run(&engine, &mut compactor, op);
            let index = &engine.log.read().unwrap().index;
            revisions.insert(n, index.get(&key(n)).unwrap().revision());
            most_live = most_live.max(index.live_bytes());
            let bound = 2 * (2 * most_live + u64::from(segment_bytes));
            let case = format!("{sessions} sessions of up to {largest} in {segment_bytes}, step {step}");
            assert!(index.log_bytes() <= bound + bound / 4 + 6 * u64::from(segment_bytes), "{case}");
        }
        while compactor.step(&engine) {}
        let index = &engine.log.read().unwrap().index;
        assert!(index.log_bytes() <= 2 * index.live_bytes() + 2 * u64::from(segment_bytes));
    }
}

/// Hints are written when the test lets them, and the test is told of each before.
struct HeldHints(Sender<()>, Arc<Mutex<()>>);

impl Watch for HeldHints {
    fn replaces(&self, _name: &str) {
        let _ = self.0.send(());
        drop(self.1.lock());
    }
}

#[test]
fn no_save_waits_while_a_hint_is_made_and_a_close_does() {
    let disk = MemoryDisk::default();
    let mut settings = Settings { durability: Durability::Always, ..small_segments(4096) };
    settings.sizes.hint_part = 1;
    let (begun, hints) = channel();
    let held = Arc::<Mutex<()>>::default();
    let hint = || disk.names().unwrap().into_iter().find(|name| names::hint_number(name).is_some());
    thread::scope(|scope| {
        let holding = held.lock().unwrap();
        let engine = Arc::new(open_on(Watched::on(&disk, Arc::new(HeldHints(begun, held.clone()))), &settings));
        let background = Arc::new(Background::start(engine.clone()).unwrap());
        let store = FileStore { engine, background, reader: None };
        let (saved, told) = channel();
        let saving = store.clone();
        scope.spawn(move || {
            for n in 0..100 {
                create(&saving, n, &[1; 300]);
                let _ = saved.send(());
            }
        });
        hints.recv().unwrap();
        let all = (0..100).all(|_| told.recv_timeout(Duration::from_secs(60)).is_ok());
        let made = hint();
        drop(holding);
        store.close().unwrap();
        assert!(all && made.is_none() && hint().is_some());
    });
}

#[test]
fn what_lives_in_the_body_of_a_damaged_batch_is_moved_and_its_segment_goes() {
    let disk = MemoryDisk::default();
    let engine = open_on(disk.clone(), &small_segments(4096));
    let mut compactor = Compactor::default();
    run(&engine, &mut compactor, Op::Create { record: record(1, b"old"), traces: Vec::new(), now: NOW });
    let expected = Revision::from_u64(Position::new(1, HEADER).as_u64());
    let from = engine.log.segments.tail().offset() as usize;
    let op = Op::Rotate { old: key(1), expected, record: record(2, b"new"), trace: None, now: NOW };
    run(&engine, &mut compactor, op);
    (10..40).for_each(|n| {
        run(&engine, &mut compactor, Op::Create { record: record(n, &[1; 300]), traces: Vec::new(), now: NOW })
    });
    // The first byte of the batch's body belongs to the frame that ends the old id.
    let first = disk.open("00000001.log").unwrap();
    let mut byte = [0];
    let at = (from + HEAD) as u64;
    first.read_at(&mut byte, at).unwrap();
    first.write_at(&[byte[0] ^ 1], at).unwrap();
    for _ in 0..100 {
        compactor.try_step(&engine).unwrap();
    }
    assert!(!disk.segments().contains(&"00000001.log".to_owned()));
    assert!(engine.log.load(&key(2), NOW).unwrap().is_some());
}
