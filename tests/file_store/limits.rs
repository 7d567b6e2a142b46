//! Limits and settings: each with a clear error, and nothing stored.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::{
    BeyondLimit, Data, Durability, ErrorKind, FileOptions, FileStore, Lifetime, OwnerLimit, Record, Store, Timestamp,
    Update,
};

use super::support::{MINUTE, NOW, block_on, create, key, load, owned, place, record, replace, value};

#[test]
fn a_store_at_its_limit_of_bytes_refuses_saves_and_still_ends_sessions() {
    let (_keep, place) = place();
    let store = FileStore::options().store_bytes(10_000).durability(Durability::Never).open(&place).unwrap();
    let mut held = 0;
    let error = loop {
        match block_on(store.create(&record(held, &[1; 1000]), &[], NOW)) {
            Ok(_) => held += 1,
            Err(error) => break error,
        }
    };
    assert!((8..10).contains(&held), "{held} sessions of 1,000 bytes");
    assert_eq!(error.kind(), &ErrorKind::Full);
    let text = error.to_string();
    assert!(text.contains("saving a session") && text.contains("limit"), "{text}");
    assert!(text.contains(place.to_str().unwrap()), "{text}");
    assert_eq!(load(&store, held), None);
    // What is there can still be read, touched, replaced by as much, and ended.
    assert_eq!(value(&store, 0), Some(vec![1; 1000]));
    assert!(block_on(store.touch(&key(0), NOW)).unwrap());
    replace(&store, 0, &[2; 1000]);
    replace(&store, 0, &[3; 10]);
    block_on(store.destroy(&key(1), None)).unwrap();
    create(&store, held, &[4; 1000]);
}

#[test]
fn a_record_beyond_its_limit_is_refused_and_what_is_stored_stays() {
    let (_keep, place) = place();
    let store = FileStore::options().record_bytes(1000).open(&place).unwrap();
    let error = block_on(store.create(&record(1, &[0; 1000]), &[], NOW)).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::TooLarge { what: "the record", size: 1000.., limit: 1000, .. }),
        "{error}"
    );
    let text = error.to_string();
    assert!(text.contains(&key(1).to_string()) && text.contains("at most 1000"), "{text}");
    assert_eq!(load(&store, 1), None);
    let revision = create(&store, 1, &[0; 900]);
    let error = block_on(store.update(&record(1, &[0; 1000]), revision, NOW)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TooLarge { .. }), "{error}");
    let error = block_on(store.rotate(&key(1), revision, &record(2, &[0; 1000]), None, NOW)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TooLarge { .. }), "{error}");
    assert_eq!(value(&store, 1), Some(vec![0; 900]));
    assert_eq!(load(&store, 2), None);
}

#[test]
fn the_largest_record_of_a_megabyte_fits() {
    let (_keep, place) = place();
    let large = vec![9; (1 << 20) - 100];
    let store = FileStore::options().segment_bytes(4096).open(&place).unwrap();
    create(&store, 1, &large);
    create(&store, 2, b"small");
    drop(store);
    let store = FileStore::open(&place).unwrap();
    assert_eq!(value(&store, 1), Some(large));
    assert_eq!(value(&store, 2), Some(b"small".to_vec()));
}

fn per_owner(sessions: usize, beyond: BeyondLimit) -> FileOptions {
    FileStore::options().per_owner(OwnerLimit::new(sessions, beyond))
}

#[test]
fn a_user_beyond_the_limit_is_refused() {
    let (_keep, place) = place();
    let store = per_owner(2, BeyondLimit::Refuse).open(&place).unwrap();
    for n in 1..=2 {
        block_on(store.create(&owned(n, "ada", b""), &[], NOW)).unwrap();
    }
    let error = block_on(store.create(&owned(3, "ada", b""), &[], NOW)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::OwnerLimit { limit: 2, .. }), "{error}");
    assert!(error.to_string().contains("2 sessions"), "{error}");
    assert_eq!(load(&store, 3), None);
    block_on(store.create(&owned(4, "Ada", b""), &[], NOW)).unwrap();
    block_on(store.destroy(&key(1), None)).unwrap();
    block_on(store.create(&owned(3, "ada", b""), &[], NOW)).unwrap();
}

#[test]
fn the_session_seen_longest_ago_ends_when_a_user_gets_one_too_many() {
    let (_keep, place) = place();
    let store = per_owner(3, BeyondLimit::EndOldest).open(&place).unwrap();
    let seen = |n: u32, seconds: u64| {
        let now = NOW.plus(Duration::from_secs(seconds));
        let mut record = Record::new(key(n), Lifetime::AAL2, now);
        record.set_owner(Some("ada".into()), None);
        block_on(store.create(&record, &[], now)).unwrap();
    };
    seen(1, 1);
    seen(2, 2);
    seen(3, 3);
    block_on(store.touch(&key(1), NOW.plus(Duration::from_secs(4)))).unwrap();
    seen(4, 5);
    let there = |store: &FileStore| (1..=4).map(|n| load(store, n).is_some()).collect::<Vec<_>>();
    assert_eq!(there(&store), [true, false, true, true]);
    drop(store);
    assert_eq!(there(&FileStore::open(&place).unwrap()), [true, false, true, true]);
}

