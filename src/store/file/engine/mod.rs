//! An open store: operations on their way to the writer, saves that wait for the disk, and the store's own thread.
//!
//! Nothing here knows the bytes of the log or decides what is written: that is the writer's part.
//!
//! Locks, in the order in which they are taken: `writer` (orders threads), the writer lock (orders processes), `queue`, the
//! log's state. None of them is held while a future waits or while a waker runs.
//!
//! # How no wake-up is lost
//!
//! An operation that finds the writer taken queues first and tries the writer once more ([`Engine::pump`]). If the writer
//! is still taken, its future sleeps. The one rule: **every thread that has had the writer looks at the queue after giving
//! it up.** What it cannot carry out there, it hands to the store's thread by waking it. [`Engine::with_writer`] ends with
//! this look; `hold` does not, so each caller of `hold` looks itself. The store's thread looks in
//! [`Round::run`](background::Round::run), before it rests. A wake-up between that look and the rest ends the rest at once
//! ([`Bell`]). A save that waits for the disk follows the same order: it joins the waiters first, and wakes the thread
//! second.
//!
//! The thread rests for a second at most, so a lost wake-up shows itself as a save that takes a second. Under shuttle
//! (`tests/campaigns/scheduling`) the rest has no limit, and a lost wake-up is a deadlock.

pub(crate) mod background;
pub(crate) mod compact;
pub(crate) mod hint_maker;
mod queue;
mod snapshot_maker;
pub(crate) mod submit;
mod waiters;
mod zeroed_ahead;

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, TryLockError};
use std::time::Duration;

use self::queue::{Job, Queue};
use self::waiters::Waiters;
use crate::model::error::{Error, ErrorKind, Result};
use crate::store::file::disk::DiskLock;
use crate::store::file::format::position::Position;
use crate::store::file::log::Log;
use crate::store::file::log::failure::Failure;
use crate::store::file::log::shared_sync::SharedSync;
use crate::store::file::settings::Settings;
use crate::store::file::threads::wait;
use crate::store::file::threads::{AtomicBool, AtomicU64, Bell, Mutex, MutexGuard};
use crate::store::file::writer::op::Op;
use crate::store::file::writer::{LockedWriter, Outcome, Writer};

/// An open store.
pub(crate) struct Engine {
    pub(crate) log: Log,
    pub(crate) settings: Settings,
    writer: Mutex<Writer>,
    pub(crate) queue: Queue,
    pub(crate) waiters: Waiters,
    /// Of the last sync for which no save waited. Saves that do not wait would be acknowledged for ever on a disk that takes
    /// nothing, so each of them is told, until a sync has succeeded.
    pub(crate) failed_sync: Failure,
    pub(crate) failed_compaction: Failure,
    /// How many operations have waited for the disk.
    pub(crate) disk_waits: AtomicU64,
    /// Wakes the store's thread.
    pub(crate) bell: Bell,
    closed: AtomicBool,
    /// Whether the close has given the directory free. Set with the writer held.
    freed: AtomicBool,
    pid: u32,
    /// Whether nothing is written, neither to the log nor to the shared page.
    read_only: bool,
    /// Held shared while the store is open, so that no process recovers a directory in use (rule 9).
    users: Box<dyn DiskLock>,
}

impl Engine {
    pub(crate) fn new(log: Log, settings: Settings, writer: Box<dyn DiskLock>, users: Box<dyn DiskLock>) -> Self {
        Self {
            log,
            writer: Mutex::new(Writer::new(writer, settings.clone())),
            settings,
            queue: Queue::default(),
            waiters: Waiters::default(),
            failed_sync: Failure::default(),
            failed_compaction: Failure::default(),
            disk_waits: AtomicU64::default(),
            bell: Bell::default(),
            closed: AtomicBool::new(false),
            freed: AtomicBool::new(false),
            pid: std::process::id(),
            read_only: false,
            users,
        }
    }

