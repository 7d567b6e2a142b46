//! Hints on a disk in memory: when they are made, when they are believed, and when they go.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::*;
use crate::FileStore;
use crate::model::data::Data;
use crate::model::error::ErrorKind;
use crate::model::key::SessionKey;
use crate::model::lifetime::Lifetime;
use crate::model::record::Record;
use crate::model::time::Timestamp;
use crate::store::block_on::block_on;
use crate::store::file::disk::Disk;
use crate::store::file::disk::memory::MemoryDisk;
use crate::store::file::engine::background::Background;
use crate::store::file::format::frame::HEAD;
use crate::store::file::format::names;
use crate::store::file::recovery;
use crate::store::file::settings::Settings;
use crate::store::{Durability, Store};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

/// Of segments of which each gets a hint, however long that is.
fn settings() -> Settings {
    let settings = FileStore::options().segment_bytes(4096).cache_bytes(0).durability(Durability::Never).0;
    Settings { sizes: Sizes { hint_part: 1, ..settings.sizes }, ..settings }
}

fn open(disk: &MemoryDisk) -> FileStore {
    open_with(disk, settings())
}

fn open_with(disk: &MemoryDisk, settings: Settings) -> FileStore {
    let engine = Arc::new(recovery::open(Arc::new(disk.clone()), Path::new("simulated"), settings).unwrap());
    let background = Arc::new(Background::start(engine.clone()).unwrap());
    FileStore { engine, background, reader: None }
}

fn key(n: u32) -> SessionKey {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    SessionKey::from_bytes(bytes)
}

fn create(store: &FileStore, n: u32) {
    create_with(store, n, 300);
}

fn create_with(store: &FileStore, n: u32, bytes: usize) {
    let mut record = Record::new(key(n), Lifetime::idle(Duration::from_secs(600)), NOW);
    record.set_data(Data::from_entries(&[(Arc::from("v"), vec![n as u8; bytes])].into()));
    block_on(store.create(&record, &[], NOW)).unwrap();
}

fn hints(disk: &MemoryDisk) -> Vec<u32> {
    disk.names().unwrap().iter().filter_map(|name| names::hint_number(name)).collect()
}

fn wait_until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the condition never holds");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sessions 0 to 39 in four segments, the first 36 of them sealed away; 1 is destroyed in the second.
fn filled(disk: &MemoryDisk) -> FileStore {
    let store = open(disk);
    for n in 0..40 {
        create(&store, n);
        if n == 15 {
            block_on(store.destroy(&key(1), None)).unwrap();
        }
    }
    store
}

/// The same, closed, with all its hints.
fn with_hints() -> MemoryDisk {
    let disk = MemoryDisk::default();
    let store = filled(&disk);
    wait_until(|| hints(&disk) == [1, 2, 3]);
    store.close().unwrap();
    assert_eq!(disk.segments().len(), 4);
    disk
}

fn living(store: &FileStore) -> Vec<u32> {
    (0..40).filter(|n| block_on(store.load(&key(*n), NOW)).is_ok_and(|found| found.is_some())).collect()
}

fn all_but(absent: &[u32]) -> Vec<u32> {
    (0..40).filter(|n| !absent.contains(n)).collect()
}

/// Flips a bit of the body of the segment's first frame: session 0's record in the first one.
fn damage(disk: &MemoryDisk, segment: u32) {
    let mut bytes = disk.bytes(&names::segment(segment));
    bytes[segment::HEADER as usize + HEAD + 100] ^= 1;
    disk.set(&names::segment(segment), bytes);
}

#[test]
fn each_sealed_segment_gets_a_hint_and_the_last_none() {
    let disk = with_hints();
    let store = open(&disk);
    assert_eq!(living(&store), all_but(&[1]));
    assert_eq!(store.damage(), []);
    assert_eq!(hints(&disk), [1, 2, 3]);
}

#[test]
fn what_a_hint_says_is_not_read_again_until_a_load_wants_it() {
    let disk = with_hints();
    damage(&disk, 1);
    for store in [open(&disk), open(&disk)] {
        assert_eq!(store.damage(), [], "no load has read it yet");
        assert_eq!(living(&store), all_but(&[0, 1]));
        assert_eq!(block_on(store.load(&key(0), NOW)).unwrap_err().kind(), &ErrorKind::Damaged);
        assert_eq!(store.damage()[0].key, Some(key(0)));
    }
}

#[test]
fn a_hint_that_is_gone_or_damaged_is_made_anew() {
    for spoil in [|_: &mut Vec<u8>| {}, |hint: &mut Vec<u8>| hint[70] ^= 1, |hint: &mut Vec<u8>| hint.truncate(99)] {
        let disk = with_hints();
        let whole = disk.bytes(&names::hint(2));
        let mut bytes = whole.clone();
        spoil(&mut bytes);
        if bytes == whole {
            disk.remove(&names::hint(2)).unwrap();
        } else {
            disk.set(&names::hint(2), bytes);
        }
        let store = open(&disk);
        assert_eq!(living(&store), all_but(&[1]));
        assert_eq!(store.damage(), []);
        wait_until(|| hints(&disk) == [1, 2, 3] && disk.bytes(&names::hint(2)) == whole);
    }
}

