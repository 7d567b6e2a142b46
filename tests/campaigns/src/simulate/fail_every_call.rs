//! Every operation with every call of the disk's failing in turn, and with a kill and a power loss at every step.
//!
//! Where `simulate` draws, this counts: a scenario is run once to count its calls and steps, then once more for each of them
//! and each way to fail. After a failure the cause is gone and the store must go on; after a crash a new process must find
//! what was promised, also if that one is killed, or fails, at any step of its opening. The same oracle judges.

use cloakroom::{Durability, FileOptions};

use super::faults::{Armed, Errno, Faults};
use super::inode::Survives;
use super::machine::{Machine, Stacks, in_a_world};
use super::oracle;
use super::process::{EVERY, Habits};
use super::script::Line::{self, *};
use super::world::{Pause, World};
use crate::run::{CannotRun, Failure, Run};

/// What is done, and what was done before.
struct Scenario {
    name: &'static str,
    durability: Durability,
    segment_bytes: u32,
    before: &'static [Line],
    act: &'static [Line],
    /// Whether what a kill at each of its steps leaves is opened with every fault.
    leaves: bool,
}

const SMALL: u32 = 700;
const LARGE: u32 = 1 << 20;

const fn scenario(name: &'static str, before: &'static [Line], act: &'static [Line]) -> Scenario {
    Scenario { name, durability: Durability::Always, segment_bytes: LARGE, before, act, leaves: false }
}

const SCENARIOS: &[Scenario] = &[
    Scenario { leaves: true, ..scenario("opening a new store", &[], &[Open]) },
    Scenario { leaves: true, ..scenario("create", &[Open, Create(0, 50)], &[Create(1, 50)]) },
    scenario("create, large", &[Open, Create(0, 50)], &[Create(1, 1_500)]),
    Scenario {
        durability: Durability::Never,
        ..scenario("create, never synced", &[Open, Create(0, 50)], &[Create(1, 50)])
    },
    Scenario {
        durability: Durability::Every(EVERY),
        ..scenario("create, synced soon", &[Open, Create(0, 50)], &[Create(1, 50), Rest, Load(0), Load(1)])
    },
    scenario("update", &[Open, Create(0, 50)], &[Update(0, 60)]),
    scenario("touch", &[Open, Create(0, 50)], &[Touch(0), Keep]),
    Scenario { leaves: true, ..scenario("rotate", &[Open, Create(0, 50), Create(1, 50)], &[Rotate(0, 2)]) },
    scenario("destroy", &[Open, Create(0, 50), Create(1, 50)], &[Destroy(0)]),
    Scenario {
        durability: Durability::Never,
        ..scenario("destroy behind saves that were not synced", &[Open, Create(0, 50), Update(0, 700)], &[Destroy(0)])
    },
    scenario("login", &[Open, Create(0, 50), Destroy(0), Create(1, 50)], &[Login(2, 0)]),
    scenario("destroy of nothing", &[Open, Create(0, 50)], &[Destroy(1)]),
    scenario("destroy all of a user", &[Open, Create(0, 50), Create(2, 500), Create(1, 9)], &[DestroyOwned]),
    scenario("sweep", &[Open, CreateShort(0), CreateShort(1), Create(2, 9)], &[Sweep, Keep]),
    scenario("clear", &[Open, Create(0, 50), Create(1, 50)], &[Clear]),
    scenario("load", &[Open, Create(0, 50), Create(1, 50)], &[Load(0)]),
    scenario("count and lists", &[Open, Create(0, 50), Create(1, 50)], &[Count, OwnedBy, Scan]),
    Scenario {
        segment_bytes: SMALL,
        leaves: true,
        ..scenario("a new segment", &[Open, Create(0, 300), Create(1, 300)], &[Create(2, 100)])
    },
    Scenario {
        segment_bytes: SMALL,
        durability: Durability::Never,
        ..scenario(
            "a new segment, never synced",
            &[Open, Create(0, 300), Create(1, 300)],
            &[Create(2, 100), Destroy(2)],
        )
    },
    Scenario {
        segment_bytes: SMALL,
        leaves: true,
        ..scenario(
            "compaction",
            &[Open, Create(1, 50), Create(0, 300), Update(0, 400), Update(0, 400), Update(0, 500)],
            &[Update(0, 500), Keep, Keep, Keep, Keep, Keep, Keep],
        )
    },
    Scenario {
        segment_bytes: SMALL,
        ..scenario(
            "trims of several segments",
            &[Open, Create(0, 600), Create(1, 600), Create(2, 600), Update(0, 600), Create(3, 10)],
            &[Clear, Keep, Keep, Keep, Keep, Keep],
        )
    },
    Scenario { leaves: true, ..scenario("close", &[Open, Create(0, 50), Touch(0)], &[Close]) },
    scenario("opening behind a clean close", &[Open, Create(0, 50), Close], &[Open]),
    Scenario {
        segment_bytes: SMALL,
        ..scenario("opening several segments", &[Open, Create(0, 300), Create(1, 300), Create(2, 300), Close], &[Open])
    },
];

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
enum Blow {
    Nothing,
    Error(Armed),
    /// At this step, counted from where it was armed.
    Kill(u64),
    PowerLoss(u64, Survives, u64),
}

