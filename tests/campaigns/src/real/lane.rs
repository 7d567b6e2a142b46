//! In a worker: one lane, which carries out operations and says what became of each.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cloakroom::{ErrorKind, FileStore, Handle, Result, Store as _, Update};
use fastrand::Rng;

use super::op::{COUNTERS, Held, Holdings, LANES, Name, OWNERS, Op, SWEEP_AFTER};
use super::said::{Job, Said, Told, say};
use super::{HANGS, NOW, found};
use crate::support::block_on;

/// At most so many sessions a lane: enough for lists, and few enough for segments to come and go.
const SESSIONS: usize = 12;

/// See the module.
pub struct Lane<'a> {
    store: &'a FileStore,
    number: u32,
    rng: Rng,
    /// What it has, as it knows from what it was told.
    holdings: Holdings,
    next_name: Name,
    leaves_traces: bool,
    /// After this it must not write: see [`Lane::end_poisoned`].
    ended: bool,
}

/// What became of an operation.
enum Outcome {
    Done,
    /// Another lane counted in between.
    Conflict,
    Broken(String),
}

impl<'a> Lane<'a> {
    /// Goes on with what the store has of this lane.
    pub fn new(store: &'a FileStore, number: u32, job: &Job) -> Result<Self> {
        let rng = Rng::with_seed(job.seed ^ (u64::from(number) << 48));
        let (next_name, leaves_traces) = (job.names_from, job.leaves_traces);
        let holdings = found::of_lane(store, number)?;
        Ok(Self { store, number, rng, holdings, next_name, leaves_traces, ended: false })
    }

    /// Works until it is told to end, or must not write any more.
    pub fn run(&mut self, end: &AtomicBool, rest: Duration) {
        while !self.ended && !end.load(Ordering::Relaxed) {
            let op = self.choose();
            self.act(op);
            if !rest.is_zero() {
                std::thread::sleep(rest);
            }
        }
    }

    fn fresh_name(&mut self) -> Name {
        self.next_name += 1;
        self.next_name
    }

    fn choose(&mut self) -> Op {
        let sweeps = self.number == 0;
        let sessions = &self.holdings.sessions;
        let some = |rng: &mut Rng| sessions.keys().nth(rng.usize(..sessions.len().max(1))).copied();
        let Some(name) = some(&mut self.rng) else { return self.create() };
        let value = self.rng.u64(..);
        let leaves = self.leaves_traces && self.rng.bool();
        match self.rng.u8(..100) {
            0..20 if sessions.len() < SESSIONS => self.create(),
            20..45 => Op::Update { name, value },
            // A brief session is over a minute after it was seen.
            45..55 => Op::Touch { name, seen: self.rng.u64(..if sessions[&name].brief { 50 } else { 2000 }) },
            55..70 => Op::Rotate { old: name, new: self.fresh_name(), value, leaves },
            70..82 => Op::Destroy { name, leaves },
            82..87 => {
                let except = self.rng.bool().then_some(name);
                Op::DestroyOwned { owner: self.rng.u8(..OWNERS), except }
            }
            87..90 if sweeps => Op::Sweep,
            _ => Op::Count { counter: self.rng.usize(..COUNTERS) },
        }
    }

    fn create(&mut self) -> Op {
        let brief = self.number == 0 && self.rng.bool();
        let held = Held { owner: self.rng.u8(..OWNERS), value: self.rng.u64(..), seen: 0, brief };
        Op::Create { name: self.fresh_name(), held }
    }

    /// Says what it will do, does it, and says what became of it.
    pub fn act(&mut self, op: Op) {
        let lane = self.number;
        say(&Said::Begun { lane, op: op.clone() });
        match self.perform(&op) {
            Ok(Outcome::Done) => {
                self.apply(&op);
                say(&Said::Done { lane });
            }
            Ok(Outcome::Conflict) => {
                let error = Told { kind: "Conflict".into(), error: String::new() };
                say(&Said::NotDone { lane, error });
            }
            Ok(Outcome::Broken(what)) => self.broken(what),
            Err(error) => self.failed(&op, &error),
        }
    }

