//! The store's own thread: it syncs for the saves that wait, carries out what is queued, and does the housekeeping
//! (catching up, the kept lock, compaction, zeros ahead; hints on threads of their own). Where a future may not block, this
//! thread may; no load needs it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use crate::model::error::{Error, ErrorKind, Result};
use crate::store::Durability;
use crate::store::file::engine::Engine;
use crate::store::file::engine::compact::Compactor;
use crate::store::file::engine::hint_maker::HintMaker;
use crate::store::file::engine::zeroed_ahead::ZeroedAhead;
use crate::store::file::log::shared_sync::SharedSync;
use crate::store::file::threads::wait::{self, Pauses};
use crate::store::file::threads::{self, JoinHandle, Mutex};
use crate::store::file::writer::kept_lock::LOOK;

/// How often the thread catches up though no operation asks for it. Also the longest rest.
const TICK: Duration = Duration::from_secs(1);

/// Work that comes again and again.
struct Recurring {
    every: Duration,
    last: Instant,
}

impl Recurring {
    /// How long the work is not due yet.
    fn rest(&self, now: Instant) -> Duration {
        self.every.saturating_sub(now - self.last)
    }

    /// Whether the work is due. If it is, the caller does it.
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.rest(now).is_zero();
        if is_due {
            self.last = now;
        }
        is_due
    }
}

/// What the thread remembers from round to round.
pub(crate) struct Round {
    tick: Recurring,
    /// The sync that comes though no save waits.
    sync: Option<Recurring>,
    look: Recurring,
    /// While operations wait for the writer lock of another process.
    pauses: Option<Pauses>,
    /// Whether the writer lock needs a look every millisecond.
    watches: bool,
    shared_sync: SharedSync,
    zeroed_ahead: ZeroedAhead,
    compactor: Compactor,
    hint_maker: HintMaker,
    /// The engine, if hints are made on threads of their own. A caller that runs the rounds by hand has no other thread.
    makes_aside: Option<Arc<Engine>>,
}

