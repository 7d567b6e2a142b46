//! The parts of an open file store.
//!
//! Locks, in the order in which they are taken: `writer` (threads), the writer lock (processes), `queue`, the log's
//! state. None of them is held while a future waits.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, TryLockError};

use super::disk::DiskLock;
use super::job::{Job, Queue, Submit};
use super::log::Log;
use super::op::{Answer, Op};
use super::position::Position;
use super::settings::Settings;
use super::sync::{Synced, Waiting};
use super::threads::{AtomicBool, Bell, Mutex, MutexGuard};
use super::writer::Writer;
use crate::error::{Error, ErrorKind, Result};

/// An open store.
pub(crate) struct Engine {
    pub(crate) log: Log,
    pub(crate) settings: Settings,
    pub(crate) writer: Mutex<Writer>,
    pub(crate) queue: Queue,
    pub(crate) waiting: Waiting,
    /// Up to here the oldest segment was looked through for what still lives.
    pub(crate) compacted: Mutex<Position>,
    /// For the store's thread.
    pub(crate) bell: Bell,
    closed: AtomicBool,
    pid: u32,
    /// Nothing is written, neither to the log nor to the page.
    only_to_read: bool,
    /// Held shared as long as the store is open: nobody recovers what is in use (rule 9).
    users: Box<dyn DiskLock>,
}

impl Engine {
    pub(crate) fn new(log: Log, settings: Settings, writer: Box<dyn DiskLock>, users: Box<dyn DiskLock>) -> Self {
        Self {
            log,
            writer: Mutex::new(Writer::new(writer, settings.sizes)),
            settings,
            queue: Mutex::new(Some(VecDeque::new())),
            waiting: Waiting::default(),
            compacted: Mutex::default(),
            bell: Bell::default(),
            closed: AtomicBool::new(false),
            pid: std::process::id(),
            only_to_read: false,
            users,
        }
    }

    /// The same, where nothing can be written, or shall be.
    pub(crate) fn only_to_read(mut self) -> Self {
        self.only_to_read = true;
        self
    }

    pub(crate) fn is_only_to_read(&self) -> bool {
        self.only_to_read
    }

    /// Carries out an operation, and waits for the disk if it has to.
    pub(crate) async fn submit(self: &Arc<Self>, op: Op) -> Result<Answer> {
        if self.only_to_read {
            let why = "nothing could be written in its directory when it was opened; see to that, and open it again";
            return Err(Error::new(ErrorKind::NotWritable, "saving a session").at(&self.log.path).because(why));
        }
        let (answer, until) = Submit::new(self, op).await?;
        if self.log.is_wasteful.load(Ordering::Relaxed) {
            self.wake_keeper();
        }
        if let Some(until) = until {
            Synced::new(self, until).await?;
        }
        answer
    }

    pub(crate) fn refuse_if_closed(&self) -> Result<()> {
        if self.is_closed() { Err(self.closed_error()) } else { Ok(()) }
    }

    /// A forked child shares the parent's locks, and both would believe that they hold them (rule 18).
    pub(crate) fn refuse_if_forked(&self) -> Result<()> {
        if std::process::id() == self.pid {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Forked, "using the session store").at(&self.log.path))
    }

    pub(crate) fn closed_error(&self) -> Error {
        Error::new(ErrorKind::Closed, "using the session store").at(&self.log.path)
    }

    pub(crate) fn wake_keeper(&self) {
        self.bell.ring();
    }

    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Option<VecDeque<Arc<Job>>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out what is queued, as far as the lock can be had without waiting; says whether all of it was.
    pub(crate) fn serve_queue(&self) -> bool {
        // Looked at with the writer free: whoever queues while it is taken relies on its holder to look again.
        while self.has_queued() {
            let carried_out = {
                let mut writer = self.writer();
                // It may roll, so it never asks for a roll.
                let held = writer.try_hold(&self.log);
                held.map(|held| held.map(|mut held| self.carry_out_next(&mut held, true).unwrap_or_default()))
            };
            match carried_out {
                Ok(Some(carried_out)) => carried_out.tell(),
                Ok(None) => return false,
                Err(error) => self.take_from_queue(|_| true, |job| job.finish((Err(error.repeated()), None))),
            }
        }
        true
    }

    /// Those whose time is over leave the queue, and then hear of it (rule 19).
    pub(crate) fn time_out_queued(&self) {
        let now = super::wait::now();
        self.take_from_queue(|job| job.deadline.is_some_and(|deadline| deadline <= now), |job| job.time_out(self));
    }

    fn take_from_queue(&self, which: impl Fn(&Job) -> bool, and: impl Fn(&Job)) {
        let taken = match &mut *self.queue() {
            Some(queue) => {
                let (taken, rest): (Vec<_>, Vec<_>) = queue.drain(..).partition(|job| which(job));
                queue.extend(rest);
                taken
            }
            None => return,
        };
        taken.iter().for_each(|job| and(job));
    }

    /// An idle process keeps up, so that it pins no trimmed segment and has little to read when it wakes (rule 15).
    pub(crate) fn tick(&self) {
        if let Ok(state) = self.log.read() {
            let oldest = state.index.oldest;
            drop(state);
            self.log.close_trimmed(oldest);
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Nothing new is begun from now on.
    pub(crate) fn begin_close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake_keeper();
    }

    /// Whether the writer lock is kept is looked at; says whether to look again soon.
    pub(crate) fn look_at_the_turn(&self) -> bool {
        match self.writer.try_lock() {
            Ok(mut writer) => writer.turn.look(self.log.page()),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().turn.look(self.log.page()),
            Err(TryLockError::WouldBlock) => true,
        }
    }

    /// When all that was begun is done: the last sync, and the directory is free for others.
    pub(crate) fn end_close(&self) -> Result<()> {
        let finished = self.finish();
        self.writer().turn.give_up();
        let freed = self.users.unlock().map_err(|error| self.log.io("closing the session store", error));
        finished.and(freed)
    }

    /// Nobody works for the store any more: those who wait hear of it.
    pub(crate) fn retire(&self) {
        self.closed.store(true, Ordering::Release);
        self.writer().turn.give_up();
        let left = self.queue().take().unwrap_or_default();
        left.iter().for_each(|job| job.finish((Err(self.closed_error()), None)));
        self.waiting.retire(self.log.durable(), &self.closed_error());
    }

    /// Syncs, and states in the log that everything is on disk.
    fn finish(&self) -> Result<()> {
        if self.only_to_read {
            return Ok(());
        }
        let synced = self.log.sync();
        // Also if that failed: whoever still has the writer is done with it before the directory is given free.
        let mut writer = self.writer();
        synced?;
        if let Some(mut held) = writer.try_hold(&self.log)? {
            let _ = held.group(&self.log, &self.settings, &[&Op::Mark], false);
            drop(held);
            self.log.sync()?;
        }
        Ok(())
    }
}
