//! The parts of an open file store, and the thread that works for it.
//!
//! Locks, in the order in which they are taken: `writer` (threads), the writer lock (processes), `queue`, the log's
//! state. None of them is held while a future waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use super::disk::DiskLock;
use super::job::{Job, Queue, Submit};
use super::log::Log;
use super::op::{Answer, Op};
use super::position::Position;
use super::settings::Settings;
use super::sync::{Synced, Waiting};
use super::wait::Pauses;
use super::writer::Writer;
use crate::error::{Error, ErrorKind, Result};
use crate::store::Durability;

/// An open store.
pub(crate) struct Engine {
    pub(crate) log: Log,
    pub(crate) settings: Settings,
    pub(crate) writer: Mutex<Writer>,
    pub(crate) queue: Queue,
    pub(crate) waiting: Waiting,
    /// Up to here the oldest segment was looked through for what still lives.
    pub(crate) compacted: Mutex<Position>,
    keeper: OnceLock<Thread>,
    closed: AtomicBool,
    pid: u32,
    /// Held shared as long as the store is open: nobody recovers what is in use (rule 9).
    users: Box<dyn DiskLock>,
}

/// How often the thread looks after things that nobody asked for.
const TICK: Duration = Duration::from_secs(1);

impl Engine {
    pub(crate) fn new(log: Log, settings: Settings, writer: Writer, users: Box<dyn DiskLock>) -> Self {
        Self {
            log,
            settings,
            writer: Mutex::new(writer),
            queue: Mutex::new(Some(VecDeque::new())),
            waiting: Waiting::default(),
            compacted: Mutex::default(),
            keeper: OnceLock::new(),
            closed: AtomicBool::new(false),
            pid: std::process::id(),
            users,
        }
    }

    /// Carries out an operation, and waits for the disk if it has to.
    pub(crate) async fn submit(self: &Arc<Self>, op: Op) -> Result<Answer> {
        let (answer, until) = Submit::new(self, op).await?;
        if self.log_is_wasteful() {
            self.wake_keeper();
        }
        if let Some(until) = until {
            Synced::new(self, until).await?;
        }
        answer
    }

    pub(crate) fn refuse_if_closed(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(self.closed_error()) } else { Ok(()) }
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
        if let Some(keeper) = self.keeper.get() {
            keeper.unpark();
        }
    }

    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Option<VecDeque<Arc<Job>>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out what is queued, as far as the lock can be had without waiting; says whether all of it was.
    fn serve_queue(&self) -> bool {
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
    fn time_out_queued(&self) {
        let now = Instant::now();
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

    /// The thread's work, until the store is closed.
    fn keep(self: &Arc<Self>) {
        let _retire = Retire(self);
        let sync_every = match self.settings.durability {
            Durability::Every(interval) => Some(interval),
            _ => None,
        };
        let period = sync_every.map_or(TICK, |interval| interval.min(TICK));
        let mut pauses = Pauses::new();
        let (mut last_tick, mut last_sync) = (Instant::now(), Instant::now());
        loop {
            if !self.waiting.is_empty() {
                self.sync_for_waiting();
            }
            let served = self.serve_queue();
            if served {
                pauses = Pauses::new();
            } else {
                self.time_out_queued();
            }
            if last_tick.elapsed() >= period {
                last_tick = Instant::now();
                self.tick();
            }
            if sync_every.is_some_and(|interval| last_sync.elapsed() >= interval) {
                last_sync = Instant::now();
                // An error poisons the store, and so shows itself to the next who saves.
                let _ = self.log.sync();
            }
            let compacting = served && self.compact_step();
            let idle = self.waiting.is_empty() && !self.has_queued();
            if idle && self.closed.load(Ordering::Acquire) {
                return;
            }
            // Whoever leaves work here wakes the thread, and a wake-up before the park ends it at once.
            if !served {
                std::thread::park_timeout(pauses.next());
            } else if idle && !compacting {
                std::thread::park_timeout(period.saturating_sub(last_tick.elapsed()));
            }
        }
    }

    /// An idle process keeps up, so that it pins no trimmed segment and has little to read when it wakes (rule 15).
    fn tick(&self) {
        if let Ok(state) = self.log.read() {
            let oldest = state.index.oldest;
            drop(state);
            self.log.close_trimmed(oldest);
        }
    }

    /// Syncs, and states in the log that everything is on disk.
    fn finish(&self) -> Result<()> {
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

/// Also when the thread panics, nobody waits for it for ever.
struct Retire<'a>(&'a Engine);

impl Drop for Retire<'_> {
    fn drop(&mut self) {
        let Self(engine) = self;
        engine.closed.store(true, Ordering::Release);
        let left = engine.queue().take().unwrap_or_default();
        left.iter().for_each(|job| job.finish((Err(engine.closed_error()), None)));
        engine.waiting.retire(engine.log.durable(), &engine.closed_error());
    }
}

/// The thread, which ends with the last handle of the store.
pub(crate) struct Keeper {
    engine: Arc<Engine>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Keeper {
    pub(crate) fn start(engine: Arc<Engine>) -> Result<Self> {
        let keeping = engine.clone();
        let thread = std::thread::Builder::new().name("cloakroom".into()).spawn(move || keeping.keep());
        let thread = thread.map_err(|error| engine.log.io("starting the store's thread", error))?;
        engine.keeper.set(thread.thread().clone()).expect("a store has one thread");
        Ok(Self { engine, thread: Mutex::new(Some(thread)) })
    }

    /// Finishes what is under way, syncs, and gives the directory free. A second time it does nothing.
    pub(crate) fn close(&self) -> Result<()> {
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return Ok(()) };
        // In a forked child there is neither the thread nor a lock of its own.
        self.engine.refuse_if_forked()?;
        self.engine.closed.store(true, Ordering::Release);
        thread.thread().unpark();
        // The last handle may go with a task that the thread itself has woken; it ends by itself then.
        let kept = if thread.thread().id() == std::thread::current().id() { Ok(()) } else { thread.join() };
        let finished = self.engine.finish();
        let freed = self.engine.users.unlock().map_err(|error| self.engine.log.io("closing the session store", error));
        if kept.is_err() {
            let why = "the store's thread had panicked";
            return Err(Error::new(ErrorKind::Closed, "closing the session store")
                .at(&self.engine.log.path)
                .because(why));
        }
        finished.and(freed)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // Whoever wants to know calls close().
        let _ = self.close();
    }
}
