//! The workers of one directory, and what is known of their lanes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cloakroom::{FileOptions, FileStore};
use fastrand::Rng;

use super::HANGS;
use super::claims::{Claims, Owed};
use super::op::Op;
use super::process::{Process, wait_for_any};
use super::said::{Job, Order, Promise, Said};
use crate::run::Failure;

/// How many lanes a worker has.
const LANES_EACH: u32 = 2;

/// See the module.
pub struct Crew {
    pub place: PathBuf,
    pub segment_bytes: u32,
    /// How long an operation of a worker waits for the writer lock.
    pub lock_wait: Duration,
    pub rest: Duration,
    /// Whether traces are left, and looked for. On a disk that may fill up they may be left out.
    pub leaves_traces: bool,
    /// Whether a worker may fail to open the store, or end by itself.
    pub tolerant: bool,
    /// Whether what is acknowledged from here on counts for nothing: see [`Claims::note_too_late`].
    pub too_late: bool,
    pub claims: Claims,
    /// By number; a worker that is `None` has ended, and its lanes are at rest.
    workers: Vec<Option<Process>>,
}

impl Crew {
    pub fn new(place: &Path, size: usize, segment_bytes: u32) -> Self {
        let workers = std::iter::repeat_with(|| None).take(size).collect();
        let lock_wait = Duration::from_secs(5);
        Self {
            place: place.into(),
            segment_bytes,
            lock_wait,
            rest: Duration::ZERO,
            leaves_traces: false,
            tolerant: false,
            too_late: false,
            claims: Claims::default(),
            workers,
        }
    }

    pub fn numbers(&self) -> std::ops::Range<usize> {
        0..self.workers.len()
    }

    pub fn lanes(worker: usize) -> Vec<u32> {
        let first = worker as u32 * LANES_EACH;
        (first..first + LANES_EACH).collect()
    }

    pub fn is_running(&self, worker: usize) -> bool {
        self.workers[worker].is_some()
    }

    pub fn worker(&self, worker: usize) -> &Process {
        self.workers[worker].as_ref().expect("the worker runs")
    }

    /// What a worker is to do.
    pub fn job(&self, worker: usize, durability: Promise, rng: &mut Rng) -> Job {
        Job {
            place: self.place.clone(),
            durability,
            segment_bytes: self.segment_bytes,
            lock_wait: self.lock_wait,
            open_wait: HANGS,
            lanes: Self::lanes(worker),
            seed: rng.u64(..),
            // Room for the names that others use meanwhile does no harm: each lane has names of its own.
            names_from: self.claims.unused_name(),
            leaves_traces: self.leaves_traces,
            rest: self.rest,
        }
    }

    /// Starts a worker, which opens the directory and waits.
    pub fn start(&mut self, worker: usize, durability: Promise, rng: &mut Rng) -> Result<(), Failure> {
        self.start_under(&[], worker, durability, rng)
    }

    /// The same under a tool.
    pub fn start_under(
        &mut self,
        tool: &[String],
        worker: usize,
        durability: Promise,
        rng: &mut Rng,
    ) -> Result<(), Failure> {
        let job = self.job(worker, durability, rng);
        self.claims.begin(&job.lanes, durability.into());
        self.workers[worker] = Some(Process::start_under(tool, &job)?);
        Ok(())
    }

    /// Lets workers begin that have been started, and waits until they do.
    pub fn set_to_work(&mut self, workers: &[usize]) -> Result<(), Failure> {
        for worker in workers {
            self.tell(*worker, &Order::Go);
        }
        for worker in workers {
            if self.is_running(*worker) && !self.worker(*worker).works() {
                self.await_said(*worker, |said| *said == Said::Working)?;
            }
        }
        Ok(())
    }

    /// Gives a worker something to do.
    pub fn tell(&mut self, worker: usize, order: &Order) {
        if let Some(process) = &mut self.workers[worker] {
            process.tell(order);
        }
    }

    /// Has a worker's first lane do something; says what became of it.
    pub fn perform(&mut self, worker: usize, op: Op) -> Result<Said, Failure> {
        self.ask(worker, &Order::Do(op))
    }

    /// Whether a worker can load all that its first lane has.
    pub fn look(&mut self, worker: usize) -> Result<(), Failure> {
        match self.ask(worker, &Order::Look)? {
            Said::Looked { .. } => Ok(()),
            other => Err(format!("worker {worker} cannot load what it has: {other:?}")),
        }
    }

