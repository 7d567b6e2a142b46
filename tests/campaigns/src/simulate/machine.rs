//! The machine that the processes of a schedule run on: which one runs, which one is killed, and when the
//! power fails.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};
use fastrand::Rng;

use super::disk::SharedDisk;
use super::history::{Event, Life};
use super::inode::Survives;
use super::process::{Habits, Living};
use super::world::{Pause, World};

/// Stacks to be used again.
#[derive(Default)]
pub struct Stacks(Vec<DefaultStack>);

/// A process's stack. The engine needs a few KiB.
const STACK: usize = 256 * 1024;

impl Stacks {
    fn take(&mut self) -> DefaultStack {
        self.0.pop().unwrap_or_else(|| DefaultStack::new(STACK).expect("there is memory for a stack"))
    }
}

/// A place for a process; when one was killed, another takes it.
pub struct Seat {
    life: Life,
    process: Option<Coroutine<(), Pause, (), DefaultStack>>,
    /// It sleeps, or is stopped, until then.
    pub wakes: Duration,
    /// How much its processes have still to ask for.
    pub left: Rc<Cell<usize>>,
}

impl Seat {
    pub fn is_taken(&self) -> bool {
        self.process.is_some()
    }
}

/// See the module.
pub struct Machine<'a> {
    pub world: Rc<World>,
    pub disk: SharedDisk,
    pub habits: Rc<Habits>,
    pub seats: Vec<Seat>,
    lives: usize,
    stacks: &'a mut Stacks,
}

impl<'a> Machine<'a> {
    pub fn new(world: Rc<World>, habits: Habits, left: &[usize], stacks: &'a mut Stacks) -> Self {
        let seats = left.iter().map(|left| {
            let left = Rc::new(Cell::new(*left));
            Seat { life: 0, process: None, wakes: Duration::ZERO, left }
        });
        let (disk, habits, seats) = (SharedDisk::default(), Rc::new(habits), seats.collect());
        Self { world, disk, habits, seats, lives: 0, stacks }
    }

    /// A new process.
    pub fn seat(&mut self, seat: usize, live: impl FnOnce(Living) + 'static) {
        let life = self.lives;
        self.lives += 1;
        let (world, disk, habits) = (self.world.clone(), self.disk.for_life(life), self.habits.clone());
        let left = self.seats[seat].left.clone();
        let living = Living { world: world.clone(), disk, habits, life, left: left.clone() };
        let process = Coroutine::with_stack(self.stacks.take(), move |yielder, ()| {
            world.begins(yielder);
            live(living);
        });
        self.seats[seat] = Seat { life, process: Some(process), wakes: self.world.clock(), left };
    }

    /// A process goes on, for so many steps. Says why it stopped; `None` if it has gone.
    pub fn resume(&mut self, number: usize, slice: u64) -> Option<Pause> {
        let seat = &mut self.seats[number];
        self.world.resume(seat.life, slice);
        let result = seat.process.as_mut().expect("a process has this seat").resume(());
        self.world.stopped();
        match result {
            CoroutineResult::Yield(pause) => Some(pause),
            CoroutineResult::Return(()) => {
                self.kill(number);
                None
            }
        }
    }

    /// The process goes, wherever it is, and does nothing more.
    pub fn kill(&mut self, seat: usize) {
        let Some(mut process) = self.seats[seat].process.take() else { return };
        let life = self.seats[seat].life;
        self.disk.kill(life);
        self.world.event(Event::Died(life));
        self.world.set_dying(true);
        process.force_unwind();
        self.world.set_dying(false);
        self.stacks.0.push(process.into_stack());
    }

    pub fn kill_all(&mut self) {
        for seat in 0..self.seats.len() {
            self.kill(seat);
        }
    }

    pub fn lose_power(&mut self, survives: Survives, rng: &mut Rng) {
        self.kill_all();
        self.world.trace(|| format!("the power fails; of what was not synced survives: {survives:?}"));
        self.disk.lose_power(survives, rng);
        self.world.lost.set(true);
        self.world.event(Event::PowerLost);
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        // After a panic: what is left of the processes does nothing more.
        self.world.set_dying(true);
        for seat in &mut self.seats {
            self.disk.kill(seat.life);
            seat.process = None;
        }
    }
}

/// Runs a case in a world of its own; what panics has failed.
pub fn in_a_world<T>(world: &Rc<World>, case: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let _installed = world.install();
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(case)).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().cloned();
        let message = message.or_else(|| panic.downcast_ref::<&str>().map(|message| (*message).to_owned()));
        Err(format!("panicked: {}", message.unwrap_or_default()))
    })
}
