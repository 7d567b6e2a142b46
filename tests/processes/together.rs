//! Processes that use one directory at the same time.

use cloakroom::{FileStore, Store};

use super::process::Process;
use super::roles::{number, options};
use super::support::{NOW, block_on, create, key, place, quick_place, replace, value};

#[test]
fn two_processes_see_each_others_sessions_at_the_next_load() {
    let (_keep, place) = quick_place();
    let store = options("never").open(&place).unwrap();
    create(&store, 1, b"0");
    let mut other = Process::start("answer", &place, "");
    other.expect("open");
    for round in 0..500u64 {
        let told = (2 * round).to_string();
        replace(&store, 1, told.as_bytes());
        other.tell(&told);
        other.expect("done");
        assert_eq!(value(&store, 1), Some((2 * round + 1).to_string().into_bytes()));
    }
    assert_eq!(other.end(), [""; 0]);
    assert!(store.stats(NOW).unwrap().segments < 20, "both have compacted");
}

#[test]
fn a_session_ended_or_rotated_in_one_process_is_gone_in_the_other_at_once() {
    let (_keep, place) = place();
    let store = FileStore::open(&place).unwrap();
    let mut other = Process::start("report", &place, "");
    other.expect("open");
    for n in (0..40).step_by(4) {
        for n in n..n + 3 {
            create(&store, n, n.to_string().as_bytes());
        }
        other.tell(&n.to_string());
        other.expect(&n.to_string());
        // Ended there, ended here, rotated there.
        other.tell(&format!("end {n}"));
        other.expect("done");
        assert_eq!(value(&store, n), None);
        block_on(store.destroy(&key(n + 1), None)).unwrap();
        other.tell(&(n + 1).to_string());
        other.expect("none");
        other.tell(&format!("rotate {}", n + 2));
        other.expect("done");
        assert_eq!(value(&store, n + 2), None);
        assert_eq!(value(&store, n + 3), Some((n + 2).to_string().into_bytes()));
    }
    other.end();
}

/// Hears of at least so many saves.
fn saved(process: &mut Process, count: usize) -> Vec<u32> {
    (0..count).map(|_| number(process.hear().expect("the process serves").as_bytes())).collect()
}

#[test]
fn a_new_process_starts_while_the_old_one_serves_and_nothing_is_lost() {
    let (_keep, place) = place();
    let mut all = Vec::new();
    let mut old = Process::start("serve", &place, 0);
    old.expect("open");
    all.extend(saved(&mut old, 20));
    for generation in 1..4 {
        let mut new = Process::start("serve", &place, generation * 100_000);
        new.expect("open");
        // Both serve for a while; then the old one goes.
        all.extend(saved(&mut new, 20));
        all.extend(saved(&mut old, 20));
        all.extend(old.end().iter().map(|line| number::<u32>(line.as_bytes())));
        all.extend(saved(&mut new, 20));
        // Who comes now joins the new one.
        let joined = FileStore::open(&place).unwrap();
        for n in &all {
            assert_eq!(value(&joined, *n), Some(n.to_le_bytes().to_vec()), "session {n}");
        }
        old = new;
    }
    all.extend(old.end().iter().map(|line| number::<u32>(line.as_bytes())));
    // And who comes when all are gone recovers.
    let store = FileStore::open(&place).unwrap();
    for n in &all {
        assert_eq!(value(&store, *n), Some(n.to_le_bytes().to_vec()), "session {n}");
    }
    assert_eq!(block_on(store.count(NOW)).unwrap(), all.len() as u64);
    assert_eq!(store.damage(), []);
}

#[test]
fn what_many_processes_save_at_once_is_there_and_the_death_of_one_holds_up_no_other() {
    let (_keep, place) = place();
    let mut all: Vec<Process> = (0..8).map(|n| Process::start("serve", &place, n * 100_000)).collect();
    let mut sessions = Vec::new();
    all.iter_mut().for_each(|process| process.expect("open"));
    while all.len() > 1 {
        for process in &mut all {
            sessions.extend(saved(process, 10));
        }
        // It dies wherever it is: in its turn at the log, or in a sync for which the others wait.
        sessions.extend(all.swap_remove(0).kill().iter().map(|line| number::<u32>(line.as_bytes())));
    }
    for process in all {
        sessions.extend(process.end().iter().map(|line| number::<u32>(line.as_bytes())));
    }
    let store = FileStore::open(&place).unwrap();
    for n in sessions {
        assert_eq!(value(&store, n), Some(n.to_le_bytes().to_vec()), "session {n}");
    }
    assert_eq!(store.damage(), []);
}

#[test]
fn processes_that_start_at_once_on_a_directory_that_is_not_there_share_it() {
    for _ in 0..5 {
        let (_keep, place) = place();
        let place = place.join("deep/down");
        let mut all: Vec<Process> = (0..4).map(|n| Process::start("serve", &place, n * 100_000)).collect();
        let mut sessions = Vec::new();
        for process in &mut all {
            process.expect("open");
            sessions.extend(saved(process, 3));
        }
        for process in all {
            sessions.extend(process.end().iter().map(|line| number::<u32>(line.as_bytes())));
        }
        let store = FileStore::open(&place).unwrap();
        assert_eq!(block_on(store.count(NOW)).unwrap(), sessions.len() as u64);
        for n in sessions {
            assert_eq!(value(&store, n), Some(n.to_le_bytes().to_vec()), "session {n}");
        }
    }
}