    fn apply(&mut self, op: &Op) {
        op.apply(&mut self.holdings);
        // The parent looks at them.
        self.holdings.traces.clear();
    }

    fn broken(&mut self, what: String) {
        self.ended = true;
        say(&Said::Broken { what: format!("lane {}: {what}", self.number) });
    }

    fn failed(&mut self, op: &Op, error: &cloakroom::Error) {
        let lane = self.number;
        let told = Told::from(error);
        match error.kind() {
            ErrorKind::Timeout | ErrorKind::Full => say(&Said::NotDone { lane, error: told }),
            ErrorKind::Poisoned => self.end_poisoned(op, told),
            // Whether it was done must be clear to any process that looks, and stay so.
            ErrorKind::Io | ErrorKind::NotWritable | ErrorKind::FilesLost => match self.look_patiently(op) {
                Ok(Some(true)) => {
                    self.apply(op);
                    say(&Said::Visible { lane, error: told });
                }
                Ok(Some(false)) => say(&Said::NotDone { lane, error: told }),
                Ok(None) => self.broken(format!(
                    "after {op:?} failed ({}) there is neither what was nor what would be",
                    told.error
                )),
                Err(error) => {
                    self.ended = true;
                    say(&Said::Unknown { lane, error: Told::from(&error) });
                }
            },
            _ => self.broken(format!("{op:?} failed as it never may: {error}")),
        }
    }

    /// After a failed sync nothing is written any more, and reading goes on.
    fn end_poisoned(&mut self, op: &Op, told: Told) {
        let lane = self.number;
        self.ended = true;
        let Op::Create { name, held } = self.create() else { unreachable!("it is a creation") };
        match block_on(self.store.create(&found::record(lane, name, &held), &[], NOW)) {
            // Or it waits for a process that was stopped with the writer lock.
            Err(error) if matches!(error.kind(), ErrorKind::Poisoned | ErrorKind::Timeout) => {}
            other => return self.broken(format!("after a failed sync, a save ended with {other:?}")),
        }
        match self.look_patiently(op) {
            Ok(Some(_)) => say(&Said::Unknown { lane, error: told }),
            Ok(None) => self.broken("after a failed sync another state is read than any that was written".into()),
            Err(error) => self.broken(format!("after a failed sync, a load ended with {error}")),
        }
    }

