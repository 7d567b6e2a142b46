//! `bounds`: what a store takes of handles, memory and disk while sessions come and go, whatever the sizes.
//!
//! A case draws the size of a segment (4 KiB to 1 MiB), of a session (a few bytes to 4,000), how many handles have the
//! directory open, whether sessions have owners, and how they come and go: in waves, each of which leaves few behind. The
//! bounds hold at every look, and once the last wave is over, the store gives back what it does not need:
//!
//! * disk: twice the live bytes and a segment, and the space that is kept ahead; while a wave goes on, some segments more;
//! * handles: 64 open files and a few for each handle;
//! * memory: half as much again as a handle that opens the store then.
//!
//! No time counts, but that at which nothing moves any more: a bound that a store is on its way to is waited for.
//!
//! Promise: rule 20 of `docs/protocol.md`. What is in the store is compared with what was saved, and nothing beyond that: what
//! may be lost is for other campaigns.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cloakroom::{Data, Durability, FileStore, Lifetime, Record, Revision, Stats, Store as _, Timestamp, Update};
use fastrand::Rng;

use crate::allocated::allocated;
use crate::real::{HANGS, NOW};
use crate::run::{Campaign, CannotRun, Failure, Run};
use crate::support::{block_on, in_memory, key};

pub const CAMPAIGN: Campaign = Campaign {
    name: "bounds",
    what: "handles, memory and disk while sessions of all sizes come and go",
    size: 40,
    run,
};

/// A handle has so many files open at most: segments, and its locks, its directory and the page besides.
const FILES: usize = 64 + 12;

/// The space that is kept ahead of the log's end, however small the segments: reservations and zeros.
const AHEAD: u64 = 1 << 20;

/// What a handle takes whatever is in the store: buffers, and pieces of tables that are begun.
const HANDLE: usize = 256 << 10;

/// An idle timeout longer than a case.
const IDLE: Duration = Duration::from_secs(600);

/// How much a case has taken at most, for the figures at the end.
#[derive(Default)]
struct Most {
    disk: f64,
    files: usize,
    memory: f64,
}

fn run(run: &mut Run) -> Result<(), CannotRun> {
    if fs::read_dir("/proc/self/fd").is_err() {
        return Err(CannotRun("open files cannot be counted here: there is no /proc/self/fd".into()));
    }
    in_memory().map_err(|error| CannotRun(format!("making a directory: {error}")))?;
    let mut most = Most::default();
    run.each(|seed| Case::draw(&mut Rng::with_seed(seed)).run(&mut Rng::with_seed(!seed), &mut most));
    let Most { disk, files, memory } = most;
    run.tell(&format!(
        "at most {disk:.2} of the disk, {files} files a handle, and {memory:.2} of the memory that a fresh handle takes"
    ));
    Ok(())
}

/// What a case draws.
#[derive(Debug)]
struct Case {
    segment_bytes: u32,
    /// The mean of a session's value, in bytes.
    value_bytes: usize,
    durability: Durability,
    handles: usize,
    /// How many owners share the sessions; 0 for none.
    owners: u32,
    waves: u32,
    /// How many sessions a wave brings, and how many are left behind.
    comes: u32,
    stays: u32,
}

impl Case {
    fn draw(rng: &mut Rng) -> Self {
        let segment_bytes = 1 << rng.u32(12..=20);
        let value_bytes = *rng.choice(&[0, 60, 300, 600, 4000]).expect("there is a choice");
        // Some megabytes for each case, so that even large segments come and go.
        let comes = (6_000_000 / (value_bytes + 150)).min(20_000) as u32;
        Self {
            segment_bytes,
            value_bytes,
            durability: if rng.u8(..4) == 0 { Durability::Always } else { Durability::Never },
            handles: rng.usize(1..=3),
            owners: *rng.choice(&[0, 1, 7, 5_000]).expect("there is a choice"),
            waves: rng.u32(1..=3),
            comes,
            stays: rng.u32(1..=comes / 20),
        }
    }

