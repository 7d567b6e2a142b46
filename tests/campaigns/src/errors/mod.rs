//! `errors`: what an operating system answers when things go wrong, for real: a scenario a case, in rotation.
//!
//! Failures of single calls are injected by strace; full disks, missing inodes, and a disk that loses what it was to sync are
//! made of ext4 images; limits are set by prlimit, on processes that run. And a process forks.
//!
//! Promises: 3 (after a failed sync nothing is saved, in no process, until the store was opened anew; loads go on) and 5 (a
//! clear error each, nothing acknowledged lost, and the store goes on once the cause is gone).
//!
//! Here stand the scenarios and what makes them happen. Errors that only a simulated disk can give are `simulate`'s, and never
//! here.

mod disk;
mod forked;
mod injected;
mod limits;
mod scene;

use fastrand::Rng;

pub use forked::{FORKER, fork_in};
pub use injected::try_strace;

use crate::real::mounts::{Stage, need_tool};
use crate::run::{Campaign, CannotRun, Failure, Run};

pub const CAMPAIGN: Campaign = Campaign {
    name: "errors",
    what: "failing calls, full disks, missing inodes and handles, read-only disks",
    size: 84,
    run,
};

type Scenario = fn(&Stage, &mut Rng) -> Result<(), Failure>;

/// Each name is what is to be seen.
const SCENARIOS: &[(&str, Scenario)] = &[
    ("after a failed sync no process saves until the store was opened anew", injected::failed_sync),
    ("a failing call is an error and costs nothing acknowledged", injected::failing_call),
    ("a disk that loses what it was to sync ends all saving", disk::loses_what_it_was_to_sync),
    ("a full disk refuses saves, lets users log out, and goes on when there is space", disk::full),
    ("a store on a full disk opens, and loads", disk::full_when_opened),
    ("without inodes nothing is lost, and segments come again with them", disk::without_inodes),
    ("a disk that turns read-only refuses saves and goes on loading", disk::turns_read_only),
    ("a store on a read-only disk loads", disk::read_only),
    ("without handles there are errors, and with them all goes on", limits::handles),
    ("a file that may not grow is an error where its signal is ignored", limits::file_size),
    ("a file that may not grow kills like any signal where it is not ignored", limits::file_size_signal),
    ("in a directory that was removed nothing is acknowledged", limits::directory_removed),
    ("a forked child is refused, and its parent goes on", forked::forked),
    ("calls that find no space refuse saves, and logouts are done all the same", disk::full_at_calls),
];

fn run(run: &mut Run) -> Result<(), CannotRun> {
    need_tool("strace", "strace")?;
    need_tool("prlimit", "util-linux")?;
    need_tool("mkfs.ext4", "e2fsprogs")?;
    need_tool("mount", "mount")?;
    let stage = Stage::enter(512)?;
    try_strace()?;
    run.each(|seed| {
        let (name, scenario) = SCENARIOS[(seed % SCENARIOS.len() as u64) as usize];
        scenario(&stage, &mut Rng::with_seed(seed)).map_err(|failure| format!("{name}: {failure}"))
    });
    Ok(())
}
