//! The engine over a disk in memory: recovery at every cut and flip, and several handles on one directory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::disk::Disk;
use super::frame::HEAD;
use super::op::Op;
use super::position::Position;
use super::segment::HEADER;
use super::sim::MemoryDisk;
use super::*;
use crate::block_on::block_on;
use crate::data::Data;
use crate::error::ErrorKind;
use crate::lifetime::Lifetime;

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

fn options() -> Settings {
    FileStore::options().segment_bytes(1 << 20).durability(Durability::Never).0
}

fn open(disk: &MemoryDisk, settings: Settings) -> Result<FileStore> {
    let engine = Arc::new(recover::open(Arc::new(disk.clone()), Path::new("simulated"), settings)?);
    let keeper = Arc::new(Keeper::start(engine.clone())?);
    Ok(FileStore { engine, keeper })
}

fn key(n: u32) -> SessionKey {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    SessionKey::from_bytes(bytes)
}

fn record(n: u32, value: &[u8]) -> Record {
    let mut record = Record::new(key(n), Lifetime::idle(Duration::from_secs(600)), NOW);
    let name: Arc<str> = "v".into();
    record.set_data(Data::from_entries(&BTreeMap::from([(name, value)])));
    record
}

fn create(store: &FileStore, n: u32, value: &[u8]) -> Revision {
    block_on(store.create(&record(n, value), NOW)).unwrap()
}

fn value(store: &FileStore, n: u32) -> Option<Vec<u8>> {
    block_on(store.load(&key(n), NOW)).unwrap().map(|record| record.data().get("v").unwrap().to_vec())
}

/// Where the log ends, without the clean close that dropping the store would write.
fn tail(store: &FileStore) -> Position {
    store.engine.log.tail()
}

#[test]
fn what_was_saved_is_there_after_reopening() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    let revision = create(&store, 1, b"one");
    create(&store, 2, b"two");
    let updated = block_on(store.update(&record(1, b"uno"), revision, NOW)).unwrap();
    assert!(matches!(updated, Update::Stored(_)));
    block_on(store.destroy(&key(2))).unwrap();
    drop(store);
    let store = open(&disk, options()).unwrap();
    assert_eq!(value(&store, 1), Some(b"uno".to_vec()));
    assert_eq!(value(&store, 2), None);
    assert_eq!(store.damage(), []);
}

#[test]
fn two_handles_see_each_others_sessions_at_the_next_load() {
    let disk = MemoryDisk::default();
    let (one, two) = (open(&disk, options()).unwrap(), open(&disk, options()).unwrap());
    for n in 0..100 {
        create(&one, n, b"from one");
        assert_eq!(value(&two, n), Some(b"from one".to_vec()));
        block_on(two.destroy(&key(n))).unwrap();
        assert_eq!(value(&one, n), None);
    }
}

#[test]
fn the_last_segment_cut_at_every_byte_loses_no_frame_before_the_cut() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    let mut ends = Vec::new();
    for n in 0..8 {
        create(&store, n, &[n as u8; 20]);
        ends.push(tail(&store).offset());
    }
    let copy = disk.copy();
    let name = copy.segments().pop().unwrap();
    let bytes = copy.bytes(&name)[..*ends.last().unwrap() as usize].to_vec();
    for cut in 0..=bytes.len() {
        let crashed = copy.copy();
        crashed.set(&name, bytes[..cut].to_vec());
        let store = open(&crashed, options()).unwrap();
        let torn = cut > HEADER as usize && !ends.contains(&(cut as u32));
        assert_eq!(crashed.aside(), usize::from(torn), "what is torn is kept aside, cut at {cut}");
        for (n, end) in ends.iter().enumerate() {
            let expected = (*end as usize <= cut).then(|| vec![n as u8; 20]);
            assert_eq!(value(&store, n as u32), expected, "session {n}, cut at {cut}");
        }
        // And it goes on: what is saved now is there the next time.
        create(&store, 99, b"later");
        drop(store);
        assert_eq!(value(&open(&crashed, options()).unwrap(), 99), Some(b"later".to_vec()), "cut at {cut}");
    }
}