    fn run(&self, rng: &mut Rng, most: &mut Most) -> Result<(), Failure> {
        self.churn(rng, most).map_err(|what| format!("{what}\n    {self:?}"))
    }

    fn churn(&self, rng: &mut Rng, most: &mut Most) -> Result<(), Failure> {
        let directory = in_memory().map_err(|error| format!("making a directory: {error}"))?;
        let place = directory.path().join("sessions");
        let before = allocated();
        let open = || {
            let options = FileStore::options().segment_bytes(self.segment_bytes).durability(self.durability);
            // What is cached is bounded by its own budget.
            options.cache_bytes(0).open(&place).map_err(|error| format!("opening: {error}"))
        };
        let stores = (0..self.handles).map(|_| open()).collect::<Result<Vec<_>, Failure>>()?;
        let mut wave =
            Wave { case: self, place: &place, stores: &stores, live: BTreeMap::new(), now: NOW, next: 0, largest: 0 };
        for _ in 0..self.waves {
            wave.comes(rng, most)?;
            wave.goes(rng, most)?;
            wave.now = wave.now.plus(IDLE);
        }
        let Wave { live, now, .. } = wave;
        // Each handle has read to the end, whether anybody asked it or not.
        for store in &stores {
            let count = block_on(store.count(now)).map_err(|error| format!("counting: {error}"))?;
            if count != live.len() as u64 {
                return Err(format!("{count} sessions are there instead of {}", live.len()));
            }
        }
        let bound = |stats: &Stats| 2 * stats.live_bytes + 2 * u64::from(self.segment_bytes) + AHEAD;
        settles("the disk", || {
            let (stats, disk) = (stores[0].stats(now).map_err(|error| error.to_string())?, disk_bytes(&place));
            Ok((disk <= bound(&stats)).then_some(()).ok_or(format!("{disk} bytes for {stats:?}")))
        })?;
        let mut needed = 0;
        settles("the memory", || {
            let opened = allocated();
            let fresh = (0..self.handles).map(|_| open()).collect::<Result<Vec<_>, Failure>>()?;
            // What the other handles give back meanwhile makes this less, so the most of all looks is right.
            needed = needed.max(allocated().saturating_sub(opened));
            drop(fresh);
            let (taken, most_allowed) = (allocated().saturating_sub(before), needed * 3 / 2 + HANDLE * self.handles);
            if taken <= most_allowed {
                most.memory = most.memory.max(taken as f64 / needed as f64);
                return Ok(Ok(()));
            }
            Ok(Err(format!("{taken} bytes where {needed} are needed")))
        })
    }
}

/// Looks again until the bound holds. A store that moves towards it has as long as that takes.
fn settles(what: &str, mut look: impl FnMut() -> Result<Result<(), String>, Failure>) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        match look()? {
            Ok(()) => return Ok(()),
            Err(left) if begun.elapsed() > HANGS => return Err(format!("{what} is not given back: {left}")),
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// The sessions that come and go.
struct Wave<'a> {
    case: &'a Case,
    place: &'a Path,
    stores: &'a [FileStore],
    live: BTreeMap<u32, Revision>,
    now: Timestamp,
    /// The number of the next session.
    next: u32,
    /// The most bytes that have lived at once.
    largest: u64,
}

