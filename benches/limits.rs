//! The figures that matter, each beside what the system alone takes: `cargo bench --bench limits [-- --sessions N]`.
//!
//! Times differ from machine to machine and from day to day; ratios of one run hold. So each operation and its limit
//! take turns, and the table shows the medians.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has nothing to report")]

mod support;

use std::fs;
use std::hint::black_box;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use cloakroom::{Durability, FileStore, Record, SessionKey, Store};

use support::{Goal, GroupCommit, Map, NOW, Numbers, RawLog, Saver, Table, Visit, Visitor};
use support::{block_on, child, medians, together};

fn main() {
    if child::is_played_out() {
        return;
    }
    let run = Run::from_arguments();
    let directory = support::directory();
    let mut table = Table::default();
    run.memory_speed(&directory.path().join("volatile"), &mut table);
    run.disk_speed(&directory.path().join("durable"), &mut table);
    run.openings(&directory.path().join("opened"), &mut table);
    println!("{} sessions, values of 600 bytes in the mean\n", run.sessions);
    println!("{table}");
}

/// How much is measured.
struct Run {
    sessions: u64,
    rounds: usize,
    /// Operations in a round: those that take less than a microsecond, and those that wait for the disk.
    quick: u64,
    durable: u64,
}

impl Run {
    fn from_arguments() -> Self {
        let mut run = Self { sessions: support::sessions(), rounds: 31, quick: 20_000, durable: 40 };
        if !support::is_measuring() {
            run = Self { rounds: 1, quick: 200, durable: 10, ..run };
        }
        let mut arguments = std::env::args().skip_while(|argument| argument != "--sessions").skip(1);
        if let Some(sessions) = arguments.next() {
            run.sessions = sessions.parse().expect("--sessions takes a number");
        }
        run
    }

    /// Nanoseconds that each of two takes.
    fn beside(&self, times: u64, mut ours: impl FnMut(), mut raw: impl FnMut()) -> [f64; 2] {
        medians(self.rounds, [&mut || each(times, &mut ours), &mut || each(times, &mut raw)])
    }

    /// What never waits for the disk.
    fn memory_speed(&self, directory: &Path, table: &mut Table) {
        let store = &support::filled(directory, self.sessions, Durability::Never);
        let map = &Map::filled(self.sessions);
        self.loads(store, map, table);
        self.touches_and_saves(directory, store, table);
        self.mixed(store, map, table);
        self.sweeps(store, map, table);
    }

    fn loads(&self, store: &FileStore, map: &Map, table: &mut Table) {
        let load = |key: SessionKey| block_on(store.load(&key, NOW)).unwrap();
        let (mut one, mut other) = (Numbers(1), Numbers(1));
        let mut next = || support::hash_like_key(one.below(self.sessions));
        let mut next_raw = || support::hash_like_key(other.below(self.sessions));

        let ours = || drop(black_box(load(next()).unwrap()));
        let raw = || drop(black_box(map.load(&next_raw(), NOW).unwrap()));
        let [ours, raw] = self.beside(self.quick, ours, raw);
        table.time("load, hit", ours, ("map", raw), Goal::Ratio(1.2));

        let ours = || drop(black_box(load(next()).unwrap().data().get("cart").unwrap().to_vec()));
        let raw = || drop(black_box(map.load(&next_raw(), NOW).unwrap().data.clone()));
        let [ours, raw] = self.beside(self.quick, ours, raw);
        table.time("load, hit, its entry copied", ours, ("map", raw), Goal::Ratio(1.2));

        let ours = || drop(black_box(load(support::unknown_key(one.next()))));
        let raw = || drop(black_box(map.load(&support::unknown_key(other.next()), NOW)));
        let [ours, raw] = self.beside(self.quick, ours, raw);
        table.time("load, unknown id", ours, ("map", raw), Goal::Ratio(1.3));
    }

