//! The store's own thread: it syncs for the saves that wait, carries out what is queued, and does the housekeeping
//! (catching up, the kept lock, compaction, zeros ahead; hints on threads of their own). Where a future may not block, this
//! thread may; no load needs it.

use std::sync::{Arc, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use crate::model::error::{Error, ErrorKind, Result};
use crate::store::Durability;
use crate::store::file::engine::Engine;
use crate::store::file::engine::compact::Compactor;
use crate::store::file::engine::hint_maker::HintMaker;
use crate::store::file::engine::zeroed_ahead::ZeroedAhead;
use crate::store::file::threads::wait::{self, Pauses};
use crate::store::file::threads::{self, JoinHandle, Mutex};
use crate::store::file::writer::kept_lock::LOOK;

/// How often the thread catches up though no operation asks for it. Also the longest rest.
const TICK: Duration = Duration::from_secs(1);

/// What the thread remembers from round to round.
pub(crate) struct Round {
    /// How often the thread syncs though no save waits.
    sync_every: Option<Duration>,
    period: Duration,
    pauses: Pauses,
    last_tick: Instant,
    last_sync: Instant,
    last_look: Instant,
    /// Whether the writer lock needs a look every millisecond.
    watches: bool,
    zeroed_ahead: ZeroedAhead,
    compactor: Compactor,
    hint_maker: HintMaker,
    /// The engine, if hints are made on threads of their own. A caller that runs the rounds by hand has no other thread.
    makes_aside: Option<Arc<Engine>>,
}

impl Round {
    pub(crate) fn of(engine: &Engine) -> Self {
        let sync_every = match engine.settings.durability {
            Durability::Every(interval) => Some(interval),
            _ => None,
        };
        let now = wait::now();
        let period = sync_every.map_or(TICK, |interval| interval.min(TICK));
        Self {
            sync_every,
            period,
            pauses: Pauses::new(),
            last_tick: now,
            last_sync: now,
            last_look: now,
            watches: false,
            zeroed_ahead: ZeroedAhead::new(),
            compactor: Compactor::default(),
            hint_maker: HintMaker::default(),
            makes_aside: None,
        }
    }

    /// One round of work. Says how long the thread may rest; a wake-up ends that rest. `None` when the store is closed and
    /// all is done.
    pub(crate) fn run(&mut self, engine: &Engine) -> Option<Duration> {
        let saves_waited = !engine.waiters.is_empty();
        if saves_waited {
            engine.sync_for_waiting();
        }
        let served = engine.serve_queue(|| self.compactor.pays_for_a_roll(engine));
        if served {
            self.pauses = Pauses::new();
        } else {
            engine.time_out_queued();
        }
        let now = wait::now();
        if now - self.last_tick >= self.period {
            self.last_tick = now;
            engine.tick();
        }
        // A read-only process has nothing to sync or to compact, and leaves hints to other processes.
        let writes = !engine.is_read_only();
        let is_due = self.sync_every.is_some_and(|interval| now - self.last_sync >= interval);
        if writes && (is_due || engine.log.segments.has_backlog(engine.settings.sizes.backlog)) {
            self.last_sync = now;
            // A failed sync poisons the store, so the next save reports it.
            let _ = engine.log.segments.sync();
        }
        if !self.watches || now - self.last_look >= LOOK {
            self.last_look = now;
            self.watches = engine.look_at_the_lock();
        }
        let compacting = served && writes && self.compactor.step(engine);
        if saves_waited {
            self.zeroed_ahead.keep_ahead(engine);
        }
        let mut hinting = false;
        if writes && !engine.is_closed() {
            match &self.makes_aside {
                Some(engine) => self.hint_maker.make_aside(engine),
                None => hinting = self.hint_maker.step(engine),
            }
        }
        // This look comes last, after all of the above have given up the writer: no wake-up is lost (see `engine`).
        let idle = engine.waiters.is_empty() && engine.queue.is_empty();
        if idle && engine.is_closed() {
            return None;
        }
        // A thread that adds work after the look wakes this thread, and a wake-up before the rest ends the rest at once.
        Some(if !served {
            self.pauses.next()
        } else if idle && !compacting && !hinting {
            let rest = self.period.saturating_sub(wait::now() - self.last_tick);
            if self.watches { rest.min(LOOK) } else { rest }
        } else {
            Duration::ZERO
        })
    }
}

/// The handle of the thread. The thread ends with the last handle of the store.
pub(crate) struct Background {
    engine: Arc<Engine>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Background {
    pub(crate) fn start(engine: Arc<Engine>) -> Result<Self> {
        let shared = engine.clone();
        let thread = threads::Builder::new().name("cloakroom".into()).spawn(move || {
            let _retire = Retire(&shared);
            // Shuttle tries the orders of few threads, so there this thread makes the hints.
            let makes_aside = (!cfg!(shuttle)).then(|| shared.clone());
            let mut round = Round { makes_aside, ..Round::of(&shared) };
            while let Some(rest) = round.run(&shared) {
                if !rest.is_zero() {
                    shared.bell.rest(rest);
                }
            }
        });
        let thread = thread.map_err(|error| engine.log.segments.io("starting the store's thread", error))?;
        engine.bell.hang_up_for(thread.thread().clone());
        Ok(Self { engine, thread: Mutex::new(Some(thread)) })
    }

    /// No thread: the caller runs the rounds and closes the store.
    #[cfg(feature = "simulation")]
    pub(crate) fn by_hand(engine: Arc<Engine>) -> Self {
        Self { engine, thread: Mutex::new(None) }
    }

    /// Finishes what is under way, syncs, and gives the directory free. A second call only waits for the first.
    pub(crate) fn close(&self) -> Result<()> {
        let mut thread = match self.thread.try_lock() {
            Ok(thread) => thread,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Another thread is closing the store, and waits for the store's thread. On that thread, waiting would
            // never end.
            Err(TryLockError::WouldBlock) if self.engine.bell.is_for_this_thread() => return Ok(()),
            Err(TryLockError::WouldBlock) => self.thread.lock().unwrap_or_else(PoisonError::into_inner),
        };
        let Some(thread) = thread.take() else { return Ok(()) };
        // A forked child has neither the thread nor a file lock of its own (rule 18).
        self.engine.refuse_if_forked()?;
        self.engine.begin_close();
        // A task that the store's thread has woken may drop the last handle on this very thread. A thread cannot join
        // itself; it ends after its round.
        let joined = if self.engine.bell.is_for_this_thread() { Ok(()) } else { thread.join() };
        let ended = self.engine.end_close();
        if joined.is_err() {
            let why = "the store's thread had panicked";
            return Err(Error::new(ErrorKind::Closed, "closing the session store")
                .at(&self.engine.log.segments.path)
                .because(why));
        }
        ended
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // A caller that wants to know of the error calls close().
        let _ = self.close();
    }
}

/// Retires the engine when the thread ends, also by a panic, so that no future waits for it for ever.
struct Retire<'a>(&'a Engine);

impl Drop for Retire<'_> {
    fn drop(&mut self) {
        self.0.retire();
    }
}
