//! Processes beside threads: `cargo bench --bench processes [-- --seconds N]`.
//!
//! A figure is what so many savers do in a time. Two kinds of them take turns in one run, for their ratio holds where the
//! figures differ from machine to machine.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has nothing to report")]

mod support;

use std::thread;
use std::time::{Duration, Instant};

use cloakroom::{Durability, FileStore, Store, Timestamp};

use support::crew::{Member, crew};
use support::{NOW, Saver, Visit, Visitor, block_on, hash_like_key, medians};

fn main() {
    if let Some(member) = Member::this() {
        return work(&member);
    }
    let (seconds, rounds, many) = if support::is_measuring() { (seconds(), 5, 100) } else { (0.05, 1, 4) };
    let directory = support::directory();
    let sessions = support::sessions().min(20_000);
    let place = &directory.path().join("sessions");
    support::filled(place, sessions, Durability::Never).close().unwrap();
    let run = |work: &str, processes: u64, threads: u64| {
        let told = crew(place, processes, &format!("{work} {threads} {sessions} {seconds}"));
        let longest = told.iter().map(|[_, longest]| *longest).fold(0.0, f64::max);
        (told.iter().map(|[done, _]| done).sum::<f64>() / seconds, longest)
    };
    let beside = |what: &str, work: &str, [ours, other]: [(u64, u64); 2], goal: f64| {
        let rate = |(processes, threads)| run(work, processes, threads).0;
        let [ours, other] = medians(rounds, [&mut || rate(ours), &mut || rate(other)]);
        println!("{what}: {ours:.0}/s beside {other:.0}/s, {:.2} times (goal {goal})", ours / other);
    };
    beside("durable saves, 16 processes beside 16 threads", "save", [(16, 1), (1, 16)], 0.6);
    beside("80 % load, 15 % touch, 5 % save, two processes beside one", "visit", [(2, 1), (1, 1)], 1.2);
    for work in ["save", "touch"] {
        let (rate, longest) = run(work, many, 2);
        println!("{work}, {many} processes of two threads: {rate:.0}/s, and the longest took {:.0} ms", longest * 1e3);
    }
}

fn seconds() -> f64 {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--seconds").skip(1);
    arguments.next().map_or(2.0, |seconds| seconds.parse().expect("--seconds takes a number"))
}

/// In a process of a crew: tells how often its threads have done their work, and how long it took at most.
fn work(member: &Member) {
    let [work, threads, sessions, seconds] = *member.task.split(' ').collect::<Vec<_>>() else { panic!() };
    let (threads, sessions): (u64, u64) = (threads.parse().unwrap(), sessions.parse().unwrap());
    let time = Duration::from_secs_f64(seconds.parse().unwrap());
    let durability = if work == "save" { Durability::Always } else { Durability::Never };
    let options = support::options(durability).open_wait(Duration::from_secs(600));
    let store = options.open(&member.directory).unwrap();
    let worker = |thread| Worker::new(&store, sessions, member.number * threads + thread, member.of * threads);
    let workers: Vec<Worker> = (0..threads).map(worker).collect();
    member.begin();
    let told = thread::scope(|scope| {
        let work = |mut worker: Worker| move || worker.work_for(time, work);
        let running: Vec<_> = workers.into_iter().map(|worker| scope.spawn(work(worker))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let longest = told.iter().map(|(_, longest)| longest.as_secs_f64()).fold(0.0, f64::max);
    member.tell([told.iter().map(|(done, _)| *done as f64).sum(), longest]);
}

struct Worker {
    store: FileStore,
    sessions: u64,
    visitor: Visitor<Saver>,
}

impl Worker {
    fn new(store: &FileStore, sessions: u64, number: u64, of: u64) -> Self {
        let later = NOW.plus(Duration::from_secs(60 * 60));
        Self {
            store: store.clone(),
            sessions,
            visitor: Visitor::new(number, later, Saver::new(store, sessions, number, of)),
        }
    }

    fn work_for(&mut self, time: Duration, work: &str) -> (u64, Duration) {
        let (begun, mut done, mut longest) = (Instant::now(), 0, Duration::ZERO);
        let mut last = begun;
        while last - begun < time {
            let (visit, n, now) = self.visitor.next(self.sessions);
            match (work, visit) {
                ("save", _) | ("visit", Visit::Save) => self.visitor.saves.save(),
                ("touch", _) | ("visit", Visit::Touch) => self.touch(n, now),
                _ => assert!(block_on(self.store.load(&hash_like_key(n), now)).unwrap().is_some()),
            }
            done += 1;
            let now = Instant::now();
            longest = longest.max(now - last);
            last = now;
        }
        (done, longest)
    }

    fn touch(&self, n: u64, now: Timestamp) {
        assert!(block_on(self.store.touch(&hash_like_key(n), now)).unwrap());
    }
}
