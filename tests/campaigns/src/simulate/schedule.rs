//! One schedule: who runs when, who is killed, when the power fails. All of it comes from a seed.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use cloakroom::{Durability, FileOptions};
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};

use super::disk::{Life, SharedDisk};
use super::faults::Faults;
use super::history::Event;
use super::inode::Survives;
use super::oracle;
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

#[derive(Clone, Copy, Debug)]
enum Crash {
    Kill,
    PowerLoss,
}

/// A place for a process; when one was killed, another takes it.
struct Seat {
    life: Life,
    process: Option<Coroutine<(), Pause, (), DefaultStack>>,
    /// It sleeps, or is stopped, until then.
    wakes: Duration,
    left: Rc<Cell<usize>>,
}

struct Schedule<'a> {
    world: Rc<World>,
    disk: SharedDisk,
    habits: Rc<Habits>,
    seats: Vec<Seat>,
    lives: usize,
    /// Crashes to come, the next at the end.
    crashes: Vec<(u64, Crash)>,
    /// How long one runs before another may.
    slices: u64,
    /// In so many of 1024 turns a process is stopped for a while.
    stops: u16,
    ran_last: usize,
    stacks: &'a mut Stacks,
}

/// A schedule that takes more steps than this does not end.
const MOST_STEPS: u64 = 2_000_000;

/// Runs the schedule of this seed, and says what it broke.
pub fn run(seed: u64, stacks: &mut Stacks) -> Result<(), String> {
    let world = World::new(seed, Faults::default());
    let _installed = world.install();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut schedule = Schedule::draw(world.clone(), stacks);
        let ended = schedule.run();
        schedule.kill_all();
        ended
    }));
    match outcome {
        Ok(ended) => ended?,
        Err(panic) => {
            let message = panic.downcast_ref::<String>().cloned();
            let message = message.or_else(|| panic.downcast_ref::<&str>().map(|message| (*message).to_owned()));
            return Err(format!("panicked: {}", message.unwrap_or_default()));
        }
    }
    oracle::judge(&world.history.borrow())
}

impl<'a> Schedule<'a> {
    fn draw(world: Rc<World>, stacks: &'a mut Stacks) -> Self {
        let (habits, seats, crashes, slices, stops) = world.rng(|rng| {
            let durability = match rng.u8(..4) {
                0 => Durability::Every(Duration::from_millis(10)),
                1 => Durability::Never,
                _ => Durability::Always,
            };
            let options = FileOptions::default()
                .durability(durability)
                .segment_bytes([700, 1_500, 4_096, 1 << 20][rng.usize(..4)])
                .cache_bytes([0, 700, 1 << 20][rng.usize(..3)])
                .lock_wait([Duration::from_millis(3), Duration::from_secs(5)][rng.usize(..2)]);
            let habits = Habits {
                options,
                saves_wait: durability == Durability::Always,
                at_once: rng.usize(1..=3),
                drops_futures: rng.u8(..4) == 0,
                largest_padding: [300, 3_000][rng.usize(..2)],
            };
            let seats: Vec<usize> = (0..rng.usize(1..=3)).map(|_| rng.usize(4..22)).collect();
            let steps = seats.iter().sum::<usize>() as u64 * 40;
            let mut crashes: Vec<(u64, Crash)> = (0..rng.usize(..4))
                .map(|_| (rng.u64(..steps), if rng.bool() { Crash::Kill } else { Crash::PowerLoss }))
                .collect();
            crashes.sort_unstable_by_key(|(step, _)| std::cmp::Reverse(*step));
            let slices = [1, 4, 20, 200][rng.usize(..4)];
            let stops = [0, 0, 8, 64][rng.usize(..4)];
            (Rc::new(habits), seats, crashes, slices, stops)
        });
        *world.faults.borrow_mut() = world.rng(Faults::draw);
        let mut schedule = Self {
            world,
            disk: SharedDisk::default(),
            habits,
            seats: Vec::new(),
            lives: 0,
            crashes,
            slices,
            stops,
            ran_last: 0,
            stacks,
        };
        for left in seats {
            let left = Rc::new(Cell::new(left));
            schedule.seats.push(Seat { life: 0, process: None, wakes: Duration::ZERO, left });
        }
        schedule
    }

    fn run(&mut self) -> Result<(), String> {
        for seat in 0..self.seats.len() {
            self.seat(seat, Living::live);
        }
        self.run_until_all_have_gone()?;
        self.crashes.clear();
        *self.world.faults.borrow_mut() = Faults::default();
        if self.world.rng(|rng| rng.bool()) {
            self.lose_power();
        }
        self.seat(0, Living::look);
        self.run_until_all_have_gone()
    }

