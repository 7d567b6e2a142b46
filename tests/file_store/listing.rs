//! Scans, counts, owners, and clearing, also while others write.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use cloakroom::{Durability, FileStore, Record, SessionKey, Store};

use super::support::{NOW, block_on, create, key, load, owned, place, quick_place, record_until, replace, scanned};

#[test]
fn a_scan_meets_each_session_that_lives_throughout_exactly_once_while_others_come_and_go() {
    let (_keep, place) = quick_place();
    let options = FileStore::options().durability(Durability::Never).segment_bytes(4096);
    let (reader, writer) = (options.clone().open(&place).unwrap(), options.open(&place).unwrap());
    for n in 0..100 {
        create(&reader, n, &[n as u8; 50]);
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 1000;
            while !done.load(Ordering::Relaxed) {
                create(&writer, n, &[0; 200]);
                replace(&writer, n % 100, &[n as u8; 60]);
                block_on(writer.destroy(&key(n), None)).unwrap();
                n += 1;
            }
        });
        for _ in 0..30 {
            let mut met: BTreeMap<SessionKey, u32> = BTreeMap::new();
            let visit = &mut |record: Record| {
                *met.entry(*record.key()).or_default() += 1;
                ControlFlow::Continue(())
            };
            block_on(reader.scan(NOW, visit)).unwrap();
            assert!(met.values().all(|times| *times == 1));
            (0..100).for_each(|n| assert!(met.contains_key(&key(n)), "session {n}"));
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_scan_ends_when_it_is_told_to() {
    let (_keep, place) = place();
    let store = FileStore::options().durability(Durability::Never).open(&place).unwrap();
    for n in 0..10 {
        create(&store, n, b"");
    }
    let mut met = 0;
    let visit = &mut |_| {
        met += 1;
        if met == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    block_on(store.scan(NOW, visit)).unwrap();
    assert_eq!(met, 3);
}

#[test]
fn scans_counts_and_owners_show_only_what_lives() {
    let (_keep, place) = place();
    let store = FileStore::options().durability(Durability::Never).open(&place).unwrap();
    for n in 0..6u32 {
        let minutes = u64::from(n) + 1;
        let mut record = record_until(n, b"", std::time::Duration::from_secs(60 * minutes));
        record.set_owner(Some("ada".into()), None);
        block_on(store.create(&record, &[], NOW)).unwrap();
    }
    let later = NOW.plus(std::time::Duration::from_secs(180));
    assert_eq!(scanned(&store, later), [key(3), key(4), key(5)]);
    assert_eq!(block_on(store.count(later)).unwrap(), 3);
    let mut owned: Vec<SessionKey> =
        block_on(store.owned_by(&"ada".into(), later)).unwrap().iter().map(|record| *record.key()).collect();
    owned.sort_unstable();
    assert_eq!(owned, [key(3), key(4), key(5)]);
    // A clock set back: nothing was swept, so nothing is gone.
    assert_eq!(block_on(store.count(NOW)).unwrap(), 6);
}

#[test]
fn clearing_ends_all_sessions_for_every_handle_and_for_good() {
    let (_keep, place) = place();
    let options = FileStore::options().segment_bytes(4096);
    let (one, other) = (options.clone().open(&place).unwrap(), options.clone().open(&place).unwrap());
    for n in 0..30 {
        block_on(one.create(&owned(n, "ada", &[1; 200]), &[], NOW)).unwrap();
    }
    block_on(other.clear()).unwrap();
    for store in [&one, &other] {
        assert_eq!(block_on(store.count(NOW)).unwrap(), 0);
        assert_eq!(scanned(store, NOW), []);
        assert!(block_on(store.owned_by(&"ada".into(), NOW)).unwrap().is_empty());
        assert_eq!(load(store, 1), None);
    }
    create(&one, 3, b"after");
    drop((one, other));
    let store = options.open(&place).unwrap();
    assert_eq!(scanned(&store, NOW), [key(3)]);
    assert_eq!(store.stats(NOW).unwrap().live, 1);
}