    /// Whether an operation that failed is visible; `None` if what can be seen is neither. As long as it cannot look,
    /// it tries again.
    fn look_patiently(&self, op: &Op) -> Result<Option<bool>> {
        let begun = Instant::now();
        loop {
            match found::of_lane(self.store, self.number) {
                Ok(seen) => {
                    let mut after = self.holdings.clone();
                    op.apply(&mut after);
                    after.traces.clear();
                    // An operation that changes nothing is not to be seen.
                    return Ok(if seen == after { Some(true) } else { (seen == self.holdings).then_some(false) });
                }
                Err(error) if begun.elapsed() > HANGS => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Whether it can load what it has.
    pub fn look(&mut self) {
        let lane = self.number;
        match found::of_lane(self.store, lane) {
            Ok(seen) if seen == self.holdings => say(&Said::Looked { lane }),
            Ok(seen) => self.broken(format!("it has {:?} and sees {seen:?}", self.holdings)),
            Err(error) => say(&Said::NotLooked { lane, error: Told::from(&error) }),
        }
    }

    fn perform(&self, op: &Op) -> Result<Outcome> {
        let (store, lane) = (self.store, self.number);
        match op {
            Op::Create { name, held } => {
                block_on(store.create(&found::record(lane, *name, held), &[], NOW))?;
                Ok(Outcome::Done)
            }
            Op::Update { name, value } => self.replace(*name, |record| {
                let changed = found::with_value(record.clone(), *value);
                block_on(store.update(&found::without_revision(changed), record.revision(), NOW))
            }),
            Op::Rotate { old, new, value, leaves } => self.replace(*old, |record| {
                let mut changed = found::with_value(record.clone(), *value);
                let new = found::key_of_lane(lane, *new);
                changed.set_key(new);
                // What stands under a name says no more than the name, so that it is known whole.
                changed.set_handle(Handle::from_bytes(*new.as_bytes()));
                let trace = leaves.then(|| found::moved(new));
                let changed = found::without_revision(changed);
                block_on(store.rotate(record.key(), record.revision(), &changed, trace.as_ref(), NOW))
            }),
            Op::Touch { name, seen } => {
                let there =
                    block_on(store.touch(&found::key_of_lane(lane, *name), NOW.plus(Duration::from_secs(*seen))))?;
                Ok(if there { Outcome::Done } else { Outcome::Broken(format!("session {name} is not there to touch")) })
            }
            Op::Destroy { name, leaves } => {
                let trace = leaves.then(found::ended);
                block_on(store.destroy(&found::key_of_lane(lane, *name), trace.as_ref()))?;
                Ok(Outcome::Done)
            }
            Op::DestroyOwned { owner, except } => {
                let except = except.map(|name| found::key_of_lane(lane, name));
                block_on(store.destroy_owned_by(&found::owner(lane, *owner), except.as_ref()))?;
                Ok(Outcome::Done)
            }
            Op::Sweep => {
                block_on(store.sweep(NOW.plus(SWEEP_AFTER), usize::MAX))?;
                Ok(Outcome::Done)
            }
            Op::Count { counter } => self.count(*counter),
        }
    }

    /// Changes a session, which must be there as this lane left it.
    fn replace(&self, name: Name, change: impl FnOnce(&cloakroom::Record) -> Result<Update>) -> Result<Outcome> {
        let broken = |what: String| {
            Ok(Outcome::Broken(format!("session {name}, {:?}: {what}", self.holdings.sessions.get(&name))))
        };
        let Some(record) = block_on(self.store.load(&found::key_of_lane(self.number, name), NOW))? else {
            return broken("it is not there".into());
        };
        match found::held(&record) {
            Ok((_, _, held)) if self.holdings.sessions.get(&name) == Some(&held) => {}
            other => return broken(format!("it is {other:?}")),
        }
        match change(&record)? {
            Update::Stored(_) => Ok(Outcome::Done),
            other => broken(format!("no other lane changes it, but the answer is {other:?}")),
        }
    }

    fn count(&self, counter: usize) -> Result<Outcome> {
        let lane = self.number as usize;
        let (mut counts, expected) = match block_on(self.store.load(&found::key_of_counter(counter), NOW))? {
            Some(record) => match found::counts(&record) {
                Ok(counts) => (counts, Some(record.revision())),
                Err(what) => return Ok(Outcome::Broken(what)),
            },
            None => ([0; LANES], None),
        };
        if counts[lane] != self.holdings.counts[counter] {
            let own = self.holdings.counts[counter];
            return Ok(Outcome::Broken(format!("counter {counter} says {} where it counted to {own}", counts[lane])));
        }
        counts[lane] += 1;
        let record = found::counter_record(counter, &counts);
        let Some(expected) = expected else {
            return match block_on(self.store.create(&record, &[], NOW)) {
                Err(error) if *error.kind() == ErrorKind::KeyTaken => Ok(Outcome::Conflict),
                created => created.map(|_| Outcome::Done),
            };
        };
        match block_on(self.store.update(&record, expected, NOW))? {
            Update::Stored(_) => Ok(Outcome::Done),
            Update::Conflict(_) => Ok(Outcome::Conflict),
            gone => Ok(Outcome::Broken(format!("counter {counter} is gone: {gone:?}"))),
        }
    }
}
