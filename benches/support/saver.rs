//! Saving, by one thread or by many at once.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use cloakroom::{FileStore, Record, Revision, Store, Update};

use super::{NOW, Numbers, block_on, hash_like_key, record};

/// Saves sessions, each time knowing the revision of the time before, as a server does that has just loaded one.
pub(crate) struct Saver {
    store: FileStore,
    sessions: Vec<(Record, Revision)>,
    numbers: Numbers,
}

impl Saver {
    /// A saver of every `of`th of the sessions, from the `first` on; two with different firsts are never in conflict.
    pub(crate) fn new(store: &FileStore, sessions: u64, first: u64, of: u64) -> Self {
        let mine = (first..sessions).step_by(of as usize).take(5_000).map(|n| {
            let stored = block_on(store.load(&hash_like_key(n), NOW)).unwrap().unwrap();
            (record(n), stored.revision())
        });
        Self { store: store.clone(), sessions: mine.collect(), numbers: Numbers(first) }
    }

    pub(crate) fn save(&mut self) {
        let next = self.numbers.below(self.sessions.len() as u64) as usize;
        let (record, revision) = &mut self.sessions[next];
        match block_on(self.store.update(record, *revision, NOW)).unwrap() {
            Update::Stored(now) => *revision = now,
            other => panic!("a saver's own session: {other:?}"),
        }
    }
}

/// How long it takes until each of these workers has done its work this many times, on a thread of its own.
pub(crate) fn together<W: Send>(workers: &mut [W], times: u64, work: impl Fn(&mut W) + Sync) -> Duration {
    if let [worker] = workers {
        let begun = Instant::now();
        (0..times).for_each(|_| work(worker));
        return begun.elapsed();
    }
    let start = Barrier::new(workers.len());
    let run = |worker: &mut W| {
        start.wait();
        let begun = Instant::now();
        (0..times).for_each(|_| work(worker));
        (begun, Instant::now())
    };
    thread::scope(|scope| {
        let running: Vec<_> = workers.iter_mut().map(|worker| scope.spawn(|| run(worker))).collect();
        let times: Vec<_> = running.into_iter().map(|thread| thread.join().unwrap()).collect();
        let begun = times.iter().map(|(begun, _)| *begun).min().unwrap();
        times.iter().map(|(_, ended)| *ended - begun).max().unwrap()
    })
}