    fn ask(&mut self, worker: usize, order: &Order) -> Result<Said, Failure> {
        use Said::{Broken, Done, Failed, Looked, NotDone, NotLooked, Unknown, Visible};
        self.tell(worker, order);
        let mut answer = None;
        self.watch(HANGS, |by, said| {
            let is_answer = matches!(
                said,
                Done { .. }
                    | NotDone { .. }
                    | Visible { .. }
                    | Unknown { .. }
                    | Looked { .. }
                    | NotLooked { .. }
                    | Failed { .. }
                    | Broken { .. }
            );
            if by == worker && is_answer {
                answer = Some(said.clone());
            }
            answer.is_some()
        })?;
        answer.ok_or_else(|| format!("worker {worker} did not answer within {HANGS:?}"))
    }

    /// Waits until a worker says something of this kind, and takes note of all that is said meanwhile.
    pub fn await_said(&mut self, worker: usize, is_it: impl Fn(&Said) -> bool) -> Result<(), Failure> {
        let mut said = false;
        self.watch(HANGS, |by, what| {
            said |= by == worker && (is_it(what) || matches!(what, Said::Failed { .. }));
            said
        })?;
        if said { Ok(()) } else { Err(format!("worker {worker} did not answer within {HANGS:?}")) }
    }

    /// Listens to all for so long, or until this is satisfied.
    pub fn watch(&mut self, long: Duration, mut satisfied: impl FnMut(usize, &Said) -> bool) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            let mut enough = false;
            for (number, worker) in self.workers.iter_mut().enumerate() {
                let Some(process) = worker else { continue };
                for said in process.hear() {
                    if let (Said::Failed { error }, false) = (&said, self.tolerant) {
                        return Err(format!("worker {number} failed: {}", error.error));
                    }
                    let noted = if self.too_late { self.claims.note_too_late(&said) } else { self.claims.note(&said) };
                    noted.map_err(|what| format!("worker {number}: {what}"))?;
                    enough |= satisfied(number, &said);
                }
                if process.is_over() {
                    let status = process.end()?;
                    if self.tolerant {
                        *worker = None;
                        continue;
                    }
                    return Err(format!("worker {number} ended by itself ({status})"));
                }
            }
            let left = long.saturating_sub(begun.elapsed());
            if enough || left.is_zero() {
                return Ok(());
            }
            wait_for_any(self.workers.iter().flatten(), left);
        }
    }

    /// Kills a worker where it stands; what it had said counts.
    pub fn kill(&mut self, worker: usize) -> Result<(), Failure> {
        let Some(mut process) = self.workers[worker].take() else { return Ok(()) };
        process.kill();
        for said in process.hear() {
            self.claims.note(&said).map_err(|what| format!("worker {worker}: {what}"))?;
        }
        Ok(())
    }

    pub fn kill_all(&mut self) -> Result<(), Failure> {
        self.numbers().try_for_each(|worker| self.kill(worker))
    }

    /// The power goes, by this: what was said until then counts. All are killed.
    pub fn lose_power(&mut self, loss: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        self.watch(Duration::ZERO, |_, _| false)?;
        loss()?;
        for (number, mut process) in
            self.workers.iter_mut().map(Option::take).enumerate().filter_map(|(number, worker)| Some((number, worker?)))
        {
            process.kill();
            for said in process.hear() {
                self.claims.note_too_late(&said).map_err(|what| format!("worker {number}: {what}"))?;
            }
        }
        Ok(())
    }

    /// Lets a worker end by itself, as a deployment does.
    pub fn dismiss(&mut self, worker: usize) -> Result<(), Failure> {
        let Some(mut process) = self.workers[worker].take() else { return Ok(()) };
        process.dismiss();
        let begun = Instant::now();
        let mut closed = false;
        loop {
            for said in process.hear() {
                self.claims.note(&said).map_err(|what| format!("worker {worker}: {what}"))?;
                closed |= said == Said::Closed;
            }
            if process.is_over() || begun.elapsed() > HANGS {
                break;
            }
            wait_for_any([&process].into_iter(), HANGS / 10);
        }
        let status = process.end()?;
        if closed { Ok(()) } else { Err(format!("worker {worker} did not close the store ({status})")) }
    }

    pub fn options(&self) -> FileOptions {
        FileStore::options().segment_bytes(self.segment_bytes).open_wait(HANGS)
    }

    /// Opens the directory in this process and checks the lanes that are at rest: all that it has, if no worker runs.
    pub fn check(&mut self, owed: Owed) -> Result<(), Failure> {
        let resting: Vec<u32> =
            self.numbers().filter(|worker| !self.is_running(*worker)).flat_map(Self::lanes).collect();
        let store = self.options().open(&self.place).map_err(|error| format!("it cannot be opened: {error}"))?;
        self.claims.check(&store, &resting, owed)?;
        store.close().map_err(|error| format!("it cannot be closed: {error}"))
    }
}
