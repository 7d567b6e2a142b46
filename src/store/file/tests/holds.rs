//! How long the lock of the log's state is held, in steps, while everything is large; and how long the writer lock.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::store::file::disk::DiskLock;
use crate::store::file::format::frame::{Frames, Kind};
use crate::store::file::format::names;
use crate::store::file::format::segment::Header;
use crate::store::file::settings::Sizes;
use crate::store::file::threads::steps;
use crate::store::file::writer::op::Answer;

/// More than all that is done at a time.
pub(super) const SHORT: u64 = 5_000;
const SESSIONS: u32 = 200_000;
pub(super) const LATER: Timestamp = Timestamp::from_secs(1_000_601);

/// A disk with one segment of sessions that all end in the same millisecond.
fn one_bucket() -> MemoryDisk {
    const SALT: u64 = 7;
    let mut frames = Frames::at(Position::new(1, HEADER), Position::new(1, HEADER), SALT);
    let body = record(0, b"").to_bytes();
    for n in 0..SESSIONS {
        frames.push(Kind::Put, &key(n), &[&body]);
    }
    let disk = MemoryDisk::default();
    disk.set("00000001.log", [&Header { number: 1, salt: SALT }.to_bytes(), frames.bytes()].concat());
    disk
}

pub(super) fn settings() -> Settings {
    FileStore::options().segment_bytes(1 << 30).durability(Durability::Never).0
}

/// A store without a thread, so that this thread does all of it and counts its steps.
pub(super) fn by_hand(disk: &MemoryDisk) -> FileStore {
    by_hand_with(disk, settings())
}

pub(super) fn by_hand_with(disk: &MemoryDisk, settings: Settings) -> FileStore {
    let engine = Arc::new(recovery::open(Arc::new(disk.clone()), Path::new("simulated"), settings).unwrap());
    FileStore { background: Arc::new(Background::by_hand(engine.clone())), engine, reader: None }
}

fn write(store: &FileStore, op: Op) {
    answer_of(store, op);
}

/// Carries out an operation, and begins a segment if need be. It does not wait for the disk.
pub(super) fn answer_of(store: &FileStore, op: Op) -> Answer {
    let written = store.engine.with_writer(store.engine.writer(), 1, |locked| locked.write(&[&op], true).ok());
    let (answer, _) = written.unwrap().flatten().unwrap().pop().unwrap();
    answer.unwrap()
}

#[test]
fn no_look_at_all_sessions_and_no_sweep_of_them_holds_the_lock_for_long() {
    let store = by_hand(&one_bucket());
    steps::longest();
    let mut visited = 0;
    let mut visit = |_| {
        visited += 1;
        std::ops::ControlFlow::Continue(())
    };
    block_on(store.scan(NOW, &mut visit)).unwrap();
    assert_eq!(visited, SESSIONS);
    let longest = steps::longest();
    assert!((1..SHORT).contains(&longest), "{longest}");
    assert_eq!(block_on(store.count(NOW)).unwrap(), u64::from(SESSIONS));
    assert_eq!(block_on(store.count(LATER)).unwrap(), 0);
    assert_eq!(store.stats(LATER).unwrap().expired, u64::from(SESSIONS));
    let longest = steps::longest();
    assert!((1..SHORT).contains(&longest), "{longest}");
    store.engine.log.change(|state| {
        let end = state.index.applied;
        state.index.doubt(end);
    });
    steps::longest();
    assert_eq!(store.doubtful(NOW).unwrap().len(), SESSIONS as usize);
    let longest = steps::longest();
    assert!((1..SHORT).contains(&longest), "{longest}");
    let swept = block_on(store.sweep(LATER, usize::MAX)).unwrap();
    assert_eq!((swept.removed, swept.more), (u64::from(SESSIONS), false));
    let longest = steps::longest();
    assert!((1..SHORT).contains(&longest), "{longest} steps in a sweep");
}

#[test]
fn a_sweep_that_finds_one_large_bucket_splits_it_in_short_holds() {
    let store = by_hand(&one_bucket());
    steps::longest();
    let swept = block_on(store.sweep(LATER, 1)).unwrap();
    assert_eq!((swept.removed, swept.more), (1, true));
    let longest = steps::longest();
    assert!((1..SHORT).contains(&longest), "{longest}");
}

