//! What happens when something fails, or others write at the same time: requirements 26, 28 and 29.

use std::fs;
use std::time::Duration;

use cloakroom::{Error, ErrorKind, FileStore, ManualClock, Outcome, SessionId, SessionKey, Sessions, Store};
use rustix::fs::{FlockOperation, flock};

use super::files::{NOW, block_on, create, key, load, place, quick_place, record, segments, value_of};
use super::process::Process;
use super::roles;
use super::support::{START, assert_nothing, site};

#[test]
fn r26_a_store_that_fails_to_load_is_an_error_and_never_an_empty_session() {
    let site = site();
    let mut browser = super::support::Browser::default();
    site.visit(&mut browser, |session| session.login("user 42").unwrap());
    let kept = browser.clone();
    site.store.fail("find");
    let error = site.sessions.blocking().open(browser.headers(&site)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unavailable);
    for operation in ["touch", "update", "rotate", "destroy"] {
        site.store.fail("");
        let session = site.open(&browser);
        match operation {
            "touch" => site.advance(10 * super::support::MINUTE),
            "update" => session.insert("a", &1).unwrap(),
            "rotate" => session.rotate().unwrap(),
            _ => session.destroy().unwrap(),
        }
        let session = if operation == "touch" { site.open(&browser) } else { session };
        site.store.fail(operation);
        // A touch that fails costs nobody their page; whatever was asked for and not done is an error.
        let committed = site.sessions.blocking().commit(session);
        assert!(committed.is_err() || operation == "touch", "{operation}");
        if let Ok(committed) = committed {
            assert_eq!(committed.set_cookie(), None);
        }
        site.store.fail("");
        assert_eq!(site.open(&kept).owner().unwrap(), Some("user 42".into()), "{operation}");
    }
}

#[test]
fn r26_a_file_that_cannot_be_read_is_an_error_and_never_an_empty_session() {
    let (_keep, place) = place();
    let store = FileStore::options().cache_bytes(0).open(&place).unwrap();
    let sessions = Sessions::builder(store.clone()).clock(ManualClock::at(START)).build().unwrap();
    let cookie = sessions.blocking().test_cookie(|session| session.login("user 42")).unwrap();
    assert!(sessions.blocking().open([&cookie]).unwrap().handle().is_some());
    // Cut under the open store.
    let segment = segments(&place).pop().unwrap();
    let bytes = fs::read(&segment).unwrap();
    fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(70).unwrap();
    let error = sessions.blocking().open([&cookie]).unwrap().owner().unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Damaged, "{error}");
    assert!(error.path().is_some_and(|path| path.ends_with("00000001.log")), "{error}");
    // Nobody was logged out by it.
    fs::write(&segment, bytes).unwrap();
    assert_eq!(sessions.blocking().open([&cookie]).unwrap().owner().unwrap(), Some("user 42".into()));
}

#[test]
fn r28_nothing_that_the_file_store_shows_has_an_id() {
    let (_keep, place) = place();
    let options = FileStore::options().segment_bytes(4096).cache_bytes(0);
    let store = options.clone().open(&place).unwrap();
    let sessions = Sessions::builder(store.clone()).clock(ManualClock::at(START)).build().unwrap();
    let blocking = sessions.blocking();
    let cookie = blocking.test_cookie(|session| session.login("user 42")).unwrap();
    let id = cookie.split_once('=').unwrap().1.to_owned();
    let handle = SessionKey::of(&SessionId::parse(&id).unwrap());
    let show = |error: Error| format!("{error} {error:?} {:?}", std::error::Error::source(&error));
    let session = blocking.open([&cookie]).unwrap();
    let record = block_on(store.load(&handle, START)).unwrap().unwrap();
    let mut shown = vec![
        format!("{options:?} {store:?} {sessions:?} {session:?} {record:?} {:?} {:?}", record.data(), record.expiry()),
        format!("{:?} {:?}", store.stats(START).unwrap(), blocking.owned_by("user 42").unwrap()),
        format!("{:?}", block_on(store.update(&record, cloakroom::Revision::from_u64(1), START))),
        show(block_on(store.create(&record, &[], START)).unwrap_err()),
    ];
    session.rotate().unwrap();
    let committed = blocking.commit(session).unwrap();
    assert_eq!(committed.outcome(), Outcome::Rotated);
    let set = committed.set_cookie().unwrap();
    let pair = set.as_str().split(';').next().unwrap().to_owned();
    let new = pair.split_once('=').unwrap().1.to_owned();
    shown.push(format!("{committed:?} {set:?}"));
    // Damaged, closed, locked out: every error that names a session.
    let segment = segments(&place).pop().unwrap();
    fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(70).unwrap();
    let unreadable = blocking.open([&pair]).unwrap();
    shown.push(format!("{unreadable:?} {}", show(unreadable.owner().unwrap_err())));
    shown.push(format!("{:?}", store.damage()));
    store.close().unwrap_or_else(|error| shown.push(show(error)));
    shown.push(show(blocking.open([&pair]).unwrap_err()));
    drop((blocking, sessions, store));
    shown.push(format!("{:?}", FileStore::verify(&place, START)));
    assert!(shown.iter().any(|shown| shown.contains(&handle.to_string())), "handles are shown");
    for shown in &shown {
        for id in [&id, &new] {
            assert!(!shown.contains(&id[..16]) && !shown.contains(&id[16..]), "{shown}");
        }
    }
}

#[test]
fn r29_updates_are_atomic_between_threads_and_processes() {
    const TIMES: u64 = 60;
    let (_keep, place) = quick_place();
    let store = FileStore::open(&place).unwrap();
    create(&store, 1, &0u64.to_le_bytes());
    let others: Vec<Process> = (0..2).map(|_| Process::start("count", &place, TIMES)).collect();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| roles::count(&store, TIMES));
        }
    });
    others.into_iter().for_each(|other| drop(other.end()));
    let count = u64::from_le_bytes(value_of(&load(&store, 1).unwrap()).try_into().unwrap());
    assert_eq!(count, 5 * TIMES);
}

#[test]
fn r29_a_lock_that_is_never_given_up_is_a_timeout_and_nothing_was_done() {
    let (_keep, place) = place();
    let store = FileStore::options().lock_wait(Duration::from_millis(50)).open(&place).unwrap();
    let revision = create(&store, 1, b"before");
    // Another process would hold it like this: each open file has a lock of its own.
    let lock = fs::OpenOptions::new().read(true).write(true).open(place.join("writer.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let failures = [
        block_on(store.create(&record(2, b""), &[], NOW)).map(drop),
        block_on(store.update(&record(1, b""), revision, NOW)).map(drop),
        block_on(store.rotate(&key(1), revision, &record(3, b""), None, NOW)).map(drop),
        block_on(store.destroy(&key(1), None)).map(drop),
        block_on(store.destroy_owned_by(&"ada".into(), None)).map(drop),
        block_on(store.clear()),
    ];
    for failure in failures {
        assert_eq!(failure.unwrap_err().kind(), &ErrorKind::Timeout);
    }
    drop(lock);
    assert_eq!(block_on(store.count(NOW)).unwrap(), 1);
    assert_eq!(value_of(&load(&store, 1).unwrap()), b"before");
    let site = site();
    let session = site.open(&super::support::Browser::default());
    assert_nothing(&site.commit(session));
}
