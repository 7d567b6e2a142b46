//! `stall`: how long loads and saves wait for what else goes on in their store, with hundreds of thousands of sessions.
//!
//! A case is a store that grows from nothing, by one thread, while two other threads load and save, and while
//! all of this comes around again and again: sessions are touched and saved, sweeps of any budget end those of one deadline,
//! an owner of thousands of sessions logs in again and again with a limit and ends all sessions but one, the store is counted,
//! scanned and asked for its figures, hints are made, segments compacted, a second handle sleeps and catches up, and at the end the store is cleared.
//!
//! What fails a case is the longest hold of the index's lock, in steps: slots looked at or moved, and lines of a table that
//! grows. A step is up to some 200 ns, for it may wait for memory; [`MOST_STEPS`] of them are about a millisecond. The
//! times are told and fail nothing, for they say what else the machine does: the longest wait of a load and of a save, and
//! how long 999 of 1,000 loads wait at most.
//!
//! Promise: rule 25 of `docs/protocol.md`. Whether the answers are right is for other campaigns.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cloakroom::simulation::longest_hold;
use cloakroom::{
    BeyondLimit, Data, Durability, Error, FileStore, Lifetime, Limits, OwnerLimit, Record, Store as _, Timestamp,
    Update,
};
use fastrand::Rng;

use crate::real::NOW;
use crate::run::{Campaign, CannotRun, Failure, Run};
use crate::support::{block_on, in_memory, key};

pub const CAMPAIGN: Campaign =
    Campaign { name: "stall", what: "the longest hold of a lock while everything goes on", size: 4, run };

/// The longest hold that a case may have.
const MOST_STEPS: u64 = 5_000;

/// What one owner may have.
const OWNED: usize = 20_000;

/// The owner of a quarter of all sessions.
const ONE: &str = "one";

const IDLE: Duration = Duration::from_secs(600);

fn run(run: &mut Run) -> Result<(), CannotRun> {
    in_memory().map_err(|error| CannotRun(format!("making a directory: {error}")))?;
    let mut times = Times::default();
    run.each(|seed| case(&mut Rng::with_seed(seed), &mut times));
    let Times { loads, longest_load, longest_save, hold } = times;
    run.tell(&format!(
        "longest hold {hold} steps; the longest wait of a load {longest_load:?} and of a save {longest_save:?}, of 999 of \
         1,000 loads {:?}",
        loads.within(0.999)
    ));
    Ok(())
}

#[derive(Default)]
struct Times {
    loads: Histogram,
    longest_load: Duration,
    longest_save: Duration,
    /// The longest hold of all cases.
    hold: u64,
}

/// Times by their power of two.
struct Histogram([u64; 64]);

impl Default for Histogram {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl Histogram {
    fn add(&mut self, time: Duration) {
        self.0[time.as_nanos().max(1).ilog2() as usize] += 1;
    }

    /// A time that this part of all times does not exceed.
    fn within(&self, part: f64) -> Duration {
        let most = (self.0.iter().sum::<u64>() as f64 * part) as u64;
        let mut seen = 0;
        let power = self.0.iter().position(|count| {
            seen += count;
            seen >= most
        });
        Duration::from_nanos(2 << power.unwrap_or(0).min(61))
    }
}

/// What the threads of a case share.
struct Scene {
    store: FileStore,
    /// How many sessions were created, which are the keys 0 to this.
    created: AtomicU32,
    /// How many are to be created.
    sessions: u32,
    /// The part of the sessions, in percent, that end at one moment.
    together: u32,
    over: AtomicBool,
    longest_save: AtomicU64,
}

fn case(rng: &mut Rng, times: &mut Times) -> Result<(), Failure> {
    let directory = in_memory().map_err(|error| format!("making a directory: {error}"))?;
    let place = directory.path().join("sessions");
    let open = |segment_bytes| {
        let limit = OwnerLimit::new(OWNED, BeyondLimit::EndOldest);
        let options = FileStore::options().durability(Durability::Never).segment_bytes(segment_bytes);
        let limits = Limits::default().with_per_owner(limit);
        options.limits(limits).open(&place).map_err(|error| format!("opening: {error}"))
    };
    let segment_bytes = 1 << rng.u32(20..=23);
    let scene = Scene {
        store: open(segment_bytes)?,
        created: AtomicU32::new(0),
        sessions: rng.u32(100_000..=200_000),
        together: rng.u32(0..=100),
        over: AtomicBool::new(false),
        longest_save: AtomicU64::new(0),
    };
    let sleeper = open(segment_bytes)?;
    longest_hold();
    let [for_loads, for_saves, for_keeping] = [rng.fork(), rng.fork(), rng.fork()];
    let loads = thread::scope(|scope| {
        let growing = scope.spawn(|| scene.grow().inspect_err(|_| scene.over.store(true, Ordering::Release)));
        let loading = scope.spawn(|| scene.load(for_loads));
        let saving = scope.spawn(|| scene.save(for_saves));
        let keeping = scope.spawn(|| scene.keep(&sleeper, for_keeping));
        let grown = growing.join().expect("a thread ends");
        scene.over.store(true, Ordering::Release);
        let others = [saving.join().expect("a thread ends"), keeping.join().expect("a thread ends")];
        let loads = loading.join().expect("a thread ends");
        others.into_iter().chain([grown]).collect::<Result<Vec<()>, Error>>()?;
        // What is left goes at once, and the other handle hears of it.
        block_on(scene.store.destroy_owned_by(&ONE.into(), None))?;
        block_on(scene.store.sweep(NOW.plus(2 * IDLE), usize::MAX))?;
        block_on(scene.store.clear())?;
        block_on(sleeper.count(NOW))?;
        loads
    });
    let (loads, longest_load) = loads.map_err(|error| format!("an operation failed: {error}"))?;
    loads.0.iter().zip(&mut times.loads.0).for_each(|(count, all)| *all += count);
    times.longest_load = times.longest_load.max(longest_load);
    let longest_save = Duration::from_nanos(scene.longest_save.load(Ordering::Relaxed));
    times.longest_save = times.longest_save.max(longest_save);
    let hold = longest_hold();
    times.hold = times.hold.max(hold);
    if hold > MOST_STEPS {
        return Err(format!("the lock was held for {hold} steps, with {} sessions", scene.sessions));
    }
    Ok(())
}

impl Scene {
    fn record(&self, n: u32, now: Timestamp) -> Record {
        // Those that end together are seen at one moment; the others within ten minutes.
        let seen = if n % 100 < self.together { NOW } else { now };
        let mut record = Record::new(key(n), Lifetime::idle(IDLE), seen);
        let name: Arc<str> = "v".into();
        record.set_data(Data::from_entries(&BTreeMap::from([(name, vec![b'x'; (n % 64) as usize])])));
        let owner = if n.is_multiple_of(4) { ONE.to_owned() } else { format!("owner {}", n / 3) };
        record.set_owner(Some(owner.as_str().into()), None);
        record
    }

