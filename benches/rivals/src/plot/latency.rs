//! What each operation costs each contender: a panel for each discipline, and in it a line for each contender, the best
//! first. The dot is at the median, and the line leads to the 99th percentile.

use super::colour;
use super::scale::{self, Scale};
use super::svg::{Anchor, Style, Svg};
use crate::format;
use crate::operation::{Discipline, Operation};
use crate::row::{Figure, Row};

const COLUMNS: usize = 2;
const WIDTH: f64 = 500.0;
/// The names stand between a panel's left border and its axis, the figures between the axis and the right border.
const NAMES: f64 = 140.0;
const FIGURES: f64 = 84.0;
const HEAD: f64 = 46.0;
const LANE: f64 = 16.0;
const FOOT: f64 = 38.0;
const ABSENT: f64 = 14.0;
const TOP: f64 = 62.0;

/// The wanted disciplines with so many sessions.
pub(super) fn drawing(rows: &[Row], sessions: u64, wanted: impl Fn(Discipline) -> bool) -> String {
    let of_size: Vec<&Row> = rows.iter().filter(|row| row.sessions == sessions).collect();
    let disciplines = Discipline::of(|_| true).into_iter().filter(|discipline| wanted(*discipline));
    let panels: Vec<Panel<'_>> = disciplines.filter_map(|discipline| Panel::of(&of_size, discipline)).collect();

    let mut svg = Svg::new(WIDTH * COLUMNS as f64);
    let title = format!("{} sessions, values of 600 bytes in the mean", format::grouped(sessions));
    svg.text((16.0, 28.0), Style::TITLE, Anchor::Start, &title);
    let how = "The dot is the median: the time by the operations of all threads. The line leads to how long the slowest of a hundred \
               waits. Further left is better; all axes are logarithmic.";
    svg.text((16.0, 48.0), Style::ASIDE, Anchor::Start, how);
    let mut top = TOP;
    for line in panels.chunks(COLUMNS) {
        for (column, panel) in line.iter().enumerate() {
            panel.draw(&mut svg, (column as f64 * WIDTH, top));
        }
        top += line.iter().map(Panel::height).fold(0.0, f64::max);
    }
    svg.finish(top)
}

struct Panel<'a> {
    discipline: Discipline,
    /// The rows that have a figure, the best first.
    lanes: Vec<&'a Row>,
    cannot: Vec<&'a str>,
}

impl<'a> Panel<'a> {
    fn of(rows: &[&'a Row], discipline: Discipline) -> Option<Self> {
        let of = rows.iter().copied().filter(|row| row.is_of(discipline));
        let (mut lanes, cannot): (Vec<&Row>, Vec<&Row>) = of.partition(|row| row.figure.main().is_some());
        lanes.sort_by(|one, other| one.figure.main().partial_cmp(&other.figure.main()).expect("no figure is NaN"));
        let cannot = cannot.into_iter().map(|row| &*row.contender).collect();
        (!lanes.is_empty()).then_some(Self { discipline, lanes, cannot })
    }

    fn height(&self) -> f64 {
        let absent = if self.cannot.is_empty() { 0.0 } else { ABSENT };
        HEAD + LANE * self.lanes.len() as f64 + absent + FOOT
    }

    fn draw(&self, svg: &mut Svg, (left, top): (f64, f64)) {
        let figures = self.lanes.iter().filter_map(|row| match row.figure {
            Figure::Time { median_ns, p99_ns } => Some([median_ns, p99_ns.unwrap_or(median_ns).max(median_ns)]),
            Figure::Bytes(bytes) => Some([bytes; 2]),
            Figure::Cannot => None,
        });
        let scale = Scale::around(figures.flatten(), (left + NAMES, left + WIDTH - FIGURES));
        let operation = self.discipline.operation;
        svg.text((left + 16.0, top + 18.0), Style::HEAD, Anchor::Start, operation.what());
        svg.text((left + 16.0, top + 34.0), Style::ASIDE, Anchor::Start, &self.discipline.to_string());

        let (ceiling, floor) = (top + HEAD - 4.0, top + HEAD + LANE * self.lanes.len() as f64);
        for tick in scale.ticks() {
            let x = scale.place(tick);
            svg.line((x, ceiling), (x, floor), "#e4e4e4", 1.0);
            svg.text((x, floor + 14.0), Style::ASIDE, Anchor::Middle, &scale::unit(tick, operation.is_bytes()));
        }
        for (row, place) in self.lanes.iter().zip(0..) {
            lane(svg, operation, scale, row, (left, top + HEAD + (f64::from(place) + 0.5) * LANE));
        }
        if !self.cannot.is_empty() {
            let names = format!("cannot: {}", self.cannot.join(", "));
            svg.text((left + 16.0, floor + 30.0), Style { size: 10.0, ..Style::ASIDE }, Anchor::Start, &names);
        }
    }
}

fn lane(svg: &mut Svg, operation: Operation, scale: Scale, row: &Row, (left, y): (f64, f64)) {
    let colour = colour::of(&row.contender);
    let style = Style { is_bold: colour::is_ours(&row.contender), ..Style::TEXT };
    let median = row.figure.main().expect("a row without a figure has no lane");
    svg.text((left + NAMES - 10.0, y + 4.0), style, Anchor::End, &row.contender);
    if let Figure::Time { p99_ns: Some(p99), .. } = row.figure {
        svg.line((scale.place(median), y), (scale.place(p99), y), colour, 2.0);
    }
    svg.dot((scale.place(median), y), 4.5, colour);
    let figure = format::figure(operation, row.figure);
    svg.text((left + WIDTH - 16.0, y + 4.0), style, Anchor::End, &figure);
}
