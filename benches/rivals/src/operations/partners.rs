//! Two child processes that share a contender and do the same work at once, a thread in each.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::mixed;
use super::save::Saver;
use crate::child::{Process, Role, Work, tell};
use crate::contender::Class;
use crate::kind::Kind;
use crate::race::{self, Entrant};
use crate::session::Model;
use crate::system;
use crate::workers::{self, Worker};

/// What a partner tells of one batch, by the clock that processes share.
#[derive(Serialize, Deserialize)]
struct Batch {
    begun: u64,
    ended: u64,
    samples: Vec<f64>,
}

/// What each child does.
pub(crate) fn work(kind: Kind, directory: &Path, model: Model, class: Class, work: Work, nth: u64) {
    let contender = kind.join(directory, class).unwrap();
    let mut worker: Worker<'_> = match work {
        Work::Mixed => mixed::worker(&*contender, model, nth, 2),
        Work::Save => {
            let mut saver = Saver::new(&*contender, model, nth, 2);
            Box::new(move || saver.save())
        }
    };
    worker().unwrap();
    tell(&());
    for line in std::io::stdin().lines() {
        let times = line.unwrap().parse().unwrap();
        let begun = system::monotonic_nanos();
        workers::batch(&mut worker, times);
        let ended = system::monotonic_nanos();
        let samples = workers::timed_one_by_one(&mut worker, (times / 4).clamp(1, 1_000));
        tell(&Batch { begun, ended, samples });
    }
}

/// Both children, as their parent sees them.
pub(crate) struct Partners {
    processes: [Process; 2],
    times: Option<u64>,
}

impl Partners {
    pub(crate) fn start(kind: Kind, directory: &Path, model: Model, class: Class, work: Work) -> Self {
        let role = |nth| Role::Partner { nth, work };
        let mut processes = [0, 1].map(|nth| Process::start(role(nth), kind.name(), directory, model, class));
        processes.iter_mut().for_each(Process::hear::<()>);
        Self { processes, times: None }
    }

    /// The time from when the first process begins until the last one ends, and the operations timed one by one.
    fn batch(&mut self, times: u64) -> (Duration, Vec<f64>) {
        for process in &mut self.processes {
            process.say(&times.to_string());
        }
        let batches = [0, 1].map(|nth| self.processes[nth].hear::<Batch>());
        let begun = batches.iter().map(|batch| batch.begun).min().unwrap();
        let ended = batches.iter().map(|batch| batch.ended).max().unwrap();
        (Duration::from_nanos(ended - begun), batches.into_iter().flat_map(|batch| batch.samples).collect())
    }
}

impl Entrant for Partners {
    fn round(&mut self, slice: Duration, samples: &mut Vec<f64>) -> Option<f64> {
        let times = self.times.unwrap_or_else(|| race::calibrated(slice, |times| self.batch(times).0));
        self.times = Some(times);
        let (took, timed) = self.batch(times);
        samples.extend(timed);
        Some(race::nanos(took) / (2 * times) as f64)
    }
}
