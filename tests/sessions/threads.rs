use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use cloakroom::{ErrorKind, Outcome};

use crate::support::*;

/// Runs `work` on many threads at once, each with its number.
fn threads(count: u32, work: impl Fn(u32) + Sync) {
    thread::scope(|scope| {
        for number in 0..count {
            let work = &work;
            scope.spawn(move || work(number));
        }
    });
}

#[test]
fn a_counter_that_many_threads_count_at_once_is_exact() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("n", &0).unwrap());
    threads(16, |number| {
        for _ in 0..100 {
            let session = site.open(&browser);
            session.modify("n", |n: Option<u32>| n.map(|n| n + 1)).unwrap();
            session.insert(&format!("own {number}"), &number).unwrap();
            session.flash(number).unwrap();
            assert_eq!(site.commit(session).outcome(), Outcome::Stored);
        }
    });
    let session = site.open(&browser);
    assert_eq!(session.get("n").unwrap(), Some(1600));
    assert_eq!(session.names().unwrap().len(), 17);
    assert_eq!(session.take_flashes::<u32>().unwrap().len(), 1600);
}

#[test]
fn read_and_insert_from_many_threads_loses_no_update_without_an_error() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("n", &[0; 0]).unwrap());
    let stored = AtomicU32::new(0);
    threads(8, |number| {
        for round in 0..100 {
            let session = site.open(&browser);
            // A value of its own, for two equal ones would be no conflict.
            let mut n: Vec<u32> = session.get("n").unwrap().unwrap();
            n.push(number * 100 + round);
            thread::yield_now();
            session.insert("n", &n).unwrap();
            match site.sessions.blocking().commit(session) {
                Ok(_) => _ = stored.fetch_add(1, Ordering::Relaxed),
                Err(error) => assert!(matches!(error.kind(), ErrorKind::Conflict { entry, .. } if entry == "n")),
            }
        }
    });
    let n: Vec<u32> = site.open(&browser).get("n").unwrap().unwrap();
    assert_eq!(n.len() as u32, stored.into_inner());
}

#[test]
fn whoever_destroys_a_session_among_many_that_change_it_ends_it_for_good() {
    for _ in 0..20 {
        let site = site();
        let mut browser = Browser::default();
        site.visit(&mut browser, |session| session.insert("n", &0).unwrap());
        threads(8, |number| {
            for round in 0..20 {
                let session = site.open(&browser);
                if session.is_new() {
                    return;
                }
                session.modify("n", |n: Option<u32>| n.map(|n| n + 1)).unwrap();
                match (number, round) {
                    (0, 5) => session.destroy().unwrap(),
                    _ if round % 3 == 0 => session.set_permanent(round % 2 == 0).unwrap(),
                    _ => (),
                }
                let committed = site.commit(session);
                assert!(matches!(committed.outcome(), Outcome::Stored | Outcome::Lost | Outcome::Destroyed));
            }
        });
        assert_eq!(site.count(), 0);
    }
}

#[test]
fn of_many_rotations_at_once_one_id_lives() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("n", &0).unwrap());
    let sessions: Vec<_> = (0..8).map(|_| site.open(&browser)).collect();
    let rotated = AtomicU32::new(0);
    threads(8, |number| {
        let session = sessions[number as usize].clone();
        session.rotate().unwrap();
        session.modify("n", |n: Option<u32>| n.map(|n| n + 1)).unwrap();
        if site.commit(session).outcome() == Outcome::Rotated {
            rotated.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert_eq!((rotated.into_inner(), site.count()), (1, 1));
}