/// Calls and steps that were counted.
#[derive(Clone, Copy, Default)]
struct Counted {
    calls: u64,
    steps: u64,
    /// Whether the blow fell.
    fell: bool,
}

const SURVIVORS: [Survives; 7] = [
    Survives::Nothing,
    Survives::Everything,
    Survives::First(1),
    Survives::First(2),
    Survives::First(3),
    Survives::Any,
    Survives::Any,
];

pub fn run(run: &mut Run) -> Result<(), CannotRun> {
    let mut stacks = Stacks::default();
    for scenario in SCENARIOS {
        let (act, _) = match case(scenario, Blow::Nothing, Blow::Nothing, &mut stacks) {
            Ok(counted) => counted,
            Err(failure) => {
                run.count(run.seed, Err(format!("{}: {failure}", scenario.name)));
                continue;
            }
        };
        for blow in blows(act, &SURVIVORS) {
            if !one(run, scenario, blow, Blow::Nothing, &mut stacks) {
                return Ok(());
            }
        }
        for step in 1..=act.steps.min(if scenario.leaves { u64::MAX } else { 0 }) {
            let Ok((_, opening)) = case(scenario, Blow::Kill(step), Blow::Nothing, &mut stacks) else { continue };
            for blow in blows(opening, &[Survives::Nothing, Survives::Any]) {
                if !one(run, scenario, Blow::Kill(step), blow, &mut stacks) {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Everything that may befall so many calls and steps.
fn blows(counted: Counted, survivors: &[Survives]) -> Vec<Blow> {
    let mut blows = Vec::new();
    for call in 1..=counted.calls {
        for errno in Errno::ALL {
            blows.extend([false, true].map(|lasts| Blow::Error(Armed { call, errno, lasts })));
        }
    }
    for step in 1..=counted.steps {
        blows.push(Blow::Kill(step));
        let survivors = survivors.iter().enumerate();
        blows.extend(survivors.map(|(seed, survives)| Blow::PowerLoss(step, *survives, seed as u64)));
    }
    blows
}

/// Runs and counts one case, if the blow falls; says whether to go on.
fn one(run: &mut Run, scenario: &Scenario, first: Blow, then: Blow, stacks: &mut Stacks) -> bool {
    let outcome = case(scenario, first, then, stacks);
    match outcome {
        Ok((act, opening)) if !(act.fell && (opening.fell || matches!(then, Blow::Nothing))) => true,
        Ok(_) => run.count(run.seed, Ok(())),
        Err(failure) => {
            run.count(run.seed, Err(format!("{}, {first:?}, then in opening {then:?}: {failure}", scenario.name)))
        }
    }
}

/// How far a process came.
#[derive(PartialEq, Eq)]
enum Until {
    Mark,
    Blow,
    End,
}

/// Calls that nobody answers are asked for no longer than this, and no script is so long.
const MOST_STEPS: u64 = 1_000_000;

fn drive(machine: &mut Machine<'_>, seat: usize, until: u64) -> Until {
    loop {
        match machine.resume(seat, u64::MAX) {
            None => return Until::End,
            Some(Pause::Mark) => return Until::Mark,
            Some(Pause::Sleep(pause)) => machine.world.set_clock(machine.world.clock() + pause),
            Some(Pause::Step) if machine.world.steps() >= until => return Until::Blow,
            Some(Pause::Step) => {}
        }
    }
}

/// A process goes on under a blow, until its next mark.
fn suffer(machine: &mut Machine<'_>, seat: usize, blow: Blow) -> (Until, Counted) {
    let world = machine.world.clone();
    let from = world.steps();
    let until = match blow {
        Blow::Kill(step) | Blow::PowerLoss(step, ..) => from + step,
        Blow::Nothing | Blow::Error(_) => from + MOST_STEPS,
    };
    world.interrupt_at(until);
    {
        let mut faults = world.faults.borrow_mut();
        faults.calls = 0;
        faults.armed = if let Blow::Error(armed) = blow { Some(armed) } else { None };
        faults.struck = false;
        world.history.borrow_mut().may_fill_up |= faults.may_fill_up();
    }
    let came = drive(machine, seat, until);
    world.interrupt_at(u64::MAX);
    let mut faults = world.faults.borrow_mut();
    faults.armed = None;
    let fell = faults.struck || came == Until::Blow || matches!(blow, Blow::Nothing);
    let counted = Counted { calls: faults.calls, steps: world.steps() - from, fell };
    drop(faults);
    match blow {
        Blow::Kill(_) if fell => machine.kill(seat),
        Blow::PowerLoss(_, survives, seed) if fell => {
            machine.lose_power(survives, &mut fastrand::Rng::with_seed(seed));
        }
        _ => {}
    }
    (came, counted)
}

/// One blow during the act, another while a new process opens what is left.
fn case(scenario: &Scenario, first: Blow, then: Blow, stacks: &mut Stacks) -> Result<(Counted, Counted), Failure> {
    let world = World::new(1, Faults::default());
    let counted = in_a_world(&world, || {
        let options = FileOptions::default().segment_bytes(scenario.segment_bytes).cache_bytes(0);
        let habits = Habits {
            options: options.durability(scenario.durability),
            saves_wait: scenario.durability == Durability::Always,
            at_once: 1,
            drops_futures: false,
            large_ones: 0,
            largest_padding: 0,
            attempts: 3,
        };
        let mut machine = Machine::new(world.clone(), habits, &[0, 0], stacks);
        let closed = scenario.act.ends_with(&[Close]);
        // A round, for saves are refused after a failed sync of the store's thread until one has succeeded.
        let epilogue: &[Line] =
            if closed { &[Mark] } else { &[Mark, Keep, LoadAll, Create(4, 9), Destroy(4), LoadAll, Close] };
        let script = [scenario.before, &[Mark], scenario.act, epilogue].concat();
        machine.seat(0, move |living| living.follow(&script));
        drive(&mut machine, 0, u64::MAX);
        let witnessed = scenario.before.contains(&Open) && !scenario.before.contains(&Close);
        if witnessed {
            // Another has the store open, and goes on when the first was killed.
            machine.seat(1, |living| living.follow(&[Open, Mark, LoadAll, Create(3, 9), LoadAll, Destroy(3), Close]));
            drive(&mut machine, 1, u64::MAX);
        }
        let (came, act) = suffer(&mut machine, 0, first);
        if came == Until::Mark {
            drive(&mut machine, 0, u64::MAX);
        }
        if machine.seats[1].is_taken() {
            drive(&mut machine, 1, u64::MAX);
        }
        machine.kill_all();
        machine.seat(0, |living| living.follow(&[Open, Mark, LoadAll, Create(4, 9), Update(4, 700), Destroy(1)]));
        let (came, opening) = suffer(&mut machine, 0, then);
        if came == Until::Mark && machine.seats[0].is_taken() {
            drive(&mut machine, 0, u64::MAX);
        }
        machine.kill_all();
        machine.seat(0, |living| living.follow(&[Open, LoadAll, Create(3, 9), Update(3, 9), Close]));
        drive(&mut machine, 0, u64::MAX);
        machine.lose_power(Survives::Nothing, &mut fastrand::Rng::with_seed(0));
        machine.seat(0, |living| living.follow(&[Open, LoadAll, Close]));
        drive(&mut machine, 0, u64::MAX);
        machine.kill_all();
        Ok((act, opening))
    })?;
    oracle::judge(&world.history.borrow())?;
    Ok(counted)
}