    fn touches_and_saves(&self, directory: &Path, store: &FileStore, table: &mut Table) {
        let mut log = RawLog::new(directory);
        let (mut now, mut numbers) = (NOW, Numbers(1));
        let touch = || {
            now = now.plus(Duration::from_millis(1));
            assert!(block_on(store.touch(&support::hash_like_key(numbers.below(self.sessions)), now)).unwrap());
        };
        let [ours, raw] = self.beside(self.quick / 2, touch, || log.touch());
        table.time("touch", ours, ("append + flock", raw), Goal::Ratio(1.3));

        let mut saver = Saver::new(store, self.sessions, 0, 1);
        let records = records();
        let mut next = records.iter().cycle();
        let [ours, raw] = self.beside(self.quick / 2, || saver.save(), || log.save(next.next().unwrap()));
        table.time("save, not waiting for the disk", ours, ("encode + append + flock", raw), Goal::Ratio(1.5));
    }

    /// 80 % load, 15 % touch, 5 % save, by two threads.
    fn mixed(&self, store: &FileStore, map: &Map, table: &mut Table) {
        let later = NOW.plus(Duration::from_secs(60 * 60));
        let mut ours = [0, 1].map(|n| Visitor::new(n, later, Saver::new(store, self.sessions, n, 2)));
        let mut raw = [0, 1].map(|n| Visitor::new(n, later, records().into_iter().cycle()));
        let [ours, raw] = medians(
            self.rounds,
            [
                &mut || {
                    nanos(together(&mut ours, self.quick / 2, |visitor| match visitor.next(self.sessions) {
                        (Visit::Load, n, now) => {
                            drop(block_on(store.load(&support::hash_like_key(n), now)).unwrap().unwrap())
                        }
                        (Visit::Touch, n, now) => {
                            assert!(block_on(store.touch(&support::hash_like_key(n), now)).unwrap())
                        }
                        (Visit::Save, ..) => visitor.saves.save(),
                    })) / self.quick as f64
                },
                &mut || {
                    nanos(together(&mut raw, self.quick / 2, |visitor| match visitor.next(self.sessions) {
                        (Visit::Load, n, now) => drop(map.load(&support::hash_like_key(n), now).unwrap()),
                        (Visit::Touch, n, now) => assert!(map.touch(&support::hash_like_key(n), now)),
                        (Visit::Save, ..) => map.save(&visitor.saves.next().unwrap()),
                    })) / self.quick as f64
                },
            ],
        );
        table.time("80 % load, 15 % touch, 5 % save, 2 threads", ours, ("map", raw), Goal::Ratio(3.0));
    }

    fn sweeps(&self, store: &FileStore, map: &Map, table: &mut Table) {
        const EXPIRED: u64 = 1_000;
        let expiring: Vec<Record> = (self.sessions..self.sessions + EXPIRED).map(support::ending).collect();
        let [ours, raw] = medians(
            self.rounds,
            [
                &mut || {
                    for record in &expiring {
                        block_on(store.create(record, &[], NOW)).unwrap();
                    }
                    let begun = Instant::now();
                    let swept = block_on(store.sweep(support::ENDED, usize::MAX)).unwrap();
                    assert_eq!(swept.removed, EXPIRED);
                    nanos(begun.elapsed()) / EXPIRED as f64
                },
                &mut || {
                    expiring.iter().for_each(|record| map.save(record));
                    let begun = Instant::now();
                    assert_eq!(map.sweep(support::ENDED), EXPIRED);
                    nanos(begun.elapsed()) / EXPIRED as f64
                },
            ],
        );
        table.time("sweep, an expired session", ours, ("map, all of it looked through", raw), Goal::Alone(500.0));
    }