#[test]
fn clearing_holds_the_lock_for_a_step() {
    let store = by_hand(&one_bucket());
    steps::longest();
    write(&store, Op::Clear);
    assert_eq!(block_on(store.count(NOW)).unwrap(), 0);
    let longest = steps::longest();
    assert!((1..SHORT).contains(&longest), "{longest}");
}

#[test]
fn a_rebuilt_index_takes_the_place_of_the_old_one_in_a_short_hold() {
    let disk = one_bucket();
    let (writer, reader) = (by_hand(&disk), by_hand(&disk));
    create(&writer, SESSIONS, b"");
    steps::longest();
    // As where a segment was trimmed that this process had still to read.
    reader.engine.log.start().unwrap();
    let longest = steps::longest();
    assert!(longest < SHORT, "{longest}");
    let state = reader.engine.log.read_unchecked();
    assert_eq!(state.index.len(), SESSIONS as usize + 1);
}

#[test]
fn a_long_backlog_with_sweeps_of_one_bucket_is_applied_in_short_holds() {
    const BACKLOG: u32 = 20_000;
    let disk = MemoryDisk::default();
    let (writer, reader) = (by_hand(&disk), by_hand(&disk));
    for n in 0..BACKLOG {
        create(&writer, n, b"");
    }
    let first = block_on(writer.sweep(LATER, 700)).unwrap();
    assert_eq!((first.removed, first.more), (700, true));
    steps::longest();
    let left = reader.engine.log.read().unwrap().index.len();
    assert_eq!(left, BACKLOG as usize - 700);
    let longest = steps::longest();
    assert!((1..SHORT).contains(&longest), "{longest}");
    assert_eq!(block_on(reader.count(LATER)).unwrap(), 0);
    assert_eq!(reader.stats(LATER).unwrap().expired, u64::from(BACKLOG) - 700);
}

#[test]
fn keys_are_picked_once_though_sessions_end_begin_and_get_other_slots_meanwhile() {
    const ALL: u32 = 3_000;
    for is_rebuilt in [false, true] {
        let disk = MemoryDisk::default();
        let settings = Settings { segment_bytes: 16 << 10, ..settings() };
        let (store, other) = (by_hand_with(&disk, settings.clone()), by_hand_with(&disk, settings));
        (0..ALL).for_each(|n| write(&store, Op::Create { record: record(n, b""), traces: Vec::new(), now: NOW }));
        let meanwhile = std::sync::Once::new();
        let keys = store.engine.log.keys(|_, _| {
            meanwhile.call_once(|| {
                // The first session ends and begins anew, in the slot of the last one.
                write(&other, Op::End { keys: vec![key(0), key(ALL - 1)] });
                write(&other, Op::Create { record: record(0, b""), traces: Vec::new(), now: NOW });
                if is_rebuilt {
                    // All segments that the look began with leave the log.
                    for n in ALL..ALL + 2_000 {
                        write(&other, Op::Create { record: record(n, &[0; 1_000]), traces: Vec::new(), now: NOW });
                        write(&other, Op::End { keys: vec![key(n)] });
                    }
                    let mut compactor = Compactor::default();
                    while other.engine.log.read().unwrap().index.is_wasteful(16 << 10) {
                        compactor.try_step(&other.engine).unwrap();
                    }
                }
            });
            true
        });
        let (keys, once) = (keys.as_ref().unwrap().len(), keys.as_ref().unwrap().iter().collect::<BTreeSet<_>>());
        assert_eq!(once.len(), keys);
        assert!((1..ALL - 1).all(|n| once.contains(&key(n))), "rebuilt: {is_rebuilt}");
    }
}

