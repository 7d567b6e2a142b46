//! How long each operation takes: a dot at the median, and a line to the 99th percentile.

use super::scale::{self, Scale};
use super::svg::{Anchor, Svg};
use super::{colour, grouped};
use crate::operation::Discipline;
use crate::row::{Figure, Row};

const WIDTH: f64 = 1000.0;
const TOP: f64 = 76.0;
const LEFT: f64 = 330.0;
const STEP: f64 = 6.0;
const GAP: f64 = 14.0;

pub(super) fn drawing(rows: &[Row], sessions: u64) -> String {
    let of_size: Vec<&Row> = rows.iter().filter(|row| row.sessions == sessions).collect();
    let times = of_size.iter().filter_map(|row| match row.figure {
        Figure::Time { median_ns, p99_ns } => Some([median_ns, p99_ns.unwrap_or(median_ns)]),
        _ => None,
    });
    let scale = Scale::around(times.flatten(), (LEFT, WIDTH - 30.0));
    let mut svg = Svg::new(WIDTH);
    let title = format!("{} sessions: median, and a line to the 99th percentile", grouped(sessions));
    svg.text((12.0, 22.0), 16.0, Anchor::Start, &title);
    legend(&mut svg, &of_size);

    let disciplines = Discipline::of(|operation| !operation.is_bytes());
    let blocks = disciplines.into_iter().map(|discipline| (discipline, in_order(&of_size, discipline)));
    let blocks: Vec<_> = blocks.filter(|(_, lanes)| !lanes.is_empty()).collect();
    let height = |lanes: &Vec<&Row>| lanes.len() as f64 * STEP + GAP;
    let floor = TOP + blocks.iter().map(|(_, lanes)| height(lanes)).sum::<f64>();
    for tick in scale.ticks() {
        svg.line((scale.place(tick), TOP - GAP / 2.0), (scale.place(tick), floor), "#eee", 1.0);
        svg.text((scale.place(tick), floor + 14.0), 11.0, Anchor::Middle, &scale::time(tick));
    }
    let mut y = TOP;
    for (discipline, lanes) in blocks {
        let middle = y + lanes.len() as f64 * STEP / 2.0;
        svg.text((LEFT - 12.0, middle + 4.0), 12.0, Anchor::End, &discipline.to_string());
        svg.line((12.0, y - GAP / 2.0), (WIDTH - 30.0, y - GAP / 2.0), "#ddd", 1.0);
        for (row, place) in lanes.iter().zip(0..) {
            lane(&mut svg, scale, row, y + (f64::from(place) + 0.5) * STEP);
        }
        y += height(&lanes);
    }
    svg.finish(floor + 28.0)
}

/// Those that have a figure, in the order of the legend.
fn in_order<'a>(rows: &[&'a Row], discipline: Discipline) -> Vec<&'a Row> {
    let of = |contender| move |row: &&&Row| row.is_of(discipline) && row.contender == contender;
    let found = colour::contenders().filter_map(|contender| rows.iter().find(of(contender)));
    found.copied().filter(|row| row.figure.main().is_some()).collect()
}

fn lane(svg: &mut Svg, scale: Scale, row: &Row, y: f64) {
    let Figure::Time { median_ns, p99_ns } = row.figure else { return };
    let (colour, weight) = (colour::of(&row.contender), colour::weight(&row.contender));
    if let Some(p99) = p99_ns {
        svg.line((scale.place(median_ns), y), (scale.place(p99), y), colour, weight / 1.5);
    }
    svg.dot((scale.place(median_ns), y), 1.8 + weight / 2.0, colour);
}

fn legend(svg: &mut Svg, rows: &[&Row]) {
    let present = colour::contenders().filter(|contender| rows.iter().any(|row| row.contender == *contender));
    for (contender, place) in present.zip(0_u32..) {
        let (column, line) = (f64::from(place % 8), f64::from(place / 8));
        let (x, y) = (16.0 + column * 122.0, 42.0 + line * 16.0);
        svg.dot((x, y - 4.0), 4.0, colour::of(contender));
        svg.text((x + 8.0, y), 11.0, Anchor::Start, contender);
    }
}