#[test]
fn every_byte_of_the_last_segment_flipped_loses_no_frame_before_the_damage() {
    for clean in [false, true] {
        let disk = MemoryDisk::default();
        let store = open(&disk, options()).unwrap();
        let mut ends = Vec::new();
        for n in 0..8 {
            create(&store, n, &[n as u8; 20]);
            ends.push(tail(&store).offset() as usize);
        }
        let mut copy = disk.copy();
        if clean {
            drop(store);
            copy = disk.copy();
        }
        let name = copy.segments().pop().unwrap();
        let bytes = copy.bytes(&name);
        for at in 0..*ends.last().unwrap() {
            let damaged = copy.copy();
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            damaged.set(&name, flipped);
            if at < HEADER as usize {
                // The only header with the salt: nothing can be checked, and nothing is touched.
                let error = open(&damaged, options()).unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NewerFormat), "{error}");
                assert_eq!(damaged.bytes(&name)[HEADER as usize..], bytes[HEADER as usize..]);
                continue;
            }
            let store = open(&damaged, options()).unwrap();
            let hit = ends.iter().position(|end| at < *end).unwrap();
            for n in 0..ends.len() {
                let found = block_on(store.load(&key(n as u32), NOW));
                if n < hit {
                    assert!(matches!(found, Ok(Some(_))), "session {n} before the damage at {at}");
                } else if n == hit {
                    // Lost with the damage, or known to be damaged; never as it was not.
                    assert!(!matches!(found, Ok(Some(_))), "session {n} damaged at {at}");
                } else if clean {
                    assert!(matches!(found, Ok(Some(_))), "session {n} behind durable damage at {at}");
                } else {
                    // Nothing was known to be durable: a hole ends the log, for what was lost may have ended these.
                    assert!(matches!(found, Ok(None)), "session {n} behind a hole at {at}");
                }
            }
            assert!(!store.damage().is_empty() || !clean, "damage at {at} was reported");
        }
    }
}

#[test]
fn a_writer_that_died_before_publishing_leaves_its_whole_frames_to_the_next() {
    let disk = MemoryDisk::default();
    let (dead, next) = (open(&disk, options()).unwrap(), open(&disk, options()).unwrap());
    create(&next, 1, b"before");
    let from = tail(&next);
    // What a process leaves that is killed between its write and its publication.
    let frames = {
        let mut frames = super::frame::Frames::at(from, from, next.engine.log.salt);
        frames.push(super::frame::Kind::Put, &key(2), &[&record(2, b"whole").to_bytes()]);
        let whole = frames.end();
        frames.push(super::frame::Kind::Put, &key(3), &[&record(3, b"torn").to_bytes()]);
        let torn = (frames.end().offset() - from.offset() - 3) as usize;
        dead.engine.log.page().intent.set(frames.end().as_u64());
        let file = dead.engine.log.file(from.segment()).unwrap();
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
    while store.engine.log_is_wasteful() && begun.elapsed() < Duration::from_secs(60) {
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
    let mut frames = super::frame::Frames::at(from, from, store.engine.log.salt);
    frames.push(super::frame::Kind::Seal, &super::frame::NO_KEY, &[]);
    let file = store.engine.log.file(from.segment()).unwrap();
    file.write_at(frames.bytes(), u64::from(from.offset())).unwrap();
    store.engine.log.page().intent.set(frames.end().as_u64());
    // For one who opens after all have died, and for one who goes on.
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
    let lock = Disk::lock(&disk, WRITER_LOCK).unwrap();
    assert!(lock.try_exclusive().unwrap());
    let error = block_on(store.create(&record(1, b"late"), NOW)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Timeout, "{error}");
    lock.unlock().unwrap();
    assert_eq!(value(&store, 1), None);
    create(&store, 1, b"in time");
}

#[test]
fn a_save_dropped_while_it_waits_was_not_begun() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    let lock = Disk::lock(&disk, WRITER_LOCK).unwrap();
    assert!(lock.try_exclusive().unwrap());
    {
        let mut save = Box::pin(store.run(Op::Create { record: record(1, b"dropped"), now: NOW }));
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
    let lock = Disk::lock(&disk, WRITER_LOCK).unwrap();
    assert!(lock.try_exclusive().unwrap());
    let (store, record) = (&store, &record(1, b"1"));
    let outcomes: Vec<Result<Update>> = std::thread::scope(|scope| {
        let saves = (0..8).map(|_| scope.spawn(move || block_on(store.update(record, revision, NOW))));
        let saves: Vec<_> = saves.collect();
        while store.engine.queue.lock().unwrap().as_ref().unwrap().len() < 8 {
            std::thread::yield_now();
        }
        lock.unlock().unwrap();
        saves.into_iter().map(|save| save.join().unwrap()).collect()
    });
    let stored = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Update::Stored(_)))).count();
    let conflicts = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Update::Conflict(_)))).count();
    assert_eq!((stored, conflicts), (1, 7));
}