#[test]
fn two_handles_never_exceed_a_users_limit_together() {
    let (_keep, place) = place();
    let options = per_owner(3, BeyondLimit::EndOldest).durability(Durability::Never);
    let stores = [options.clone().open(&place).unwrap(), options.open(&place).unwrap()];
    std::thread::scope(|scope| {
        for (from, store) in [0, 100].into_iter().zip(&stores) {
            scope.spawn(move || {
                (from..from + 50).for_each(|n| drop(block_on(store.create(&owned(n, "ada", b""), &[], NOW))))
            });
        }
    });
    for store in &stores {
        assert_eq!(block_on(store.owned_by(&"ada".into(), NOW)).unwrap().len(), 3);
        assert_eq!(block_on(store.count(NOW)).unwrap(), 3);
    }
}

#[test]
fn options_that_make_no_sense_are_refused_before_anything_is_made() {
    let wrong: [(&str, FileOptions); 6] = [
        ("volatile", FileStore::options().durability(Durability::Volatile)),
        ("every millisecond", FileStore::options().durability(Durability::Every(Duration::ZERO))),
        ("4095 bytes", FileStore::options().segment_bytes(4095)),
        ("0 bytes", FileStore::options().segment_bytes(0)),
        ("1073741825 bytes", FileStore::options().segment_bytes((1 << 30) + 1)),
        ("268435457 bytes", FileStore::options().record_bytes((256 << 20) + 1)),
    ];
    for (named, options) in wrong {
        let (_keep, place) = place();
        let error = options.open(&place).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Config, "{error}");
        assert!(error.to_string().contains(named), "{error}");
        assert_eq!(error.path(), Some(&*place));
        assert!(!place.exists());
    }
}

#[test]
fn waiting_without_a_limit_is_a_possible_setting() {
    let (_keep, place) = place();
    let options = FileStore::options().lock_wait(Duration::MAX).open_wait(Duration::MAX).durability(Durability::Never);
    let stores = [options.clone().open(&place).unwrap(), options.open(&place).unwrap()];
    create(&stores[0], 1, &0u32.to_le_bytes());
    // Enough of them at once that some have to wait.
    std::thread::scope(|scope| {
        for store in stores.iter().chain(&stores) {
            scope.spawn(move || {
                for _ in 0..200 {
                    increment(store, 1);
                }
            });
        }
    });
    assert_eq!(value(&stores[0], 1), Some(800u32.to_le_bytes().to_vec()));
}

fn increment(store: &FileStore, n: u32) {
    let mut current = load(store, n).unwrap();
    loop {
        let count = u32::from_le_bytes(super::support::value_of(&current).try_into().unwrap());
        let changed = super::support::with_value(current.clone(), &(count + 1).to_le_bytes());
        match block_on(store.update(&changed, current.revision(), NOW)).unwrap() {
            Update::Stored(_) => return,
            Update::Conflict(now) => current = *now,
            _ => panic!("the counter is gone"),
        }
    }
}

#[test]
fn a_clock_at_either_end_of_time_neither_panics_nor_extends() {
    let (_keep, place) = place();
    let store = FileStore::open(&place).unwrap();
    create(&store, 1, b"");
    for now in [Timestamp::EPOCH, Timestamp::NEVER, NOW] {
        block_on(store.touch(&key(1), now)).unwrap();
        block_on(store.count(now)).unwrap();
        store.stats(now).unwrap();
    }
    assert_eq!(load(&store, 1).unwrap().last_seen(), NOW, "nothing that has expired is touched");
    block_on(store.sweep(Timestamp::EPOCH, usize::MAX)).unwrap();
    assert!(load(&store, 1).is_some());
    assert_eq!(block_on(store.sweep(Timestamp::NEVER, usize::MAX)).unwrap().removed, 1);
}

#[test]
fn a_record_with_an_entry_without_a_name_is_refused_for_nobody_could_read_it_back() {
    let (_keep, place) = place();
    let store = FileStore::open(&place).unwrap();
    let mut nameless = record(1, b"");
    nameless.set_data(Data::from_entries(&BTreeMap::from([(Arc::from(""), b"value")])));
    let error = block_on(store.create(&nameless, &[], NOW)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Entry { entry, .. } if entry.is_empty()), "{error}");
    assert!(error.to_string().contains(&key(1).to_string()), "{error}");
    assert_eq!(load(&store, 1), None);
}

#[test]
fn an_owner_has_no_more_sessions_than_the_limit_though_some_have_expired_and_were_not_swept() {
    for beyond in [BeyondLimit::EndOldest, BeyondLimit::Refuse] {
        let (_keep, place) = place();
        let limit = OwnerLimit::new(3, beyond);
        let store = FileStore::options().per_owner(limit).durability(Durability::Never).open(&place).unwrap();
        let create = |n, now| {
            let mut record = owned(n, "ada", b"");
            record.touch(now);
            block_on(store.create(&record, &[], now))
        };
        for n in 1..=3 {
            create(n, NOW.plus(MINUTE * n)).unwrap();
        }
        // The first has expired, and ends in the stead of the second, which was seen longest ago.
        let later = NOW.plus(MINUTE * 31);
        create(4, later).unwrap();
        assert!(block_on(store.load(&key(2), later)).unwrap().is_some());
        assert_eq!(create(5, later).is_ok(), beyond == BeyondLimit::EndOldest);
        assert_eq!(block_on(store.destroy_owned_by(&"ada".into(), None)).unwrap(), 3);
    }
}
