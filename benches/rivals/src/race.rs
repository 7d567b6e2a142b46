//! Contenders take turns, round by round, in an order that is shuffled anew each time. So whatever else the machine
//! does hits all contenders alike, and none always comes after the same other one.

use std::time::{Duration, Instant};

use crate::effort::Effort;
use crate::numbers::Numbers;
use crate::operation::Discipline;
use crate::progress::Progress;
use crate::row::{Figure, Row};
use crate::statistics::{median, percentile};

/// A contender in one discipline.
pub(crate) trait Entrant {
    /// Works for about a slice. Returns the time of an operation in nanoseconds, or `None` if the contender
    /// cannot do it. The samples receive the times of operations that were timed one by one.
    fn round(&mut self, slice: Duration, samples: &mut Vec<f64>) -> Option<f64>;
}

/// An entrant that has one figure a round.
impl<F: FnMut() -> Option<f64>> Entrant for F {
    fn round(&mut self, _: Duration, samples: &mut Vec<f64>) -> Option<f64> {
        let figure = self()?;
        samples.push(figure);
        Some(figure)
    }
}

pub(crate) type Entrants<'a> = Vec<(&'static str, Box<dyn Entrant + 'a>)>;

/// The referee calls the contenders to their turns.
pub(crate) struct Referee {
    pub(crate) effort: Effort,
    pub(crate) numbers: Numbers,
    pub(crate) progress: Progress,
}

struct Lane<'a> {
    contender: &'static str,
    entrant: Box<dyn Entrant + 'a>,
    means: Vec<f64>,
    samples: Vec<f64>,
    took: Duration,
    is_out: bool,
}

impl Referee {
    /// Measures the entrants, and returns a row for each.
    pub(crate) fn race(
        &mut self,
        discipline: Discipline,
        sessions: u64,
        rounds: usize,
        entrants: Entrants<'_>,
    ) -> Vec<Row> {
        let lane = |(contender, entrant)| Lane {
            contender,
            entrant,
            means: Vec::new(),
            samples: Vec::new(),
            took: Duration::ZERO,
            is_out: false,
        };
        let mut lanes: Vec<Lane<'_>> = entrants.into_iter().map(lane).collect();
        for _ in 0..rounds {
            self.numbers.shuffle(&mut lanes);
            for lane in &mut lanes {
                self.progress.measures(discipline, lane.contender);
                if !lane.is_out {
                    lane.turn(self.effort.slice, self.effort.patience_in_a_race());
                }
                self.progress.step(self.effort.weight_of(discipline.operation));
            }
        }
        self.progress.measured(discipline);
        let row = |lane: Lane<'_>| Row::new(discipline, sessions, lane.contender, lane.figure());
        lanes.into_iter().map(row).collect()
    }
}

impl Lane<'_> {
    fn turn(&mut self, slice: Duration, patience: Duration) {
        let begun = Instant::now();
        match self.entrant.round(slice, &mut self.samples) {
            Some(mean) => self.means.push(mean),
            None => self.is_out = true,
        }
        self.took += begun.elapsed();
        self.is_out |= self.took > patience;
    }

    fn figure(&self) -> Figure {
        match median(&self.means) {
            None => Figure::Cannot,
            Some(median_ns) => Figure::Time { median_ns, p99_ns: percentile(&self.samples, 99.0) },
        }
    }
}

/// How many times of something fit into a slice.
pub(crate) fn calibrated(slice: Duration, mut batch: impl FnMut(u64) -> Duration) -> u64 {
    let mut times = 1;
    loop {
        let took = batch(times);
        if took >= slice / 8 {
            return ((times as f64 * slice.as_secs_f64() / took.as_secs_f64()) as u64).max(1);
        }
        times *= 2;
    }
}

pub(crate) fn nanos(duration: Duration) -> f64 {
    duration.as_nanos() as f64
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::contender::Class;
    use crate::operation::Operation;

    fn referee() -> Referee {
        Referee { effort: Effort::QUICK, numbers: Numbers(1), progress: Progress::hidden() }
    }

    const LOAD: Discipline = Discipline { operation: Operation::LoadHit, threads: 1, class: Class::Relaxed };

    #[test]
    fn all_take_a_turn_in_every_round_and_not_always_in_the_same_order() {
        let turns = RefCell::new(Vec::new());
        let entrant = |name: &'static str| -> (&'static str, Box<dyn Entrant + '_>) {
            let turns = &turns;
            (
                name,
                Box::new(move || {
                    turns.borrow_mut().push(name);
                    Some(1.0)
                }),
            )
        };
        let rows = referee().race(LOAD, 10, 20, vec![entrant("map"), entrant("redb"), entrant("sled")]);
        assert_eq!(rows.len(), 3);
        let turns = turns.into_inner();
        let mut orders: Vec<_> = turns.chunks(3).map(<[_]>::to_vec).collect();
        orders.dedup();
        assert!(orders.len() > 5, "{orders:?}");
        for mut order in orders {
            order.sort_unstable();
            assert_eq!(order, ["map", "redb", "sled"]);
        }
    }

    #[test]
    fn an_entrant_that_cannot_is_asked_once() {
        let mut asked = 0;
        let cannot = || {
            asked += 1;
            None
        };
        let rows = referee().race(LOAD, 10, 20, vec![("map", Box::new(cannot))]);
        assert!(matches!(rows[0].figure, Figure::Cannot));
        assert_eq!(asked, 1);
    }
}
