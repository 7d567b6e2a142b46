//! Segments leave the log, and what lives in them does not.

use std::time::Instant;

use cloakroom::{Durability, FileStore, Stats, Store};

use super::support::{
    MINUTE, NOW, block_on, create, key, load, place, quick_place, record_until, replace, segments, value,
};

/// What takes a while is waited for; a minute is for ever.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < MINUTE, "{what}");
        std::thread::yield_now();
    }
}

fn is_tight(stats: &Stats, segment_bytes: u64) -> bool {
    stats.disk_bytes <= 2 * stats.live_bytes + 2 * segment_bytes
}

#[test]
fn the_log_stays_within_twice_what_lives_and_a_segment() {
    let (_keep, place) = place();
    let options = FileStore::options().durability(Durability::Never).segment_bytes(16 << 10);
    let store = options.clone().open(&place).unwrap();
    let kept = create(&store, 1000, b"from the beginning");
    for n in 0..20 {
        create(&store, n, &[n as u8; 300]);
    }
    for round in 0..50u8 {
        for n in 0..20 {
            replace(&store, n, &[round; 300]);
        }
    }
    wait_until("the log shrinks", || is_tight(&store.stats(NOW).unwrap(), 16 << 10));
    wait_until("files go", || segments(&place).len() as u64 == store.stats(NOW).unwrap().segments);
    assert!(!segments(&place)[0].ends_with("00000001.log"));
    assert_eq!(load(&store, 1000).unwrap().revision(), kept, "a move is no change");
    drop(store);
    let store = options.open(&place).unwrap();
    assert_eq!(load(&store, 1000).unwrap().revision(), kept);
    for n in 0..20 {
        assert_eq!(value(&store, n), Some(vec![49; 300]));
    }
    assert_eq!(store.damage(), []);
}

#[test]
fn sweeping_and_clearing_give_space_back() {
    let (_keep, place) = place();
    let store = FileStore::options().durability(Durability::Never).segment_bytes(4096).open(&place).unwrap();
    for n in 0..100 {
        block_on(store.create(&record_until(n, &[0; 300], MINUTE), &[], NOW)).unwrap();
    }
    assert!(segments(&place).len() >= 8);
    let later = NOW.plus(2 * MINUTE);
    assert_eq!(block_on(store.sweep(later, 1000)).unwrap().removed, 100);
    wait_until("segments of swept sessions go", || segments(&place).len() <= 2);
    for n in 0..100 {
        create(&store, n, &[1; 300]);
    }
    block_on(store.clear()).unwrap();
    wait_until("segments of cleared sessions go", || segments(&place).len() <= 2);
}

#[test]
fn a_touched_session_is_moved_with_its_new_deadline() {
    // From memory, and from the disk.
    for cache_bytes in [1 << 20, 0] {
        let (_keep, place) = place();
        let options = FileStore::options().durability(Durability::Never).segment_bytes(4096).cache_bytes(cache_bytes);
        let store = options.clone().open(&place).unwrap();
        let revision = block_on(store.create(&record_until(1, b"touched", 10 * MINUTE), &[], NOW)).unwrap();
        let seen = NOW.plus(9 * MINUTE);
        block_on(store.touch(&key(1), seen)).unwrap();
        create(&store, 2, b"");
        wait_until("the first segment goes", || {
            replace(&store, 2, &[0; 300]);
            !segments(&place)[0].ends_with("00000001.log")
        });
        let check = |store: &FileStore| {
            let record = block_on(store.load(&key(1), NOW.plus(15 * MINUTE))).unwrap().unwrap();
            assert_eq!((record.last_seen(), record.revision()), (seen, revision));
            assert_eq!(super::support::value_of(&record), b"touched");
        };
        check(&store);
        drop(store);
        check(&options.open(&place).unwrap());
    }
}

#[test]
fn handles_that_compact_and_handles_that_sleep_agree() {
    let (_keep, place) = quick_place();
    let options = FileStore::options().durability(Durability::Never).segment_bytes(4096);
    let stores: Vec<FileStore> = (0..4).map(|_| options.clone().open(&place).unwrap()).collect();
    let sleeper = options.clone().open(&place).unwrap();
    for n in 0..60 {
        create(&stores[0], n, &[0; 40]);
    }
    assert_eq!(value(&sleeper, 0), Some(vec![0; 40]));
    // All of them write, so each meets the others' locks while it compacts.
    std::thread::scope(|scope| {
        for (from, store) in stores.iter().enumerate() {
            scope.spawn(move || {
                for round in 1..=60u8 {
                    for n in 0..15 {
                        replace(store, from as u32 * 15 + n, &[round; 40]);
                    }
                }
            });
        }
    });
    // Session 100 lies behind all that, and what is before it is known to everybody.
    create(&stores[1], 100, b"last");
    for store in stores.iter().chain([&sleeper, &options.open(&place).unwrap()]) {
        for n in 0..60 {
            assert_eq!(value(store, n), Some(vec![60; 40]), "session {n}");
        }
        assert_eq!(value(store, 100), Some(b"last".to_vec()));
        assert_eq!(store.stats(NOW).unwrap().live, 61);
        assert_eq!(store.damage(), []);
    }
    wait_until("the log shrinks", || is_tight(&stores[0].stats(NOW).unwrap(), 4096));
}