/// Segments of 4 KiB, some of them full.
fn filled(disk: &MemoryDisk) -> (FileStore, Settings) {
    let mut settings = options();
    settings.segment_bytes = 4096;
    let store = open(disk, settings.clone()).unwrap();
    for n in 0..100 {
        create(&store, n, &[n as u8; 100]);
    }
    assert!(tail(&store).segment() > 3);
    (store, settings)
}

#[test]
fn a_segment_whose_header_is_damaged_keeps_its_sessions_and_can_be_joined() {
    let disk = MemoryDisk::default();
    let (store, settings) = filled(&disk);
    let last = disk.segments().pop().unwrap();
    for name in disk.segments() {
        let damaged = disk.copy();
        let mut bytes = damaged.bytes(&name);
        bytes[..64].fill(0);
        damaged.set(&name, bytes);
        let one = open(&damaged, settings.clone()).unwrap();
        let two = open(&damaged, settings.clone()).unwrap();
        for n in 0..100 {
            assert_eq!(value(&one, n), Some(vec![n as u8; 100]), "{name}");
            assert_eq!(value(&two, n), Some(vec![n as u8; 100]), "{name}");
        }
        assert_eq!(one.damage().len(), 1);
    }
    assert_eq!(super::segment::name(tail(&store).segment()), last);
}

#[test]
fn a_new_segment_that_has_no_header_yet_is_nothing() {
    for bytes in [0, 1, 63] {
        let disk = MemoryDisk::default();
        let (store, settings) = filled(&disk);
        let crashed = disk.copy();
        let next = super::segment::name(tail(&store).segment() + 1);
        crashed.create(&next).unwrap().write_at(&[7; 63][..bytes], 0).unwrap();
        let store = open(&crashed, settings).unwrap();
        assert_eq!(value(&store, 99), Some(vec![99; 100]));
        assert!(!crashed.segments().contains(&next));
    }
}

#[test]
fn a_segment_that_is_missing_costs_what_was_in_it_for_all_who_open() {
    let disk = MemoryDisk::default();
    let (_store, settings) = filled(&disk);
    let crashed = disk.copy();
    crashed.remove(&crashed.segments()[1]).unwrap();
    let one = open(&crashed, settings.clone()).unwrap();
    let two = open(&crashed, settings).unwrap();
    let found: Vec<bool> = (0..100).map(|n| value(&one, n).is_some()).collect();
    assert!(found[0] && found[99] && found.contains(&false));
    assert_eq!(found, (0..100).map(|n| value(&two, n).is_some()).collect::<Vec<_>>());
    assert!(!one.damage().is_empty());
}

