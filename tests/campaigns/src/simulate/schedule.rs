//! One schedule: which process runs when, which is killed, when the power fails. All of it comes from a seed.

use std::rc::Rc;
use std::time::Duration;

use cloakroom::{Durability, FileOptions, OnDamage};
use fastrand::Rng;

use super::faults::Faults;
use super::inode::Survives;
use super::machine::{Machine, Seat, Stacks, in_a_world};
use super::oracle;
use super::process::{EVERY, Habits, Living};
use super::world::{Moment, Pause, World};

#[derive(Clone, Copy, Debug)]
enum Crash {
    Kill,
    PowerLoss,
}

/// When a crash comes, counted from the one before.
#[derive(Clone, Copy, Debug)]
enum When {
    Steps(u64),
    /// So many steps after the next such moment but so many: few steps are any, and most of what can go wrong is at them.
    After {
        moment: Moment,
        number: u64,
        steps: u64,
    },
}

struct Schedule<'a> {
    machine: Machine<'a>,
    world: Rc<World>,
    /// Each seat's.
    habits: Vec<Rc<Habits>>,
    /// Crashes to come, the next at the end.
    crashes: Vec<(When, Crash)>,
    /// How long one runs before another may.
    slices: u64,
    /// In so many of 1024 turns a process is stopped for a while.
    stops: u16,
    /// At this step a disk that was small has space, for good.
    frees_at: u64,
    ran_last: usize,
}

/// A schedule that takes more steps than this does not end.
const MOST_STEPS: u64 = 2_000_000;

/// Runs the schedule of this seed, and says what it broke.
pub fn run(seed: u64, stacks: &mut Stacks) -> Result<(), String> {
    let world = World::new(seed, Faults::default());
    in_a_world(&world, || {
        let mut schedule = Schedule::draw(world.clone(), stacks);
        let ended = schedule.run();
        schedule.machine.kill_all();
        ended
    })?;
    oracle::judge(&world.history.borrow())
}

