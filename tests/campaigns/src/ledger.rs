//! What was run so far: a line a run in `docs/reliability.jsonl`, and the table made of it in `docs/reliability.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

/// One run.
#[derive(Serialize, Deserialize)]
struct Line {
    campaign: String,
    /// What repeats it, behind `--`.
    command: String,
    seed: u64,
    /// The commit that was tested; with a plus behind it if files were changed since.
    commit: String,
    runs: u64,
    failures: u64,
    /// What could not be tried on that machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    not_tried: Vec<String>,
}

/// The project's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn ledger() -> PathBuf {
    root().join("docs/reliability.jsonl")
}

/// Appends a run.
pub fn append(campaign: &str, runs: u64, failures: u64, seed: u64, not_tried: Vec<String>) -> io::Result<()> {
    let command = format!("{campaign} --size {runs} --seed {seed}");
    let line = Line { campaign: campaign.into(), command, seed, commit: commit(), runs, failures, not_tried };
    let mut file = OpenOptions::new().create(true).append(true).open(ledger())?;
    // One write, so that runs at the same time don't mix.
    file.write_all(format!("{}\n", serde_json::to_string(&line)?).as_bytes())
}

fn commit() -> String {
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(root()).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".into() };
    let changed = git(&["status", "--porcelain", "--", "src", "tests/campaigns", "Cargo.toml"]);
    if changed.is_none_or(|changed| !changed.is_empty()) { format!("{commit}+") } else { commit }
}

const BEGIN: &str = "<!-- table: made by `-- table` from docs/reliability.jsonl -->";
const END: &str = "<!-- end of table -->";

/// The figures of all runs so far, added up by campaign, between the marks in `docs/reliability.md`; these campaigns first.
pub fn write_table(campaigns: &[&str]) -> io::Result<()> {
    let mut lines: Vec<Line> = Vec::new();
    for line in fs::read_to_string(ledger())?.lines() {
        lines.push(serde_json::from_str(line)?);
    }
    let mut by_campaign: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in &lines {
        by_campaign.entry(&line.campaign).or_default().push(line);
    }
    let order = campaigns.iter().copied().filter(|name| by_campaign.contains_key(name));
    let others = by_campaign.keys().copied().filter(|name| !campaigns.contains(name));
    let mut table = String::from(
        "| campaign | cases | failures | runs | the longest: command, commit |\n|---|---:|---:|---:|---|\n",
    );
    for name in order.chain(others) {
        let lines = &by_campaign[name];
        let longest = lines.iter().max_by_key(|line| line.runs).expect("a campaign is there by its runs");
        let (cases, failures) =
            lines.iter().fold((0, 0), |(cases, failures), line| (cases + line.runs, failures + line.failures));
        let Line { command, commit, .. } = longest;
        let not_tried: BTreeSet<&str> = lines.iter().flat_map(|line| &line.not_tried).map(|what| &**what).collect();
        let not_tried: String = not_tried.into_iter().map(|what| format!("; not tried in each run: {what}")).collect();
        table += &format!("| {name} | {cases} | {failures} | {} | `{command}`, {commit}{not_tried} |\n", lines.len());
    }
    let page = root().join("docs/reliability.md");
    let text = fs::read_to_string(&page)?;
    let missing = || io::Error::new(io::ErrorKind::InvalidData, "docs/reliability.md has no marks for the table");
    let (before, rest) = text.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    fs::write(page, format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))
}
