//! The process that has the store open: eight threads that save and log out, whatever the disk is like.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use cloakroom::{Data, Durability, ErrorKind, FileOptions, FileStore, Lifetime, Record, Store as _};
use fastrand::Rng;

use crate::real::{HANGS, NOW};
use crate::support::{block_on, key};

/// The first argument that makes this binary the worker; the store's directory, a seed and whether the file system
/// keeps space that was preallocated follow.
pub const WORKER: &str = "full-disks-worker";

const THREADS: u32 = 8;
/// Each thread logs so many out, and asks for so many saves, while the disk is full; and on a file system where each of them
/// waits for the disk for long.
const TURNS: u32 = 60;
const SLOW_TURNS: u32 = 8;
/// So many sessions of a thread live at most.
const MOST: usize = 200;

/// When the threads end.
const END: u32 = u32::MAX;

/// What the threads share.
#[derive(Default)]
struct Shared {
    /// How often the parent has said something else of the disk: it is full at odd numbers. A number, for a thread may see
    /// nothing of a phase that lasts for a moment.
    phase: AtomicU32,
    /// Saves that were refused since the disk is full, and threads that have had their turns.
    refused: AtomicU64,
    had_their_turns: AtomicU32,
    /// Saves that were stored since there is room.
    stored: AtomicU64,
}

pub fn work(place: &Path, seed: u64, keeps_space: bool) -> ExitCode {
    match run(place, seed, keeps_space) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn options(rng: &mut Rng) -> FileOptions {
    let durability = [Durability::Always, Durability::Never, Durability::Every(Duration::from_millis(20))];
    let segment_bytes = [16 << 10, 256 << 10, 4 << 20, 64 << 20];
    FileStore::options()
        .durability(*rng.choice(&durability).expect("there is a choice"))
        .segment_bytes(*rng.choice(&segment_bytes).expect("there is a choice"))
}

fn run(place: &Path, seed: u64, keeps_space: bool) -> Result<(), String> {
    let mut rng = Rng::with_seed(seed);
    let options = options(&mut rng);
    let told = |what: &str, error: cloakroom::Error| format!("{what} failed, with {options:?}: {error}");
    let store = options.clone().open(place).map_err(|error| told("opening", error))?;
    println!("page {:?}", store.stats(NOW).map_err(|error| told("the look at the figures", error))?.page);
    let store = Opened { store: RwLock::new(Some(store)), options: options.clone(), place, keeps_space };
    let shared = Shared::default();
    let lanes: Vec<Lane> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..THREADS)
            .map(|number| {
                let mut lane = Lane { number, next: 0, live: Vec::new(), ended: Vec::new(), rng: rng.fork() };
                let (store, shared) = (&store, &shared);
                // Said at once, for the others may hang.
                let say = |why: &String| println!("{why}, with {:?}", store.options);
                scope.spawn(move || lane.run(store, shared).inspect_err(say).map(|()| lane))
            })
            .collect();
        let conducted = conduct(&shared, keeps_space, || lanes.iter().any(|lane| lane.is_finished()));
        shared.phase.store(END, SeqCst);
        let lanes = lanes.into_iter().map(|lane| lane.join().map_err(|_| "a thread panicked".to_owned())?);
        // What a thread has found says more than that it has ended.
        lanes.collect::<Result<Vec<_>, String>>().and_then(|lanes| conducted.map(|()| lanes))
    })
    .map_err(|why| format!("{why}, with {options:?}"))?;
    match store.store.into_inner().ok().flatten().expect("it is open").close() {
        Err(error) if keeps_space => return Err(told("closing", error)),
        _ => {}
    }
    let store = options.clone().open(place).map_err(|error| told("opening again", error))?;
    for lane in &lanes {
        lane.check(&store).map_err(|why| format!("{why}, with {options:?}"))?;
    }
    if !store.damage().is_empty() {
        return Err(format!("damage, with {options:?}: {:?}", store.damage()));
    }
    println!("sound");
    Ok(())
}

/// Does what the parent says, and says when it is done.
fn conduct(shared: &Shared, keeps_space: bool, is_over: impl Fn() -> bool) -> Result<(), String> {
    let wait = |what: &str, done: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !done() {
            if is_over() {
                return Err("a thread ended".to_owned());
            }
            if begun.elapsed() > 2 * HANGS {
                return Err(format!("{what} within a minute"));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    };
    wait("no save was stored", &|| shared.stored.load(SeqCst) > 300)?;
    println!("works");
    for line in std::io::stdin().lines().map_while(Result::ok) {
        match &*line {
            "full" => {
                shared.refused.store(0, SeqCst);
                shared.had_their_turns.store(0, SeqCst);
                shared.phase.fetch_add(1, SeqCst);
                // A full btrfs finds room for a few more bytes again and again.
                let begun = Instant::now();
                wait("not every thread had its turns on the full disk", &|| {
                    shared.had_their_turns.load(SeqCst) == THREADS && shared.refused.load(SeqCst) > 0
                        || !keeps_space && begun.elapsed() > HANGS / 6
                })?;
                println!("was full");
            }
            "room" => {
                // The ballast goes after this line.
                shared.stored.store(0, SeqCst);
                shared.phase.fetch_add(1, SeqCst);
                wait("no saves were stored though there is room", &|| shared.stored.load(SeqCst) > 300)?;
                println!("saves go on");
            }
            _ => return Ok(()),
        }
    }
    Ok(())
}

/// The store, which is opened again where a sync has failed.
struct Opened<'a> {
    store: RwLock<Option<FileStore>>,
    options: FileOptions,
    place: &'a Path,
    /// Whether what was preallocated can be written to, however full the disk is. On btrfs it cannot: a sync may fail then,
    /// which poisons the store (rule 4).
    keeps_space: bool,
}

