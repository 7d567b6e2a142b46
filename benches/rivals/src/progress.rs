//! How far the run has come, and how long the rest will take.

use std::time::Duration;

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressStyle};

use crate::operation::Discipline;

pub(crate) struct Progress {
    bars: MultiProgress,
    all: ProgressBar,
}

impl Progress {
    /// The progress of a run of so many turns.
    pub(crate) fn of(turns: u64) -> Self {
        let bars = MultiProgress::new();
        let all = bars.add(ProgressBar::new(turns));
        all.set_style(style("{elapsed_precise} {bar:30} {percent:>3} %, {eta} left  {wide_msg}"));
        all.enable_steady_tick(Duration::from_millis(500));
        Self { bars, all }
    }

    #[cfg(test)]
    pub(crate) fn hidden() -> Self {
        Self {
            bars: MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::hidden()),
            all: ProgressBar::hidden(),
        }
    }

    pub(crate) fn measures(&self, discipline: Discipline, contender: &str) {
        self.all.set_message(format!("{discipline}: {contender}"));
    }

    pub(crate) fn says(&self, what: String) {
        self.all.set_message(what);
    }

    /// Notes that all turns in a discipline have been taken. Where no terminal shows a bar, a line goes to the log.
    pub(crate) fn measured(&self, discipline: Discipline) {
        if self.all.is_hidden() && !cfg!(test) {
            let part = self.all.position() as f64 / self.all.length().unwrap_or(1) as f64;
            let elapsed = self.all.elapsed();
            let [elapsed, left] = [elapsed, elapsed.mul_f64((1.0 / part - 1.0).max(0.0))].map(HumanDuration);
            eprintln!("{:>3.0} % after {elapsed:#}, about {left:#} left: {discipline}", part * 100.0);
        }
    }

    /// Counts so many turns that were taken, or that will not be.
    pub(crate) fn step(&self, turns: u64) {
        self.all.inc(turns);
    }

    /// A second bar, for something that takes a while.
    pub(crate) fn part(&self, what: String, length: u64) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new(length));
        bar.set_style(style("         {bar:30} {human_pos} of {human_len}, {eta} left  {wide_msg}"));
        bar.with_message(what)
    }

    /// A line that stays.
    pub(crate) fn note(&self, line: &str) {
        if self.all.is_hidden() {
            eprintln!("{line}");
        } else {
            // The line is only for a reader at the terminal. The run goes on without one.
            let _ = self.bars.println(line);
        }
    }

    pub(crate) fn finish(&self) {
        self.all.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is right").progress_chars("=> ")
}