#[test]
fn a_record_that_a_sealed_segment_was_cut_in_is_an_error_and_never_its_older_version() {
    let disk = MemoryDisk::default();
    let mut settings = options();
    settings.segment_bytes = 4096;
    let store = open(&disk, settings.clone()).unwrap();
    let revision = create(&store, 1, b"old");
    let before = tail(&store).offset() as usize;
    let _ = block_on(store.update(&record(1, b"new"), revision, NOW)).unwrap();
    let after = tail(&store).offset() as usize;
    (2..30).for_each(|n| {
        create(&store, n, &[7; 200]);
    });
    assert!(tail(&store).segment() > 1);
    for cut in before + HEAD..after {
        let damaged = disk.copy();
        damaged.set("00000001.log", disk.bytes("00000001.log")[..cut].to_vec());
        let store = open(&damaged, settings.clone()).unwrap();
        let error = block_on(store.load(&key(1), NOW)).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Damaged, "cut at {cut}: {error}");
        assert_eq!(store.damage()[0].key, Some(key(1)), "cut at {cut}");
    }
}

#[test]
fn a_gap_over_what_was_durable_and_what_was_not_ends_the_log_where_that_begins() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    create(&store, 1, b"before");
    let from = tail(&store).offset() as usize;
    create(&store, 2, b"damaged");
    // It waits for the disk, so what comes later states that all before it is durable.
    block_on(store.destroy(&key(9))).unwrap();
    let durable = tail(&store).offset() as usize;
    create(&store, 3, b"never reached the disk");
    let to = tail(&store).offset() as usize;
    create(&store, 4, b"reached it before");
    let crashed = disk.copy();
    let mut bytes = disk.bytes("00000001.log");
    bytes[from..to].fill(0);
    crashed.set("00000001.log", bytes);
    let store = open(&crashed, options()).unwrap();
    assert_eq!(value(&store, 1), Some(b"before".to_vec()));
    assert_eq!([2, 3, 4].map(|n| value(&store, n)), [const { None }; 3]);
    assert_eq!(crashed.aside(), 1);
    assert!(store.damage().iter().any(|it| it.from == durable as u64), "{:?}", store.damage());
}

#[test]
fn a_store_whose_only_header_was_overwritten_is_an_error_and_its_file_stays() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    (0..100).for_each(|n| {
        create(&store, n, &[7; 100]);
    });
    drop(store);
    let mut bytes = disk.bytes("00000001.log");
    for zeros in [64, 4096, bytes.len()] {
        bytes[..zeros].fill(0);
        disk.set("00000001.log", bytes.clone());
        assert_eq!(open(&disk, options()).unwrap_err().kind(), &ErrorKind::Damaged, "{zeros} zeros");
        assert_eq!(disk.bytes("00000001.log"), bytes);
    }
}

#[test]
fn a_sealed_segment_cut_inside_its_header_costs_what_was_in_it() {
    let disk = MemoryDisk::default();
    let (_store, settings) = filled(&disk);
    let name = &disk.segments()[1];
    for length in [0, 1, 63, 64] {
        let damaged = disk.copy();
        damaged.set(name, disk.bytes(name)[..length].to_vec());
        let store = open(&damaged, settings.clone()).unwrap();
        assert_eq!([0, 99].map(|n| value(&store, n).is_some()), [true; 2]);
        assert!(store.damage().iter().any(|it| it.file == *name), "{length} bytes are left");
    }
}

#[test]
fn a_log_that_has_used_its_last_number_says_so_and_can_be_read() {
    let disk = MemoryDisk::default();
    let (_store, settings) = filled(&disk);
    let crashed = disk.copy();
    crashed.set(&super::segment::name(u32::MAX), disk.bytes("00000001.log"));
    let refused = open(&crashed, settings).unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Full);
    assert!(refused.to_string().contains("numbers"), "{refused}");
    let store = open_to_read(&crashed).unwrap();
    assert_eq!(value(&store, 0), Some(vec![0; 100]));
    assert!(!store.damage().is_empty(), "those between are missing");
}

