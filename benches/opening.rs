//! How long opening takes, by what stands in the log: `cargo bench --bench opening [-- --sessions N]`.
//!
//! Each store is opened as a killed process left it and as a clean close left it, and its files are read from front to back
//! beside that. The table shows milliseconds for a million sessions, medians, and the ratio to reading the files.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has nothing to report")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom::{Data, Durability, FileStore, Lifetime, Owner, Record, Store};

use support::{NOW, block_on, hash_like_key, medians};

/// What a store is filled with.
struct Case {
    name: &'static str,
    /// The length of a session's frame in the log, about.
    frame: usize,
    owners: Owners,
    then: Then,
}

enum Owners {
    None,
    One,
    Many,
}

/// What becomes of the sessions before the store is closed.
enum Then {
    Nothing,
    Touched,
    Cleared,
}

const CASES: [Case; 8] = [
    Case { name: "60 bytes", frame: 60, owners: Owners::None, then: Then::Nothing },
    Case { name: "134 bytes", frame: 134, owners: Owners::None, then: Then::Nothing },
    Case { name: "600 bytes", frame: 600, owners: Owners::None, then: Then::Nothing },
    Case { name: "4,000 bytes", frame: 4000, owners: Owners::None, then: Then::Nothing },
    Case { name: "134 bytes, each touched", frame: 134, owners: Owners::None, then: Then::Touched },
    Case { name: "134 bytes, all cleared", frame: 134, owners: Owners::None, then: Then::Cleared },
    Case { name: "134 bytes, one owner", frame: 134, owners: Owners::One, then: Then::Nothing },
    Case { name: "134 bytes, an owner each", frame: 134, owners: Owners::Many, then: Then::Nothing },
];

fn main() {
    let mut sessions = support::sessions();
    let mut arguments = std::env::args().skip_while(|argument| argument != "--sessions").skip(1);
    if let Some(wanted) = arguments.next() {
        sessions = wanted.parse().expect("--sessions takes a number");
    }
    let rounds = if support::is_measuring() { 5 } else { 1 };
    println!("{sessions} sessions; milliseconds for a million, and times as long as reading the files\n");
    println!("| sessions | killed | | closed | | reading |\n|---|---|---|---|---|---|");
    for case in &CASES {
        case.run(sessions, rounds);
    }
}

impl Case {
    fn run(&self, sessions: u64, rounds: usize) {
        let place = support::directory();
        let (filled, killed) = (place.path().join("filled"), place.path().join("killed"));
        let store = FileStore::options().durability(Durability::Never).cache_bytes(0).open(&filled).unwrap();
        for n in 0..sessions {
            block_on(store.create(&self.record(n), &[], NOW)).unwrap();
        }
        for n in 0..sessions {
            match self.then {
                Then::Nothing => break,
                Then::Touched => {
                    assert!(block_on(store.touch(&hash_like_key(n), NOW.plus(Duration::from_secs(60)))).unwrap());
                }
                Then::Cleared => {
                    block_on(store.clear()).unwrap();
                    break;
                }
            }
        }
        // The files of a store in use are what a kill at this moment would leave.
        let as_it_is = place.path().join("as it is");
        copy(&filled, &as_it_is);
        store.close().unwrap();
        let (mut read, mut round) = (0, 0);
        let times = medians(
            rounds,
            [
                &mut || {
                    round += 1;
                    let place = killed.with_extension(round.to_string());
                    copy(&as_it_is, &place);
                    let took = open(&place);
                    fs::remove_dir_all(place).unwrap();
                    took
                },
                &mut || open(&filled),
                &mut || {
                    let begun = Instant::now();
                    for entry in fs::read_dir(&filled).unwrap() {
                        read += fs::read(entry.unwrap().path()).map_or(0, |bytes| bytes.len());
                    }
                    begun.elapsed().as_nanos() as f64
                },
            ],
        );
        let [killed, closed, reading] = times.map(|nanos| nanos / sessions as f64);
        let (killed_times, closed_times) = (killed / reading, closed / reading);
        let name = self.name;
        println!("| {name} | {killed:.0} | {killed_times:.1} | {closed:.0} | {closed_times:.1} | {reading:.0} |");
    }

    fn record(&self, n: u64) -> Record {
        let mut record = Record::new(hash_like_key(n), Lifetime::idle(Duration::from_secs(24 * 60 * 60)), NOW);
        let its_owner = match self.owners {
            Owners::None => None,
            Owners::One => Some(owner(0)),
            Owners::Many => Some(owner(n)),
        };
        record.set_owner(its_owner, None);
        let without = record.to_bytes().len() + 37 + 8;
        if let Some(room) = self.frame.checked_sub(without).filter(|room| *room > 0) {
            record.set_data(Data::from_entries(&[(Arc::from("v"), vec![7; room])].into()));
        }
        record
    }
}

fn owner(n: u64) -> Owner {
    Owner::from(format!("user {n}"))
}

/// Copies the files of a directory, without those of its subdirectories.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Nanoseconds.
fn open(directory: &Path) -> f64 {
    let begun = Instant::now();
    let store = FileStore::options().durability(Durability::Never).cache_bytes(0).open(directory).unwrap();
    let took = begun.elapsed().as_nanos() as f64;
    store.close().unwrap();
    took
}
