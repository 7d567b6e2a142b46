//! Figures beside their limits.

use std::fmt;

/// The median of each contender's figures. They take turns, round by round, so that whatever else the machine does
/// meanwhile hits all of them alike.
pub(crate) fn medians<const N: usize>(rounds: usize, contenders: [&mut dyn FnMut() -> f64; N]) -> [f64; N] {
    let mut figures: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(rounds));
    for round in 0..rounds {
        for turn in 0..N {
            // Not always behind the same one.
            let who = (turn + round) % N;
            figures[who].push(contenders[who]());
        }
    }
    figures.map(|mut figures| {
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    })
}

/// What a figure shall be at most.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// So many times the raw limit.
    Ratio(f64),
    /// So much by itself.
    Alone(f64),
    /// Another row has the goal.
    None,
}

/// How a figure is shown.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Nanoseconds,
    Bytes,
}

/// A figure's row.
struct Row {
    operation: String,
    ours: f64,
    limit: Option<(&'static str, f64)>,
    goal: Goal,
    unit: Unit,
}

/// Rows, shown when all are there.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    /// A time in nanoseconds beside what it cannot be below.
    pub(crate) fn time(&mut self, operation: impl Into<String>, ours: f64, limit: (&'static str, f64), goal: Goal) {
        self.0.push(Row { operation: operation.into(), ours, limit: Some(limit), goal, unit: Unit::Nanoseconds });
    }

    pub(crate) fn bytes(&mut self, operation: impl Into<String>, ours: f64, goal: Goal) {
        self.0.push(Row { operation: operation.into(), ours, limit: None, goal, unit: Unit::Bytes });
    }
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        self.limit.map(|(_, limit)| self.ours / limit)
    }

    fn reaches_goal(&self) -> Option<bool> {
        match self.goal {
            Goal::Ratio(most) => self.ratio().map(|ratio| ratio <= most),
            Goal::Alone(most) => Some(self.ours <= most),
            Goal::None => None,
        }
    }

    fn shown(&self, figure: f64) -> String {
        match self.unit {
            Unit::Bytes => format!("{figure:.0} B"),
            Unit::Nanoseconds if figure < 1e3 => format!("{figure:.0} ns"),
            Unit::Nanoseconds if figure < 1e6 => format!("{:.2} us", figure / 1e3),
            Unit::Nanoseconds => format!("{:.2} ms", figure / 1e6),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, cells: [&str; 7]| {
            let [operation, ours, limit, raw, ratio, goal, reached] = cells;
            writeln!(
                f,
                "| {operation:<42} | {ours:>9} | {limit:<36} | {raw:>9} | {ratio:>5} | {goal:>8} | {reached:<7} |"
            )
        };
        line(f, ["operation", "ours", "raw limit", "", "ratio", "goal", "reached"])?;
        line(f, ["---", "---", "---", "---", "---", "---", "---"])?;
        for row in &self.0 {
            let (limit, raw) = row.limit.map_or(("", String::new()), |(limit, figure)| (limit, row.shown(figure)));
            let ratio = row.ratio().map_or(String::new(), |ratio| format!("{ratio:.2}"));
            let goal = match row.goal {
                Goal::Ratio(most) => format!("{most:.2}"),
                Goal::Alone(most) => row.shown(most),
                Goal::None => String::new(),
            };
            let reached = row.reaches_goal().map_or("", |reached| if reached { "yes" } else { "no" });
            line(f, [&row.operation, &row.shown(row.ours), limit, &raw, &ratio, &goal, reached])?;
        }
        let goals: Vec<bool> = self.0.iter().filter_map(Row::reaches_goal).collect();
        let reached = goals.iter().filter(|reached| **reached).count();
        write!(f, "{reached} of {} goals reached.", goals.len())
    }
}