impl Wave<'_> {
    fn record(&self, n: u32, rng: &mut Rng) -> Record {
        let mut record = Record::new(key(n), Lifetime::idle(IDLE), self.now);
        let bytes: Vec<u8> = (0..rng.usize(0..=2 * self.case.value_bytes)).map(|_| rng.u8(..)).collect();
        let name: Arc<str> = "v".into();
        record.set_data(Data::from_entries(&BTreeMap::from([(name, bytes)])));
        if self.case.owners > 0 {
            record.set_owner(Some(format!("owner {}", n % self.case.owners).as_str().into()), None);
        }
        record
    }

    fn comes(&mut self, rng: &mut Rng, most: &mut Most) -> Result<(), Failure> {
        for _ in 0..self.case.comes {
            let store = rng.choice(self.stores).expect("there is a handle");
            let n = self.next;
            self.next += 1;
            let created = block_on(store.create(&self.record(n, rng), &[], self.now));
            self.live.insert(n, created.map_err(|error| format!("creating: {error}"))?);
            // A session that came earlier is saved again or touched, as sessions are.
            let other = rng.u32(n.saturating_sub(self.case.comes)..=n);
            match self.live.get(&other).copied() {
                Some(revision) if rng.bool() => {
                    let updated = block_on(store.update(&self.record(other, rng), revision, self.now));
                    match updated.map_err(|error| format!("saving: {error}"))? {
                        Update::Stored(stored) => drop(self.live.insert(other, stored)),
                        refused => return Err(format!("session {other} could not be saved: {refused:?}")),
                    }
                }
                Some(_) => {
                    let touched = block_on(store.touch(&key(other), self.now));
                    if !touched.map_err(|error| format!("touching: {error}"))? {
                        return Err(format!("session {other} is not there to be touched"));
                    }
                }
                None => {}
            }
            if n.is_multiple_of(500) {
                self.look(most)?;
            }
        }
        self.look(most)
    }

    /// All but few go: logged out one at a time or together, or swept.
    fn goes(&mut self, rng: &mut Rng, most: &mut Most) -> Result<(), Failure> {
        let store = rng.choice(self.stores).expect("there is a handle");
        let going: Vec<u32> = self.live.keys().copied().take(self.live.len() - self.case.stays as usize).collect();
        // Those that stay are seen once more, so that they outlive this wave, and end with the next.
        let (later, end) = (self.now.plus(IDLE / 2), self.now.plus(IDLE));
        for n in self.live.keys().skip(going.len()) {
            let touched = block_on(store.touch(&key(*n), later));
            if !touched.map_err(|error| format!("touching: {error}"))? {
                return Err(format!("session {n} is not there to be touched"));
            }
        }
        if rng.bool() {
            for (step, n) in going.iter().enumerate() {
                block_on(store.destroy(&key(*n), None)).map_err(|error| format!("destroying: {error}"))?;
                if step.is_multiple_of(500) {
                    self.look(most)?;
                }
            }
        } else {
            let budget = rng.usize(1..5_000);
            while block_on(store.sweep(end, budget)).map_err(|error| format!("sweeping: {error}"))?.more {
                self.look(most)?;
            }
        }
        for n in going {
            self.live.remove(&n);
        }
        self.look(most)
    }

    /// The bounds that hold at any moment.
    fn look(&mut self, most: &mut Most) -> Result<(), Failure> {
        let stats = self.stores[0].stats(self.now).map_err(|error| format!("stats: {error}"))?;
        self.largest = self.largest.max(stats.live_bytes);
        let (disk, files) = (disk_bytes(self.place), open_files(self.place));
        let bound = 3 * self.largest + 4 * u64::from(self.case.segment_bytes) + 2 * AHEAD;
        most.disk = most.disk.max(disk as f64 / bound as f64);
        most.files = most.files.max(files.div_ceil(self.stores.len()));
        if disk > bound {
            return Err(format!("the log takes {disk} bytes, {} have lived at most: {stats:?}", self.largest));
        }
        if files > FILES * self.stores.len() {
            return Err(format!("{files} files are open: {stats:?}"));
        }
        Ok(())
    }
}

/// The bytes of all files in a directory.
fn disk_bytes(place: &Path) -> u64 {
    let files = fs::read_dir(place).into_iter().flatten().flatten();
    files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

/// How many files of a directory this process has open.
fn open_files(place: &Path) -> usize {
    let files = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    files.filter(|file| fs::read_link(file.path()).is_ok_and(|path| path.starts_with(place))).count()
}