#[test]
fn segments_that_are_missing_at_the_front_are_reported_unless_a_trim_let_them_go() {
    let disk = MemoryDisk::default();
    let (store, settings) = filled(&disk);
    let crashed = disk.copy();
    let names = crashed.segments();
    names[..2].iter().for_each(|name| crashed.remove(name).unwrap());
    let damage = open(&crashed, settings).unwrap().damage();
    assert!(damage.iter().any(|it| it.file == names[0]), "{damage:?}");
    drop(store);
    let store = open(&disk, options()).unwrap();
    while store.engine.try_compact_step().unwrap() {}
    assert!(!disk.segments().contains(&names[0]));
    drop(store);
    assert_eq!(open(&disk, options()).unwrap().damage(), []);
}

#[test]
fn after_a_failed_sync_nothing_is_written_until_all_have_closed_and_reads_go_on() {
    let disk = MemoryDisk::default();
    let mut settings = options();
    settings.durability = Durability::Always;
    let (one, two) = (open(&disk, settings.clone()).unwrap(), open(&disk, settings.clone()).unwrap());
    create(&one, 1, b"acknowledged");
    disk.faults().syncs.store(true, std::sync::atomic::Ordering::Relaxed);
    let error = block_on(one.create(&record(2, b"lost"), NOW)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Poisoned, "{error}");
    disk.faults().syncs.store(false, std::sync::atomic::Ordering::Relaxed);
    for store in [&one, &two] {
        assert_eq!(block_on(store.create(&record(3, b"no"), NOW)).unwrap_err().kind(), &ErrorKind::Poisoned);
        assert_eq!(block_on(store.destroy(&key(1))).unwrap_err().kind(), &ErrorKind::Poisoned);
        assert_eq!(value(store, 1), Some(b"acknowledged".to_vec()));
    }
    drop((one, two));
    let store = open(&disk, settings).unwrap();
    create(&store, 3, b"again");
    assert_eq!(value(&store, 1), Some(b"acknowledged".to_vec()));
}

#[test]
fn a_full_disk_loses_nothing_and_the_store_goes_on_when_there_is_room() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    create(&store, 1, b"before");
    for n in 100..120 {
        let mut owned = record(n, b"owned");
        owned.set_owner(Some("ada".into()), None);
        block_on(store.create(&owned, NOW)).unwrap();
    }
    disk.faults().space.store(true, std::sync::atomic::Ordering::Relaxed);
    // What was reserved lasts for a while; what is refused is refused with its reason.
    let large = vec![0; 300 << 10];
    let error = block_on(store.create(&record(2, &large), NOW)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Full, "{error}");
    // Half of this is written before the disk fails: none of it may stay.
    let error = block_on(store.destroy_owned_by(&"ada".into(), None)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Full, "{error}");
    assert_eq!(value(&store, 1), Some(b"before".to_vec()));
    disk.faults().space.store(false, std::sync::atomic::Ordering::Relaxed);
    create(&store, 2, b"after");
    drop(store);
    let store = open(&disk, options()).unwrap();
    assert_eq!(value(&store, 1), Some(b"before".to_vec()));
    assert_eq!(value(&store, 2), Some(b"after".to_vec()));
    assert_eq!(block_on(store.owned_by(&"ada".into(), NOW)).unwrap().len(), 20);
    assert_eq!(store.damage(), []);
}

#[test]
fn a_write_that_fails_and_cannot_be_undone_is_never_called_undone() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    create(&store, 1, b"before");
    let faults = disk.faults();
    for fault in [&faults.space, &faults.syncs] {
        fault.store(true, std::sync::atomic::Ordering::Relaxed);
    }
    let error = block_on(store.destroy(&key(1))).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Poisoned, "{error}");
    for fault in [&faults.space, &faults.syncs] {
        fault.store(false, std::sync::atomic::Ordering::Relaxed);
    }
    assert_eq!(block_on(store.destroy(&key(1))).unwrap_err().kind(), &ErrorKind::Poisoned);
    assert_eq!(value(&store, 1), Some(b"before".to_vec()));
}

