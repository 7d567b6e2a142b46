//! The goals that cloakroom has beside the other contenders, and how far it is from each.

use std::fmt;

use crate::contender::Class;
use crate::format::grouped;
use crate::kind::Kind;
use crate::operation::{CONNECTIONS, Discipline, Operation};
use crate::row::{Figure, Row, sizes};

/// How many times as much as the map's a cost may grow.
const GROWTH: f64 = 1.2;

/// All goals that the rows have figures for.
pub(crate) struct Goals<'a>(pub(crate) &'a [Row]);

/// A figure, and the bound that it should keep.
struct Goal {
    what: String,
    figure: f64,
    wanted: Wanted,
    unit: &'static str,
}

enum Wanted {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    fn is_reached(&self) -> bool {
        match self.wanted {
            Wanted::AtMost(most) => self.figure <= most,
            Wanted::AtLeast(least) => self.figure >= least,
        }
    }
}

const fn relaxed(operation: Operation) -> Discipline {
    Discipline { operation, threads: 1, class: Class::Relaxed }
}

const fn http(operation: Operation) -> Discipline {
    Discipline { operation, threads: CONNECTIONS, class: Class::Durable }
}

impl Goals<'_> {
    fn figure(&self, discipline: Discipline, sessions: u64, kind: Kind) -> Option<Figure> {
        let is_it = |row: &&Row| row.is_of(discipline) && row.sessions == sessions && row.contender == kind.name();
        self.0.iter().find(is_it).map(|row| row.figure)
    }

    fn time(&self, discipline: Discipline, sessions: u64, kind: Kind) -> Option<f64> {
        self.figure(discipline, sessions, kind)?.main()
    }

    /// The first time divided by the second.
    fn ratio(&self, sessions: u64, [one, other]: [(Discipline, Kind); 2]) -> Option<f64> {
        Some(self.time(one.0, sessions, one.1)? / self.time(other.0, sessions, other.1)?)
    }

    fn of_size(&self, sessions: u64) -> Vec<Goal> {
        use Operation::{
            HttpGet, HttpMixed, HttpUntouched, LoadHit, LoadProcesses, LoadWhileBusy, Save, SaveProcesses,
        };
        let mut goals = Vec::new();
        let mut add = |what: &str, figure: Option<f64>, wanted, unit| {
            let what = format!("{what}, {} sessions", grouped(sessions));
            goals.extend(figure.map(|figure| Goal { what, figure, wanted, unit }));
        };
        for class in [Class::Relaxed, Class::Durable] {
            let busy = Discipline { class, ..relaxed(LoadWhileBusy) };
            let p99 = match self.figure(busy, sessions, Kind::Cloakroom) {
                Some(Figure::Time { p99_ns, .. }) => p99_ns.map(|nanos| nanos / 1e3),
                _ => None,
            };
            let what = format!("p99 of a load while another thread saves ({})", class.name());
            add(&what, p99, Wanted::AtMost(10.0), "us");
        }
        let ours = |operation| (relaxed(operation), Kind::Cloakroom);
        let two_to_one = self.ratio(sessions, [ours(Save), ours(SaveProcesses)]);
        add("saves of two processes by those of one", two_to_one, Wanted::AtLeast(0.6), "x");
        let beside = self.ratio(sessions, [ours(LoadProcesses), ours(LoadHit)]);
        add("a load beside another process by one alone", beside, Wanted::AtMost(1.05), "x");
        for (operation, least) in [(HttpUntouched, 1.0), (HttpGet, 1.0), (HttpMixed, 0.7)] {
            let pair = [Kind::TowerMemory, Kind::Cloakroom].map(|kind| (http(operation), kind));
            let what = format!("{} a second by those of tower-memory", operation.name());
            add(&what, self.ratio(sessions, pair), Wanted::AtLeast(least), "x");
        }
        goals
    }

    /// How much more each cost grows than the map's, from the fewest sessions to the most.
    fn growth(&self) -> Vec<Goal> {
        let sizes = sizes(self.0);
        let goal = |discipline: Discipline| {
            let measured: Vec<(f64, f64, u64)> = sizes
                .iter()
                .filter_map(|&sessions| {
                    let of = |kind| self.time(discipline, sessions, kind);
                    Some((of(Kind::Cloakroom)?, of(Kind::Map)?, sessions))
                })
                .collect();
            let [first, .., last] = measured[..] else { return None };
            let what = format!("{discipline}: growth from {} to {} by the map's", grouped(first.2), grouped(last.2));
            let figure = (last.0 / first.0) / (last.1 / first.1);
            Some(Goal { what, figure, wanted: Wanted::AtMost(GROWTH), unit: "x" })
        };
        let grows = |operation: Operation| !operation.is_bytes() && !operation.is_request();
        Discipline::of(grows).into_iter().filter_map(goal).collect()
    }
}

impl fmt::Display for Goals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let goals = sizes(self.0).into_iter().flat_map(|sessions| self.of_size(sessions)).chain(self.growth());
        for (goal, nth) in goals.zip(0..) {
            if nth == 0 {
                writeln!(f, "\ncloakroom's goals")?;
            }
            let Goal { what, figure, unit, .. } = &goal;
            let wanted = match goal.wanted {
                Wanted::AtMost(most) => format!("at most {most}"),
                Wanted::AtLeast(least) => format!("at least {least}"),
            };
            let reached = if goal.is_reached() { "reached" } else { "missed" };
            writeln!(f, "  {what:<78} {figure:>8.2} {unit:<2}  {wanted:<13} {reached}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(operation: Operation, sessions: u64, kind: Kind, median_ns: f64) -> Row {
        let figure = Figure::Time { median_ns, p99_ns: Some(20_000.0) };
        Row::new(relaxed(operation), sessions, kind.name(), figure)
    }

    #[test]
    fn what_was_measured_is_held_against_its_goals() {
        let rows = [
            row(Operation::Save, 1_000, Kind::Cloakroom, 5_000.0),
            row(Operation::SaveProcesses, 1_000, Kind::Cloakroom, 10_000.0),
            row(Operation::LoadWhileBusy, 1_000, Kind::Cloakroom, 300.0),
        ];
        let goals = Goals(&rows).to_string();
        let line = |begin: &str| goals.lines().find(|line| line.trim().starts_with(begin)).unwrap().to_owned();
        assert!(line("saves of two").contains("0.50") && line("saves of two").ends_with("missed"), "{goals}");
        assert!(line("p99 of a load").contains("20.00 us"), "{goals}");
        assert_eq!(goals.trim().lines().count(), 3, "{goals}");
    }

    #[test]
    fn a_cost_may_grow_a_little_more_than_the_maps() {
        let load = |sessions, kind, nanos| row(Operation::LoadHit, sessions, kind, nanos);
        let map = [load(1_000, Kind::Map, 100.0), load(100_000, Kind::Map, 200.0)];
        let ours = |last| [load(1_000, Kind::Cloakroom, 300.0), load(100_000, Kind::Cloakroom, last)];
        let reached = |last| Goals(&[map.clone(), ours(last)].concat()).to_string();
        assert!(reached(700.0).contains("1.17 x") && reached(700.0).trim().ends_with("reached"));
        assert!(reached(800.0).trim().ends_with("missed"));
    }

    #[test]
    fn without_rows_there_are_no_goals() {
        assert_eq!(Goals(&[]).to_string(), "");
    }
}
