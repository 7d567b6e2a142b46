//! That a session ends when it has to, and for good: requirements 9, 14, 15, 17 and 18.

use std::fs;
use std::time::Duration;

use cloakroom::{
    Durability, FileStore, Lifetime, ManualClock, MemoryStore, Outcome, Record, Sessions, Store, Timestamp, Update,
};

use super::files::{NOW, block_on, create, key, place, quick_place, record, segments, value, with_value};
use super::process::Process;
use super::support::{HOUR, MINUTE, START, assert_lost};

#[test]
fn r09_a_rotation_cut_off_at_any_byte_leaves_exactly_one_of_the_two_ids() {
    let (_keep, place) = place();
    let store = FileStore::options().durability(Durability::Never).open(&place).unwrap();
    let revision = create(&store, 1, b"kept");
    let segment = segments(&place).pop().unwrap();
    let written = || fs::metadata(&segment).unwrap().len() as usize;
    let before = written();
    let mut renamed = record(2, b"kept");
    renamed.set_owner(Some("user 42".into()), Some(NOW));
    let update = block_on(store.rotate(&key(1), revision, &renamed, None, NOW)).unwrap();
    assert!(matches!(update, Update::Stored(_)));
    assert_eq!((value(&store, 1), value(&store, 2)), (None, Some(b"kept".to_vec())));
    // What a process leaves that is killed in the middle of the write, at each of its bytes; nothing was closed.
    let bytes = fs::read(&segment).unwrap();
    assert!(bytes.len() > before + 100);
    for cut in before..=bytes.len() {
        let (_keep, crashed) = quick_place();
        drop(FileStore::open(&crashed).unwrap());
        fs::write(segments(&crashed).pop().unwrap(), &bytes[..cut]).unwrap();
        let store = FileStore::open(&crashed).unwrap();
        let [old, new] = [1, 2].map(|n| value(&store, n));
        let expected = Some(b"kept".to_vec());
        if cut == bytes.len() {
            assert_eq!((old, new), (None, expected));
        } else {
            assert_eq!((old, new), (expected, None), "cut at {cut} of {}", bytes.len());
        }
    }
}

/// Nothing but the clock has ended it: no operation sees it, and none brings it back.
fn is_refused(store: &impl Store, expired: &Record, now: Timestamp) {
    let key = expired.key();
    assert_eq!(block_on(store.load(key, now)).unwrap(), None);
    assert!(!block_on(store.touch(key, now)).unwrap());
    assert_eq!(block_on(store.update(expired, expired.revision(), now)).unwrap(), Update::Gone);
    let mut renamed = expired.clone();
    renamed.set_key(super::files::key(77));
    assert_eq!(block_on(store.rotate(key, expired.revision(), &renamed, None, now)).unwrap(), Update::Gone);
    assert_eq!(block_on(store.owned_by(&"ada".into(), now)).unwrap(), []);
    assert_eq!(block_on(store.count(now)).unwrap(), 0);
    assert_eq!(block_on(store.load(key, now)).unwrap(), None);
}

fn never_swept(store: &impl Store) -> Vec<(Record, Timestamp)> {
    let lifetimes = [
        (Lifetime::idle(30 * MINUTE), NOW.plus(40 * MINUTE)),
        (Lifetime::new(30 * MINUTE, 35 * MINUTE), NOW.plus(35 * MINUTE)),
    ];
    let mut ended = Vec::new();
    for (n, (lifetime, end)) in lifetimes.into_iter().enumerate() {
        let mut record = Record::new(key(n as u32), lifetime, NOW);
        record.set_owner(Some("ada".into()), Some(NOW));
        let revision = block_on(store.create(&record, &[], NOW)).unwrap();
        record.set_revision(revision);
        // Seen once; the idle deadline moves, the absolute one does not.
        assert!(block_on(store.touch(record.key(), NOW.plus(10 * MINUTE))).unwrap());
        let just_before = Timestamp::from_millis(end.as_millis() - 1);
        assert!(block_on(store.load(record.key(), just_before)).unwrap().is_some());
        ended.push((record, end));
    }
    ended
}

