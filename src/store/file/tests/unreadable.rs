//! Blocks that the disk cannot read any more: each costs what lies in it, as wrong bytes do (rule 23).

use super::*;
use crate::store::file::backup::copy_to;
use crate::store::file::format::names;
use crate::store::file::verify::verify_on;

const BLOCK: usize = 4096;
const SESSIONS: u32 = 300;

/// Segments of four blocks and more, and no record in memory.
fn settings() -> Settings {
    Settings { segment_bytes: 4 * BLOCK as u32, cache_bytes: 0, ..options() }
}

/// A disk with a store of sessions, some of which were ended.
fn closed() -> MemoryDisk {
    let disk = MemoryDisk::default();
    let store = open(&disk, settings()).unwrap();
    for n in 0..SESSIONS {
        create(&store, n, &[n as u8; 100]);
        if n % 5 == 4 {
            block_on(store.destroy(&key(n - 2), None)).unwrap();
        }
    }
    drop(store);
    disk
}

/// Each block of each segment.
fn blocks(disk: &MemoryDisk) -> impl Iterator<Item = (String, u64)> {
    let name_and_length = |name: String| (disk.bytes(&name).len(), name);
    let files: Vec<_> = disk.segments().into_iter().map(name_and_length).collect();
    files.into_iter().flat_map(|(length, name)| (0..length.div_ceil(BLOCK) as u64).map(move |n| (name.clone(), n)))
}

/// A block that is not readable on one of these disks, and holds what stands for that on the other.
fn pair(disk: &MemoryDisk, name: &str, block: u64) -> [MemoryDisk; 2] {
    let (bad, wrong) = (disk.copy(), disk.copy());
    bad.make_unreadable(name, &[block]);
    let mut bytes = disk.bytes(name);
    let from = block as usize * BLOCK;
    let to = (from + BLOCK).min(bytes.len());
    bytes[from..to].fill(0xff);
    wrong.set(name, bytes);
    [bad, wrong]
}

/// What a caller is told of each session.
fn told(store: &FileStore) -> Vec<Result<Option<Vec<u8>>, ErrorKind>> {
    let load = |n| block_on(store.load(&key(n), NOW));
    let value = |found: Option<Record>| found.map(|record| record.data().get("v").unwrap().to_vec());
    (0..SESSIONS).map(|n| load(n).map(value).map_err(|error| error.kind().clone())).collect()
}

fn compact(store: &FileStore) {
    let mut compactor = Compactor::default();
    while compactor.step(&store.engine) {}
}

#[test]
fn an_unreadable_block_costs_what_the_same_block_of_wrong_bytes_costs() {
    let disk = closed();
    let mut damaged = 0;
    for (name, block) in blocks(&disk) {
        let case = format!("block {block} of {name}");
        let place = Path::new("simulated");
        let disks = pair(&disk, &name, block);
        let verified = disks.clone().map(|disk| verify_on(Arc::new(disk), place, NOW).unwrap());
        assert_eq!(verified[0], verified[1], "{case}");
        damaged += u64::from(!verified[0].damage.is_empty());
        let stores = disks.clone().map(|disk| open(&disk, settings()).unwrap());
        assert_eq!(stores[0].damage(), stores[1].damage(), "{case}");
        assert_eq!(told(&stores[0]), told(&stores[1]), "{case}");
        let copies = stores.each_ref().map(|store| {
            let copy = MemoryDisk::default();
            copy_to(&store.engine.log, &copy).unwrap();
            copy
        });
        let copies = copies.map(|copy| open(&copy, settings()).unwrap());
        assert_eq!(told(&copies[0]), told(&copies[1]), "the copy, {case}");
        for (store, disk) in stores.iter().zip(&disks) {
            (0..SESSIONS).filter(|n| n % 3 > 0).for_each(|n| drop(block_on(store.destroy(&key(n), None))));
            compact(store);
            assert_eq!(store.stats(NOW).unwrap().compaction_error, None, "{case}");
            assert!(!disk.segments().contains(&"00000001.log".into()), "{case}");
        }
        assert_eq!(told(&stores[0]), told(&stores[1]), "compacted, {case}");
        assert_eq!(disks[0].kept_aside(), disks[1].kept_aside(), "{case}");
    }
    assert!(damaged > 10, "most blocks hold frames");
}