impl<'a> Schedule<'a> {
    fn draw(world: Rc<World>, stacks: &'a mut Stacks) -> Self {
        let faults = world.rng(Faults::draw);
        let is_small = faults.capacity.is_some();
        let (habits, seats, crashes, slices, stops) = world.rng(|rng| {
            let durability = durability(rng);
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
                // A small disk is to fill up.
                large_ones: if is_small { 6 } else { 1 },
                largest_padding: if is_small { 60_000 } else { [300, 3_000][rng.usize(..2)] },
                attempts: 50,
            };
            let seats: Vec<usize> = (0..rng.usize(1..=3)).map(|_| rng.usize(4..22)).collect();
            let calls = seats.iter().sum::<usize>() as u64;
            let crashes = (0..rng.usize(..4)).map(|_| {
                let when = match rng.u8(..4) {
                    0 | 1 => When::Steps(rng.u64(..calls * 20)),
                    2 => When::After { moment: Moment::Write, number: rng.u64(..calls / 2), steps: rng.u64(..8) },
                    // What is done about a failure takes longer than what is done after a write.
                    _ => When::After { moment: Moment::Failure, number: rng.u64(..4), steps: rng.u64(..100) },
                };
                (when, if rng.bool() { Crash::Kill } else { Crash::PowerLoss })
            });
            let crashes: Vec<(When, Crash)> = crashes.collect();
            let slices = [1, 4, 20, 200][rng.usize(..4)];
            let stops = [0, 0, 8, 64][rng.usize(..4)];
            (habits, seats, crashes, slices, stops)
        });
        world.history.borrow_mut().may_fill_up = faults.may_fill_up();
        *world.faults.borrow_mut() = faults;
        let calls = seats.iter().sum::<usize>() as u64;
        let frees_at =
            if is_small && world.rng(|rng| rng.bool()) { world.rng(|rng| rng.u64(..calls * 40)) } else { u64::MAX };
        let machine = Machine::new(world.clone(), habits, &seats, stacks);
        let habits = world.rng(|rng| {
            // In some schedules each process goes about it in its own way.
            let differ = rng.u8(..4) == 0;
            let habits = seats
                .iter()
                .map(|_| if differ { Rc::new(other(&machine.habits, rng)) } else { machine.habits.clone() });
            habits.collect()
        });
        Self { machine, world, habits, crashes, slices, stops, frees_at, ran_last: 0 }
    }

    fn run(&mut self) -> Result<(), String> {
        for seat in 0..self.machine.seats.len() {
            self.seat(seat, Living::live);
        }
        self.await_next_crash();
        self.run_until_all_have_gone()?;
        self.crashes.clear();
        self.await_next_crash();
        *self.world.faults.borrow_mut() = Faults::default();
        if self.world.rng(|rng| rng.bool()) {
            self.lose_power();
        }
        self.seat(0, Living::look);
        self.run_until_all_have_gone()
    }

    /// A new process, which begins a little later.
    fn seat(&mut self, seat: usize, live: fn(Living)) {
        self.machine.habits = self.habits[seat].clone();
        self.machine.seat(seat, live);
        self.machine.seats[seat].wakes += Duration::from_micros(self.world.rng(|rng| rng.u64(..3_000)));
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
            let (clock, seats) = (self.world.clock(), &self.machine.seats);
            let ready = |seat: &Seat| seat.is_taken() && seat.wakes <= clock;
            let count = seats.iter().filter(|seat| ready(seat)).count();
            if count == 0 {
                let next = seats.iter().filter(|seat| seat.is_taken()).map(|seat| seat.wakes).min();
                let Some(next) = next else { return Ok(()) };
                self.world.set_clock(next);
                continue;
            }
            let (which, slice) = self.world.rng(|rng| (rng.usize(..count), rng.u64(..self.slices)));
            let (seat, _) = seats.iter().enumerate().filter(|(_, seat)| ready(seat)).nth(which).expect("counted");
            self.go_on(seat, slice);
        }
    }

    fn go_on(&mut self, number: usize, slice: u64) {
        self.ran_last = number;
        let pause = self.machine.resume(number, slice);
        let (pass, stop) = self.world.rng(|rng| (rng.u64(..100), rng.u16(..1024) < self.stops));
        self.world.set_clock(self.world.clock() + Duration::from_micros(pass));
        self.write_back();
        self.compete();
        let seat = &mut self.machine.seats[number];
        match pause {
            Some(Pause::Step | Pause::Mark) => seat.wakes = Duration::ZERO,
            Some(Pause::Sleep(pause)) => seat.wakes = self.world.clock() + pause,
            None => return,
        }
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
            self.machine.disk.write_back(rng.u16(..1024) < fails, &mut rng);
        }
    }

    /// Another program takes space or lets go of it, once there is a store; and one day there is enough.
    fn compete(&mut self) {
        let (mut faults, history) = (self.world.faults.borrow_mut(), self.world.history.borrow());
        if !history.ops.is_empty() {
            self.world.rng(|rng| faults.compete(rng));
        }
        if self.world.steps() >= self.frees_at {
            self.frees_at = u64::MAX;
            faults.free();
            self.world.freed.set(Some(history.ops.len()));
        }
    }

    fn crash_if_due(&mut self) {
        while self.world.is_interrupted() {
            let Some((_, crash)) = self.crashes.pop() else { return };
            self.await_next_crash();
            match crash {
                Crash::Kill => {
                    let random = self.world.rng(|rng| rng.usize(..self.machine.seats.len()));
                    let seat = if self.world.rng(|rng| rng.bool()) { self.ran_last } else { random };
                    self.machine.kill(seat);
                    if self.machine.seats[seat].left.get() > 0 {
                        self.seat(seat, Living::live);
                    }
                }
                Crash::PowerLoss => {
                    self.lose_power();
                    for seat in 0..self.machine.seats.len() {
                        if self.machine.seats[seat].left.get() > 0 {
                            self.seat(seat, Living::live);
                        }
                    }
                }
            }
        }
    }

    fn await_next_crash(&self) {
        match self.crashes.last() {
            Some((When::Steps(steps), _)) => self.world.interrupt_at(self.world.steps() + steps),
            Some((When::After { moment, number, steps }, _)) => self.world.interrupt_after(*moment, *number, *steps),
            None => self.world.interrupt_at(u64::MAX),
        }
    }

    fn lose_power(&mut self) {
        let survives = self.world.rng(Survives::any);
        let mut rng = self.world.rng(fastrand::Rng::fork);
        self.machine.lose_power(survives, &mut rng);
    }
}

fn durability(rng: &mut Rng) -> Durability {
    match rng.u8(..4) {
        0 => Durability::Every(EVERY),
        1 => Durability::Never,
        _ => Durability::Always,
    }
}

/// The same habits, but for what processes on one directory may do differently. None of them ever has a reason to end what is
/// in doubt, for nothing is damaged here.
fn other(habits: &Habits, rng: &mut Rng) -> Habits {
    let durability = durability(rng);
    let on_damage = if rng.bool() { OnDamage::EndOlder } else { OnDamage::Report };
    let options = habits.options.clone().durability(durability).on_damage(on_damage);
    Habits { options, saves_wait: durability == Durability::Always, ..*habits }
}