#[test]
fn a_damaged_segment_has_no_hint_and_no_hint_behind_it_is_believed() {
    let disk = with_hints();
    disk.remove(&names::hint(1)).unwrap();
    damage(&disk, 1);
    damage(&disk, 2);
    let store = open(&disk);
    assert_eq!(store.damage().len(), 2, "both were read");
    assert_eq!(living(&store).len(), 37);
    assert_eq!(hints(&disk), [3], "and the next opener reads the damage as well");
    store.close().unwrap();
    assert_eq!(open(&disk).damage().len(), 2);
}

#[test]
fn behind_a_segment_that_is_missing_no_hint_is_believed() {
    let disk = with_hints();
    disk.remove(&names::segment(2)).unwrap();
    damage(&disk, 3);
    let store = open(&disk);
    let damaged: Vec<String> = store.damage().into_iter().map(|damage| damage.file).collect();
    assert!(damaged.contains(&names::segment(2)) && damaged.contains(&names::segment(3)), "{damaged:?}");
    assert_eq!(hints(&disk), [1], "the hint of what is missing goes, and that of what is damaged");
}

#[test]
fn a_hint_of_another_length_or_seal_is_none() {
    let disk = with_hints();
    damage(&disk, 1);
    let mut longer = disk.bytes(&names::segment(1));
    longer.push(0);
    disk.set(&names::segment(1), longer);
    assert_eq!(open(&disk).damage().len(), 1, "it was read");

    let disk = with_hints();
    let mut bytes = disk.bytes(&names::segment(1));
    *bytes.last_mut().unwrap() ^= 1;
    disk.set(&names::segment(1), bytes);
    assert_eq!(open(&disk).damage().len(), 1, "it was read");
}

#[test]
fn what_is_left_without_a_segment_or_half_written_goes_when_the_store_is_opened() {
    let disk = with_hints();
    let stray = disk.bytes(&names::hint(1));
    // As after an old copy of the store was restored: hints of later segments are left over.
    for name in [&names::hint(4), &names::hint(9), ".half-written-0123456789abcdef"] {
        disk.set(name, stray.clone());
    }
    let store = open(&disk);
    assert_eq!(living(&store), all_but(&[1]));
    assert_eq!(hints(&disk), [1, 2, 3]);
    assert!(!disk.names().unwrap().iter().any(|name| names::is_half_written(name)));
}

#[test]
fn a_full_disk_costs_the_hints_and_nothing_else() {
    let disk = with_hints();
    (1..=3).for_each(|number| disk.remove(&names::hint(number)).unwrap());
    let mut hint_maker = HintMaker::default();
    let engine = Arc::new(recovery::open(Arc::new(disk.clone()), Path::new("simulated"), settings()).unwrap());
    disk.faults().space.store(true, Ordering::Relaxed);
    let steps = (0..100).take_while(|_| hint_maker.step(&engine)).count();
    assert!((3..10).contains(&steps), "each is tried once: {steps} steps");
    assert_eq!(hints(&disk), [0; 0]);
}

#[test]
fn hints_go_with_their_segments() {
    let disk = with_hints();
    let store = open(&disk);
    (0..40).for_each(|n| assert_eq!(block_on(store.destroy(&key(n), None)).unwrap(), n != 1));
    (100..130).for_each(|n| {
        create(&store, n);
        block_on(store.destroy(&key(n), None)).unwrap();
    });
    let first = || disk.segments()[0].clone();
    wait_until(|| {
        first() > names::segment(3) && hints(&disk).first().is_none_or(|hint| names::segment(*hint) >= first())
    });
}

#[test]
fn a_hint_is_made_where_it_is_much_shorter_than_its_segment_and_nowhere_else() {
    let disk = MemoryDisk::default();
    let mut settings = settings();
    settings.sizes.hint_part = Sizes::REAL.hint_part;
    let store = open_with(&disk, settings);
    // Two segments of small sessions, and two of larger ones.
    let mut n = 0;
    for (value, last) in [(60, 3), (1_000, 5)] {
        while store.engine.log.segments.tail().segment() < last {
            create_with(&store, n, value);
            n += 1;
        }
    }
    wait_until(|| hints(&disk) == [3, 4]);
    store.close().unwrap();
    // A segment that was refused a hint is refused one again.
    let mut hint_maker = HintMaker::default();
    let engine = recovery::open(Arc::new(disk.clone()), Path::new("simulated"), FileStore::options().0).unwrap();
    let steps = (0..100).take_while(|_| hint_maker.step(&engine)).count();
    assert!((2..10).contains(&steps), "{steps} steps");
    assert_eq!(hints(&disk), [3, 4]);
}