impl Round {
    pub(crate) fn of(engine: &Engine) -> Self {
        let now = wait::now();
        let again = |every| Recurring { every, last: now };
        let sync = match engine.settings.durability {
            Durability::Every(interval) if !engine.is_read_only() => Some(again(interval)),
            _ => None,
        };
        Self {
            tick: again(TICK),
            sync,
            look: again(LOOK),
            pauses: None,
            watches: false,
            shared_sync: SharedSync::default(),
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
            engine.sync_for_waiting(&mut self.shared_sync);
        }
        let served = engine.serve_queue(|| self.compactor.pays_for_a_roll(engine));
        let pause = if served {
            if self.pauses.take().is_some() {
                engine.leave_line();
            }
            None
        } else {
            engine.time_out_queued();
            let pauses = self.pauses.get_or_insert_with(Pauses::new);
            engine.wait_in_line().or_else(|| Some(pauses.next()))
        };
        let now = wait::now();
        if self.tick.is_due(now) {
            engine.tick();
        }
        let letting_go = engine.log.let_go(engine.settings.sizes.let_go);
        // A read-only process has nothing to sync or to compact, and leaves hints to other processes.
        let writes = !engine.is_read_only();
        let is_due = self.sync.as_mut().is_some_and(|sync| sync.is_due(now));
        // After a failure each round looks again, for saves are refused until a sync has succeeded.
        let is_due = is_due || engine.failed_sync.is_kept();
        if writes && (is_due || engine.log.segments.has_backlog(engine.settings.sizes.backlog)) {
            engine.failed_sync.keep(engine.log.segments.sync());
        }
        if self.look.is_due(now) || !self.watches {
            self.look.last = now;
            self.watches = engine.look_at_the_lock();
        }
        let compacting = served && writes && self.compactor.step(engine);
        if saves_waited {
            self.zeroed_ahead.keep_ahead(engine);
        }
        let mut hinting = false;
        // A hint would take space that a full disk has for ending sessions.
        if writes && !engine.is_closed() && !engine.log.is_full.load(Ordering::Relaxed) {
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
        Some(if let Some(pause) = pause {
            pause
        } else if idle && !compacting && !hinting && !letting_go {
            self.rest(wait::now())
        } else {
            Duration::ZERO
        })
    }

    /// How long nothing that comes again is due.
    fn rest(&self, now: Instant) -> Duration {
        let look = Some(&self.look).filter(|_| self.watches);
        let others = self.sync.iter().chain(look).map(|work| work.rest(now));
        others.fold(self.tick.rest(now), Duration::min)
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
    #[cfg(any(test, feature = "simulation"))]
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::FileStore;
    use crate::model::error::ErrorKind;
    use crate::model::key::SessionKey;
    use crate::model::lifetime::Lifetime;
    use crate::model::record::Record;
    use crate::model::time::Timestamp;
    use crate::store::block_on::block_on;
    use crate::store::file::disk::memory::MemoryDisk;
    use crate::store::file::recovery;
    use crate::store::file::settings::Settings;
    use crate::store::file::writer::op::Op;

    /// A store without a thread. The test does the thread's work.
    fn open(disk: &MemoryDisk, durability: Durability) -> (Engine, Round) {
        let settings = Settings { durability, ..FileStore::options().0 };
        let engine = recovery::open(Arc::new(disk.clone()), Path::new("simulated"), settings).unwrap();
        let round = Round::of(&engine);
        (engine, round)
    }

    fn create(engine: &Engine, n: u8) -> Result<()> {
        let now = Timestamp::from_secs(1_000_000);
        let record = Record::new(SessionKey::from_bytes([n; 16]), Lifetime::AAL2, now);
        block_on(engine.submit(Op::Create { record, traces: Vec::new(), now })).map(drop)
    }

    #[test]
    fn an_interval_is_kept_whatever_else_comes_again() {
        for every in [7, 999, 1_000, 1_001, 1_500, 3_700].map(Duration::from_millis) {
            for watches in [false, true] {
                let (_, mut round) = open(&MemoryDisk::default(), Durability::Every(every));
                round.watches = watches;
                let (mut syncs, mut ticks, mut now) = (0, 0, round.tick.last);
                let begun = now;
                while syncs < 20 {
                    now += round.rest(now);
                    ticks += u32::from(round.tick.is_due(now));
                    round.look.is_due(now);
                    if round.sync.as_mut().unwrap().is_due(now) {
                        syncs += 1;
                        assert_eq!(now - begun, every * syncs);
                        assert_eq!(u64::from(ticks), (now - begun).as_secs());
                    }
                }
            }
        }
    }

    #[test]
    fn a_round_rests_until_the_next_sync_though_the_next_tick_comes_later() {
        let (engine, mut round) = open(&MemoryDisk::default(), Durability::Every(Duration::from_millis(1_500)));
        let left = Duration::from_millis(300);
        round.sync.as_mut().unwrap().last -= Duration::from_millis(1_200);
        assert!(round.run(&engine).unwrap() <= left);
    }

    #[test]
    fn saves_that_do_not_wait_end_after_the_sync_or_the_tick_that_follows_the_loss_of_the_directory() {
        const NEVER: Duration = Duration::from_secs(3_600);
        let interval = Duration::from_millis(100);
        for durability in [Durability::Every(interval), Durability::Never] {
            let disk = MemoryDisk::default();
            let (engine, mut round) = open(&disk, durability);
            create(&engine, 0).unwrap();
            disk.faults().gone.store(true, Relaxed);
            create(&engine, 1).unwrap();
            // Of both, one comes, when its time is over.
            match &mut round.sync {
                Some(sync) => (sync.last, round.tick.last) = (sync.last - interval, round.tick.last + NEVER),
                None => round.tick.last -= TICK,
            }
            round.run(&engine);
            let error = create(&engine, 2).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::FilesLost, "{durability:?}: {error}");
            let error = engine.end_close().unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::FilesLost, "{durability:?}: {error}");
        }
    }

    #[test]
    fn a_failed_sync_for_which_no_save_waited_is_told_to_each_save_until_one_has_succeeded() {
        // A sync comes at each round, or as soon as so much is unsynced.
        let intervals = [(Durability::Every(Duration::ZERO), u64::MAX), (Durability::Never, 0)];
        for (durability, backlog) in intervals {
            let disk = MemoryDisk::default();
            let (other, _) = open(&disk, durability);
            create(&other, 0).unwrap();
            // What was written before this process opened the file has to be written again, and the disk is full.
            let (mut engine, _) = open(&disk, durability);
            engine.settings.sizes.backlog = backlog;
            let mut round = Round::of(&engine);
            create(&engine, 1).unwrap();
            disk.faults().space.store(true, Relaxed);
            round.run(&engine);
            let tail = engine.log.segments.tail();
            for n in 2..5 {
                let error = create(&engine, n).unwrap_err();
                assert_eq!(error.kind(), &ErrorKind::Io);
                assert!(error.to_string().contains("syncing the log"), "{error}");
                round.run(&engine);
            }
            assert_eq!(engine.log.segments.tail(), tail, "nothing was begun");
            disk.faults().space.store(false, Relaxed);
            // Another process has synced meanwhile, so there is no backlog any more.
            other.log.segments.sync().unwrap();
            round.run(&engine);
            create(&engine, 2).unwrap();
        }
    }
}
