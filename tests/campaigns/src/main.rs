//! The fault campaigns: what the file store promises, under every fault that can be made.
//!
//!     cargo run --release --manifest-path tests/campaigns/Cargo.toml -- NAME [--size N] [--seed S]
//!
//! Each prints what replays a failure, ends with the line `NAME: N runs, F failures`, and exits with a failure when there was
//! one or when it could not run. With `--record` the figures go into `docs/reliability.jsonl`; without, no tracked file
//! changes. `-- table` makes the table of `docs/reliability.md` anew from what was recorded so far.

mod allocated;
mod bounds;
mod corrupt;
mod errors;
mod full_disks;
mod history;
mod hostile_names;
mod kill;
mod ledger;
mod left;
mod linearize;
mod mutants;
mod power_loss;
mod races;
mod real;
mod run;
mod scheduling;
mod simulate;
mod stall;
mod support;
mod vanish;

use std::process::ExitCode;

use run::{Campaign, CannotRun, Run};

/// All campaigns, in the order of `docs/reliability.md`.
const CAMPAIGNS: &[Campaign] = &[
    simulate::CAMPAIGN,
    simulate::FAIL_EVERY_CALL,
    scheduling::CAMPAIGN,
    linearize::CAMPAIGN,
    races::CAMPAIGN,
    kill::CAMPAIGN,
    power_loss::CAMPAIGN,
    errors::CAMPAIGN,
    full_disks::CAMPAIGN,
    corrupt::CAMPAIGN,
    corrupt::UNREADABLE,
    vanish::CAMPAIGN,
    hostile_names::CAMPAIGN,
    bounds::CAMPAIGN,
    stall::CAMPAIGN,
    mutants::CAMPAIGN,
];

fn main() -> ExitCode {
    // Campaigns with real processes start this binary again.
    let words: Vec<String> = std::env::args().skip(1).collect();
    match &words[..] {
        [role, job] if role == real::worker::WORKER => return real::worker::main(job),
        [role] if role == linearize::WORKER => return linearize::work(),
        [role, place] if role == races::WORKER => return races::work(place.as_ref()),
        [role, place] if role == errors::FORKER => return errors::fork_in(place.as_ref()),
        [role, place, seed, keeps_space] if role == full_disks::WORKER => {
            return full_disks::work(place.as_ref(), seed.parse().unwrap_or_default(), keeps_space == "true");
        }
        [role, args @ ..] if role == hostile_names::WORKER => return hostile_names::worker(args),
        _ => {}
    }
    let args = match Args::parse() {
        Ok(args) => args,
        Err(error) => {
            eprintln!("{error}\n\nusage: NAME [--size N] [--seed S] [--failures N] [--record], NAME one of:");
            for campaign in CAMPAIGNS {
                eprintln!(
                    "    {:16} {} (--size {} unless said otherwise)",
                    campaign.name, campaign.what, campaign.size
                );
            }
            eprintln!("    {:16} makes the table of docs/reliability.md anew", "table");
            return ExitCode::from(2);
        }
    };
    let names: Vec<&str> = CAMPAIGNS.iter().map(|campaign| campaign.name).collect();
    if args.name == "table" {
        return match ledger::write_table(&names) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("docs/reliability.md could not be written: {error}")),
        };
    }
    let Some(campaign) = CAMPAIGNS.iter().find(|campaign| campaign.name == args.name) else {
        return fail(&format!("no campaign is named {:?}; there are {}", args.name, names.join(", ")));
    };
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    let mut run = Run::new(campaign, args.size.unwrap_or(campaign.size), seed, args.record, args.failures);
    let outcome = (campaign.run)(&mut run);
    let not_tried = run.not_tried();
    let (runs, failures, left_out) = run.finish();
    if args.record
        && runs > 0
        && let Err(error) = ledger::append(campaign.name, runs, failures, seed, left_out)
    {
        return fail(&format!("docs/reliability.jsonl could not be written: {error}"));
    }
    if let Err(CannotRun(why)) = outcome {
        eprintln!("{} could not run: {why}", campaign.name);
        println!("{}: {runs} runs, {} failures", campaign.name, failures + 1);
        return ExitCode::FAILURE;
    }
    println!("{}: {runs} runs, {failures} failures{not_tried}", campaign.name);
    if failures > 0 || runs == 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(2)
}

struct Args {
    name: String,
    size: Option<u64>,
    seed: Option<u64>,
    /// So many end the run.
    failures: u64,
    /// Whether the figures go into docs/reliability.jsonl.
    record: bool,
}

impl Args {
    fn parse() -> Result<Self, lexopt::Error> {
        use lexopt::prelude::*;
        let mut parser = lexopt::Parser::from_env();
        let (mut name, mut size, mut seed, mut failures, mut record) = (None, None, None, 10, false);
        while let Some(arg) = parser.next()? {
            match arg {
                Long("size") => size = Some(parser.value()?.parse()?),
                Long("seed") => seed = Some(parser.value()?.parse()?),
                Long("failures") => failures = parser.value()?.parse()?,
                Long("record") => record = true,
                Value(value) if name.is_none() => name = Some(value.string()?),
                other => return Err(other.unexpected()),
            }
        }
        let name = name.ok_or("which campaign?")?;
        Ok(Self { name, size, seed, failures, record })
    }
}
