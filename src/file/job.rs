//! An operation on its way through the writer: a future that needs no runtime.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::engine::Engine;
use super::op::Op;
use super::threads::{AtomicBool, Mutex, MutexGuard};
use super::wait;
use super::writer::{Held, LARGEST_GROUP, NeedsRoll, Outcome, Writer};
use crate::error::{Error, ErrorKind, Result};

/// An operation that waits for its turn. Whoever has the writer next carries it out, on behalf of its future.
pub(crate) struct Job {
    pub(crate) op: Op,
    /// When it gives up; it has left the queue before it says so (rule 19).
    pub(crate) deadline: Option<Instant>,
    /// Its future was dropped.
    abandoned: AtomicBool,
    state: Mutex<JobState>,
}

enum JobState {
    Waiting(Option<Waker>),
    Done(Option<Outcome>),
}

impl Job {
    pub(crate) fn finish(&self, outcome: Outcome) {
        let before = std::mem::replace(&mut *lock(&self.state), JobState::Done(Some(outcome)));
        if let JobState::Waiting(Some(waker)) = before {
            waker.wake();
        }
    }

    pub(crate) fn time_out(&self, engine: &Engine) {
        let why = "another process held the writer lock all the time";
        let error = Error::new(ErrorKind::Timeout, "waiting to save a session").at(&engine.log.path).because(why);
        self.finish((Err(error), None));
    }
}

/// Who waits for the writer, in order; `None` once the store's thread has gone and nobody would come for them.
pub(crate) type Queue = Mutex<Option<VecDeque<Arc<Job>>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries out one operation, alone if nobody is in the way (no allocation, no other thread), else with others.
///
/// Dropped before its turn came, it was not begun. Its turn comes and ends within one poll of some future or one round
/// of the store's thread: the lead of a group is never kept in a future (rule 19).
pub(crate) struct Submit<'a> {
    engine: &'a Arc<Engine>,
    state: SubmitState,
}

enum SubmitState {
    New(Op),
    Queued(Arc<Job>),
    Finished,
}

impl<'a> Submit<'a> {
    pub(crate) fn new(engine: &'a Arc<Engine>, op: Op) -> Self {
        Self { engine, state: SubmitState::New(op) }
    }
}

impl Future for Submit<'_> {
    type Output = Result<Outcome>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let engine = self.engine;
        match std::mem::replace(&mut self.state, SubmitState::Finished) {
            SubmitState::New(op) => {
                engine.refuse_if_closed()?;
                engine.refuse_if_forked()?;
                if let Some(outcome) = engine.try_alone(&op)? {
                    return Poll::Ready(Ok(outcome));
                }
                let job = Arc::new(Job {
                    op,
                    deadline: wait::now().checked_add(engine.settings.lock_wait),
                    abandoned: AtomicBool::new(false),
                    state: Mutex::new(JobState::Waiting(Some(context.waker().clone()))),
                });
                match &mut *lock(&engine.queue) {
                    Some(queue) => queue.push_back(job.clone()),
                    None => return Poll::Ready(Err(engine.closed_error())),
                }
                self.state = SubmitState::Queued(job);
                engine.pump();
                Poll::Pending
            }
            SubmitState::Queued(job) => {
                let mut state = lock(&job.state);
                match &mut *state {
                    JobState::Done(outcome) => {
                        Poll::Ready(Ok(outcome.take().expect("an outcome is taken once, by the future that then ends")))
                    }
                    JobState::Waiting(waker) => {
                        if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                            *waker = Some(context.waker().clone());
                        }
                        drop(state);
                        self.state = SubmitState::Queued(job);
                        Poll::Pending
                    }
                }
            }
            SubmitState::Finished => panic!("a future was polled after it had finished"),
        }
    }
}

impl Drop for Submit<'_> {
    fn drop(&mut self) {
        if let SubmitState::Queued(job) = &self.state {
            job.abandoned.store(true, Ordering::Release);
            if let Some(queue) = &mut *lock(&self.engine.queue) {
                queue.retain(|queued| !Arc::ptr_eq(queued, job));
            }
        }
    }
}

/// Jobs that are done, and whose futures do not know it yet. They are told with no lock held, for a waker may do anything.
#[derive(Default)]
#[must_use]
pub(crate) struct CarriedOut(Vec<(Arc<Job>, Outcome)>);

