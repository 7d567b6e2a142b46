//! Operations that wait for the writer, in order: plain data. It wakes no thread; [`Engine`](super::Engine) does.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use crate::store::file::threads::oneshot::Oneshot;
use crate::store::file::threads::{AtomicBool, Mutex, MutexGuard};
use crate::store::file::writer::op::Op;
use crate::store::file::writer::{LARGEST_GROUP, Outcome};

/// A group holds so many jobs at most: readers wait while all of them are applied.
const MOST_JOBS: usize = 1_000;

/// An operation in the queue, with its outcome. The next thread that has the writer carries it out on behalf of its future.
pub(crate) struct Job {
    pub(crate) op: Op,
    /// When it times out. It leaves the queue before its future hears of that (rule 19).
    pub(crate) deadline: Option<Instant>,
    /// Whether its future was dropped. A group that is put back leaves such jobs out.
    abandoned: AtomicBool,
    pub(crate) outcome: Oneshot<Outcome>,
}

impl Job {
    pub(crate) fn new(op: Op, deadline: Option<Instant>, outcome: Oneshot<Outcome>) -> Self {
        Self { op, deadline, abandoned: AtomicBool::new(false), outcome }
    }
}

/// The jobs, first in, first out. `None` once the store's thread is gone: then no thread is sure to carry out a job.
pub(crate) struct Queue(Mutex<Option<VecDeque<Arc<Job>>>>);

impl Default for Queue {
    fn default() -> Self {
        Self(Mutex::new(Some(VecDeque::new())))
    }
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().as_ref().is_none_or(VecDeque::is_empty)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().as_ref().map_or(0, VecDeque::len)
    }

    /// Adds a job; `false` if the store's thread is gone. The caller has to look at the writer next
    /// ([`pump`](super::Engine::pump)).
    pub(crate) fn push(&self, job: Arc<Job>) -> bool {
        self.lock().as_mut().map(|queue| queue.push_back(job)).is_some()
    }

    /// Takes a job out whose future is dropped. If the job is in a group by now, it is carried out, or not put back.
    pub(crate) fn abandon(&self, job: &Arc<Job>) {
        job.abandoned.store(true, Ordering::Release);
        if let Some(queue) = &mut *self.lock() {
            queue.retain(|queued| !Arc::ptr_eq(queued, job));
        }
    }

    /// Takes as many jobs from the front as one write may hold (rules 14 and 20).
    pub(crate) fn next_group(&self) -> Vec<Arc<Job>> {
        let mut group: Vec<Arc<Job>> = Vec::new();
        let mut bytes = 0;
        let mut queue = self.lock();
        let Some(queue) = &mut *queue else { return group };
        while let Some(job) = queue.front() {
            bytes += job.op.size();
            let alone = job.op.is_alone() || group.first().is_some_and(|first| first.op.is_alone());
            if !group.is_empty() && (alone || bytes > LARGEST_GROUP || group.len() == MOST_JOBS) {
                break;
            }
            group.extend(queue.pop_front());
        }
        group
    }

    /// Puts a group back to the front, without the jobs whose futures were dropped. Returns the group if the store's
    /// thread is gone: the caller has to fail it.
    pub(crate) fn put_back(&self, group: Vec<Arc<Job>>) -> Option<Vec<Arc<Job>>> {
        let mut queue = self.lock();
        let Some(queue) = &mut *queue else { return Some(group) };
        let waited_for = group.into_iter().filter(|job| !job.abandoned.load(Ordering::Acquire));
        waited_for.rev().for_each(|job| queue.push_front(job));
        None
    }

    /// Takes out the jobs for which `which` holds.
    pub(crate) fn take(&self, which: impl Fn(&Job) -> bool) -> VecDeque<Arc<Job>> {
        let mut queue = self.lock();
        let Some(queue) = &mut *queue else { return VecDeque::new() };
        let (taken, rest) = queue.drain(..).partition(|job| which(job));
        *queue = rest;
        taken
    }

    /// Accepts no job from now on. Returns the jobs that still wait: the caller has to fail them.
    pub(crate) fn retire(&self) -> VecDeque<Arc<Job>> {
        self.lock().take().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<VecDeque<Arc<Job>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;
    use crate::model::key::SessionKey;

    #[test]
    fn a_group_holds_no_more_jobs_than_readers_may_wait_for() {
        let queue = Queue::default();
        let op = || Op::Destroy { key: SessionKey::from_bytes([1; 16]), trace: None };
        for _ in 0..2 * MOST_JOBS + 1 {
            let waker = Context::from_waker(Waker::noop());
            assert!(queue.push(Arc::new(Job::new(op(), None, Oneshot::new(&waker)))));
        }
        let groups: Vec<usize> =
            std::iter::repeat_with(|| queue.next_group().len()).take_while(|jobs| *jobs > 0).collect();
        assert_eq!(groups, [MOST_JOBS, MOST_JOBS, 1]);
    }
}
