//! The world that simulated processes live in: its chance, its clock, its faults, what is written down of it; and the one
//! place where a process stops so that others go on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::ptr::NonNull;
use std::rc::Rc;
use std::time::Duration;

use cloakroom::simulation::{self, Scheduler};
use corosensei::Yielder;
use fastrand::Rng;

use super::faults::{Call, Faults};
use super::history::{Event, History, Life, OpId};
use super::state::{KEYS, Value};

/// Why a process stopped.
pub enum Pause {
    Step,
    Sleep(Duration),
    /// It has come to where its script says so.
    Mark,
}

/// After what a crash may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Write,
    /// A write or a sync that fails.
    Failure,
}

/// See the module.
pub struct World {
    rng: RefCell<Rng>,
    clock: Cell<Duration>,
    /// The time that the store is given, in milliseconds; it jumps.
    pub wall: Cell<u64>,
    steps: Cell<u64>,
    /// So many steps more before another process may run.
    slice: Cell<u64>,
    /// At this step the process that runs is stopped, for a crash.
    interrupt: Cell<u64>,
    /// That step comes so many steps after so many more of these.
    interrupt_after: Cell<Option<(Moment, u64, u64)>>,
    running: Cell<Life>,
    yielder: Cell<Option<NonNull<Yielder<(), Pause>>>>,
    /// A process is being taken apart: nothing it does on the way counts.
    dying: Cell<bool>,
    pub faults: RefCell<Faults>,
    pub history: RefCell<History>,
    /// The writes whose revisions a process knows, by key.
    pub known: RefCell<[Vec<Value>; KEYS]>,
    /// Which write has which revision, since something was last lost.
    pub revisions: RefCell<BTreeMap<u64, Value>>,
    /// Since the last recovery the power failed, or a sync.
    pub lost: Cell<bool>,
    /// The first call that was asked for after a process was told that a sync had failed.
    pub poisoned: Cell<Option<OpId>>,
    /// The first call that was asked for after there was space for good.
    pub freed: Cell<Option<OpId>>,
    trace: bool,
}

thread_local! {
    static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

/// The world of this thread, from now until this is dropped.
pub struct Installed(());

impl Drop for Installed {
    fn drop(&mut self) {
        simulation::schedule(None);
        WORLD.with(|world| world.borrow_mut().take());
    }
}

fn world() -> Rc<World> {
    WORLD.with(|world| world.borrow().clone()).expect("a simulated disk is used in a world")
}

impl World {
    pub fn new(seed: u64, faults: Faults) -> Rc<Self> {
        Rc::new(Self {
            rng: RefCell::new(Rng::with_seed(seed)),
            clock: Cell::default(),
            wall: Cell::new(1_700_000_000_000),
            steps: Cell::default(),
            slice: Cell::default(),
            interrupt: Cell::new(u64::MAX),
            interrupt_after: Cell::default(),
            running: Cell::default(),
            yielder: Cell::default(),
            dying: Cell::default(),
            faults: RefCell::new(faults),
            history: RefCell::default(),
            known: RefCell::default(),
            revisions: RefCell::default(),
            lost: Cell::default(),
            poisoned: Cell::default(),
            freed: Cell::default(),
            trace: tracing(),
        })
    }

    pub fn install(self: &Rc<Self>) -> Installed {
        WORLD.with(|world| *world.borrow_mut() = Some(self.clone()));
        simulation::schedule(Some(self.clone()));
        Installed(())
    }

    pub fn rng<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.rng.borrow_mut())
    }

    pub fn steps(&self) -> u64 {
        self.steps.get()
    }

    pub fn clock(&self) -> Duration {
        self.clock.get()
    }

    pub fn set_clock(&self, clock: Duration) {
        self.clock.set(clock);
    }

    pub fn interrupt_at(&self, step: u64) {
        self.interrupt.set(step);
        self.interrupt_after.set(None);
    }

    /// The process that runs is stopped so many steps after the next such moment but so many.
    pub fn interrupt_after(&self, moment: Moment, number: u64, steps: u64) {
        self.interrupt.set(u64::MAX);
        self.interrupt_after.set(Some((moment, number, steps)));
    }

    pub fn is_interrupted(&self) -> bool {
        self.steps.get() >= self.interrupt.get()
    }

    fn count(&self, moment: Moment) {
        match self.interrupt_after.get().filter(|(awaited, ..)| *awaited == moment) {
            Some((_, 0, steps)) => self.interrupt_at(self.steps.get() + steps),
            Some((_, more, steps)) => self.interrupt_after.set(Some((moment, more - 1, steps))),
            None => {}
        }
    }

    /// A process goes on, for so many steps.
    pub fn resume(&self, life: Life, slice: u64) {
        self.running.set(life);
        self.slice.set(slice);
    }

    /// A process begins, and this is how it stops. It stays valid until the process has gone.
    pub fn begins(&self, yielder: &Yielder<(), Pause>) {
        self.yielder.set(Some(NonNull::from(yielder)));
    }

    /// The process that ran has stopped.
    pub fn stopped(&self) {
        self.yielder.set(None);
    }

    pub fn set_dying(&self, dying: bool) {
        self.dying.set(dying);
    }

    /// The process that runs stops here, and others go on.
    #[allow(unsafe_code)]
    fn pause(&self, pause: Pause) {
        let Some(yielder) = self.yielder.get().filter(|_| !self.dying.get()) else { return };
        // SAFETY: it was set by the coroutine that runs now, at its root, which outlives all that it calls; and it is taken
        // away whenever a coroutine stops.
        unsafe { yielder.as_ref() }.suspend(pause);
        self.yielder.set(Some(yielder));
    }

    /// The process has come to a mark in its script.
    pub fn mark(&self) {
        self.pause(Pause::Mark);
    }

    pub fn event(&self, event: Event) {
        self.trace(|| format!("{event:?}"));
        self.history.borrow_mut().events.push(event);
    }

    pub fn wrong(&self, why: impl FnOnce() -> String) {
        self.history.borrow_mut().wrong(why);
    }

    pub fn trace(&self, what: impl FnOnce() -> String) {
        if self.trace && !self.dying.get() {
            eprintln!("{:6} {:>10.3?} process {}: {}", self.steps.get(), self.clock.get(), self.running.get(), what());
        }
    }
}

