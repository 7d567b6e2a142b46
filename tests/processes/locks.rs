//! Processes that hold a lock and do not move, as after SIGSTOP.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use cloakroom::{ErrorKind, FileStore, Store};
use rustix::fs::{FlockOperation, flock};

use super::process::Process;
use super::support::{NOW, block_on, create, key, place, record, value};

#[test]
fn a_process_that_holds_the_writer_lock_makes_others_time_out_and_its_death_frees_them() {
    let (_keep, place) = place();
    let store = FileStore::options().lock_wait(Duration::from_millis(50)).open(&place).unwrap();
    let revision = create(&store, 1, b"before");
    let mut holder = Process::start("hold", &place, "writer.lock");
    holder.expect("held");
    let failures = [
        block_on(store.create(&record(2, b""), &[], NOW)).map(drop),
        block_on(store.update(&record(1, b""), revision, NOW)).map(drop),
        block_on(store.destroy(&key(1), None)).map(drop),
        block_on(store.touch(&key(1), NOW.plus(Duration::from_secs(9)))).map(drop),
        block_on(store.sweep(NOW, 100)).map(drop),
    ];
    for failure in failures {
        let error = failure.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Timeout, "{error}");
        assert_eq!(error.path(), Some(&*place), "{error}");
        assert!(error.to_string().contains("another process"), "{error}");
    }
    // Reading goes on, also for a process that comes now.
    let newcomer = FileStore::open(&place).unwrap();
    for store in [&store, &newcomer] {
        assert_eq!(value(store, 1), Some(b"before".to_vec()));
        assert_eq!(block_on(store.count(NOW)).unwrap(), 1);
    }
    holder.kill();
    // Nothing of what timed out was begun.
    assert_eq!(value(&store, 1), Some(b"before".to_vec()));
    assert_eq!(value(&store, 2), None);
    create(&store, 2, b"after");
    assert_eq!(value(&newcomer, 2), Some(b"after".to_vec()));
}

#[test]
fn a_child_that_was_forked_keeps_the_writer_lock_of_its_killed_parent_until_the_child_ends() {
    let (_keep, place) = place();
    let store = FileStore::options().lock_wait(Duration::from_millis(50)).open(&place).unwrap();
    create(&store, 1, b"before");
    // A process is killed in the middle of a write, and a child of it has the lock's open file as a forked one has.
    let mut parent = Process::start("hold with a child", &place, "writer.lock");
    let child = parent.hear().unwrap();
    parent.kill();
    let error = block_on(store.create(&record(2, b""), &[], NOW)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Timeout, "{error}");
    assert_eq!(value(&store, 1), Some(b"before".to_vec()), "loads go on");
    let newcomer = FileStore::open(&place).unwrap();
    assert_eq!(value(&newcomer, 1), Some(b"before".to_vec()), "and so does opening");
    // The remedy: the child ends, or executes another program that was not given the file.
    assert!(Command::new("kill").args(["-9", &child]).status().unwrap().success());
    let store = FileStore::open(&place).unwrap();
    create(&store, 2, b"after");
}

#[test]
fn children_that_execute_another_program_hold_no_lock_whenever_they_were_started() {
    let (_keep, place) = place();
    let mut parent = Process::start("have children", &place, "");
    let children = parent.hear().unwrap();
    let files = || std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path());
    let locks: Vec<_> = files().filter(|path| path.extension().is_some_and(|name| name == "lock")).collect();
    let is_free = |path: &Path| flock(File::open(path).unwrap(), FlockOperation::NonBlockingLockExclusive).is_ok();
    assert!(locks.len() == 3 && !is_free(&place), "the parent holds it");
    parent.kill();
    for path in locks.iter().chain([&place]) {
        assert!(is_free(path), "{}", path.display());
    }
    for child in children.split(' ') {
        assert!(Command::new("kill").args(["-9", child]).status().unwrap().success(), "it was alive all the time");
    }
    create(&FileStore::open(&place).unwrap(), 2, b"after");
}

#[test]
fn saves_that_wait_for_a_lock_are_carried_out_when_it_is_free() {
    let (_keep, place) = place();
    let store = FileStore::options().lock_wait(Duration::from_secs(600)).open(&place).unwrap();
    create(&store, 0, b"");
    let mut holder = Process::start("hold", &place, "writer.lock");
    holder.expect("held");
    std::thread::scope(|scope| {
        for n in 1..20 {
            let store = &store;
            scope.spawn(move || create(store, n, b"waited"));
        }
        holder.kill();
    });
    for n in 1..20 {
        assert_eq!(value(&store, n), Some(b"waited".to_vec()));
    }
}

#[test]
fn a_touch_waits_for_no_other_process_as_long_as_a_save_may() {
    let (_keep, place) = place();
    let store = FileStore::options().lock_wait(Duration::MAX).open(&place).unwrap();
    create(&store, 1, b"");
    let mut holder = Process::start("hold", &place, "writer.lock");
    holder.expect("held");
    let later = NOW.plus(Duration::from_secs(9));
    let error = block_on(store.touch(&key(1), later)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Timeout, "{error}");
    holder.kill();
    assert!(block_on(store.touch(&key(1), later)).unwrap());
}

#[test]
fn opening_while_another_process_opens_for_ever_is_a_timeout() {
    let (_keep, place) = place();
    create(&FileStore::open(&place).unwrap(), 1, b"kept");
    let mut holder = Process::start("hold", &place, "opening.lock");
    holder.expect("held");
    let error = FileStore::options().open_wait(Duration::from_millis(50)).open(&place).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Timeout, "{error}");
    assert_eq!(error.path(), Some(&*place));
    holder.kill();
    assert_eq!(value(&FileStore::open(&place).unwrap(), 1), Some(b"kept".to_vec()));
}

#[test]
fn a_process_that_writes_all_the_time_keeps_the_lock_and_one_that_stops_gives_it_up() {
    let (_keep, place) = place();
    let store = FileStore::open(&place).unwrap();
    create(&store, 1, b"");
    let lock = File::options().write(true).open(place.join("writer.lock")).unwrap();
    let is_free = || {
        let taken = flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok();
        if taken {
            flock(&lock, FlockOperation::Unlock).unwrap();
        }
        taken
    };
    let mut seen = NOW;
    // Until it is kept: that takes some milliseconds, and now and then it is not.
    let keeps = (0..10_000).any(|_| {
        for _ in 0..1_000 {
            seen = seen.plus(Duration::from_millis(1));
            assert!(block_on(store.touch(&key(1), seen)).unwrap());
        }
        !is_free()
    });
    assert!(keeps, "ten million touches, and the lock was given up after each");
    // Nobody has said that they want it.
    let begun = Instant::now();
    while !is_free() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it keeps a lock that it does not need");
        std::thread::sleep(Duration::from_millis(1));
    }
}
