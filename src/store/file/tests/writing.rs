//! Writing: groups, rolling, moving, and writers that died.

use super::watched::{Watch, Watched};
use super::*;
use crate::store::file::format::names;
use crate::store::file::writer::LockedWriter;
use crate::store::file::writer::room::RESERVE;

#[test]
fn a_writer_that_died_before_publishing_leaves_its_whole_frames_to_the_next() {
    let disk = MemoryDisk::default();
    let (dead, next) = (open(&disk, options()).unwrap(), open(&disk, options()).unwrap());
    create(&next, 1, b"before");
    let from = tail(&next);
    // A process that is killed between its write and its publication leaves this.
    let frames = {
        let mut frames = crate::store::file::format::frame::Frames::at(from, from, next.engine.log.segments.salt);
        frames.push(crate::store::file::format::frame::Kind::Put, &key(2), &[&record(2, b"whole").to_bytes()]);
        let whole = frames.end();
        frames.push(crate::store::file::format::frame::Kind::Put, &key(3), &[&record(3, b"torn").to_bytes()]);
        let torn = (frames.end().offset() - from.offset() - 3) as usize;
        dead.engine.log.segments.page().intent.set(frames.end().as_u64());
        let file = dead.engine.log.segments.file(from.segment()).unwrap();
        file.write_at(&frames.bytes()[..torn], u64::from(from.offset())).unwrap();
        (whole, torn)
    };
    assert_eq!(value(&next, 2), None, "not published yet");
    create(&next, 4, b"after");
    assert_eq!(value(&next, 2), Some(b"whole".to_vec()));
    assert_eq!(value(&next, 3), None);
    assert_eq!(value(&next, 4), Some(b"after".to_vec()));
    assert!(frames.0 < tail(&next));
    assert_eq!(value(&dead, 4), Some(b"after".to_vec()));
}

#[test]
fn segments_roll_and_leave_at_the_oldest_end_while_everything_alive_stays() {
    let disk = MemoryDisk::default();
    let mut settings = options();
    settings.segment_bytes = 4096;
    let store = open(&disk, settings.clone()).unwrap();
    let other = open(&disk, settings.clone()).unwrap();
    let mut revision = create(&store, 0, b"kept");
    let keep = create(&store, 1, b"never changed");
    for n in 0u32..2000 {
        let updated = block_on(store.update(&record(0, &n.to_le_bytes()), revision, NOW)).unwrap();
        let Update::Stored(now) = updated else { panic!("{updated:?}") };
        revision = now;
    }
    let begun = std::time::Instant::now();
    let is_wasteful = || store.engine.log.read().unwrap().index.is_wasteful(4096);
    while is_wasteful() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::yield_now();
    }
    let stats = store.stats(NOW).unwrap();
    assert!(stats.disk_bytes <= 2 * stats.live_bytes + 4096 + 4096, "{stats:?}");
    assert!(tail(&store).segment() > 20);
    for store in [&store, &other] {
        assert_eq!(value(store, 0), Some(1999u32.to_le_bytes().to_vec()));
        let kept = block_on(store.load(&key(1), NOW)).unwrap().unwrap();
        assert_eq!(kept.revision(), keep, "a move changes no revision");
    }
    drop((store, other));
    let store = open(&disk, settings).unwrap();
    assert_eq!(value(&store, 0), Some(1999u32.to_le_bytes().to_vec()));
    assert_eq!(value(&store, 1), Some(b"never changed".to_vec()));
    assert_eq!(store.damage(), []);
}

#[test]
fn a_roll_that_died_after_the_seal_is_finished_by_the_next_writer() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    create(&store, 1, b"before");
    let from = tail(&store);
    let mut frames = crate::store::file::format::frame::Frames::at(from, from, store.engine.log.segments.salt);
    frames.push(crate::store::file::format::frame::Kind::Seal, &crate::store::file::format::frame::NO_KEY, &[]);
    let file = store.engine.log.segments.file(from.segment()).unwrap();
    file.write_at(frames.bytes(), u64::from(from.offset())).unwrap();
    store.engine.log.segments.page().intent.set(frames.end().as_u64());
    // A process that opens after all have died finishes the roll, and so does one that goes on.
    let crashed = disk.copy();
    create(&store, 2, b"after");
    assert_eq!(tail(&store).segment(), from.segment() + 1);
    let reopened = open(&crashed, options()).unwrap();
    create(&reopened, 2, b"after");
    for store in [store, reopened] {
        assert_eq!(value(&store, 1), Some(b"before".to_vec()));
        assert_eq!(value(&store, 2), Some(b"after".to_vec()));
    }
}

