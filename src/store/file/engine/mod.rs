//! An open store: its operations on their way to the writer, and the thread that works for it.
//!
//! Locks, in the order in which they are taken: `writer` (threads), the writer lock (processes), `queue`, the log's
//! state. None of them is held while a future waits. What is written, and how, is the writer's.

pub(crate) mod background;
pub(crate) mod compact;
mod hint_maker;
mod queue;
pub(crate) mod submit;
mod waiters;
mod zeroed_ahead;

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, TryLockError};

use self::queue::{Job, Queue};
use self::waiters::Waiters;
use crate::model::error::{Error, ErrorKind, Result};
use crate::store::file::disk::DiskLock;
use crate::store::file::log::Log;
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
    /// Operations that waited for the disk.
    pub(crate) disk_waits: AtomicU64,
    /// For the store's thread.
    pub(crate) bell: Bell,
    closed: AtomicBool,
    pid: u32,
    /// Nothing is written, neither to the log nor to the page.
    read_only: bool,
    /// Held shared as long as the store is open: what is in use is not recovered (rule 9).
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
            disk_waits: AtomicU64::default(),
            bell: Bell::default(),
            closed: AtomicBool::new(false),
            pid: std::process::id(),
            read_only: false,
            users,
        }
    }

    /// The same, where nothing can be written, or shall be.
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

    /// A forked child shares the parent's locks, and both would believe that they hold them (rule 18).
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

    /// The writer, when the thread that has it is done.
    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer, if it is free at one of so many looks.
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

    /// Does something with the writer and the lock between processes, if that can be had at one of so many looks. Then looks at
    /// the queue: an operation that queued meanwhile relies on the thread that had the writer.
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
            let done = work(&mut locked);
            drop(locked);
            if writer.lock.asks_for_a_look() {
                self.wake_background();
            }
            return Ok(Some(done));
        }
        Ok(None)
    }

    /// Sees to it that what is queued is carried out: here if the way is free, else by the thread that is in the way.
    pub(crate) fn pump(&self) {
        if self.queue.is_empty() {
            return;
        }
        // A thread that has it looks at the queue after giving it up.
        let Some(writer) = self.try_writer(1) else { return };
        if let Ok(Some(carried_out)) = self.hold(writer, 1, |locked| self.carry_out_next(locked, false)) {
            carried_out.tell();
        }
        // What is left, because another process holds the lock or because there was more than one group, is the
        // thread's: a future's poll does one group's work and no more.
        if !self.queue.is_empty() {
            self.wake_background();
        }
    }

    /// Carries out what is queued, as far as the lock can be had without waiting; says whether all of it was. It may begin
    /// segments, so it is the store's thread's.
    pub(crate) fn serve_queue(&self) -> bool {
        // Looked at with the writer free: an operation that queues while it is taken relies on its holder to look again.
        while !self.queue.is_empty() {
            match self.hold(self.writer(), 1, |locked| self.carry_out_next(locked, true)) {
                Ok(Some(carried_out)) => carried_out.tell(),
                Ok(None) => return false,
                Err(error) => finish_all(self.queue.take(|_| true), || error.repeated()),
            }
        }
        true
    }

    /// One group from the queue, with both locks held. A group that needs a new segment, if that may not be begun here, goes back.
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

    /// Those whose time is over leave the queue, and then hear of it (rule 19).
    pub(crate) fn time_out_queued(&self) {
        let now = wait::now();
        let late = self.queue.take(|job| job.deadline.is_some_and(|deadline| deadline <= now));
        finish_all(late, || {
            let why = "another process held the writer lock all the time";
            Error::new(ErrorKind::Timeout, "waiting to save a session").at(&self.log.segments.path).because(why)
        });
    }

    /// One sync for all that wait; on the store's thread.
    pub(crate) fn sync_for_waiting(&self) {
        let outcome = self.log.segments.sync();
        self.waiters.settle(self.log.segments.durable(), outcome.err().as_ref());
    }

    /// An idle process keeps up, so that it pins no trimmed segment and has little to read when it wakes (rule 15).
    pub(crate) fn tick(&self) {
        if let Ok(state) = self.log.read() {
            let oldest = state.index.oldest;
            drop(state);
            self.log.segments.close_trimmed(oldest);
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Nothing new is begun from now on.
    pub(crate) fn begin_close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake_background();
    }

    /// Decides whether the writer lock is kept between writes; says whether to look again soon.
    pub(crate) fn look_at_the_lock(&self) -> bool {
        self.try_writer(1).is_none_or(|mut writer| writer.lock.look(self.log.segments.page()))
    }

    /// When all that was begun is done: the last sync, and the directory is free for others.
    pub(crate) fn end_close(&self) -> Result<()> {
        let finished = self.finish();
        self.writer().lock.give_up();
        let freed = self.users.unlock().map_err(|error| self.log.segments.io("closing the session store", error));
        finished.and(freed)
    }

    /// The store's thread is gone: the operations that wait for it hear of that.
    pub(crate) fn retire(&self) {
        self.closed.store(true, Ordering::Release);
        self.writer().lock.give_up();
        finish_all(self.queue.retire(), || self.closed_error());
        self.waiters.retire(self.log.segments.durable(), &self.closed_error());
    }

    /// Syncs, and states in the log that everything is on disk.
    fn finish(&self) -> Result<()> {
        if self.read_only {
            return Ok(());
        }
        let synced = self.log.segments.sync();
        // Also if that failed: a thread that still has the writer is done with it before the directory is given free.
        let writer = self.writer();
        synced?;
        if self.hold(writer, 1, |locked| drop(locked.write(&[&Op::Mark], false)))?.is_some() {
            self.log.segments.sync()?;
        }
        Ok(())
    }
}

/// Jobs that are done, and whose futures do not know it yet. They are told with no lock held, for a waker may do anything.
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
