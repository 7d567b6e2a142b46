//! The proof that the campaigns can fail: each mutant of `mutants.toml` takes away one thing that keeps a promise, and the
//! campaigns that must notice do.
//!
//! A case is a mutant. Its edits are made in a copy of the sources, the campaigns are built from that, and each command that
//! the mutant names is run. The mutant is caught if the campaign reports a failure with what replays it. For what no campaign
//! is about, the session layer, the command is a test of the crate, `test NAME`, of which some must fail. A mutant that does
//! not build, cannot run or hangs is not caught, and that is a failure here. The same command must find nothing in the sources
//! as they are, or it would prove nothing.
//!
//! `--size N` takes N mutants, from the seed's on (the seed modulo their number). The table of `docs/reliability.md` says of
//! each what its last recorded run said.

mod mutant;
mod table;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::ledger::root;
use crate::run::{Campaign, CannotRun, Failure, Run};
use mutant::Mutant;
use table::{Lines, Row};
use tree::Tree;

/// A campaign that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(600);

pub const CAMPAIGN: Campaign = Campaign {
    name: "mutants",
    what: "takes away what keeps the promises, one at a time: the other campaigns notice",
    size: 2,
    run,
};

fn run(run: &mut Run) -> Result<(), CannotRun> {
    let mutants = mutant::all(&root().join("tests/campaigns/mutants.toml")).map_err(CannotRun)?;
    let tree = Tree::copy().map_err(|error| CannotRun(format!("copying the sources: {error}")))?;
    let mut lines = Lines::new();
    let mut sound = Sound::default();
    for seed in run.seeds() {
        let mutant = &mutants[(seed % mutants.len() as u64) as usize];
        let outcome = match sound.witnesses(&tree, mutant).and_then(|()| caught(&tree, mutant)) {
            Ok(row) => {
                run.tell(&format!("caught: {}", row.as_line()));
                lines.insert(mutant.name.clone(), Some(row.as_line()));
                Ok(())
            }
            Err(why) => {
                lines.insert(mutant.name.clone(), None);
                Err(format!("{} ({}): {why}", mutant.name, mutant.what))
            }
        };
        if !run.count(seed, outcome) {
            break;
        }
    }
    println!("{}", table::of(lines.values().flatten().map(String::as_str)));
    if run.record {
        table::write(&lines, &mutants).map_err(|error| CannotRun(format!("writing docs/reliability.md: {error}")))?;
    }
    Ok(())
}

/// What was found to pass in the sources as they are.
#[derive(Default)]
struct Sound(BTreeMap<String, bool>);

impl Sound {
    fn witnesses(&mut self, tree: &Tree, mutant: &Mutant) -> Result<(), Failure> {
        let program = std::env::current_exe().map_err(|error| format!("finding this program: {error}"))?;
        for command in &mutant.caught_by {
            let sound = match self.0.get(command) {
                Some(sound) => *sound,
                None => said(tree, &program, command)?.found.is_none(),
            };
            self.0.insert(command.clone(), sound);
            if !sound {
                return Err(format!("`{command}` fails without it as well"));
            }
        }
        Ok(())
    }
}

/// Builds the mutant and runs the campaigns that must notice. One campaign builds another crate from the same sources, so the
/// edits are taken back last.
fn caught(tree: &Tree, mutant: &Mutant) -> Result<Row, Failure> {
    let edited = tree.edit(mutant)?;
    let program = if mutant.caught_by.iter().all(|command| test_of(command).is_some()) {
        Ok(PathBuf::new())
    } else {
        tree.build()
    };
    let noticed = program.and_then(|program| noticed(tree, &program, mutant));
    tree.restore(&edited)?;
    Ok(Row {
        name: mutant.name.clone(),
        what: mutant.what.clone(),
        rule: mutant.rule.clone(),
        promise: mutant.promise.clone(),
        caught: noticed?,
    })
}

/// After how many cases each campaign noticed that must, or in how many tests.
fn noticed(tree: &Tree, program: &Path, mutant: &Mutant) -> Result<Vec<(String, u64)>, Failure> {
    let each = mutant.caught_by.iter().map(|command| {
        let Said { found, last } = said(tree, program, command)?;
        let after = found.ok_or_else(|| format!("NOT caught by `{command}`: {last}"))?;
        Ok((command.clone(), after))
    });
    each.collect()
}

/// What a campaign said.
struct Said {
    /// After how many cases it found the first failure; of a test, how many failed.
    found: Option<u64>,
    /// Its last line.
    last: String,
}

/// The test of the crate that a command runs, if it is one.
fn test_of(command: &str) -> Option<&str> {
    command.strip_prefix("test ")
}

/// Runs a command to its end.
fn said(tree: &Tree, program: &Path, command: &str) -> Result<Said, Failure> {
    match test_of(command) {
        Some(test) => tested(tree, test, command),
        None => campaigned(program, command),
    }
}

/// Runs a test of the crate. Only tests that failed count, not that it does not build.
fn tested(tree: &Tree, test: &str, command: &str) -> Result<Said, Failure> {
    tree.build_test(test)?;
    let Ended { success, output, errors } = ended(tree.test(test), command)?;
    let last = output.lines().rfind(|line| line.starts_with("test result: ")).unwrap_or_default().to_owned();
    let failed = last.split("; ").find_map(|part| part.strip_suffix(" failed")?.parse::<u64>().ok());
    match failed {
        Some(failed) if success == (failed == 0) => Ok(Said { found: (failed > 0).then_some(failed), last }),
        _ => Err(format!("`{command}` did not come to an end: {last}\n{errors}")),
    }
}

/// Runs a campaign. Only a case that failed and can be replayed counts: not a panic, and not that it could not run.
fn campaigned(program: &Path, command: &str) -> Result<Said, Failure> {
    let [campaign, "--size", _, "--seed", first] = command.split(' ').collect::<Vec<_>>()[..] else {
        return Err(format!("`{command}` is not NAME --size N --seed S"));
    };
    let first: u64 = first.parse().map_err(|error| format!("the seed of `{command}`: {error}"))?;
    let mut run = Command::new(program);
    run.args(command.split(' ')).args(["--failures", "1"]);
    let Ended { success, output, errors } = ended(run, command)?;
    let last = output.lines().last().unwrap_or_default().to_owned();
    let replay = format!("replay with: -- {campaign} --seed ");
    let seed = errors.split(&replay).nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    let found = seed.filter(|_| !success).map(|seed| seed.wrapping_sub(first) + 1);
    if found.is_none() && !(success && last.starts_with(&format!("{campaign}: "))) {
        let why = errors.lines().rev().take(5).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n");
        return Err(format!("`{command}` did not come to an end, and named no case:\n{why}"));
    }
    Ok(Said { found, last })
}

/// What a program left when it had ended.
struct Ended {
    success: bool,
    output: String,
    errors: String,
}

/// Runs a program until it ends, and no longer than there is patience for.
fn ended(mut run: Command, command: &str) -> Result<Ended, Failure> {
    let failed = |error| format!("running `{command}`: {error}");
    let mut child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    let read = |mut from: Box<dyn std::io::Read + Send>| {
        thread::spawn(move || {
            let mut text = Vec::new();
            let _ = from.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let output = read(Box::new(child.stdout.take().expect("it was piped")));
    let errors = read(Box::new(child.stderr.take().expect("it was piped")));
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("`{command}` hangs"));
        }
        thread::sleep(Duration::from_millis(20));
    };
    let output = output.join().expect("a reader ends");
    let errors = errors.join().expect("a reader ends");
    Ok(Ended { success: status.success(), output, errors })
}