#[test]
fn r14_what_has_expired_is_refused_at_its_deadline_though_nothing_was_ever_swept() {
    let memory = MemoryStore::new();
    let last = NOW.plus(40 * MINUTE);
    for (record, end) in never_swept(&memory) {
        assert_eq!(block_on(memory.load(record.key(), end)).unwrap(), None);
        is_refused(&memory, &record, last);
    }
    let (_keep, place) = place();
    let store = FileStore::open(&place).unwrap();
    let ended = never_swept(&store);
    let check = |store: &FileStore| {
        for (record, end) in &ended {
            assert_eq!(block_on(store.load(record.key(), *end)).unwrap(), None);
            is_refused(store, record, last);
        }
    };
    check(&store);
    drop(store);
    let store = FileStore::open(&place).unwrap();
    assert_eq!(store.stats(last).unwrap().expired, 2, "they are still there, and nobody gets them");
    check(&store);
}

#[test]
fn r15_a_clock_that_goes_back_extends_no_session() {
    let (_keep, place) = place();
    let clock = ManualClock::at(START);
    let open = || {
        let store = FileStore::open(&place).unwrap();
        let builder = Sessions::builder(store).clock(clock.clone());
        builder.idle_timeout(30 * MINUTE).absolute_timeout(HOUR).build().unwrap()
    };
    let sessions = open();
    let cookie = sessions.blocking().test_cookie(|session| session.login("user 42")).unwrap();
    let ends_at = |sessions: &Sessions<FileStore>| sessions.blocking().open([&cookie]).unwrap().ends_at();
    assert_eq!(ends_at(&sessions), START.plus(30 * MINUTE));
    // Set back by a day, and used all the time: seen, changed, given a new id elsewhere.
    for back in [Timestamp::EPOCH, START.plus(MINUTE), Timestamp::from_millis(START.as_millis() - 86_400_000)] {
        clock.set(back);
        let session = sessions.blocking().open([&cookie]).unwrap();
        session.insert("a", &back.as_millis()).unwrap();
        let _ = sessions.blocking().commit(session).unwrap();
        assert!(ends_at(&sessions) <= START.plus(31 * MINUTE), "the clock at {back:?}");
    }
    drop(sessions);
    // Also not by being read again.
    clock.set(START.plus(31 * MINUTE));
    let sessions = open();
    assert_eq!(sessions.blocking().open([&cookie]).unwrap().handle(), None);
}

#[test]
fn r15_no_time_and_no_timeout_overflows() {
    let (_keep, place) = place();
    let times = [Timestamp::EPOCH, NOW, Timestamp::from_millis(u64::MAX), Timestamp::NEVER];
    let timeouts = [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(u64::MAX), Duration::MAX];
    let mut made = Vec::new();
    for reopened in [false, true] {
        let store = FileStore::open(&place).unwrap();
        for (n, created) in times.into_iter().enumerate().filter(|_| !reopened) {
            for (m, timeout) in timeouts.into_iter().enumerate() {
                for (l, lifetime) in [Lifetime::idle(timeout), Lifetime::new(timeout, timeout)].into_iter().enumerate()
                {
                    let record = Record::new(key((n * 100 + m * 10 + l) as u32), lifetime, created);
                    block_on(store.create(&record, &[], created)).unwrap();
                    made.push(record);
                }
            }
        }
        for record in &made {
            for now in times {
                let ended = record.is_expired_at(now);
                if let Some(found) = block_on(store.load(record.key(), now)).unwrap() {
                    assert!(!ended, "{record:?} at {now:?}");
                    assert!(found.expiry().ends_at() >= record.expiry().ends_at() || reopened);
                }
                let _ = block_on(store.touch(record.key(), Timestamp::EPOCH)).unwrap();
            }
        }
        let _ = block_on(store.sweep(Timestamp::EPOCH, 1000)).unwrap();
    }
}

#[test]
fn r17_what_was_ended_is_on_disk_when_that_returns_and_a_kill_does_not_bring_it_back() {
    let (_keep, place) = place();
    for n in 0..12u32 {
        let mut process = Process::start("end", &place, "");
        process.tell(&n.to_string());
        process.expect(&n.to_string());
        process.kill();
        let store = FileStore::open(&place).unwrap();
        for ended in 0..=n {
            assert_eq!(value(&store, ended), None, "session {ended}, after kill {n}");
            let renamed = (ended % 3 == 2).then(|| b"changed".to_vec());
            assert_eq!(value(&store, ended + 1_000_000), renamed, "session {ended}, after kill {n}");
        }
    }
}