    /// A new process.
    fn seat(&mut self, seat: usize, live: fn(Living)) {
        let life = self.lives;
        self.lives += 1;
        let (world, disk, habits) = (self.world.clone(), self.disk.for_life(life), self.habits.clone());
        let left = self.seats[seat].left.clone();
        let living = Living { world: world.clone(), disk, habits, life, left };
        let process = Coroutine::with_stack(self.stacks.take(), move |yielder, ()| {
            world.begins(yielder);
            live(living);
        });
        let wakes = self.world.clock() + Duration::from_micros(self.world.rng(|rng| rng.u64(..3_000)));
        self.seats[seat] = Seat { life, process: Some(process), wakes, left: self.seats[seat].left.clone() };
    }

    fn run_until_all_have_gone(&mut self) -> Result<(), String> {
        loop {
            if self.world.history.borrow().wrong.is_some() {
                return Ok(());
            }
            if self.world.steps() > MOST_STEPS {
                return Err("it does not end".into());
            }
            self.crash_if_due();
            let clock = self.world.clock();
            let ready = |seat: &Seat| seat.process.is_some() && seat.wakes <= clock;
            let count = self.seats.iter().filter(|seat| ready(seat)).count();
            if count == 0 {
                let next = self.seats.iter().filter(|seat| seat.process.is_some()).map(|seat| seat.wakes).min();
                let Some(next) = next else { return Ok(()) };
                self.world.set_clock(next);
                continue;
            }
            let (which, slice) = self.world.rng(|rng| (rng.usize(..count), rng.u64(..self.slices)));
            let (seat, _) = self.seats.iter().enumerate().filter(|(_, seat)| ready(seat)).nth(which).expect("counted");
            self.go_on(seat, slice);
        }
    }

    fn go_on(&mut self, number: usize, slice: u64) {
        self.ran_last = number;
        let seat = &mut self.seats[number];
        self.world.resume(seat.life, slice);
        let process = seat.process.as_mut().expect("it is ready");
        let result = process.resume(());
        self.world.stopped();
        let (pass, stop) = self.world.rng(|rng| (rng.u64(..100), rng.u16(..1024) < self.stops));
        self.world.set_clock(self.world.clock() + Duration::from_micros(pass));
        match result {
            CoroutineResult::Yield(Pause::Step) => seat.wakes = Duration::ZERO,
            CoroutineResult::Yield(Pause::Sleep(pause)) => seat.wakes = self.world.clock() + pause,
            CoroutineResult::Return(()) => return self.kill(number),
        }
        self.write_back();
        let seat = &mut self.seats[number];
        if stop {
            seat.wakes += self.world.clock() + Duration::from_millis(self.world.rng(|rng| 1 << rng.u32(..13)));
        }
    }

    /// The system writes something to the disk by itself, now and then.
    fn write_back(&self) {
        let (chance, fails) = {
            let faults = self.world.faults.borrow();
            (faults.write_back, faults.write_back_fails)
        };
        if chance == 0 {
            return;
        }
        let mut rng = self.world.rng(fastrand::Rng::fork);
        if rng.u16(..1024) < chance {
            self.disk.write_back(rng.u16(..1024) < fails, &mut rng);
        }
    }

    fn crash_if_due(&mut self) {
        while let Some((step, crash)) = self.crashes.last().copied() {
            self.world.interrupt_at(step);
            if self.world.steps() < step {
                return;
            }
            self.crashes.pop();
            match crash {
                Crash::Kill => {
                    let random = self.world.rng(|rng| rng.usize(..self.seats.len()));
                    let seat = if self.world.rng(|rng| rng.bool()) { self.ran_last } else { random };
                    self.kill(seat);
                    if self.seats[seat].left.get() > 0 {
                        self.seat(seat, Living::live);
                    }
                }
                Crash::PowerLoss => {
                    self.lose_power();
                    for seat in 0..self.seats.len() {
                        if self.seats[seat].left.get() > 0 {
                            self.seat(seat, Living::live);
                        }
                    }
                }
            }
        }
        self.world.interrupt_at(u64::MAX);
    }

    /// The process goes, wherever it is, and does nothing more.
    fn kill(&mut self, seat: usize) {
        let Some(mut process) = self.seats[seat].process.take() else { return };
        let life = self.seats[seat].life;
        self.disk.kill(life);
        self.world.event(Event::Died(life));
        self.world.set_dying(true);
        process.force_unwind();
        self.world.set_dying(false);
        self.stacks.0.push(process.into_stack());
    }

    fn kill_all(&mut self) {
        for seat in 0..self.seats.len() {
            self.kill(seat);
        }
    }

    fn lose_power(&mut self) {
        self.kill_all();
        let survives = self.world.rng(Survives::any);
        self.world.trace(|| format!("the power fails; of what was not synced survives: {survives:?}"));
        self.world.rng(|rng| self.disk.lose_power(survives, rng));
        self.world.lost.set(true);
        self.world.event(Event::PowerLost);
    }
}

impl Drop for Schedule<'_> {
    fn drop(&mut self) {
        // Behind a panic: what is left of the processes does nothing more.
        self.world.set_dying(true);
        for seat in &mut self.seats {
            self.disk.kill(seat.life);
            seat.process = None;
        }
    }
}