#[test]
fn what_is_written_and_waits_for_a_full_disk_is_never_called_undone() {
    let disk = MemoryDisk::default();
    let one = open(&disk, options()).unwrap();
    create(&one, 1, b"written, and not synced");
    // It opens the file behind that write, so it has to write it again before its sync means anything (rule 4).
    let two = open(&disk, options()).unwrap();
    disk.faults().space.store(true, std::sync::atomic::Ordering::Relaxed);
    let error = block_on(two.destroy(&key(2))).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Io, "{error}");
    disk.faults().space.store(false, std::sync::atomic::Ordering::Relaxed);
    block_on(two.destroy(&key(2))).unwrap();
    assert_eq!(value(&two, 1), Some(b"written, and not synced".to_vec()));
}

#[test]
fn a_batch_of_moves_that_could_not_be_written_is_moved_later() {
    let disk = MemoryDisk::default();
    drop(filled(&disk));
    // With segments as large as these, the store's own thread sees nothing to do.
    let store = open(&disk, options()).unwrap();
    let mut failed = 0;
    while store.stats(NOW).unwrap().segments > 1 {
        disk.faults().space.store(true, std::sync::atomic::Ordering::Relaxed);
        failed += usize::from(store.engine.try_compact_step().is_err());
        disk.faults().space.store(false, std::sync::atomic::Ordering::Relaxed);
        assert!(store.engine.try_compact_step().unwrap());
    }
    assert!(failed > 3, "each segment's moves failed once");
    for store in [&store, &open(&disk, options()).unwrap()] {
        for n in 0..100 {
            assert_eq!(value(store, n), Some(vec![n as u8; 100]));
        }
    }
}

#[test]
fn a_closed_store_refuses_everything_and_leaves_nobody_waiting() {
    let disk = MemoryDisk::default();
    let mut settings = options();
    settings.durability = Durability::Always;
    for _ in 0..20 {
        let store = open(&disk, settings.clone()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let store = store.clone();
                scope.spawn(move || {
                    for n in 0.. {
                        let key = thread * 1_000_000 + n;
                        match block_on(store.create(&record(key, b"x"), NOW)) {
                            Err(error) if *error.kind() == ErrorKind::KeyTaken => {}
                            Err(error) => {
                                assert_eq!(error.kind(), &ErrorKind::Closed, "{error}");
                                return;
                            }
                            Ok(_) => {}
                        }
                    }
                });
            }
            std::thread::yield_now();
            store.close().unwrap();
        });
        assert_eq!(block_on(store.load(&key(0), NOW)).unwrap_err().kind(), &ErrorKind::Closed);
    }
}

#[test]
fn two_processes_that_compact_at_once_never_trim_the_segment_that_is_written_to() {
    let disk = MemoryDisk::default();
    drop(filled(&disk));
    let (one, two) = (open(&disk, options()).unwrap(), open(&disk, options()).unwrap());
    while two.engine.try_compact_step().unwrap() {}
    assert_eq!(two.stats(NOW).unwrap().segments, 1);
    // The other decided to trim before it had read what the first did.
    let current = tail(&one).segment();
    assert!(!one.engine.try_compact_step().unwrap());
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
fn whoever_waits_for_the_disk_when_the_stores_thread_ends_hears_of_it() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    let never = Position::new(u32::MAX, 0);
    let mut waiting = Box::pin(super::sync::Synced::new(&store.engine, never));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    store.engine.waiting.retire(tail(&store), &store.engine.closed_error());
    let std::task::Poll::Ready(outcome) = waiting.as_mut().poll(&mut context) else { panic!("left waiting") };
    assert_eq!(outcome.unwrap_err().kind(), &ErrorKind::Closed);
    // Who comes later syncs for themselves.
    create(&store, 1, b"later");
    block_on(super::sync::Synced::new(&store.engine, tail(&store))).unwrap();
    assert!(store.engine.log.durable() >= tail(&store));
}

