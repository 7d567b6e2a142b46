//! Snapshots: that a clean close leaves one, when it is believed, and that it says what the log says.

use super::*;
use crate::store::file::format::names::SNAPSHOT;
use crate::store::file::index::Index;

/// Of stores that leave a snapshot however short their log is.
fn settings() -> Settings {
    let mut settings = options();
    settings.segment_bytes = 4096;
    settings.cache_bytes = 0;
    settings.sizes.snapshot_from = 0;
    settings.limits.per_owner = Some(crate::OwnerLimit { sessions: 9, beyond: crate::BeyondLimit::EndOldest });
    settings
}

fn engine(disk: &MemoryDisk, settings: Settings) -> Engine {
    recovery::open(Arc::new(disk.clone()), Path::new("simulated"), settings).unwrap()
}

fn has_snapshot(disk: &MemoryDisk) -> bool {
    disk.names().unwrap().iter().any(|name| name == SNAPSHOT)
}

/// Sessions of several owners, created, saved again, touched, destroyed and swept, over many segments, of which compaction has
/// trimmed some; closed. Session 90 was saved twice.
fn closed() -> MemoryDisk {
    let disk = MemoryDisk::default();
    let store = open(&disk, settings()).unwrap();
    for n in 300..400 {
        create(&store, n, &[0; 300]);
        block_on(store.destroy(&key(n), None)).unwrap();
    }
    for n in 0..100u32 {
        let mut new = record(n, &[n as u8; 150]);
        new.set_owner((n % 3 > 0).then(|| format!("user {}", n % 20).into()), None);
        let revision = block_on(store.create(&new, &[], NOW)).unwrap();
        match n % 5 {
            0 => assert!(block_on(store.touch(&key(n), NOW.plus(Duration::from_secs(u64::from(n))))).unwrap()),
            1 => drop(block_on(store.update(&record(n, b"short"), revision, NOW)).unwrap()),
            2 if n < 60 => assert!(block_on(store.destroy(&key(n), None)).unwrap()),
            _ => {}
        }
    }
    let mut compactor = Compactor::default();
    while compactor.step(&store.engine) {}
    let found = block_on(store.load(&key(90), NOW)).unwrap().unwrap();
    let updated = block_on(store.update(&record(90, b"newer"), found.revision(), NOW)).unwrap();
    assert!(matches!(updated, Update::Stored(_)));
    for n in 100..130 {
        create(&store, n, &[7; 150]);
    }
    let (oldest, last) = (store.engine.log.read().unwrap().index.oldest, tail(&store).segment());
    assert!(oldest > 1 && last > oldest + 2, "{oldest} to {last}");
    store.close().unwrap();
    assert!(has_snapshot(&disk));
    disk
}

fn said(index: &Index) -> Vec<String> {
    let mut said: Vec<String> = index
        .iter()
        .map(|meta| {
            let place = (meta.at(), meta.bytes(), meta.revision());
            format!("{} {place:?} {:?} {:?}", meta.key(), meta.expiry(), meta.owner())
        })
        .collect();
    said.sort_unstable();
    let live: Vec<u64> = (0..=index.applied.segment()).map(|segment| index.live_bytes_in(segment)).collect();
    let lengths: Vec<_> = index.lengths().collect();
    let log = (index.applied, index.oldest, index.trimmed(), index.sealed(), index.log_bytes());
    said.push(format!("{log:?} {lengths:?} {live:?} {}", index.has_doubts()));
    said
}

fn flip(disk: &MemoryDisk, name: &str, at: usize) {
    let mut bytes = disk.bytes(name);
    bytes[at] ^= 1;
    disk.set(name, bytes);
}

/// Flips a bit in the body of the second record of session 90, which no checksum of the log's last bytes covers.
fn damage(disk: &MemoryDisk) {
    let found = |name: &String| disk.bytes(name).windows(5).rposition(|window| window == b"newer");
    let (name, at) = disk.segments().into_iter().rev().find_map(|name| Some((name.clone(), found(&name)?))).unwrap();
    flip(disk, &name, at);
}

/// Whether an opener reads the log: it meets the damage then.
fn reads_the_log(disk: &MemoryDisk) -> bool {
    let disk = disk.copy();
    damage(&disk);
    let engine = engine(&disk, settings());
    assert!((0..130).filter(|n| engine.log.load(&key(*n), NOW).is_ok_and(|found| found.is_some())).count() > 80);
    assert_eq!(engine.log.load(&key(90), NOW).unwrap_err().kind(), &ErrorKind::Damaged, "never its older record");
    assert_eq!(engine.log.segments.damage.list().len(), 1);
    assert_eq!(engine.log.segments.damage.list()[0].key, Some(key(90)));
    engine.log.segments.damage.list() == open_damage(&disk)
}

/// The damage that an opener reports before any load.
fn open_damage(disk: &MemoryDisk) -> Vec<Damage> {
    engine(&disk.copy(), settings()).log.segments.damage.list()
}

#[test]
fn where_it_cannot_be_read_or_not_at_once_the_log_says_the_same() {
    let disk = closed();
    let expected = said(&engine(&disk.copy(), settings()).log.read().unwrap().index);
    let blocks = disk.bytes(SNAPSHOT).len().div_ceil(4096) as u64;
    for block in 0..blocks {
        for times in [1, 4, u32::MAX] {
            let disk = disk.copy();
            let hints: Vec<String> = disk.names().unwrap().into_iter().filter(|name| name.ends_with(".hint")).collect();
            for name in hints.iter().map(|name| &**name).chain([SNAPSHOT]) {
                disk.fail_reads(name, block, times);
            }
            let engine = engine(&disk, settings());
            assert_eq!(said(&engine.log.read().unwrap().index), expected, "block {block} fails {times} times");
            assert_eq!(engine.log.segments.damage.list(), []);
        }
    }
}

