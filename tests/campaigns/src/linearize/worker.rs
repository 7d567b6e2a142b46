//! One of the processes: it opens the directory, does what it is told on several threads at once, and reports each call.

use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use cloakroom::{Durability, FileStore};
use serde::{Deserialize, Serialize};

use super::mix::Mix;
use crate::history::spec::{Event, Op, Rules, Sessions};
use crate::history::store::Group;
use crate::history::{Call, wait_until};

/// The first argument of a process that is none of the user's.
pub const WORKER: &str = "linearize-worker";

/// How a process opens the store.
#[derive(Clone, Serialize, Deserialize)]
pub struct Setting {
    pub place: PathBuf,
    pub rules: Rules,
    pub segment_bytes: u32,
    pub cache_bytes: usize,
    /// When saves are synced: `Some(0)` before they are acknowledged, so many milliseconds later, or never.
    pub synced_after: Option<u64>,
}

impl Setting {
    pub fn open(&self) -> Result<FileStore, String> {
        let durability = match self.synced_after {
            Some(0) => Durability::Always,
            Some(millis) => Durability::Every(Duration::from_millis(millis)),
            None => Durability::Never,
        };
        let mut options = FileStore::options()
            .durability(durability)
            .segment_bytes(self.segment_bytes)
            .cache_bytes(self.cache_bytes)
            // The machine may be busy; a timeout here would be a wait without an end.
            .lock_wait(Duration::from_secs(60));
        if let Some(limit) = self.rules.limit() {
            options = options.per_owner(limit);
        }
        options.open(&self.place).map_err(|error| format!("opening the store: {error}"))
    }
}

/// What a process is told.
#[derive(Serialize, Deserialize)]
pub enum Order {
    /// To work from this moment on, all threads at once.
    Work(Work),
    /// To look at every session, expired or not.
    Look { groups: u32, keys: u8 },
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Work {
    pub start: u64,
    pub seed: u64,
    /// Where this process begins to number its writes.
    pub writes: u64,
    pub threads: u64,
    pub calls: u64,
    pub mix: Mix,
    /// What stands in each group before anybody begins.
    pub sessions: Vec<Sessions>,
    /// Closes the store first and opens it while others work; closes it afterwards while others work.
    pub reopen: bool,
    pub close: bool,
}

/// A call, and whose group it was on; `None` if it was on all of them.
pub type Made = (Option<u32>, Call<Event>);

/// What a process answers to each order.
pub type Report = Result<Vec<Made>, String>;

/// The process: a setting, then orders, each a line; a report for each order.
pub fn work() -> ExitCode {
    let mut lines = std::io::stdin().lock().lines();
    let mut next = || lines.next().transpose().expect("the parent is there").map(|line| line.into_bytes());
    let Some(setting) = next() else { return ExitCode::FAILURE };
    let setting: Setting = serde_json::from_slice(&setting).expect("the parent sends a setting first");
    let mut store = None;
    while let Some(order) = next() {
        let order: Order = serde_json::from_slice(&order).expect("the parent sends orders");
        let report: Report = follow(&setting, &mut store, order);
        let mut line = serde_json::to_vec(&report).expect("a report can be written");
        line.push(b'\n');
        std::io::stdout().lock().write_all(&line).expect("the parent listens");
    }
    match store.map_or(Ok(()), |store| store.close()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("a process could not close the store: {error}");
            ExitCode::FAILURE
        }
    }
}

fn follow(setting: &Setting, store: &mut Option<FileStore>, order: Order) -> Report {
    match order {
        Order::Look { groups, keys } => {
            let store = opened(setting, store)?;
            let all = (0..groups).flat_map(|group| (0..keys).map(move |key| (group, key)));
            all.map(|(group, key)| Ok((Some(group), Group(group).call(store, Op::Find { key, now: 0 })?))).collect()
        }
        Order::Work(work) => {
            if work.reopen {
                close(store)?;
            }
            // A process that has it open begins with the others; one that has not opens it while they work.
            wait_until(work.start);
            let opened = opened(setting, store)?;
            let made = thread::scope(|scope| {
                let work = &work;
                let threads = (0..work.threads).map(|thread| scope.spawn(move || work.on(opened, thread)));
                // All are started before the first is waited for.
                let threads: Vec<_> = threads.collect();
                let made = threads.into_iter().map(|thread| thread.join().expect("a thread of a worker ends"));
                made.collect::<Result<Vec<_>, _>>()
            })?;
            if work.close {
                close(store)?;
            }
            Ok(made.concat())
        }
    }
}

fn opened<'a>(setting: &Setting, store: &'a mut Option<FileStore>) -> Result<&'a FileStore, String> {
    if store.is_none() {
        *store = Some(setting.open()?);
    }
    Ok(store.as_ref().expect("it was just opened"))
}

fn close(store: &mut Option<FileStore>) -> Result<(), String> {
    store.take().map_or(Ok(()), |store| store.close().map_err(|error| format!("closing the store: {error}")))
}

impl Work {
    fn on(&self, store: &FileStore, thread: u64) -> Report {
        let mut random = fastrand::Rng::with_seed(self.seed.wrapping_mul(64).wrapping_add(thread));
        let mut known = self.sessions.clone();
        let mut made = Vec::new();
        for n in 0..self.calls {
            let group = random.usize(..known.len());
            let write = self.writes + thread * self.calls + n;
            let op = self.mix.next(&mut random, &known[group], write);
            let call = Group(group as u32).call(store, op)?;
            super::mix::learn(&mut known[group], &call.event);
            let alone = known.len() == 1 || !self.mix.is_on_all_groups(&op);
            made.push((alone.then_some(group as u32), call));
        }
        Ok(made)
    }
}

/// The numbers of the segments in a directory.
pub fn segments(place: &Path) -> Vec<u32> {
    let names = std::fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.strip_suffix(".log")?.parse().ok()).collect()
}