#[test]
fn a_rotation_cut_or_damaged_anywhere_leaves_exactly_one_of_the_two_ids_or_an_error() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    let revision = create(&store, 1, b"old");
    let before = tail(&store).offset() as usize;
    let _ = block_on(store.rotate(&key(1), revision, &record(2, b"new"), NOW)).unwrap();
    let after = tail(&store).offset() as usize;
    // Nothing is stated to be durable, then all of it.
    for closed in [disk.copy(), {
        drop(store);
        disk.copy()
    }] {
        let name = closed.segments().pop().unwrap();
        let whole = closed.bytes(&name);
        let cuts = (before..=after).map(|cut| whole[..cut].to_vec());
        let flips = (before..after).map(|at| {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            flipped
        });
        for (n, bytes) in cuts.chain(flips).enumerate() {
            let crashed = closed.copy();
            crashed.set(&name, bytes);
            let store = open(&crashed, options()).unwrap();
            let ids = (value(&store, 1).is_some(), value(&store, 2).is_some());
            assert!(ids == (true, false) || ids == (false, true), "variant {n}: {ids:?}");
        }
    }
}

fn open_to_read(disk: &MemoryDisk) -> Result<FileStore> {
    FileStore::kept(Arc::new(recover::open_to_read(Arc::new(disk.clone()), Path::new("simulated"), options())?))
}

#[test]
fn a_store_opened_to_read_changes_nothing_and_keeps_writers_out() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    create(&store, 1, b"here");
    drop(store);
    let name = disk.segments().pop().unwrap();
    // Half a frame behind the end, as a kill leaves it.
    disk.set(&name, [disk.bytes(&name), b"torn".to_vec()].concat());
    let before = disk.bytes(&name);
    let (one, two) = (open_to_read(&disk).unwrap(), open_to_read(&disk).unwrap());
    assert!(one.is_only_to_read());
    for reader in [&one, &two] {
        assert_eq!(value(reader, 1), Some(b"here".to_vec()));
        let refused = block_on(reader.create(&record(2, b"no"), NOW)).unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::NotWritable);
        assert_eq!(block_on(reader.destroy(&key(1))).unwrap_err().kind(), &ErrorKind::NotWritable);
    }
    // Whoever began to write now would not be seen by those who read.
    let kept_out = open(&disk, Settings { open_wait: Duration::ZERO, ..options() }).unwrap_err();
    assert_eq!(kept_out.kind(), &ErrorKind::Timeout);
    one.close().unwrap();
    drop((one, two));
    assert_eq!(disk.bytes(&name), before);
    let store = open(&disk, options()).unwrap();
    create(&store, 2, b"yes");
}

#[test]
fn a_store_opened_to_read_beside_one_that_writes_sees_what_it_writes() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    create(&store, 1, b"before");
    let reader = open_to_read(&disk).unwrap();
    create(&store, 2, b"after");
    block_on(store.destroy(&key(1))).unwrap();
    assert_eq!((value(&reader, 1), value(&reader, 2)), (None, Some(b"after".to_vec())));
    drop(store);
    // Its lock is that of any user: a writer may come and find the page as it is.
    let again = open(&disk, options()).unwrap();
    create(&again, 3, b"again");
    assert_eq!(value(&reader, 3), Some(b"again".to_vec()));
}

#[test]
fn updates_of_one_group_are_credited_what_they_replace_once() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    let revision = create(&store, 1, &[0; 1000]);
    let mut writer = store.engine.writer();
    let mut held = writer.try_hold(&store.engine.log).unwrap().unwrap();
    // Room for the session and no more: whatever a group does, it stays within.
    let settings = Settings { store_bytes: store.engine.log.read().unwrap().index.live_bytes() + 500, ..options() };
    let bigger = Op::Update { record: record(1, &[1; 1300]), expected: revision, now: NOW };
    let more = Op::Create { record: record(2, &[2; 1000]), now: NOW };
    let outcomes = held.group(&store.engine.log, &settings, &[&bigger, &more], true).ok().unwrap();
    let full = outcomes.iter().map(|(answer, _)| answer.as_ref().is_err_and(|error| *error.kind() == ErrorKind::Full));
    assert_eq!(full.collect::<Vec<_>>(), [false, true]);
    drop(held);
    drop(writer);
    assert!(store.engine.log.read().unwrap().index.live_bytes() <= settings.store_bytes);
}
