//! Threads that do the same operation again and again.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::race::{Entrant, calibrated, nanos};

/// An operation that a thread repeats. It returns `None` if the contender cannot do it.
pub(crate) type Worker<'a> = Box<dyn FnMut() -> Option<()> + Send + 'a>;

/// The most operations that are timed one by one in a round.
const SAMPLES: u64 = 2_000;

/// The workers of a contender. No clock is read within a batch, so the time of an operation is that of a whole batch by
/// the operations of all workers. Only the operations for the percentile are timed one by one.
pub(crate) struct Workers<'a> {
    workers: Vec<Worker<'a>>,
    /// How many operations a worker does in a batch, once that is calibrated.
    times: Option<u64>,
}

impl<'a> Workers<'a> {
    pub(crate) fn new(workers: Vec<Worker<'a>>) -> Self {
        Self { workers, times: None }
    }

    /// How many operations of each worker fit into a slice.
    fn calibrate(&mut self, slice: Duration) -> Option<u64> {
        // The first operation may take longer than those to come.
        for worker in &mut self.workers {
            worker()?;
        }
        Some(calibrated(slice, |times| together(&mut self.workers, |worker| batch(worker, times))))
    }
}

impl Entrant for Workers<'_> {
    fn round(&mut self, slice: Duration, samples: &mut Vec<f64>) -> Option<f64> {
        let times = match self.times {
            Some(times) => times,
            None => self.calibrate(slice)?,
        };
        self.times = Some(times);
        let operations = times * self.workers.len() as u64;
        let took = together(&mut self.workers, |worker| batch(worker, times));
        let workers = self.workers.len() as u64;
        let timed = (times / 4).clamp(1, SAMPLES.div_ceil(workers));
        let each: Vec<Vec<f64>> = collect(&mut self.workers, |worker| timed_one_by_one(worker, timed));
        samples.extend(each.into_iter().flatten());
        Some(nanos(took) / operations as f64)
    }
}

pub(crate) fn batch(worker: &mut Worker<'_>, times: u64) {
    for _ in 0..times {
        worker().expect("it could before");
    }
}

pub(crate) fn timed_one_by_one(worker: &mut Worker<'_>, times: u64) -> Vec<f64> {
    let timed = |_| {
        let begun = Instant::now();
        worker().expect("it could before");
        nanos(begun.elapsed())
    };
    (0..times).map(timed).collect()
}

/// The time from when the first worker begins until the last one ends.
fn together(workers: &mut [Worker<'_>], work: impl Fn(&mut Worker<'_>) + Sync) -> Duration {
    let times = collect(workers, |worker| {
        let begun = Instant::now();
        work(worker);
        (begun, Instant::now())
    });
    let begun = times.iter().map(|(begun, _)| *begun).min().expect("there is a worker");
    times.iter().map(|(_, ended)| *ended - begun).max().expect("there is a worker")
}

/// Lets each work on a thread of its own, beginning at once; one alone works on this thread.
fn collect<T: Send>(workers: &mut [Worker<'_>], work: impl Fn(&mut Worker<'_>) -> T + Sync) -> Vec<T> {
    if let [worker] = workers {
        return vec![work(worker)];
    }
    let start = Barrier::new(workers.len());
    let run = |worker| {
        start.wait();
        work(worker)
    };
    thread::scope(|scope| {
        let running: Vec<_> = workers.iter_mut().map(|worker| scope.spawn(|| run(worker))).collect();
        running.into_iter().map(|thread| thread.join().expect("a worker")).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn every_worker_works() {
        let counts = [const { AtomicU64::new(0) }; 3];
        let worker = |count: &'static AtomicU64| -> Worker<'static> {
            Box::new(move || {
                count.fetch_add(1, Ordering::Relaxed);
                Some(())
            })
        };
        let counts: &'static _ = Box::leak(Box::new(counts));
        let mut workers = Workers::new(counts.iter().map(worker).collect());
        let mut samples = Vec::new();
        assert!(workers.round(Duration::from_micros(200), &mut samples).is_some());
        assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) > 1));
        assert!(samples.len() >= 3);
    }

    #[test]
    fn a_worker_that_cannot_has_no_figure() {
        let mut samples = Vec::new();
        let mut workers = Workers::new(vec![Box::new(|| None)]);
        assert_eq!(workers.round(Duration::from_millis(1), &mut samples), None);
        assert!(samples.is_empty());
    }
}
