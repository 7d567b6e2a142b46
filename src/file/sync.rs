//! Waiting for the disk: many saves, one sync (group commit).

use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use super::engine::Engine;
use super::log::{Log, is_not_found};
use super::position::Position;
use super::threads::{Mutex, MutexGuard};
use super::writer::{poison, refuse_if_poisoned};
use crate::error::{Error, ErrorKind, Result};

/// Saves that are written and wait to be durable; `None` once the store's thread has gone.
pub(crate) struct Waiting(Mutex<Option<Vec<Arc<Waiter>>>>);

struct Waiter {
    until: Position,
    state: Mutex<WaiterState>,
}

enum WaiterState {
    Waiting(Waker),
    Done(Result<()>),
}

impl Default for Waiting {
    fn default() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }
}

impl Waiting {
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().as_ref().is_none_or(Vec::is_empty)
    }

    /// Nobody syncs any more: those who still wait hear of it, those who come later sync themselves.
    pub(crate) fn retire(&self, durable: Position, closed: &Error) {
        let left = self.lock().take().unwrap_or_default();
        tell(left, durable, Some(closed));
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Arc<Waiter>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those whose save is durable by now; or, if the sync failed, all.
    fn settle(&self, durable: Position, failure: Option<&Error>) {
        let settled: Vec<_> = match &mut *self.lock() {
            Some(waiting) => waiting.extract_if(.., |waiter| failure.is_some() || waiter.until <= durable).collect(),
            None => return,
        };
        tell(settled, durable, failure);
    }
}

/// Each is told with no lock held: a waker may do anything.
fn tell(waiters: Vec<Arc<Waiter>>, durable: Position, failure: Option<&Error>) {
    for waiter in waiters {
        let outcome = failure.filter(|_| waiter.until > durable).map_or(Ok(()), |error| Err(error.repeated()));
        let mut state = waiter.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let WaiterState::Waiting(waker) = std::mem::replace(&mut *state, WaiterState::Done(outcome)) {
            drop(state);
            waker.wake();
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
            let mut state = waiter.state.lock().unwrap_or_else(PoisonError::into_inner);
            return match &mut *state {
                WaiterState::Done(outcome) => Poll::Ready(std::mem::replace(outcome, Ok(()))),
                WaiterState::Waiting(waker) => {
                    waker.clone_from(context.waker());
                    Poll::Pending
                }
            };
        }
        if engine.log.durable() >= self.until {
            return Poll::Ready(Ok(()));
        }
        let state = Mutex::new(WaiterState::Waiting(context.waker().clone()));
        let waiter = Arc::new(Waiter { until: self.until, state });
        engine.log.counters.disk_waits.fetch_add(1, Ordering::Relaxed);
        match &mut *engine.waiting.lock() {
            Some(waiting) => waiting.push(waiter.clone()),
            // The store was closed between this save's write and now; its last sync may have come before.
            None => return Poll::Ready(engine.log.sync()),
        }
        self.waiter = Some(waiter);
        engine.wake_keeper();
        Poll::Pending
    }
}

impl Engine {
    /// One sync for all who wait; on the store's thread.
    pub(crate) fn sync_for_waiting(&self) {
        let outcome = self.log.sync();
        self.waiting.settle(self.log.durable(), outcome.err().as_ref());
    }
}

impl Log {
    /// Makes all durable that is in the log now.
    pub(crate) fn sync(&self) -> Result<()> {
        self.sync_tail().map_err(|error| match error.kind() {
            // They say that nothing was done. What waits for this is in the log, and may become durable yet.
            ErrorKind::Full | ErrorKind::NotWritable => error.of_kind(ErrorKind::Io),
            _ => error,
        })
    }

    /// Whether so much is not on disk yet that somebody would wait for it who begins a new segment, be it that no save does.
    pub(crate) fn has_backlog(&self, most: u64) -> bool {
        let (tail, durable) = (self.tail(), self.durable());
        tail.segment() == durable.segment() && tail.as_u64().saturating_sub(durable.as_u64()) > most
    }

    fn sync_tail(&self) -> Result<()> {
        // The tail first: what is covered must have been written before the sync begins.
        let tail = self.tail();
        if self.durable() < tail {
            if self.disk.is_gone().map_err(|error| self.io("syncing the log", error))? {
                let why = "the directory was removed while the store was open; nothing in it can last";
                return Err(Error::new(ErrorKind::Io, "syncing the log").at(&self.path).because(why));
            }
            match self.sync_segment(tail.segment()) {
                // Rolled, which syncs, and trimmed since the tail was read.
                Err(error) if is_not_found(&error) && self.durable() > tail => {}
                synced => synced?,
            }
            self.page().durable.raise(tail.as_u64());
        }
        Ok(())
    }

    /// Makes a segment durable. After a failure nobody writes any more: the kernel has dropped what it could not write,
    /// and would call the next sync a success (rule 4).
    pub(crate) fn sync_segment(&self, number: u32) -> Result<()> {
        refuse_if_poisoned(self)?;
        let (file, age) = self.file_and_age(number)?;
        let failed = |error| self.segment_io("syncing the log", number, error);
        let (durable, tail) = (self.durable(), self.tail());
        if age.segment() == number && durable < age {
            // Not synced yet, and written before this process opened the file: a failure to write it back may have been
            // told to a descriptor that is closed by now. Written again, it is this descriptor's business; what is not yet
            // part of the log is still its writer's, who may be writing it.
            let from = if durable.segment() == number { durable.offset() } else { super::segment::HEADER };
            let mut bytes = vec![0; (age.min(tail).offset() - from) as usize];
            file.read_at(&mut bytes, u64::from(from)).map_err(failed)?;
            file.write_at(&bytes, u64::from(from)).map_err(failed)?;
        }
        self.counters.syncs.fetch_add(1, Ordering::Relaxed);
        file.sync().map_err(|error| self.poisoned(number, error))?;
        if age <= tail {
            self.adopt_file(number, file);
        }
        Ok(())
    }

    /// A sync of this segment, or of its name, has failed.
    pub(crate) fn poisoned(&self, number: u32, error: io::Error) -> Error {
        poison(self);
        let path = self.path.join(super::segment::name(number));
        Error::new(ErrorKind::Poisoned, "syncing the log").at(path).because(error)
    }
}