impl Opened<'_> {
    fn with<T>(&self, call: impl FnOnce(&FileStore) -> cloakroom::Result<T>) -> cloakroom::Result<T> {
        call(self.store.read().expect("no thread panicked").as_ref().expect("it is open"))
    }

    /// Whether the file system is to blame for this error.
    fn forgives(&self, error: &cloakroom::Error) -> bool {
        let kinds = [ErrorKind::Io, ErrorKind::Poisoned, ErrorKind::NotWritable, ErrorKind::Full];
        !self.keeps_space && kinds.contains(error.kind())
    }

    /// What a site does after that, once there is room.
    fn again(&self) {
        let mut store = self.store.write().expect("no thread panicked");
        let works = store.as_ref().is_some_and(|store| block_on(store.destroy(&key(u32::MAX), None)).is_ok());
        if !works {
            let old = store.take();
            drop(old);
            let begun = Instant::now();
            while store.is_none() {
                *store = self.options.clone().open(self.place).ok();
                assert!(begun.elapsed() < HANGS, "it cannot be opened, though there is room");
            }
        }
    }
}

/// A thread, and the sessions that are its own.
struct Lane {
    number: u32,
    next: u32,
    live: Vec<u32>,
    ended: Vec<u32>,
    rng: Rng,
}

impl Lane {
    fn run(&mut self, store: &Opened<'_>, shared: &Shared) -> Result<(), String> {
        let (mut before, mut turns) = (0, 0);
        loop {
            let phase = shared.phase.load(SeqCst);
            if phase == END {
                return Ok(());
            }
            if phase != before {
                (before, turns) = (phase, 0);
            }
            let is_full = phase % 2 == 1;
            let refused = self.save(store, shared, is_full)?;
            if is_full && refused {
                turns += 1;
                if turns == if store.keeps_space { TURNS } else { SLOW_TURNS } {
                    shared.had_their_turns.fetch_add(1, SeqCst);
                }
                if turns % 4 == 0 {
                    self.log_out(store)?;
                }
            } else if !is_full && self.live.len() >= MOST {
                self.log_out(store)?;
            }
        }
    }

    /// Says whether the save was refused for want of room.
    fn save(&mut self, store: &Opened<'_>, shared: &Shared, is_full: bool) -> Result<bool, String> {
        let n = self.next * THREADS + self.number;
        let mut record = Record::new(key(n), Lifetime::idle(Duration::from_secs(3_600)), NOW);
        let value = vec![1; self.rng.usize(..2_000)];
        record.set_data(Data::from_entries(&BTreeMap::from([(Arc::from("value"), value)])));
        match store.with(|store| block_on(store.create(&record, &[], NOW))) {
            Ok(_) => {
                self.next += 1;
                self.live.push(n);
                shared.stored.fetch_add(1, SeqCst);
                Ok(false)
            }
            Err(error) if *error.kind() == ErrorKind::Full => {
                shared.refused.fetch_add(1, SeqCst);
                Ok(true)
            }
            Err(error) if store.forgives(&error) => {
                // It may have been done.
                self.next += 1;
                shared.refused.fetch_add(1, SeqCst);
                if !is_full {
                    store.again();
                }
                Ok(true)
            }
            Err(error) => Err(format!("a save failed otherwise than as Full: {error}")),
        }
    }

    fn log_out(&mut self, store: &Opened<'_>) -> Result<(), String> {
        if self.live.is_empty() {
            return Ok(());
        }
        let n = self.live.swap_remove(self.rng.usize(..self.live.len()));
        match store.with(|store| block_on(store.destroy(&key(n), None))) {
            Ok(_) => self.ended.push(n),
            // It may have been done, or not.
            Err(error) if store.forgives(&error) => {}
            Err(error) => return Err(format!("a logout was not acknowledged: {error}")),
        }
        Ok(())
    }

    /// What was acknowledged must be there.
    fn check(&self, store: &FileStore) -> Result<(), String> {
        for (sessions, is_there) in [(&self.live, true), (&self.ended, false)] {
            for n in sessions {
                let found = block_on(store.load(&key(*n), NOW)).map_err(|error| format!("a load failed: {error}"))?;
                if found.is_some() != is_there {
                    let what =
                        if is_there { "a session that was saved is gone" } else { "a session that was ended is back" };
                    return Err(what.to_owned());
                }
            }
        }
        Ok(())
    }
}
