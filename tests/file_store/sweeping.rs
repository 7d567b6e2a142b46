//! Expired sessions are removed within a budget, in the log, for everybody.

use cloakroom::{Durability, FileStore, Store, Swept, Timestamp};

use super::support::{MINUTE, NOW, block_on, create, key, load, place, record_until, scanned};

/// Sessions 1 to `count`; session n ends after n minutes.
fn filled(store: &FileStore, count: u32) {
    for n in 1..=count {
        block_on(store.create(&record_until(n, &[0; 100], n * MINUTE), NOW)).unwrap();
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
    assert_eq!(sweep(4), Swept { removed: 4, more: true });
    assert_eq!(store.stats(minutes(10)).unwrap().expired, 6);
    assert_eq!(sweep(5), Swept { removed: 5, more: true });
    assert_eq!(sweep(1), Swept { removed: 1, more: false });
    assert_eq!(sweep(100), Swept { removed: 0, more: false });
    assert_eq!(block_on(store.count(minutes(10))).unwrap(), 10);
    assert_eq!(store.stats(minutes(10)).unwrap().expired, 0);
}

#[test]
fn sessions_that_end_at_the_same_moment_are_swept_within_the_budget_too() {
    let (_keep, place) = place();
    let store = FileStore::options().durability(Durability::Never).open(&place).unwrap();
    for n in 0..30 {
        block_on(store.create(&record_until(n, b"", MINUTE), NOW)).unwrap();
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
    assert_eq!(block_on(one.sweep(minutes(6), 4)).unwrap(), Swept { removed: 4, more: true });
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