#[test]
fn it_says_what_the_log_says() {
    let disk = closed();
    let read = engine(&disk.copy(), Settings { uses_hints: false, ..settings() });
    let expected = said(&read.log.read().unwrap().index);
    let believed = engine(&disk, settings());
    assert_eq!(said(&believed.log.read().unwrap().index), expected);
    assert!(expected.len() > 50);
    for n in 0..130 {
        let [one, other] = [&read, &believed].map(|engine| engine.log.load(&key(n), NOW).unwrap());
        assert_eq!(one, other);
    }
}

#[test]
fn damage_that_it_hides_from_the_opener_is_an_error_of_the_load_and_found_by_who_believes_none() {
    let disk = closed();
    assert!(!reads_the_log(&disk));
    damage(&disk);
    let verifying = engine(&disk.copy(), Settings { uses_hints: false, ..settings() });
    assert_eq!(verifying.log.segments.damage.list().len(), 1);
    // A process that knows of damage leaves no snapshot: the next opener is to meet it.
    let store = open(&disk, settings()).unwrap();
    assert_eq!(block_on(store.load(&key(90), NOW)).unwrap_err().kind(), &ErrorKind::Damaged);
    create(&store, 200, b"new");
    store.close().unwrap();
    assert_eq!(open_damage(&disk).len(), 1);
}

#[test]
fn whatever_is_written_outdates_it() {
    let disk = closed();
    let store = open(&disk, settings()).unwrap();
    assert!(!reads_the_log(&disk.copy()), "the log is as it was");
    create(&store, 200, b"new");
    let killed = disk.copy();
    assert!(reads_the_log(&killed));
    assert_eq!(value(&open(&killed, settings()).unwrap(), 200), Some(b"new".to_vec()));
    // A write that a crash tore, too, although the log goes on to end with the mark.
    let torn = closed();
    let name = torn.segments().pop().unwrap();
    torn.set(&name, [torn.bytes(&name), b"torn".to_vec()].concat());
    damage(&torn);
    assert_eq!(open_damage(&torn).len(), 2);
}

#[test]
fn one_that_differs_anywhere_is_none() {
    let disk = closed();
    let whole = disk.bytes(SNAPSHOT);
    let expected = said(&engine(&disk.copy(), settings()).log.read().unwrap().index);
    let bytes = (0..100).chain((100..whole.len()).step_by(23));
    let others = bytes.map(|at| {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        flipped
    });
    let cut = (0..whole.len()).step_by(97).map(|length| whole[..length].to_vec());
    for bytes in others.chain(cut).chain([[&whole[..], b"more"].concat()]) {
        let disk = disk.copy();
        disk.set(SNAPSHOT, bytes);
        assert_eq!(said(&engine(&disk, settings()).log.read().unwrap().index), expected);
        assert!(!has_snapshot(&disk), "and it is removed");
    }
}

#[test]
fn one_of_another_log_is_none() {
    let disk = closed();
    let segments = disk.segments();
    let spoilt: [&dyn Fn(&MemoryDisk); 4] = [
        &|disk| disk.remove(&segments[1]).unwrap(),
        &|disk| disk.set(&segments[1], disk.bytes(&segments[1])[..1000].to_vec()),
        &|disk| disk.set(&segments[1], [disk.bytes(&segments[1]), vec![0]].concat()),
        // As a log that was restored and ends at the same place: its last record differs.
        &|disk| {
            let name = segments.last().unwrap();
            let at = disk.bytes(name).len() - HEAD - 10;
            flip(disk, name, at);
        },
    ];
    for spoil in spoilt {
        let disk = disk.copy();
        spoil(&disk);
        let read = engine(&disk.copy(), Settings { uses_hints: false, ..settings() });
        let opened = engine(&disk, settings());
        assert_eq!(said(&opened.log.read().unwrap().index), said(&read.log.read().unwrap().index));
        assert_eq!(opened.log.segments.damage.list(), read.log.segments.damage.list());
    }
}

#[test]
fn the_last_user_leaves_one_and_only_where_it_is_worth_it_and_there_is_room() {
    let disk = closed();
    let (one, two) = (open(&disk, settings()).unwrap(), open(&disk, settings()).unwrap());
    create(&one, 200, b"new");
    let before = disk.bytes(SNAPSHOT);
    one.close().unwrap();
    assert_eq!(disk.bytes(SNAPSHOT), before, "another process uses the store");
    two.close().unwrap();
    assert_ne!(disk.bytes(SNAPSHOT), before);
    assert_eq!(value(&open(&disk, settings()).unwrap(), 200), Some(b"new".to_vec()));

    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    create(&store, 1, b"alone");
    store.close().unwrap();
    assert!(!has_snapshot(&disk), "a short log is read as fast");

    let disk = closed();
    disk.remove(SNAPSHOT).unwrap();
    let store = open(&disk, settings()).unwrap();
    disk.faults().space.store(true, std::sync::atomic::Ordering::Relaxed);
    store.close().unwrap();
    assert_eq!(value(&open_to_read(&disk).unwrap(), 129), Some(vec![7; 150]));
}