#[test]
fn a_block_that_goes_bad_under_a_running_store_costs_what_lies_in_it() {
    let disk = closed();
    for (name, block) in blocks(&disk) {
        let disk = disk.copy();
        let (store, other) = (open(&disk, settings()).unwrap(), open(&disk, settings()).unwrap());
        let before = told(&store);
        create(&store, SESSIONS, b"the other reads this later");
        disk.make_unreadable(&name, &[block]);
        let now = told(&store);
        let is_lost = |n: &u32| now[*n as usize] != before[*n as usize];
        let lost: Vec<u32> = (0..SESSIONS).filter(is_lost).collect();
        assert!(lost.len() <= 1 + BLOCK / 100 && lost.iter().all(|n| now[*n as usize] == Err(ErrorKind::Damaged)));
        assert_eq!(store.damage().len(), lost.len());
        assert_eq!(told(&other)[..], now[..]);
        // What was a whim of the disk is over.
        disk.make_unreadable(&name, &[]);
        assert_eq!(told(&store), before);
        disk.make_unreadable(&name, &[block]);
        let end = tail(&store);
        let is_written_to = name == names::segment(end.segment()) && block == u64::from(end.offset()) / BLOCK as u64;
        let store = if is_written_to {
            // Nothing can be added to this segment. Opening the store again begins the next one.
            let error = block_on(store.destroy(&key(0), None)).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::Poisoned, "{error}");
            assert!(error.path().unwrap().ends_with(&name), "{error}");
            drop((store, other));
            open(&disk, settings()).unwrap()
        } else {
            store
        };
        (0..SESSIONS).filter(|n| n % 3 > 0).for_each(|n| drop(block_on(store.destroy(&key(n), None))));
        compact(&store);
        assert!(!disk.segments().contains(&"00000001.log".into()), "block {block} of {name}");
        for n in (0..SESSIONS).filter(|n| n % 3 == 0 && !lost.contains(n)) {
            assert_eq!(told(&store)[n as usize], before[n as usize]);
        }
    }
}

#[test]
fn a_block_that_fails_a_few_times_and_then_reads_costs_nothing() {
    let disk = closed();
    let before = told(&open(&disk.copy(), settings()).unwrap());
    let mut tried = 0;
    for (name, block) in blocks(&disk) {
        for times in [1, 4] {
            let disk = disk.copy();
            disk.fail_reads(&name, block, times);
            let verified = verify_on(Arc::new(disk.clone()), Path::new("simulated"), NOW).unwrap();
            disk.fail_reads(&name, block, times);
            let store = open(&disk, settings()).unwrap();
            assert_eq!((verified.damage, store.damage()), (vec![], vec![]), "block {block} of {name}, {times} times");
            disk.fail_reads(&name, block, times);
            assert_eq!(told(&store), before);
            assert_eq!((store.damage(), disk.aside()), (vec![], 0));
            tried += 1;
        }
    }
    assert!(tried > 20);
}

#[test]
fn a_segment_of_which_nothing_reads_is_an_error_and_nothing_is_changed() {
    let disk = closed();
    let all: Vec<u64> = (0..100).collect();
    for name in disk.segments() {
        let disk = disk.copy();
        let before = disk.copy();
        disk.make_unreadable(&name, &all);
        let error = open(&disk, settings()).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Io, "{error}");
        assert!(error.path().unwrap().ends_with(&name), "{error}");
        assert_eq!(disk.segments(), before.segments());
        disk.make_unreadable(&name, &[]);
        assert_eq!(told(&open(&disk, settings()).unwrap()), told(&open(&before, settings()).unwrap()));
    }
}

#[test]
fn what_keeps_the_log_from_being_compacted_is_told() {
    let disk = closed();
    let store = open(&disk, settings()).unwrap();
    let all: Vec<u64> = (0..100).collect();
    disk.make_unreadable("00000001.log", &all);
    (0..SESSIONS).filter(|n| n % 3 > 0).for_each(|n| drop(block_on(store.destroy(&key(n), None))));
    compact(&store);
    let error = store.stats(NOW).unwrap().compaction_error.unwrap();
    assert!(error.contains("compacting") && error.contains("00000001.log"), "{error}");
    assert!(disk.segments().contains(&"00000001.log".into()));
    create(&store, SESSIONS, b"saves go on");
    disk.make_unreadable("00000001.log", &[]);
    compact(&store);
    assert_eq!(store.stats(NOW).unwrap().compaction_error, None);
    assert!(!disk.segments().contains(&"00000001.log".into()));
}

#[test]
fn a_look_at_the_files_that_could_not_read_proves_nothing_and_neither_does_it_mislead_the_next() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    for n in 0..3 {
        create(&store, n, b"");
        disk.make_unreadable("00000001.log", &[0]);
        store.engine.log.segments.look().unwrap();
        disk.make_unreadable("00000001.log", &[]);
        store.engine.log.segments.look().unwrap();
    }
}
