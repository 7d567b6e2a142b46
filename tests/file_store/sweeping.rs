//! Expired sessions are removed within a budget, in the log, for everybody.

use std::time::Duration;

use cloakroom::{Durability, ErrorKind, FileStore, Lifetime, Record, Store, Swept, Timestamp, Update};

use super::support::{MINUTE, NOW, block_on, create, key, load, place, record_until, scanned};

/// Sessions 1 to `count`; session n ends after n minutes.
fn filled(store: &FileStore, count: u32) {
    for n in 1..=count {
        block_on(store.create(&record_until(n, &[0; 100], n * MINUTE), &[], NOW)).unwrap();
    }
}

fn minutes(n: u32) -> Timestamp {
    NOW.plus(n * MINUTE)
}

#[test]
fn a_sweep_removes_what_has_expired_within_its_budget_and_says_whether_there_is_more() {
    let (_keep, place) = place();
    let store = FileStore::options().durability(Durability::Never).open(&place).unwrap();
    filled(&store, 20);
    let sweep = |budget| block_on(store.sweep(minutes(10), budget)).unwrap();
    assert_eq!(sweep(4), Swept::new(4, true));
    assert_eq!(store.stats(minutes(10)).unwrap().expired, 6);
    assert_eq!(sweep(5), Swept::new(5, true));
    assert_eq!(sweep(1), Swept::new(1, false));
    assert_eq!(sweep(100), Swept::new(0, false));
    assert_eq!(block_on(store.count(minutes(10))).unwrap(), 10);
    assert_eq!(store.stats(minutes(10)).unwrap().expired, 0);
}

#[test]
fn sessions_that_end_at_the_same_moment_are_swept_within_the_budget_too() {
    let (_keep, place) = place();
    let store = FileStore::options().durability(Durability::Never).open(&place).unwrap();
    for n in 0..30 {
        block_on(store.create(&record_until(n, b"", MINUTE), &[], NOW)).unwrap();
    }
    let mut removed = Vec::new();
    loop {
        let swept = block_on(store.sweep(minutes(1), 7)).unwrap();
        removed.push(swept.removed);
        if !swept.more {
            break;
        }
    }
    assert_eq!(removed, [7, 7, 7, 7, 2]);
}

#[test]
fn what_was_swept_stays_gone_for_other_handles_and_after_opening_again_though_the_clock_goes_back() {
    let (_keep, place) = place();
    let options = FileStore::options().durability(Durability::Never);
    let (one, other) = (options.clone().open(&place).unwrap(), options.clone().open(&place).unwrap());
    filled(&one, 10);
    assert_eq!(block_on(one.sweep(minutes(6), 4)).unwrap(), Swept::new(4, true));
    // Four were removed; two more have expired by then, and live again by an earlier clock.
    let left: Vec<_> = (5..=10).map(key).collect();
    for store in [&one, &other] {
        assert_eq!(scanned(store, NOW), left);
    }
    drop((one, other));
    let store = options.open(&place).unwrap();
    assert_eq!(scanned(&store, NOW), left);
    assert_eq!(block_on(store.count(minutes(6))).unwrap(), 4);
}

#[test]
fn a_session_touched_before_the_sweep_outlives_it_also_after_opening_again() {
    let (_keep, place) = place();
    let options = FileStore::options().durability(Durability::Never);
    let store = options.clone().open(&place).unwrap();
    filled(&store, 3);
    block_on(store.touch(&key(2), minutes(1).plus(MINUTE / 2))).unwrap();
    assert_eq!(block_on(store.sweep(minutes(3), 100)).unwrap().removed, 2);
    assert_eq!(scanned(&store, minutes(3)), [key(2)]);
    drop(store);
    assert_eq!(scanned(&options.open(&place).unwrap(), minutes(3)), [key(2)]);
}

#[test]
fn a_key_swept_and_taken_again_is_the_new_session_after_opening_again() {
    let (_keep, place) = place();
    let options = FileStore::options().durability(Durability::Never);
    let store = options.clone().open(&place).unwrap();
    filled(&store, 1);
    assert_eq!(block_on(store.sweep(minutes(5), 100)).unwrap().removed, 1);
    // By a clock that is back where it was: the sweep spoke of what stood before it.
    create(&store, 1, b"new");
    drop(store);
    let store = options.open(&place).unwrap();
    assert_eq!(load(&store, 1).map(|record| super::support::value_of(&record).to_vec()), Some(b"new".to_vec()));
}

/// A record of 100 bytes that ends one minute after `now`, under the key `n`.
fn visitor(n: u32, now: Timestamp) -> Record {
    super::support::with_value(Record::new(key(n), Lifetime::idle(MINUTE), now), &[0; 100])
}