#[test]
fn an_operation_is_a_timeout_when_another_holds_the_lock_and_was_not_begun() {
    let disk = MemoryDisk::default();
    let mut settings = options();
    settings.lock_wait = Duration::from_millis(30);
    let store = open(&disk, settings).unwrap();
    let lock = Disk::lock(&disk, names::WRITER_LOCK).unwrap();
    assert!(lock.try_exclusive().unwrap());
    let error = block_on(store.create(&record(1, b"late"), &[], NOW)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Timeout, "{error}");
    lock.unlock().unwrap();
    assert_eq!(value(&store, 1), None);
    create(&store, 1, b"in time");
}

#[test]
fn a_save_dropped_while_it_waits_was_not_begun() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    let lock = Disk::lock(&disk, names::WRITER_LOCK).unwrap();
    assert!(lock.try_exclusive().unwrap());
    {
        let mut save = Box::pin(store.run(Op::Create { record: record(1, b"dropped"), traces: Vec::new(), now: NOW }));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(save.as_mut().poll(&mut context).is_pending());
    }
    lock.unlock().unwrap();
    create(&store, 2, b"next");
    assert_eq!(value(&store, 1), None);
}

#[test]
fn a_group_checks_each_operation_against_those_before_it() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    let revision = create(&store, 1, b"0");
    let lock = Disk::lock(&disk, names::WRITER_LOCK).unwrap();
    assert!(lock.try_exclusive().unwrap());
    let (store, record) = (&store, &record(1, b"1"));
    let outcomes: Vec<Result<Update>> = std::thread::scope(|scope| {
        let saves = (0..8).map(|_| scope.spawn(move || block_on(store.update(record, revision, NOW))));
        let saves: Vec<_> = saves.collect();
        while store.engine.queue.len() < 8 {
            std::thread::yield_now();
        }
        lock.unlock().unwrap();
        saves.into_iter().map(|save| save.join().unwrap()).collect()
    });
    let stored = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Update::Stored(_)))).count();
    let conflicts = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Update::Conflict(_)))).count();
    assert_eq!((stored, conflicts), (1, 7));
}

#[test]
fn two_processes_that_compact_at_once_never_trim_the_segment_that_is_written_to() {
    let disk = MemoryDisk::default();
    drop(filled(&disk));
    let (one, two) = (open(&disk, options()).unwrap(), open(&disk, options()).unwrap());
    let mut compactor = Compactor::default();
    while compactor.try_step(&two.engine).unwrap() {}
    assert_eq!(two.stats(NOW).unwrap().segments, 1);
    // The other process decides to trim before it has read what the first one did.
    let current = tail(&one).segment();
    assert!(!Compactor::default().try_step(&one.engine).unwrap());
    for oldest in [current - 1, current, current + 1] {
        block_on(one.run(Op::Trim { oldest })).unwrap();
    }
    for store in [&one, &two, &open(&disk, options()).unwrap()] {
        assert_eq!(store.stats(NOW).unwrap().live, 100);
        for n in 0..100 {
            assert_eq!(value(store, n), Some(vec![n as u8; 100]));
        }
    }
}

#[test]
fn updates_of_one_group_are_credited_what_they_replace_once() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    let revision = create(&store, 1, &[0; 1000]);
    // The limit leaves room for this session and little more, and no group may exceed it.
    let settings = Settings { store_bytes: store.engine.log.read().unwrap().index.live_bytes() + 500, ..options() };
    let mut writer = Writer::new(Disk::lock(&disk, names::WRITER_LOCK).unwrap(), settings.clone());
    let mut locked = writer.try_lock(&store.engine.log).unwrap().unwrap();
    let bigger = Op::Update { record: record(1, &[1; 1300]), expected: revision, now: NOW };
    let more = Op::Create { record: record(2, &[2; 1000]), traces: Vec::new(), now: NOW };
    let outcomes = locked.write(&[&bigger, &more], true).ok().unwrap();
    let full = outcomes.iter().map(|(answer, _)| answer.as_ref().is_err_and(|error| *error.kind() == ErrorKind::Full));
    assert_eq!(full.collect::<Vec<_>>(), [false, true]);
    drop(locked);
    drop(writer);
    assert!(store.engine.log.read().unwrap().index.live_bytes() <= settings.store_bytes);
}

