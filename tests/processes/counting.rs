//! Counters that many threads of many processes count up by compare-and-swap.

use std::path::Path;
use std::thread;

use cloakroom::{FileStore, Store, Update};

use super::process::{Process, say};
use super::roles::{number, options};
use super::support::{NOW, block_on, create, load, place, quick_place, value, value_of, with_value};

const PROCESSES: u64 = 3;
const THREADS: u64 = 3;
const COUNTERS: u32 = 3;

/// In the child: counts each counter up so many times in each thread. The argument is "durability times".
pub fn count(place: &Path, argument: &str) {
    let (durability, times) = argument.split_once(' ').unwrap();
    let store = options(durability).open(place).unwrap();
    count_in_threads(&store, number(times.as_bytes()));
    store.close().unwrap();
    say("done");
}

fn count_in_threads(store: &FileStore, times: u64) {
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(move || {
                for round in 0..times * u64::from(COUNTERS) {
                    increment(store, (round % u64::from(COUNTERS)) as u32);
                }
            });
        }
    });
}

fn increment(store: &FileStore, n: u32) {
    let mut current = load(store, n).expect("a counter is never missing");
    loop {
        let changed = (number::<u64>(value_of(&current)) + 1).to_string();
        let changed = with_value(current.clone(), changed.as_bytes());
        match block_on(store.update(&changed, current.revision(), NOW)).unwrap() {
            Update::Stored(_) => return,
            Update::Conflict(now) => current = *now,
            _ => panic!("a counter is gone"),
        }
    }
}

fn nothing_is_lost(place: &Path, durability: &str, times: u64) {
    let store = options(durability).open(place).unwrap();
    for n in 0..COUNTERS {
        create(&store, n, b"0");
    }
    // Others that lie in every segment and have to be moved out of the way again and again.
    for n in 100..150 {
        create(&store, n, format!("bystander {n}").as_bytes());
    }
    let argument = format!("{durability} {times}");
    let others: Vec<Process> = (1..PROCESSES).map(|_| Process::start("count", place, &argument)).collect();
    count_in_threads(&store, times);
    for other in others {
        assert_eq!(other.end(), ["done"]);
    }
    let check = |store: &FileStore| {
        for n in 0..COUNTERS {
            let counted = number::<u64>(&value(store, n).unwrap());
            assert_eq!(counted, PROCESSES * THREADS * times, "counter {n}");
        }
        for n in 100..150 {
            assert_eq!(value(store, n), Some(format!("bystander {n}").into_bytes()));
        }
        assert_eq!(block_on(store.count(NOW)).unwrap(), u64::from(COUNTERS) + 50);
        assert_eq!(store.damage(), []);
    };
    check(&store);
    drop(store);
    check(&FileStore::open(place).unwrap());
    assert!(!place.join("00000001.log").exists(), "segments have come and gone");
}

#[test]
fn counters_lose_nothing_while_segments_roll_and_are_compacted() {
    let (_keep, place) = quick_place();
    nothing_is_lost(&place, "never", 100);
}

#[test]
fn counters_lose_nothing_when_each_count_waits_for_the_disk() {
    let (_keep, place) = place();
    nothing_is_lost(&place, "always", 10);
}
