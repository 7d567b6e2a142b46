//! Traces in the log: what becomes of them, and that nothing is refused for their sake.

use super::*;
use crate::model::trace::Trace;
use crate::store::Found;
use crate::store::file::format::names;

const ENDS: Timestamp = Timestamp::from_secs(1_000_060);

fn find(store: &FileStore, n: u32) -> Found {
    block_on(store.find(&key(n), NOW)).unwrap()
}

/// What is left when all processes are killed.
fn killed(disk: &MemoryDisk) -> MemoryDisk {
    let killed = disk.copy();
    killed.set_page(disk.page().successor());
    killed
}

fn ended(store: &FileStore, n: u32, ends: Timestamp) {
    create(store, n, b"ended");
    assert!(block_on(store.destroy(&key(n), Some(&Trace::ended(ends)))).unwrap());
}

/// Leaves a trace by each of the operations that do: under the keys 1, 3 and 5.
fn leave(store: &FileStore) {
    let revision = create(store, 1, b"moves");
    let moved = Trace::moved(key(2), ENDS);
    assert!(matches!(
        block_on(store.rotate(&key(1), revision, &record(2, b"moves"), Some(&moved), NOW)),
        Ok(Update::Stored(_))
    ));
    ended(store, 3, ENDS);
    for n in [4, 6] {
        block_on(store.create(&record(n, b"login"), &[(key(5), Trace::replaced(key(n), ENDS))], NOW)).unwrap();
    }
}

fn check(store: &FileStore, live: u64) {
    let replaced = Trace::replaced(key(4), ENDS).join(&Trace::replaced(key(6), ENDS));
    for _ in 0..2 {
        assert_eq!(find(store, 1), Found::Trace(Trace::moved(key(2), ENDS)));
        assert_eq!(find(store, 3), Found::Trace(Trace::ended(ENDS)));
        assert_eq!(find(store, 5), Found::Trace(replaced));
    }
    assert_eq!(block_on(store.find(&key(1), ENDS)).unwrap(), Found::Nothing);
    let stats = store.stats(NOW).unwrap();
    assert_eq!((stats.live, stats.expired), (live, 0));
    let stats = store.stats(ENDS).unwrap();
    assert_eq!((stats.live, stats.expired), (live, 0));
}

#[test]
fn a_trace_is_there_for_other_processes_and_after_a_kill_compaction_a_hint_and_a_snapshot() {
    for cache_bytes in [0, 1 << 20] {
        let disk = MemoryDisk::default();
        let mut settings = Settings { segment_bytes: 4096, cache_bytes, ..options() };
        settings.sizes.hint_part = 1;
        settings.sizes.snapshot_from = 1;
        let store = open(&disk, settings.clone()).unwrap();
        let other = open(&disk, settings.clone()).unwrap();
        leave(&store);
        check(&store, 3);
        check(&other, 3);
        // What follows makes the first segments old ones.
        for n in 100..160 {
            create(&store, n, &[n as u8; 100]);
        }
        check(&open(&killed(&disk), settings.clone()).unwrap(), 63);
        let first = tail(&store).segment();
        let mut compactor = Compactor::default();
        while store.engine.log.read().unwrap().index.oldest <= first {
            compactor.try_step(&store.engine).unwrap();
        }
        check(&store, 63);
        check(&other, 63);
        drop(other);
        store.close().unwrap();
        let is_there = |name: &str| disk.names().unwrap().iter().any(|there| there == name);
        assert!(is_there(names::SNAPSHOT));
        check(&open(&disk, settings.clone()).unwrap(), 63);
        disk.remove(names::SNAPSHOT).unwrap();
        check(&open(&disk, settings).unwrap(), 63);
    }
}

#[test]
fn in_a_group_each_operation_meets_the_traces_of_those_before_it() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    let revision = create(&store, 1, b"moves");
    let login = |n: u32| Op::Create {
        record: record(n, b"login"),
        traces: vec![(key(1), Trace::moved(key(n), ENDS)), (key(n), Trace::moved(key(n), ENDS))],
        now: NOW,
    };
    let rotate = |n: u32| Op::Rotate {
        old: key(1),
        expected: revision,
        record: record(n, b"moves"),
        trace: Some(Box::new(Trace::moved(key(n), ENDS))),
        now: NOW,
    };
    let ops = [
        login(9),
        rotate(2),
        rotate(3),
        login(4),
        Op::Touch { key: key(1), now: ENDS },
        Op::Destroy { key: key(1), trace: Some(Box::new(Trace::ended(ENDS))) },
        login(5),
    ];
    let mut writer = Writer::new(Disk::lock(&disk, names::WRITER_LOCK).unwrap(), options());
    let mut locked = writer.try_lock(&store.engine.log).unwrap().unwrap();
    let answers = locked.write(&ops.iter().collect::<Vec<_>>(), true).ok().unwrap();
    let answers: Vec<String> = answers.iter().map(|(answer, _)| format!("{answer:?}")).collect();
    drop(locked);
    assert!(answers[2].contains("Gone") && answers[4].contains("false") && answers[5].contains("(0)"), "{answers:?}");
    let expected = [4, 5].iter().fold(Trace::moved(key(2), ENDS), |old, n| old.join(&Trace::moved(key(*n), ENDS)));
    for store in [&store, &open(&disk, options()).unwrap()] {
        assert_eq!(find(store, 1), Found::Trace(expected));
        for n in [2, 4, 5, 9] {
            assert!(find(store, n).live().is_some(), "{n}");
        }
    }
}