    fn timed<T>(&self, operation: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let begun = Instant::now();
        let done = operation();
        self.longest_save.fetch_max(begun.elapsed().as_nanos() as u64, Ordering::Relaxed);
        done
    }

    /// Creates all sessions.
    fn grow(&self) -> Result<(), Error> {
        for n in 0..self.sessions {
            let now = NOW.plus(Duration::from_millis(u64::from(n) % 600_000));
            self.timed(|| block_on(self.store.create(&self.record(n, now), &[], NOW)))?;
            self.created.store(n + 1, Ordering::Release);
        }
        Ok(())
    }

    /// Loads until all is over.
    fn load(&self, mut rng: Rng) -> Result<(Histogram, Duration), Error> {
        let (mut all, mut longest) = (Histogram::default(), Duration::ZERO);
        while !self.over.load(Ordering::Acquire) {
            let key = key(rng.u32(..self.created.load(Ordering::Acquire).max(1)));
            let begun = Instant::now();
            block_on(self.store.load(&key, NOW))?;
            let time = begun.elapsed();
            all.add(time);
            longest = longest.max(time);
        }
        Ok((all, longest))
    }

    /// Touches, saves and ends sessions, until all is over.
    fn save(&self, mut rng: Rng) -> Result<(), Error> {
        while !self.over.load(Ordering::Acquire) {
            let n = rng.u32(..self.created.load(Ordering::Acquire).max(1));
            let now = NOW.plus(Duration::from_secs(rng.u64(..300)));
            match rng.u8(..10) {
                0..5 => drop(self.timed(|| block_on(self.store.touch(&key(n), now)))?),
                5..9 => {
                    if let Some(record) = block_on(self.store.load(&key(n), NOW))? {
                        let update = || block_on(self.store.update(&self.record(n, now), record.revision(), NOW));
                        // Another thread may have saved or ended the session meanwhile.
                        let _: Update = self.timed(update)?;
                    }
                }
                _ => drop(self.timed(|| block_on(self.store.destroy(&key(n), None)))?),
            }
        }
        Ok(())
    }

    /// The housekeeping of a server, again and again until all is over.
    fn keep(&self, sleeper: &FileStore, mut rng: Rng) -> Result<(), Error> {
        while !self.over.load(Ordering::Acquire) {
            match rng.u8(..9) {
                0..3 => {
                    let now = NOW.plus(IDLE + Duration::from_secs(rng.u64(..300)));
                    block_on(self.store.sweep(now, rng.usize(1..100_000)))?;
                }
                3 => drop(block_on(self.store.count(NOW))?),
                4 => assert!(self.store.stats(NOW)?.disk_bytes > 0),
                5 => {
                    let mut left = rng.u32(..5_000);
                    block_on(self.store.scan(NOW, &mut |_| {
                        left = left.saturating_sub(1);
                        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                    }))?;
                }
                // The other handle has slept since it was asked last.
                6 => {
                    let except = key(rng.u32(..self.sessions) / 4 * 4);
                    self.timed(|| block_on(self.store.destroy_owned_by(&ONE.into(), Some(&except))))?;
                }
                7 => drop(block_on(sleeper.load(&key(0), NOW))?),
                _ => drop(block_on(self.store.owned_by(&"owner 7".into(), NOW))?),
            }
            thread::sleep(Duration::from_millis(rng.u64(..50)));
        }
        Ok(())
    }
}