impl CarriedOut {
    pub(crate) fn tell(self) {
        self.0.into_iter().for_each(|(job, outcome)| job.finish(outcome));
    }
}

/// How often the writer, and the lock between processes, are tried before others are waited for: they are held for
/// microseconds.
const SPINS: u32 = 64;

impl Engine {
    /// Carries out an operation here and now, if the way is free and nothing else waits.
    fn try_alone(&self, op: &Op) -> Result<Option<Outcome>> {
        // Another thread has the writer for a microsecond or two; to queue behind it takes as long, and to sleep longer.
        let Some(mut writer) = (0..SPINS).find_map(|_| self.try_writer()) else { return Ok(None) };
        if self.has_queued() {
            return Ok(None);
        }
        for _ in 0..SPINS {
            let Some(mut held) = writer.try_hold(&self.log)? else {
                std::hint::spin_loop();
                continue;
            };
            // Closed since the future looked: another process may be recovering by now.
            self.refuse_if_closed()?;
            let outcome = held.group(&self.log, &self.settings, &[op], false);
            drop(held);
            let asks_for_a_look = writer.turn.asks_for_a_look();
            drop(writer);
            if self.has_queued() {
                self.pump();
            }
            if asks_for_a_look {
                self.wake_keeper();
            }
            return Ok(outcome.ok().and_then(|mut outcomes| outcomes.pop()));
        }
        Ok(None)
    }

    fn try_writer(&self) -> Option<MutexGuard<'_, Writer>> {
        match self.writer.try_lock() {
            Ok(writer) => Some(writer),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                std::hint::spin_loop();
                None
            }
        }
    }

    pub(crate) fn has_queued(&self) -> bool {
        lock(&self.queue).as_ref().is_some_and(|queue| !queue.is_empty())
    }

    /// Sees to it that what is queued is carried out: here if the way is free, else by who is in the way.
    pub(crate) fn pump(&self) {
        // Whoever has it looks at the queue after giving it up.
        let Some(mut writer) = self.try_writer() else { return };
        let mut carried_out = CarriedOut::default();
        if let Ok(Some(mut held)) = writer.try_hold(&self.log) {
            carried_out = self.carry_out_next(&mut held, false).unwrap_or_default();
        }
        drop(writer);
        carried_out.tell();
        // What is left, because another process holds the lock or because there was more than one group, is the
        // thread's: a future's poll does one group's work and no more.
        if self.has_queued() {
            self.wake_keeper();
        }
    }

    /// One group from the queue, with both locks held.
    pub(crate) fn carry_out_next(&self, held: &mut Held<'_>, may_roll: bool) -> Result<CarriedOut, NeedsRoll> {
        let group = self.next_group();
        let ops: Vec<&Op> = group.iter().map(|job| &job.op).collect();
        if ops.is_empty() {
            return Ok(CarriedOut::default());
        }
        match held.group(&self.log, &self.settings, &ops, may_roll) {
            Ok(outcomes) => Ok(CarriedOut(group.into_iter().zip(outcomes).collect())),
            Err(needs_roll) => {
                if let Some(queue) = &mut *lock(&self.queue) {
                    let waited_for = group.into_iter().filter(|job| !job.abandoned.load(Ordering::Acquire));
                    waited_for.rev().for_each(|job| queue.push_front(job));
                } else {
                    group.iter().for_each(|job| job.finish((Err(self.closed_error()), None)));
                }
                Err(needs_roll)
            }
        }
    }

    /// Takes as many from the front of the queue as one write may hold.
    fn next_group(&self) -> Vec<Arc<Job>> {
        let mut queue = lock(&self.queue);
        let mut group: Vec<Arc<Job>> = Vec::new();
        let Some(queue) = &mut *queue else { return group };
        let mut bytes = 0;
        while let Some(job) = queue.front() {
            bytes += job.op.size();
            let alone = job.op.is_alone() || group.first().is_some_and(|first| first.op.is_alone());
            if !group.is_empty() && (alone || bytes > LARGEST_GROUP) {
                break;
            }
            group.extend(queue.pop_front());
        }
        group
    }
}