    /// What waits for the disk.
    fn disk_speed(&self, directory: &Path, table: &mut Table) {
        let store = support::filled(directory, self.sessions.min(100_000), Durability::Always);
        let sessions = self.sessions.min(100_000);
        let records = &records();
        let room = |saves: u64| saves * 1_100;

        let mut saver = Saver::new(&store, sessions, 0, 1);
        let (mut log, mut zeroed) = (RawLog::new(directory), RawLog::new(directory));
        let mut next = records.iter().cycle();
        let mut next_zeroed = records.iter().cycle();
        let [ours, raw, raw_zeroed] = medians(
            self.rounds,
            [
                &mut || each(self.durable, || saver.save()),
                &mut || each(self.durable, || log.save_durably(next.next().unwrap())),
                &mut || {
                    zeroed.prepare(room(self.durable));
                    each(self.durable, || zeroed.save_durably(next_zeroed.next().unwrap()))
                },
            ],
        );
        let operation = "save, durable, 1 thread";
        table.time(operation, ours, ("append + fdatasync", raw), Goal::None);
        table.time(operation, ours, ("the same into zeroed space", raw_zeroed), Goal::Ratio(1.1));

        const THREADS: u64 = 8;
        let mut savers: Vec<_> = (0..THREADS).map(|n| Saver::new(&store, sessions, n, THREADS)).collect();
        let (log, zeroed) = (GroupCommit::new(directory), GroupCommit::new(directory));
        let mut workers: Vec<_> = (0..THREADS).map(|n| records.iter().cycle().skip(n as usize)).collect();
        let mut zeroed_workers = workers.clone();
        let saves = THREADS * self.durable;
        let [ours, raw, raw_zeroed] = medians(
            self.rounds,
            [
                &mut || nanos(together(&mut savers, self.durable, Saver::save)) / saves as f64,
                &mut || {
                    let save = |next: &mut dyn Iterator<Item = &Record>| log.save_durably(next.next().unwrap());
                    nanos(together(&mut workers, self.durable, |next| save(next))) / saves as f64
                },
                &mut || {
                    zeroed.prepare(room(saves));
                    let save = |next: &mut dyn Iterator<Item = &Record>| zeroed.save_durably(next.next().unwrap());
                    nanos(together(&mut zeroed_workers, self.durable, |next| save(next))) / saves as f64
                },
            ],
        );
        let operation = "save, durable, 8 threads";
        table.time(operation, ours, ("group commit", raw), Goal::Ratio(1.2));
        table.time(operation, ours, ("the same into zeroed space", raw_zeroed), Goal::None);
    }

    /// Opening, and what the sessions take on disk and in memory.
    fn openings(&self, directory: &Path, table: &mut Table) {
        support::filled(directory, self.sessions, Durability::Never).close().unwrap();
        let sessions = self.sessions as f64;
        let stored =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum::<u64>();
        let values = (0..self.sessions).map(|n| support::data(n).size() as u64).sum::<u64>();
        let disk = (stored as f64 - values as f64) / sessions;
        let memory = child::memory(directory);

        let open = || {
            let begun = Instant::now();
            let store = FileStore::open(directory).unwrap();
            let took = nanos(begun.elapsed());
            store.close().unwrap();
            took
        };
        let [clean, killed, raw] = medians(
            self.rounds.min(7),
            [
                &mut || open(),
                &mut || {
                    child::be_killed(directory);
                    open()
                },
                &mut || {
                    let begun = Instant::now();
                    read_all(directory);
                    nanos(begun.elapsed())
                },
            ],
        );
        let (limit, goal) = (("reading the files", raw), Goal::Alone(150.0 * sessions));
        table.time("open, closed cleanly", clean, limit, goal);
        table.time("open, killed", killed, limit, goal);
        table.bytes("disk, a session beyond its data", disk, Goal::Alone(56.0));
        table.bytes("memory, a session, data not cached", memory, Goal::Alone(100.0));
    }
}

/// Nanoseconds for each of so many times.
fn each(times: u64, mut work: impl FnMut()) -> f64 {
    let begun = Instant::now();
    (0..times).for_each(|_| work());
    nanos(begun.elapsed()) / times as f64
}

fn nanos(duration: Duration) -> f64 {
    duration.as_nanos() as f64
}

/// Reads all files of a directory from front to back.
fn read_all(directory: &Path) {
    let mut chunk = vec![0; 256 * 1024];
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let mut file = fs::File::open(path).unwrap();
            while file.read(&mut chunk).unwrap() > 0 {
                black_box(&chunk);
            }
        }
    }
}

/// Some records to save.
fn records() -> Vec<Record> {
    (0..5_000).map(support::record).collect()
}