#[test]
fn an_owner_with_many_sessions_is_listed_in_short_holds_and_what_stands_throughout_is_listed_once() {
    const ALL: u32 = 20_000;
    let store = by_hand(&MemoryDisk::default());
    let owned = |n: u32| {
        let mut record = record(n, b"");
        record.set_owner(Some("ada".into()), None);
        record
    };
    (0..ALL).for_each(|n| write(&store, Op::Create { record: owned(n), traces: Vec::new(), now: NOW }));
    steps::longest();
    let part = |after: Option<u32>| {
        let state = store.engine.log.read().unwrap();
        state.index.many_owned_by(&"ada".into(), after.map(key).as_ref())
    };
    let first = part(None).unwrap();
    let last = (0..ALL).find(|n| first.last() == Some(&key(*n))).unwrap();
    // The session that a look ended with ends, and the one before it begins anew: the look goes on before both.
    write(&store, Op::End { keys: vec![key(last), *first.iter().rev().nth(1).unwrap()] });
    assert_eq!(part(Some(last)), None);
    let rest = part((0..ALL).find(|n| first[first.len() - 3] == key(*n))).unwrap();
    assert!(rest.iter().all(|key| !first.contains(key)));
    write(&store, Op::Create { record: owned(last), traces: Vec::new(), now: NOW });
    assert_eq!(part(Some(last)).unwrap()[..3], first[..3], "it is the first now");
    assert_eq!(part(None).unwrap()[0], key(last));
    let (listed, _) = store.engine.log.owned_by(&"ada".into()).unwrap();
    assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), ALL as usize - 1);
    assert_eq!(block_on(store.owned_by(&"ada".into(), NOW)).unwrap().len(), listed.len());
    let longest = steps::longest();
    assert!((1..SHORT).contains(&longest), "{longest}");
}

#[test]
fn a_process_catches_up_while_another_has_the_writer_lock_and_leaves_a_little_unread_once_it_was_refused() {
    let disk = MemoryDisk::default();
    let (ahead, behind) = (by_hand(&disk), by_hand(&disk));
    let is_current = |store: &FileStore| store.engine.log.read_unchecked().index.applied == tail(store);
    let lock = disk.lock(names::WRITER_LOCK).unwrap();
    for (n, bytes, is_read) in [(1, 10, true), (2, 10, false), (3, 100_000, true)] {
        create(&ahead, n, &vec![1; bytes]);
        assert!(lock.try_exclusive().unwrap() && !is_current(&behind));
        assert!(behind.engine.writer().try_lock(&behind.engine.log).unwrap().is_none());
        assert_eq!(is_current(&behind), is_read, "{bytes} bytes");
        behind.engine.wait_in_line();
        lock.unlock().unwrap();
    }
}

/// A lock before which another process always comes first, so often.
struct Overtaken {
    lock: Box<dyn DiskLock>,
    other: FileStore,
    left: AtomicU64,
    given_up: Arc<AtomicU64>,
}

impl DiskLock for Overtaken {
    fn try_exclusive(&self) -> std::io::Result<bool> {
        let left = self.left.load(Ordering::SeqCst);
        if left > 0 {
            self.left.store(left - 1, Ordering::SeqCst);
            create(&self.other, left as u32, &[1; 1_000]);
        }
        self.lock.try_exclusive()
    }

    fn try_shared(&self) -> std::io::Result<bool> {
        self.lock.try_shared()
    }

    fn unlock(&self) -> std::io::Result<()> {
        self.given_up.fetch_add(1, Ordering::SeqCst);
        self.lock.unlock()
    }
}

#[test]
fn a_writer_lock_that_came_too_early_is_given_up_and_not_for_ever() {
    for (overtaken, given_up) in [(0, 0), (1, 1), (2, 2), (100, 3)] {
        let disk = MemoryDisk::default();
        let (other, late) = (by_hand(&disk), by_hand(&disk));
        let given = Arc::new(AtomicU64::default());
        let lock = disk.lock(names::WRITER_LOCK).unwrap();
        let lock = Overtaken { lock, other, left: AtomicU64::new(overtaken), given_up: given.clone() };
        let settings = Settings { sizes: Sizes { far_behind: 500, ..Sizes::REAL }, ..settings() };
        let mut writer = Writer::new(Box::new(lock), settings);
        let locked = writer.try_lock(&late.engine.log).unwrap();
        assert!(locked.is_some());
        assert_eq!(given.load(Ordering::SeqCst), given_up, "overtaken {overtaken} times");
    }
}
