//! Several processes on one simulated disk, killed at any step, with power losses that take any part of what was not synced.
//!
//! A case is a schedule: one to three processes, each a coroutine, which create, update, rotate, touch, destroy, sweep, load
//! and list sessions, several calls at once at times, and are stopped before and after every call of the disk's and before
//! every look at the page that they share. There another goes on, or one is killed, or the power fails. At the end everything
//! is looked at once more by a new process.
//!
//! What they were told is judged by [`oracle`] against the [model](crate::support::model) of the contract: promises 1, 2, 6 and 7 of `docs/reliability.md`, and with
//! the disk's faults 3 and 5. `CLOAKROOM_TRACE=1` prints every step of every case;
//! `CLOAKROOM_COMPETITOR=1` lets another program take the space of small disks.
//!
//! Here stand the simulated machine (disk, locks, clock, processes), what its processes ask for, and the judge. What a store
//! promises is never written down here.

mod ask;
mod disk;
mod fail_every_call;
mod faults;
mod history;
mod inode;
mod locks;
mod machine;
mod oracle;
mod process;
mod record;
mod schedule;
mod script;
mod state;
mod workload;
mod world;

use crate::run::{Campaign, CannotRun, Run};

pub const CAMPAIGN: Campaign = Campaign {
    name: "simulate",
    what: "processes, kills, power losses and failing calls on a simulated disk, any schedule",
    size: 50_000,
    run,
};

pub const FAIL_EVERY_CALL: Campaign = Campaign {
    name: "fail-every-call",
    what: "each operation with each call failing, each step killed, and each opening after that",
    size: 1,
    run: fail_every_call::run,
};

fn run(run: &mut Run) -> Result<(), CannotRun> {
    let mut stacks = machine::Stacks::default();
    run.each(|seed| schedule::run(seed, &mut stacks));
    Ok(())
}