    /// The same engine, for a store that is open to read only.
    pub(crate) fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }

    pub(crate) fn refuse_if_closed(&self) -> Result<()> {
        if self.is_closed() { Err(self.closed_error()) } else { Ok(()) }
    }

    /// A forked child shares its parent's file locks, and both would believe that they hold them (rule 18).
    pub(crate) fn refuse_if_forked(&self) -> Result<()> {
        if std::process::id() == self.pid {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Forked, "using the session store").at(&self.log.segments.path))
    }

    pub(crate) fn closed_error(&self) -> Error {
        Error::new(ErrorKind::Closed, "using the session store").at(&self.log.segments.path)
    }

    pub(crate) fn wake_background(&self) {
        self.bell.ring();
    }

    /// The writer. Waits for the thread that has it.
    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer, if it is free at one of this many looks.
    pub(crate) fn try_writer(&self, looks: u32) -> Option<MutexGuard<'_, Writer>> {
        (0..looks).find_map(|look| match self.writer.try_lock() {
            Ok(writer) => Some(writer),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                if look + 1 < looks {
                    std::hint::spin_loop();
                }
                None
            }
        })
    }

    /// Does work with the writer and the writer lock, if the lock is free at one of this many looks. Then gives both up and
    /// looks at the queue: an operation that queued meanwhile relies on this thread (see the module).
    pub(crate) fn with_writer<T>(
        &self,
        writer: MutexGuard<'_, Writer>,
        looks: u32,
        work: impl FnOnce(&mut LockedWriter<'_>) -> T,
    ) -> Result<Option<T>> {
        let done = self.hold(writer, looks, work);
        self.pump();
        done
    }

    /// [`with_writer`](Self::with_writer) without the look at the queue: the caller has to look.
    fn hold<T>(
        &self,
        mut writer: MutexGuard<'_, Writer>,
        looks: u32,
        work: impl FnOnce(&mut LockedWriter<'_>) -> T,
    ) -> Result<Option<T>> {
        for look in 0..looks {
            let Some(mut locked) = writer.try_lock(&self.log)? else {
                if look + 1 < looks {
                    std::hint::spin_loop();
                }
                continue;
            };
            return Ok(Some(work(&mut locked)));
        }
        Ok(None)
    }

    /// Looks at the queue, and makes sure that a thread carries out what stands there: this thread, the thread that has the
    /// writer now, or the store's thread.
    #[inline]
    pub(crate) fn pump(&self) {
        if !self.queue.is_empty() {
            self.serve_one_group();
        }
    }

    fn serve_one_group(&self) {
        // If another thread has the writer, that thread looks at the queue after giving it up.
        let Some(writer) = self.try_writer(1) else { return };
        if let Ok(Some(carried_out)) = self.hold(writer, 1, |locked| self.carry_out_next(locked, false)) {
            carried_out.tell();
        }
        // The rest is for the store's thread: another process holds the writer lock, a segment is to be begun, or there
        // was more than one group. One poll of a future does the work of one group, and no more.
        if !self.queue.is_empty() {
            self.wake_background();
        }
    }

    /// Carries out all that is queued, as long as the writer lock is free and `pays` says that a new segment is paid for.
    /// Says whether the queue is empty now. Only the store's thread calls this, for it may block: it waits for the writer
    /// and begins segments.
    pub(crate) fn serve_queue(&self, mut pays: impl FnMut() -> bool) -> bool {
        // The last look comes after the writer is given up: an operation that queued meanwhile relies on this thread.
        while !self.queue.is_empty() {
            if !pays() {
                return false;
            }
            match self.hold(self.writer(), 1, |locked| self.carry_out_next(locked, true)) {
                Ok(Some(carried_out)) => carried_out.tell(),
                Ok(None) => return false,
                Err(error) => finish_all(self.queue.take(|_| true), || error.repeated()),
            }
        }
        true
    }

    /// Carries out one group from the queue. A group that needs a new segment goes back to the queue if `may_roll` is false.
    fn carry_out_next(&self, locked: &mut LockedWriter<'_>, may_roll: bool) -> CarriedOut {
        let group = self.queue.next_group();
        let ops: Vec<&Op> = group.iter().map(|job| &job.op).collect();
        if ops.is_empty() {
            return CarriedOut::default();
        }
        match locked.write(&ops, may_roll) {
            Ok(outcomes) => CarriedOut(group.into_iter().zip(outcomes).collect()),
            Err(_) => {
                let left = self.queue.put_back(group).into_iter().flatten();
                CarriedOut(left.map(|job| (job, (Err(self.closed_error()), None))).collect())
            }
        }
    }

    /// Another process has the writer lock. After a while this process gets in line for it; then it is said how long to rest
    /// before the next attempt.
    pub(crate) fn wait_in_line(&self) -> Option<Duration> {
        self.writer().lock.line.refuse(self.log.segments.page())
    }

    /// No operation waits for the writer lock any more.
    pub(crate) fn leave_line(&self) {
        self.writer().lock.line.leave(self.log.segments.page());
    }

    /// Fails the operations whose time is over. They leave the queue first, and their futures hear of it second (rule 19).
    pub(crate) fn time_out_queued(&self) {
        let now = wait::now();
        let late = self.queue.take(|job| job.deadline.is_some_and(|deadline| deadline <= now));
        finish_all(late, || {
            let why = "another process held the writer lock all the time";
            Error::new(ErrorKind::Timeout, "waiting to save a session").at(&self.log.segments.path).because(why)
        });
    }

    /// One sync for all saves that wait, of all processes (group commit). Only the store's thread calls this.
    pub(crate) fn sync_for_waiting(&self, shared: &mut SharedSync) {
        let outcome = shared.sync(&self.log.segments, |durable| self.waiters.settle(durable, None));
        self.settle(outcome);
        shared.await_the_next_saves();
    }

    /// The same for this process's saves alone, without waiting for another process's sync.
    pub(crate) fn sync_at_once(&self) {
        self.settle(self.log.segments.sync());
    }

    fn settle(&self, outcome: Result<()>) {
        self.waiters.settle(self.log.segments.durable(), outcome.err().as_ref());
    }

    /// The sync of a save that was written before the close, and that waits since the store's thread is gone. Once the
    /// directory is free, other processes decide about its files, and only what the close has synced counts.
    pub(crate) fn sync_late(&self, until: Position) -> Result<()> {
        let writer = self.writer();
        if !self.freed.load(Ordering::Acquire) {
            return self.log.segments.sync();
        }
        drop(writer);
        if self.log.segments.durable() < until { Err(self.closed_error()) } else { Ok(()) }
    }

    /// Catches up and closes trimmed segments, so that an idle process pins no disk space and has little to read later
    /// (rule 15). And looks whether the files are still there, for saves that do not wait for the disk (rule 22).
    pub(crate) fn tick(&self) {
        if !self.read_only {
            // The look has told all processes what it has found.
            let _ = self.log.segments.look();
        }
        if let Ok(state) = self.log.read() {
            let oldest = state.index.oldest;
            drop(state);
            self.log.segments.close_trimmed(oldest);
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// From now on no operation begins.
    pub(crate) fn begin_close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake_background();
    }

    /// Decides whether the writer lock is kept between writes. Says whether to look again in a millisecond. Takes the
    /// writer, so the store's thread looks at the queue after this (see the module).
    pub(crate) fn look_at_the_lock(&self) -> bool {
        self.try_writer(1).is_none_or(|mut writer| writer.lock.look(self.log.segments.page()))
    }

    /// The last step of a close, when all that had begun is done: syncs, and gives the directory free for other processes.
    pub(crate) fn end_close(&self) -> Result<()> {
        let finished = self.finish();
        let mut writer = self.writer();
        writer.lock.give_up();
        self.freed.store(true, Ordering::Release);
        drop(writer);
        // The last user makes the snapshot. It finds out by asking for the users' lock exclusively: it may lose the lock by
        // that, and needs it no more. Shared again, it keeps no opener waiting. An opener that comes in between is no harm.
        let is_last = || Ok::<_, std::io::Error>(self.users.try_exclusive()? && self.users.try_shared()?);
        if finished.is_ok() && !self.read_only && is_last().unwrap_or(false) {
            let _ = snapshot_maker::make(&self.log, self.settings.sizes.snapshot_from);
        }
        let freed = self.users.unlock().map_err(|error| self.log.segments.io("closing the session store", error));
        finished.and(freed)
    }

    /// The store's thread is gone. Fails the operations that wait for it, so that no future sleeps for ever.
    pub(crate) fn retire(&self) {
        self.closed.store(true, Ordering::Release);
        self.writer().lock.give_up();
        finish_all(self.queue.retire(), || self.closed_error());
        self.waiters.retire(self.log.segments.durable(), &self.closed_error());
    }

    /// Syncs, and appends the mark of a clean close.
    fn finish(&self) -> Result<()> {
        if self.read_only {
            return Ok(());
        }
        // The writer first: a thread that still has it is done before the sync, and before the directory is given free.
        let writer = self.writer();
        self.log.segments.look()?;
        self.log.segments.sync()?;
        if self.hold(writer, 1, |locked| drop(locked.write_one(&Op::Mark, false)))?.is_some() {
            self.log.segments.sync()?;
        }
        Ok(())
    }
}

/// Jobs that are done, and their outcomes. Their futures are told with no lock held, for a waker may do anything.
#[derive(Default)]
#[must_use]
struct CarriedOut(Vec<(Arc<Job>, Outcome)>);

impl CarriedOut {
    fn tell(self) {
        self.0.into_iter().for_each(|(job, outcome)| job.outcome.finish(outcome));
    }
}

fn finish_all(jobs: impl IntoIterator<Item = Arc<Job>>, error: impl Fn() -> Error) {
    jobs.into_iter().for_each(|job| job.outcome.finish((Err(error()), None)));
}