fn tracing() -> bool {
    thread_local! {
        static TRACING: bool = std::env::var_os("CLOAKROOM_TRACE").is_some();
    }
    TRACING.with(|tracing| *tracing)
}

impl Scheduler for World {
    fn step(&self) {
        if self.dying.get() {
            return;
        }
        self.steps.set(self.steps.get() + 1);
        if self.slice.get() == 0 || self.steps.get() >= self.interrupt.get() {
            self.pause(Pause::Step);
        } else {
            self.slice.set(self.slice.get() - 1);
        }
    }

    fn now(&self) -> Duration {
        self.clock.get()
    }

    fn sleep(&self, pause: Duration) {
        self.trace(|| format!("sleeps for {pause:?}"));
        self.pause(Pause::Sleep(pause));
    }
}

/// Before each call of the disk's: others may go on, and then it may fail.
pub fn before_call(call: Call<'_>) -> Option<io::Error> {
    let world = world();
    world.step();
    if matches!(call, Call::Write(..)) && !world.dying.get() {
        world.count(Moment::Write);
    }
    let mut faults = world.faults.borrow_mut();
    if world.dying.get() { None } else { faults.strike(call, &mut world.rng.borrow_mut()) }
}

/// After each call of the disk's: others may go on.
pub fn after_call(call: Call<'_>, error: Option<&io::Error>) {
    let world = world();
    world.trace(|| match error {
        None => format!("{call:?}"),
        Some(error) => format!("{call:?} FAILED: {error}"),
    });
    if error.is_some() && matches!(call, Call::Write(..) | Call::Sync(_)) && !world.dying.get() {
        world.count(Moment::Failure);
    }
    world.step();
}

/// How much of a write is there before the rest comes.
pub fn torn_at(length: usize) -> usize {
    let world = world();
    // Where writes may fail, most of them fail in the middle.
    let whole = if world.faults.borrow().writes_may_fail() { 1 } else { 3 };
    world.rng(|rng| if length > 1 && rng.u8(..4) >= whole { rng.usize(1..length) } else { 0 })
}

/// Whether a sync that comes now fails.
pub fn sync_fails() -> bool {
    let world = world();
    if std::mem::take(&mut world.faults.borrow_mut().sync_struck) {
        return true;
    }
    let chance = world.faults.borrow().sync;
    chance > 0 && world.rng(|rng| rng.u16(..1024)) < chance
}

/// Whether there is no space left.
pub fn is_full() -> bool {
    world().faults.borrow().full
}

/// How many blocks the disk has, if it has a limit.
pub fn capacity() -> Option<usize> {
    world().faults.borrow().capacity
}

/// Whether another program has all that the store has not.
pub fn is_taken() -> bool {
    world().faults.borrow().is_taken
}

/// Whether there is none for what was reserved.
pub fn breaks_reservations() -> bool {
    world().faults.borrow().breaks_reservations
}

/// What was not synced may be gone.
pub fn sync_failed() {
    let world = world();
    world.lost.set(true);
    world.event(Event::SyncFailed);
}

pub fn with_rng<T>(draw: impl FnOnce(&mut Rng) -> T) -> T {
    world().rng(draw)
}

/// An opener has put the log in order, and no other process had it open.
pub fn recovered() {
    let world = world();
    if world.lost.replace(false) {
        // What was lost may have had any of these, and its place may be used again.
        *world.known.borrow_mut() = Default::default();
        world.revisions.borrow_mut().clear();
    }
    world.poisoned.set(None);
    world.event(Event::Recovered);
}