type Turn = fn(&mut LockedWriter<'_>) -> Result<()>;

fn run(locked: &mut LockedWriter<'_>, op: Op) -> Result<()> {
    locked.write_one(&op, true).ok().unwrap().0.map(drop)
}

/// All that is done with the writer lock held.
const TURNS: [(&str, Turn); 7] = [
    ("begins a segment", |locked| locked.begin_segment(RESERVE)),
    ("looks for room", |locked| locked.look_for_room()),
    ("saves", |locked| run(locked, Op::Create { record: record(2, b"two"), traces: Vec::new(), now: NOW })),
    ("ends", |locked| run(locked, Op::End { keys: vec![key(3)] })),
    ("moves", |locked| run(locked, Op::Move { live: Vec::new() })),
    ("trims", |locked| run(locked, Op::Trim { oldest: 1 })),
    ("sweeps", |locked| run(locked, Op::Sweep { now: NOW, budget: 1 })),
];

/// Two handles, and the turn of one that was refused. So it takes the lock before it reads, with a session ended in between.
fn in_a_turn_that_knows_less(meanwhile: impl Fn(&FileStore), check: impl Fn(&str, Result<()>, MemoryDisk)) {
    for (what, turn) in TURNS {
        let disk = MemoryDisk::default();
        let (one, two) = (open(&disk, options()).unwrap(), open(&disk, options()).unwrap());
        create(&one, 1, b"ended meanwhile");
        assert!(value(&two, 1).is_some());
        let mut writer = two.engine.writer();
        writer.lock.line.refuse(two.engine.log.segments.page());
        block_on(one.destroy(&key(1), None)).unwrap();
        meanwhile(&one);
        let done = two.engine.with_writer(writer, 1, turn).unwrap().expect("the lock is free");
        drop((one, two));
        check(what, done, disk);
    }
}

#[test]
fn a_turn_begins_with_what_others_have_written_by_then() {
    in_a_turn_that_knows_less(
        |_| {},
        |what, done, disk| {
            done.unwrap_or_else(|error| panic!("{what}: {error}"));
            let store = open(&disk, options()).unwrap();
            assert_eq!((value(&store, 1), store.damage()), (None, Vec::new()), "{what}");
        },
    );
}

#[test]
fn a_turn_puts_in_order_what_a_dead_writer_left() {
    in_a_turn_that_knows_less(
        |one| {
            let segments = &one.engine.log.segments;
            let mut frames = crate::store::file::format::frame::Frames::at(tail(one), tail(one), segments.salt);
            frames.push(crate::store::file::format::frame::Kind::Put, &key(4), &[&record(4, b"whole").to_bytes()]);
            segments.page().intent.set(frames.end().as_u64());
            let file = segments.file(frames.start().segment()).unwrap();
            file.write_at(frames.bytes(), u64::from(frames.start().offset())).unwrap();
        },
        |what, done, disk| {
            done.unwrap_or_else(|error| panic!("{what}: {error}"));
            let store = open(&disk, options()).unwrap();
            assert_eq!((value(&store, 1), value(&store, 4)), (None, Some(b"whole".to_vec())), "{what}");
            assert_eq!(store.damage(), [], "{what}");
        },
    );
}

#[test]
fn a_turn_does_nothing_in_a_poisoned_store() {
    in_a_turn_that_knows_less(
        |one| one.engine.log.segments.poison(),
        |what, done, disk| {
            assert_eq!(done.unwrap_err().kind(), &ErrorKind::Poisoned, "{what}");
            assert_eq!(disk.segments(), [names::segment(1)], "{what}");
        },
    );
}

/// Another program that puts a copy in the spare's place, at the moment in which the spare becomes a segment.
struct Copies(MemoryDisk);

impl Watch for Copies {
    fn renames(&self, from: &str) {
        if from == names::SPARE {
            self.0.set(names::SPARE, self.0.bytes(names::SPARE));
        }
    }
}

#[test]
fn a_copy_in_the_place_of_the_next_segment_costs_nothing() {
    let disk = MemoryDisk::default();
    let settings = Settings { segment_bytes: 4096, ..options() };
    let watched = Arc::new(Watched::on(&disk, Arc::new(Copies(disk.clone()))));
    let engine = recovery::open(watched, Path::new("simulated"), settings.clone()).unwrap();
    let store = FileStore::kept(Arc::new(engine)).unwrap();
    for n in 0..100 {
        create(&store, n, &[n as u8; 100]);
    }
    assert!(tail(&store).segment() > 3);
    block_on(store.destroy(&key(0), None)).unwrap();
    store.close().unwrap();
    let store = open(&disk, settings).unwrap();
    assert!((1..100).all(|n| value(&store, n).is_some()) && value(&store, 0).is_none());
    assert_eq!(store.damage(), []);
}