#[test]
fn r17_every_way_to_end_a_session_waits_for_the_disk_whatever_the_durability() {
    let (_keep, place) = place();
    let store = FileStore::options().durability(Durability::Never).open(&place).unwrap();
    let syncs = || store.stats(NOW).unwrap().syncs;
    let save = |n: u32| {
        let before = syncs();
        create(&store, n, b"");
        assert_eq!(syncs(), before, "a save does not wait");
        before
    };
    let before = save(1);
    block_on(store.destroy(&key(1), None)).unwrap();
    assert!(syncs() > before, "destroy");
    // Nothing to end, but what that was decided on may not be durable.
    let before = save(2);
    block_on(store.destroy(&key(1), None)).unwrap();
    assert!(syncs() > before, "destroy of what is gone");
    let before = save(3);
    block_on(store.destroy_owned_by(&"nobody".into(), None)).unwrap();
    assert!(syncs() > before, "destroy_owned_by");
    let revision = create(&store, 4, b"");
    let before = save(5);
    let _ = block_on(store.rotate(&key(4), revision, &record(6, b""), None, NOW)).unwrap();
    assert!(syncs() > before, "rotate");
    let before = save(7);
    block_on(store.clear()).unwrap();
    assert!(syncs() > before, "clear");
}

fn nothing_revives(store: &impl Store) {
    let saved = |n: u32| {
        let mut record = record(n, b"secret");
        record.set_revision(block_on(store.create(&record, &[], NOW)).unwrap());
        record
    };
    let ended: [(&str, Record); 3] =
        [("destroyed", saved(1)), ("logged out everywhere", saved(2)), ("rotated", saved(3))];
    let [(_, one), (_, two), (_, three)] = &ended;
    block_on(store.destroy(one.key(), None)).unwrap();
    let mut owned = two.clone();
    owned.set_owner(Some("ada".into()), Some(NOW));
    let _ = block_on(store.update(&owned, two.revision(), NOW)).unwrap();
    assert_eq!(block_on(store.destroy_owned_by(&"ada".into(), None)).unwrap(), 1);
    let mut renamed = three.clone();
    renamed.set_key(key(30));
    let _ = block_on(store.rotate(three.key(), three.revision(), &renamed, None, NOW)).unwrap();
    for (how, record) in &ended {
        let changed = with_value(record.clone(), b"revived");
        assert_eq!(block_on(store.update(&changed, record.revision(), NOW)).unwrap(), Update::Gone, "{how}");
        assert!(!block_on(store.touch(record.key(), NOW.plus(MINUTE))).unwrap(), "{how}");
        let mut rotated = record.clone();
        rotated.set_key(key(40));
        assert_eq!(
            block_on(store.rotate(record.key(), record.revision(), &rotated, None, NOW)).unwrap(),
            Update::Gone,
            "{how}"
        );
        for key in [record.key(), rotated.key()] {
            assert_eq!(block_on(store.load(key, NOW)).unwrap(), None, "{how}");
        }
    }
    assert_eq!(block_on(store.count(NOW)).unwrap(), 1, "what was rotated lives under its new key");
}

#[test]
fn r18_neither_a_save_nor_a_touch_nor_a_rotation_revives_what_was_ended() {
    nothing_revives(&MemoryStore::new());
    let (_keep, place) = place();
    nothing_revives(&FileStore::open(&place).unwrap());
    let store = FileStore::open(&place).unwrap();
    assert_eq!(block_on(store.count(NOW)).unwrap(), 1);
}

#[test]
fn r18_a_slow_request_revives_nothing_that_was_ended_meanwhile() {
    let (_keep, place) = place();
    let sessions = || {
        let store = FileStore::open(&place).unwrap();
        Sessions::builder(store).clock(ManualClock::at(START)).build().unwrap()
    };
    let (here, there) = (sessions(), sessions());
    type Slow = fn(&cloakroom::Session);
    let slow: [Slow; 4] = [
        |session| session.insert("cart", &["hat"]).unwrap(),
        |session| session.rotate().unwrap(),
        |session| session.modify("cart", |_: Option<u8>| Some(1)).unwrap(),
        |session| session.set_permanent(true).unwrap(),
    ];
    for handler in slow {
        let cookie = here.blocking().test_cookie(|session| session.login("user 42")).unwrap();
        let session = here.blocking().open([&cookie]).unwrap();
        // Logged out in another process while this request runs.
        assert_eq!(there.blocking().end_all("user 42").unwrap(), 1);
        handler(&session);
        let committed = here.blocking().commit(session).unwrap();
        assert_eq!(committed.outcome(), Outcome::Lost);
        assert_lost(&committed);
        for sessions in [&here, &there] {
            assert_eq!(sessions.blocking().open([&cookie]).unwrap().handle(), None);
            assert_eq!(sessions.blocking().owned_by("user 42").unwrap().len(), 0);
        }
    }
}
