//! An operation's futures: through the writer first, and to the disk second. They need no runtime, and no poll
//! waits for another process's writer lock.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::model::error::{Error, ErrorKind, Result};
use crate::store::file::engine::Engine;
use crate::store::file::engine::queue::Job;
use crate::store::file::engine::waiters::Waiter;
use crate::store::file::format::position::Position;
use crate::store::file::threads::oneshot::Oneshot;
use crate::store::file::threads::wait;
use crate::store::file::writer::Outcome;
use crate::store::file::writer::op::{Answer, Op};

/// How often the writer and the writer lock are tried before an operation queues. Both are held for microseconds: queueing
/// takes as long, and sleeping longer.
const SPINS: u32 = 64;

/// How long a touch waits for another process at most. Its session is unchanged, and no response is worth a longer wait; the
/// visitor's next request tries again.
const TOUCH_WAIT: Duration = Duration::from_millis(200);

impl Engine {
    /// Carries out an operation, and waits for the disk if it has to.
    pub(crate) fn submit(&self, op: Op) -> impl Future<Output = Result<Answer>> {
        let mut submit = Submit { engine: self, state: SubmitState::New(op) };
        async move {
            if self.is_read_only() {
                let why =
                    "nothing could be written in its directory when it was opened; see to that, and open it again";
                return Err(Error::new(ErrorKind::NotWritable, "saving a session")
                    .at(&self.log.segments.path)
                    .because(why));
            }
            // Polled where it stands, for each move would copy the operation.
            let (answer, until) = (&mut submit).await?;
            if self.log.is_wasteful.load(Ordering::Relaxed) || self.log.is_full.load(Ordering::Relaxed) {
                self.wake_background();
            }
            if let Some(until) = until {
                Synced::new(self, until).await?;
            }
            answer
        }
    }

    /// Carries out an operation on this thread, if the writer is free and the queue is empty. `None` means: not begun, the
    /// caller queues it.
    fn try_alone(&self, op: &Op) -> Result<Option<Outcome>> {
        let Some(writer) = self.try_writer(SPINS) else { return Ok(None) };
        // If the store was closed after the future's first look, another process may be recovering by now. The close takes
        // the writer before it gives the directory free, so this look holds until the write is done.
        if self.is_closed() || !self.queue.is_empty() {
            return Ok(None);
        }
        let done =
            self.with_writer(writer, SPINS, |locked| (locked.write_one(op, false).ok(), locked.asks_for_a_look()))?;
        let Some((outcome, asks_for_a_look)) = done else { return Ok(None) };
        // Only now, because that look needs the writer.
        if asks_for_a_look {
            self.wake_background();
        }
        Ok(outcome)
    }
}

/// Carries out one operation: alone if the writer is free (no allocation, no other thread), else in a group from the queue.
///
/// An operation whose future is dropped while it stands in the queue is not begun. A group begins and ends within one poll
/// of a future or one round of the store's thread. No future keeps the lead of a group between polls (rule 19).
struct Submit<'a> {
    engine: &'a Engine,
    state: SubmitState,
}

enum SubmitState {
    New(Op),
    Queued(Arc<Job>),
    Finished,
}

impl Future for Submit<'_> {
    type Output = Result<Outcome>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let engine = self.engine;
        if let SubmitState::New(op) = &self.state {
            engine.refuse_if_closed()?;
            engine.refuse_if_forked()?;
            engine.failed_sync.tell()?;
            if let Some(outcome) = engine.try_alone(op)? {
                self.state = SubmitState::Finished;
                return Poll::Ready(Ok(outcome));
            }
        }
        let job = match std::mem::replace(&mut self.state, SubmitState::Finished) {
            SubmitState::New(op) => {
                let most = if op.is_best_effort() { TOUCH_WAIT } else { Duration::MAX };
                let deadline = wait::now().checked_add(engine.settings.lock_wait.min(most));
                let job = Arc::new(Job::new(op, deadline, Oneshot::new(context)));
                if !engine.queue.push(job.clone()) {
                    return Poll::Ready(Err(engine.closed_error()));
                }
                engine.pump();
                job
            }
            SubmitState::Queued(job) => job,
            SubmitState::Finished => panic!("a future was polled after it had finished"),
        };
        let outcome = job.outcome.poll(context);
        if outcome.is_pending() {
            self.state = SubmitState::Queued(job);
        }
        outcome.map(Ok)
    }
}

impl Drop for Submit<'_> {
    fn drop(&mut self) {
        if let SubmitState::Queued(job) = &self.state {
            self.engine.queue.abandon(job);
        }
    }
}

/// Done when the log is durable up to a position.
pub(crate) struct Synced<'a> {
    engine: &'a Engine,
    until: Position,
    waiter: Option<Arc<Waiter>>,
}

impl<'a> Synced<'a> {
    pub(crate) fn new(engine: &'a Engine, until: Position) -> Self {
        Self { engine, until, waiter: None }
    }
}

impl Future for Synced<'_> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let engine = self.engine;
        if let Some(waiter) = &self.waiter {
            return waiter.outcome.poll(context);
        }
        if engine.log.segments.durable() >= self.until {
            return Poll::Ready(Ok(()));
        }
        engine.disk_waits.fetch_add(1, Ordering::Relaxed);
        self.waiter = engine.waiters.add(self.until, Oneshot::new(context));
        if self.waiter.is_none() {
            return Poll::Ready(engine.sync_late(self.until));
        }
        engine.wake_background();
        Poll::Pending
    }
}
