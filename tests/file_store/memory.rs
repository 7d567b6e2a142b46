//! What is kept in memory, and the figures.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cloakroom::{Durability, FileStore, Store};

use super::support::{NOW, block_on, create, key, load, place, quick_place, record_until, replace, segments, value};

#[test]
fn a_store_much_larger_than_its_cache_reads_everything_right() {
    let (_keep, place) = place();
    let options = FileStore::options().durability(Durability::Never).cache_bytes(32 << 10).segment_bytes(64 << 10);
    let store = options.clone().open(&place).unwrap();
    let content = |n: u32| [n.to_le_bytes(); 100].concat();
    for n in 0..1500 {
        create(&store, n, &content(n));
    }
    for store in [store, options.open(&place).unwrap()] {
        for n in (0..1500).chain((0..1500).rev()) {
            assert_eq!(value(&store, n), Some(content(n)), "session {n}");
        }
        replace(&store, 700, b"new");
        assert_eq!(value(&store, 700), Some(b"new".to_vec()));
        replace(&store, 700, &content(700));
        let stats = store.stats(NOW).unwrap();
        assert!(stats.cache_misses >= 2000, "{stats:?}");
        assert!(stats.cache_hits > 0, "{stats:?}");
    }
}

#[test]
fn a_store_without_a_cache_works() {
    let (_keep, place) = place();
    let store = FileStore::options().durability(Durability::Never).cache_bytes(0).open(&place).unwrap();
    let revision = create(&store, 1, b"one");
    block_on(store.touch(&key(1), NOW.plus(Duration::from_secs(1)))).unwrap();
    for _ in 0..3 {
        let record = load(&store, 1).unwrap();
        assert_eq!((record.revision(), record.last_seen()), (revision, NOW.plus(Duration::from_secs(1))));
    }
    let stats = store.stats(NOW).unwrap();
    assert_eq!((stats.cache_hits, stats.cache_misses), (0, 3));
}

#[test]
fn the_figures_are_right() {
    let (_keep, place) = place();
    let options = FileStore::options().segment_bytes(4096);
    let store = options.clone().open(&place).unwrap();
    let empty = store.stats(NOW).unwrap();
    assert_eq!((empty.live, empty.expired, empty.live_bytes, empty.segments), (0, 0, 0, 1));

    for n in 0..8u32 {
        let minutes = if n < 5 { 10 } else { 1 };
        let record = record_until(n, &[1; 700], Duration::from_secs(60 * minutes));
        block_on(store.create(&record, &[], NOW)).unwrap();
    }
    let stats = store.stats(NOW.plus(Duration::from_secs(120))).unwrap();
    assert_eq!((stats.live, stats.expired), (5, 3));
    let bytes = stats.live_bytes;
    assert!((8 * 700..8 * 900).contains(&bytes), "{stats:?}");
    assert_eq!(stats.segments, segments(&place).len() as u64);
    assert_eq!(stats.segments, 2);
    let on_disk: Vec<u8> = segments(&place).iter().flat_map(|path| std::fs::read(path).unwrap()).collect();
    let (log, ahead) = on_disk.split_at(stats.disk_bytes as usize);
    assert!(ahead.iter().all(|byte| *byte == 0), "zeros that are written ahead don't count");
    assert!(log[log.len() - 700..].iter().any(|byte| *byte != 0), "and nothing else is left out");
    assert!(stats.disk_waits >= 1 && stats.syncs >= 1, "{stats:?}");
    assert_eq!((stats.cache_hits, stats.cache_misses, stats.damaged), (0, 0, 0));

    load(&store, 0);
    load(&store, 100);
    assert_eq!(store.stats(NOW).unwrap().cache_hits, 1);
    block_on(store.destroy(&key(0), None)).unwrap();
    let stats = store.stats(NOW).unwrap();
    assert_eq!(stats.live, 7);
    assert!((7 * 700..bytes - 700).contains(&stats.live_bytes), "{stats:?}");

    let reopened = options.open(&place).unwrap();
    for _ in 0..3 {
        load(&reopened, 1);
    }
    let stats = reopened.stats(NOW).unwrap();
    assert_eq!((stats.live, stats.cache_misses, stats.cache_hits), (7, 1, 2));
}

#[test]
fn a_reader_never_goes_back_to_an_older_version() {
    let (_keep, place) = quick_place();
    let options = FileStore::options().durability(Durability::Never).segment_bytes(1 << 20);
    let (reader, writer) = (options.clone().open(&place).unwrap(), options.open(&place).unwrap());
    // Large, so that reading one takes long enough for the next to come.
    let content = |n: u32| n.to_le_bytes().repeat(5000);
    create(&writer, 1, &content(0));
    let newest = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut seen = 0;
                while seen < 2000 {
                    // What was acknowledged before the load began is the least that it may find.
                    let least = newest.load(Ordering::Acquire).max(seen);
                    let found = value(&reader, 1).unwrap();
                    seen = u32::from_le_bytes(found[..4].try_into().unwrap());
                    assert!(seen >= least, "{seen} after {least}");
                }
            });
        }
        for n in 1..=2000 {
            replace(&writer, 1, &content(n));
            newest.store(n, Ordering::Release);
        }
    });
}
