//! The group commit and the tail protocol under `shuttle`, which tries one order of the threads' steps after another. A crate
//! of its own (`scheduling/`), because the whole store has to be built with other locks and atomics for it.
//!
//! Promises: what was acknowledged is durable (1), what was destroyed stays so (2), no wait is unbounded (6: a lost wake-up is
//! a deadlock there), and processes and threads see one order of things (7).

use std::process::{Command, Stdio};

use crate::ledger;
use crate::run::{Campaign, CannotRun, Run};

pub const CAMPAIGN: Campaign = Campaign {
    name: "scheduling",
    what: "the group commit and the tail protocol, one order of steps after another",
    size: 20_000,
    run,
};

fn run(run: &mut Run) -> Result<(), CannotRun> {
    let folder = ledger::root().join("tests/campaigns/scheduling");
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--release", "--", &run.size.to_string(), &run.seed.to_string()])
        .current_dir(folder)
        // Of this crate's own build; the folder's configuration says how that one is built.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| CannotRun(format!("cargo could not be started: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let passed = format!("scheduling: {} runs, 0 failures", run.size);
    match text.lines().last() {
        Some(last) if output.status.success() && last == passed => run.passed(run.size),
        Some(last) if last.starts_with("scheduling: ") => {
            run.passed(run.size - 1);
            run.count(run.seed, Err(format!("{last}; the schedule stands above. The run: --size {}", run.size)));
        }
        _ => return Err(CannotRun("the crate `scheduling` did not build, or did not run to its end".into())),
    }
    Ok(())
}
