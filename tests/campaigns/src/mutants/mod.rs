//! The proof that the campaigns can fail: each patch of `tests/campaigns/mutants` takes away one thing that keeps a promise,
//! and the campaign that must notice does.
//!
//! A case is a patch. It is applied to a copy of the sources, the campaigns are built from that, and each campaign that the
//! patch names is run with the size and seed that it names. The mutant is caught if the campaign reports a failure with
//! what replays it; one that does not build, cannot run or hangs is not caught, and that is a failure here. The same command
//! must find nothing in the sources as they are, or it would prove nothing.
//!
//! `--size N` takes N patches, from the seed's on (the seed modulo their number). The table of `docs/reliability.md` says of
//! each what its last recorded run said.

mod patch;
mod table;
mod tree;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::ledger::root;
use crate::run::{Campaign, CannotRun, Failure, Run};
use patch::{Patch, Witness};
use table::{Lines, Row};
use tree::Tree;

/// Whoever takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(600);

pub const CAMPAIGN: Campaign = Campaign {
    name: "mutants",
    what: "takes away what keeps the promises, one at a time: the other campaigns notice",
    size: 2,
    run,
};

fn run(run: &mut Run) -> Result<(), CannotRun> {
    let patches = patch::all(&root().join("tests/campaigns/mutants"))?;
    let tree = Tree::copy().map_err(|error| CannotRun(format!("copying the sources: {error}")))?;
    let mut lines = Lines::new();
    let mut sound = Sound::default();
    for seed in run.seeds() {
        let number = (seed % patches.len() as u64) as usize;
        let patch = &patches[number];
        let outcome = match sound.witnesses(patch).and_then(|()| caught(&tree, patch)) {
            Ok(row) => {
                run.tell(&format!("caught: {}", row.as_line()));
                lines.insert(patch.name.clone(), Some(row.as_line()));
                Ok(())
            }
            Err(why) => {
                lines.insert(patch.name.clone(), None);
                Err(format!("{} ({}): {why}", patch.name, patch.what))
            }
        };
        if !run.count(seed, outcome) {
            break;
        }
    }
    println!("{}", table::of(lines.values().flatten().map(String::as_str)));
    if run.record {
        table::write(&lines, &patches).map_err(|error| CannotRun(format!("writing docs/reliability.md: {error}")))?;
    }
    Ok(())
}

/// What was found to pass in the sources as they are.
#[derive(Default)]
struct Sound(BTreeMap<String, bool>);

impl Sound {
    fn witnesses(&mut self, patch: &Patch) -> Result<(), Failure> {
        let program = std::env::current_exe().map_err(|error| format!("finding this program: {error}"))?;
        for witness in &patch.witnesses {
            let command = witness.command();
            let sound = match self.0.get(&command) {
                Some(sound) => *sound,
                None => said(&program, witness)?.found.is_none(),
            };
            self.0.insert(command.clone(), sound);
            if !sound {
                return Err(format!("`{command}` fails without it as well"));
            }
        }
        Ok(())
    }
}

/// Builds the mutant and runs whoever must notice. One campaign builds another crate from the same sources, so the patch is
/// taken back last.
fn caught(tree: &Tree, patch: &Patch) -> Result<Row, Failure> {
    tree.apply(&patch.path, false)?;
    let noticed = tree.build().and_then(|program| noticed(&program, patch));
    tree.apply(&patch.path, true)?;
    Ok(Row {
        name: patch.name.clone(),
        what: patch.what.clone(),
        rule: patch.rule.clone(),
        promise: patch.promise.clone(),
        caught: noticed?,
    })
}

/// Who noticed, and after how many cases: all who must.
fn noticed(program: &Path, patch: &Patch) -> Result<Vec<(String, u64)>, Failure> {
    let each = patch.witnesses.iter().map(|witness| {
        let Said { found, last } = said(program, witness)?;
        let after = found.ok_or_else(|| format!("NOT caught by `{}`: {last}", witness.command()))?;
        Ok((witness.command(), after))
    });
    each.collect()
}

/// What a campaign said.
struct Said {
    /// After how many cases it found the first failure.
    found: Option<u64>,
    /// Its last line.
    last: String,
}

/// Runs a campaign to its end. Only a case that failed and can be replayed counts: not a panic, and not that it could not
/// run.
fn said(program: &Path, witness: &Witness) -> Result<Said, Failure> {
    let command = witness.command();
    let failed = |error| format!("running `{command}`: {error}");
    let mut child = Command::new(program)
        .args(command.split(' '))
        .args(["--failures", "1", "--no-record"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
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
    let last = output.lines().last().unwrap_or_default().to_owned();
    let replay = format!("replay with: -- {} --seed ", witness.campaign);
    let seed = errors.split(&replay).nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    let found = seed.filter(|_| !status.success()).map(|seed| seed.wrapping_sub(witness.seed) + 1);
    if found.is_none() && !(status.success() && last.starts_with(&format!("{}: ", witness.campaign))) {
        let why = errors.lines().rev().take(5).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n");
        return Err(format!("`{command}` did not come to an end ({status}), and named no case:\n{why}"));
    }
    Ok(Said { found, last })
}