#[test]
fn a_login_whose_look_at_the_trace_that_stands_fails_fails_and_no_successor_of_that_trace_is_lost() {
    let disk = MemoryDisk::default();
    let store = open(&disk, Settings { cache_bytes: 0, ..options() }).unwrap();
    let moved = |n: u32| Trace::moved(key(n), ENDS);
    let login = |n: u32| block_on(store.create(&record(n, b"login"), &[(key(9), moved(n))], NOW));
    login(1).unwrap();
    // Of a file of which nothing reads, nothing is known.
    disk.make_unreadable(&names::segment(1), &Vec::from_iter(0..100));
    assert_eq!(login(2).unwrap_err().kind(), &ErrorKind::Io);
    disk.make_unreadable(&names::segment(1), &[]);
    assert_eq!((find(&store, 2), find(&store, 9)), (Found::Nothing, Found::Trace(moved(1))));
    login(2).unwrap();
    assert_eq!(find(&store, 9), Found::Trace(moved(1).join(&moved(2))));
}

#[test]
fn in_a_full_store_traces_are_left_out_and_nothing_is_refused_for_them() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    create(&store, 1, b"x");
    let one = store.engine.log.read().unwrap().index.live_bytes();
    drop(store);
    // Room for two sessions, and for less than a trace.
    let store = open(&disk, Settings { store_bytes: 2 * one + 20, ..options() }).unwrap();
    let trace = Trace::replaced(key(2), ENDS);
    let revision = block_on(store.create(&record(2, b"x"), &[(key(9), trace)], NOW)).unwrap();
    assert_eq!(find(&store, 9), Found::Nothing);
    let rotated = block_on(store.rotate(&key(2), revision, &record(3, b"x"), Some(&trace), NOW)).unwrap();
    assert!(matches!(rotated, Update::Stored(_)));
    assert_eq!(find(&store, 2), Found::Nothing);
    // What a logout frees is room for its trace, and a trace takes none of the room for sessions.
    assert!(block_on(store.destroy(&key(3), Some(&Trace::ended(ENDS)))).unwrap());
    assert_eq!(find(&store, 3), Found::Trace(Trace::ended(ENDS)));
    create(&store, 4, b"x");
}

#[test]
fn on_a_full_disk_a_logout_is_done_without_its_trace() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    for n in 1..4 {
        create(&store, n, b"x");
    }
    store.engine.log.is_full.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut writer = Writer::new(Disk::lock(&disk, names::WRITER_LOCK).unwrap(), options());
    let mut locked = writer.try_lock(&store.engine.log).unwrap().unwrap();
    let op = Op::Destroy { key: key(1), trace: Some(Box::new(Trace::ended(ENDS))) };
    let (answer, _) = locked.write_one(&op, true).ok().unwrap();
    assert!(format!("{answer:?}").contains("Counted(1)"), "{answer:?}");
    drop(locked);
    assert_eq!(find(&store, 1), Found::Nothing);
}

#[test]
fn beyond_the_bound_on_their_number_the_one_that_ends_first_goes() {
    let disk = MemoryDisk::default();
    let mut settings = options();
    settings.limits.traces = 3;
    let store = open(&disk, settings.clone()).unwrap();
    let at = |n: u32| Timestamp::from_secs(1_000_100 - u64::from(n));
    (1..=3).for_each(|n| ended(&store, n, at(n)));
    ended(&store, 4, at(0));
    let stand = |store: &FileStore| (1..=5).filter(|n| find(store, *n) != Found::Nothing).collect::<Vec<_>>();
    assert_eq!(stand(&store), [1, 2, 4]);
    // One that takes the place of another is not one more.
    block_on(store.create(&record(9, b"x"), &[(key(4), Trace::ended(at(0)))], NOW)).unwrap();
    assert_eq!(stand(&store), [1, 2, 4]);
    ended(&store, 5, at(5));
    assert_eq!(stand(&store), [1, 4, 5]);
    drop(store);
    assert_eq!(stand(&open(&disk, settings).unwrap()), [1, 4, 5]);
}

#[test]
fn traces_that_are_over_leave_by_sweeps_of_any_budget_and_beside_creates_and_rotations() {
    let later = ENDS.plus(Duration::from_secs(400));
    let traces = |store: &FileStore| store.engine.log.read().unwrap().index.traces().len();
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    (0..20).for_each(|n| ended(&store, n, ENDS));
    assert_eq!(traces(&store), 20);
    let swept = block_on(store.sweep(ENDS, 3)).unwrap();
    assert_eq!((swept.removed, swept.more, traces(&store)), (0, true, 17));
    let mut young = record(50, b"x");
    young.touch(later);
    let revision = block_on(store.create(&young, &[], later)).unwrap();
    assert_eq!(traces(&store), 15);
    young.set_key(key(51));
    let trace = Trace::moved(key(51), later.plus(Duration::from_secs(60)));
    assert!(matches!(block_on(store.rotate(&key(50), revision, &young, Some(&trace), later)), Ok(Update::Stored(_))));
    assert_eq!(traces(&store), 15 - 2 + 1);
    let swept = block_on(store.sweep(later, 1000)).unwrap();
    assert_eq!((swept.removed, swept.more, traces(&store)), (0, false, 1));
}
