//! A campaign, and one run of it: its cases, their seeds, and what failed.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A campaign.
pub struct Campaign {
    pub name: &'static str,
    /// What it does, in half a line.
    pub what: &'static str,
    /// How many cases it runs unless told otherwise: CI's share.
    pub size: u64,
    pub run: fn(&mut Run) -> Result<(), CannotRun>,
}

/// Why a campaign cannot run here: a tool, a right or a device that is missing.
#[derive(Debug)]
pub struct CannotRun(pub String);

/// What broke a promise, as a sentence.
pub type Failure = String;

/// One run of a campaign.
pub struct Run {
    name: &'static str,
    /// How many cases.
    pub size: u64,
    /// The first case's seed; the case after it has the next number.
    pub seed: u64,
    /// Whether what comes of it goes into the docs.
    pub record: bool,
    /// So many failures end a run: one cause has a thousand faces.
    pub enough: u64,
    bar: ProgressBar,
    runs: u64,
    failures: u64,
    left_out: Vec<String>,
}

impl Run {
    pub fn new(campaign: &Campaign, size: u64, seed: u64, record: bool, enough: u64) -> Self {
        // Shown on a terminal only.
        let bar = ProgressBar::new(size);
        let style = "{msg} {wide_bar} {pos}/{len}, {per_sec}, {eta} left";
        bar.set_style(ProgressStyle::with_template(style).expect("the template is one"));
        bar.set_message(campaign.name);
        bar.enable_steady_tick(Duration::from_millis(500));
        eprintln!("{}: {size} cases from seed {seed}", campaign.name);
        Self { name: campaign.name, size, seed, record, enough, bar, runs: 0, failures: 0, left_out: Vec::new() }
    }

    /// Runs every case, each with its own seed, until there were enough failures.
    pub fn each(&mut self, mut case: impl FnMut(u64) -> Result<(), Failure>) {
        for seed in self.seeds() {
            let outcome = case(seed);
            if !self.count(seed, outcome) {
                return;
            }
        }
    }

    /// The seeds of all cases.
    pub fn seeds(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.seed;
        (0..self.size).map(move |case| first.wrapping_add(case))
    }

    /// Counts a case and tells what replays its failure; says whether to go on.
    pub fn count(&mut self, seed: u64, outcome: Result<(), Failure>) -> bool {
        self.runs += 1;
        self.bar.inc(1);
        if let Err(failure) = outcome {
            self.failures += 1;
            self.tell(&format!(
                "{} FAILED: {failure}\n    replay with: -- {} --seed {seed} --size 1",
                self.name, self.name
            ));
        }
        self.failures < self.enough
    }

    /// Cases that were run elsewhere, and all went well.
    pub fn passed(&mut self, cases: u64) {
        self.runs += cases;
        self.bar.inc(cases);
    }

    /// Says something without tearing the progress bar.
    pub fn tell(&self, what: &str) {
        self.bar.suspend(|| eprintln!("{what}"));
    }

    /// Something cannot be tried on this machine. That is said now, and in the campaign's last line.
    pub fn leave_out(&mut self, what: &str, why: &str) {
        self.tell(&format!("{}: NOT TRIED: {what} ({why})", self.name));
        self.left_out.push(what.to_owned());
    }

    /// What was left out, for the last line.
    pub fn not_tried(&self) -> String {
        if self.left_out.is_empty() { String::new() } else { format!("; NOT TRIED: {}", self.left_out.join(", ")) }
    }

    /// How many cases were run, how many failed, and what was left out.
    pub fn finish(self) -> (u64, u64, Vec<String>) {
        self.bar.finish_and_clear();
        (self.runs, self.failures, self.left_out)
    }
}