#[test]
fn a_store_that_nobody_sweeps_does_not_grow_without_bound_however_many_processes_use_it() {
    let (_keep, place) = place();
    let open = || FileStore::options().durability(Durability::Never).segment_bytes(4096).open(&place).unwrap();
    let stores = [open(), open()];
    // A visitor a second, for an hour and a half. 60 of them live, and 300 have been over for less than five minutes.
    for n in 0..5_400 {
        let now = NOW.plus(Duration::from_secs(n.into()));
        block_on(stores[n as usize % 2].create(&visitor(n, now), &[], now)).unwrap();
        if n % 100 == 0 {
            let stats = stores[0].stats(now).unwrap();
            assert!(stats.live <= 60 && stats.expired <= 302, "{stats:?} after {n} visitors");
            assert!(stats.live_bytes <= 362 * 300, "{stats:?} after {n} visitors");
        }
    }
}

#[test]
fn a_backlog_goes_two_sessions_at_a_time_with_later_creates_and_the_log_says_so() {
    let (_keep, place) = place();
    let options = FileStore::options().durability(Durability::Never);
    let (store, other) = (options.clone().open(&place).unwrap(), options.clone().open(&place).unwrap());
    for n in 0..100 {
        // Some were seen again, and stand at another place of the order.
        block_on(store.create(&visitor(n, NOW), &[], NOW)).unwrap();
        block_on(store.touch(&key(n), NOW.plus(Duration::from_secs(n.into())))).unwrap();
    }
    let later = minutes(60);
    for n in 0..50 {
        block_on(other.create(&visitor(1_000 + n, later), &[], later)).unwrap();
        let stats = store.stats(later).unwrap();
        assert_eq!((stats.live, stats.expired), (u64::from(n) + 1, 98 - 2 * u64::from(n)));
    }
    drop((store, other));
    let store = options.open(&place).unwrap();
    assert_eq!(scanned(&store, NOW).len(), 50, "also by a clock that is set back");
}

#[test]
fn a_create_leaves_what_ended_less_than_five_minutes_ago_for_the_clocks_of_others() {
    let (_keep, place) = place();
    let store = FileStore::options().durability(Durability::Never).open(&place).unwrap();
    block_on(store.create(&visitor(1, NOW), &[], NOW)).unwrap();
    let just_before = Timestamp::from_millis(minutes(6).as_millis() - 1);
    block_on(store.create(&visitor(2, just_before), &[], just_before)).unwrap();
    assert_eq!(scanned(&store, NOW), [key(1), key(2)]);
    block_on(store.create(&visitor(3, minutes(6)), &[], minutes(6))).unwrap();
    assert_eq!(scanned(&store, NOW), [key(2), key(3)]);
}

#[test]
fn a_create_that_is_refused_removes_nothing() {
    let (_keep, place) = place();
    let options = FileStore::options().durability(Durability::Never);
    let store = options.record_bytes(1_000).store_bytes(2_000).open(&place).unwrap();
    block_on(store.create(&visitor(1, NOW), &[], NOW)).unwrap();
    let later = minutes(60);
    block_on(store.create(&record_until(2, &[0; 500], 99 * MINUTE), &[], NOW)).unwrap();
    let refused = [
        (block_on(store.create(&record_until(2, &[0; 100], MINUTE), &[], later)), ErrorKind::KeyTaken),
        (
            block_on(store.create(&record_until(3, &[0; 990], MINUTE), &[], later)),
            ErrorKind::too_large("the record", 0, 0),
        ),
    ];
    for (outcome, kind) in refused {
        let error = outcome.unwrap_err();
        assert_eq!(std::mem::discriminant(error.kind()), std::mem::discriminant(&kind), "{error}");
    }
    assert_eq!(scanned(&store, NOW), [key(1), key(2)]);
}

#[test]
fn a_store_at_its_limit_of_bytes_is_full_only_of_sessions_that_live() {
    let (_keep, place) = place();
    let options = FileStore::options().store_bytes(100_000).durability(Durability::Never);
    let store = options.open(&place).unwrap();
    let fill = |first: u32, now: Timestamp| {
        let mut held = first;
        loop {
            match block_on(store.create(&visitor(held, now), &[], now)) {
                Ok(_) => held += 1,
                Err(error) => break (held, error),
            }
        }
    };
    let (held, error) = fill(0, NOW);
    assert_eq!(error.kind(), &ErrorKind::Full);
    assert!(held > 300, "{held}");
    // A session that lives longer, to be changed when all others are over.
    let long = record_until(0, &[0; 100], 99 * MINUTE);
    let revision = block_on(store.load(&key(0), NOW)).unwrap().unwrap().revision();
    let Update::Stored(revision) = block_on(store.update(&long, revision, NOW)).unwrap() else {
        panic!("it was there")
    };
    // The others are over by a moment: no sweeper runs, and no create has come by that might have removed them.
    let later = minutes(1);
    let larger = record_until(0, &[0; 5_000], 99 * MINUTE);
    assert!(matches!(block_on(store.update(&larger, revision, later)).unwrap(), Update::Stored(_)));
    let (held_later, error) = fill(10_000, later);
    assert_eq!(error.kind(), &ErrorKind::Full);
    assert!(held_later - 10_000 > held - 60, "{held_later} of {held}");
    assert_eq!(
        block_on(store.count(later)).unwrap(),
        u64::from(held_later - 10_000) + 1,
        "nothing that lives was removed"
    );
}
