//! The group commit and the tail protocol under shuttle: every lock, atomic, park and wake-up of the file store is a place
//! where another thread may come in, and each schedule is another order. A schedule in which no thread can go on, or in which a
//! promise is broken, fails and prints what replays it.
//!
//!     scheduling SCHEDULES SEED          (in this folder, whose cargo configuration sets `--cfg shuttle`)

mod disk;
#[allow(dead_code, reason = "numbers of keys are not asked for here")]
#[path = "../../../support/key.rs"]
mod key;
mod scenario;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>());
    let (Some(Ok(schedules)), Some(Ok(seed)), None) = (args.next(), args.next(), args.next()) else {
        eprintln!("usage: scheduling SCHEDULES SEED");
        return ExitCode::from(2);
    };
    let scenarios = scenario::ALL;
    let (mut runs, mut failures) = (0, 0);
    for (n, (name, scenario)) in scenarios.iter().enumerate() {
        // A share for each scenario, half of it in any order, half with few and far changes of the order.
        let share = schedules / scenarios.len() as u64 + u64::from((n as u64) < schedules % scenarios.len() as u64);
        let (random, few) = (share.div_ceil(2) as usize, (share / 2) as usize);
        let passed = check(name, RandomScheduler::new_from_seed(seed, random), scenario)
            && (few == 0 || check(name, PctScheduler::new_from_seed(seed, 3, few), scenario));
        runs += share;
        failures += u64::from(!passed);
    }
    println!("scheduling: {runs} runs, {failures} failures");
    if failures == 0 && runs > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn check(name: &str, scheduler: impl Scheduler + 'static, scenario: &'static fn()) -> bool {
    let mut config = Config::new();
    config.stack_size = 256 * 1024;
    // A thread that waits for a lock tries again and again, so a schedule may go on for as long as it prefers that thread.
    config.max_steps = MaxSteps::ContinueAfter(200_000);
    config.failure_persistence = FailurePersistence::Print;
    let checked = catch_unwind(AssertUnwindSafe(|| Runner::new(scheduler, config).run(scenario)));
    if checked.is_err() {
        eprintln!("scheduling FAILED: {name}");
    }
    checked.is_ok()
}
