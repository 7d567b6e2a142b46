//! How each cost grows with the number of sessions: a panel for each discipline, a line for each contender.

use super::scale::{self, Scale};
use super::svg::{Anchor, Svg};
use super::{colour, grouped};
use crate::operation::Discipline;
use crate::row::Row;

const COLUMNS: u32 = 3;
const PANEL: (f64, f64) = (340.0, 250.0);
const TOP: f64 = 70.0;
/// Between a panel's border and its axes.
const INSET: (f64, f64, f64, f64) = (62.0, 26.0, 28.0, 26.0);

pub(super) fn drawing(rows: &[Row]) -> String {
    let mut svg = Svg::new(PANEL.0 * f64::from(COLUMNS));
    svg.text((12.0, 22.0), 16.0, Anchor::Start, "How each cost grows with the number of sessions");
    let present = colour::contenders().filter(|contender| rows.iter().any(|row| row.contender == *contender));
    for (contender, place) in present.zip(0_u32..) {
        let (x, y) = (16.0 + f64::from(place % 8) * 126.0, 42.0 + f64::from(place / 8) * 16.0);
        svg.line((x - 6.0, y - 4.0), (x + 6.0, y - 4.0), colour::of(contender), 3.0);
        svg.text((x + 10.0, y), 11.0, Anchor::Start, contender);
    }
    let disciplines = Discipline::of(|_| true);
    let drawn = disciplines.into_iter().filter(|discipline| rows.iter().any(|row| row.is_of(*discipline)));
    let mut panels = 0;
    for discipline in drawn {
        let (column, line) = (f64::from(panels % COLUMNS), f64::from(panels / COLUMNS));
        panel(&mut svg, rows, discipline, (column * PANEL.0, TOP + line * PANEL.1));
        panels += 1;
    }
    svg.finish(TOP + f64::from(panels.div_ceil(COLUMNS)) * PANEL.1)
}

fn panel(svg: &mut Svg, rows: &[Row], discipline: Discipline, (left, top): (f64, f64)) {
    let of: Vec<&Row> = rows.iter().filter(|row| row.is_of(discipline) && row.figure.main().is_some()).collect();
    let (west, north, east, south) = INSET;
    let across = (left + west, left + PANEL.0 - east);
    let (floor, ceiling) = (top + PANEL.1 - south, top + north);
    let sessions = Scale::around(of.iter().map(|row| row.sessions as f64), across);
    let costs = Scale::around(of.iter().filter_map(|row| row.figure.main()), (floor, ceiling));

    svg.text((left + west, top + 16.0), 12.0, Anchor::Start, &discipline.to_string());
    for tick in costs.ticks() {
        let y = costs.place(tick);
        let bytes = discipline.operation.is_bytes();
        let text = match bytes {
            true if tick < 1.0 => format!("{tick} B"),
            true => format!("{} B", grouped(tick as u64)),
            false => scale::time(tick),
        };
        svg.line((across.0, y), (across.1, y), "#eee", 1.0);
        svg.text((across.0 - 5.0, y + 4.0), 10.0, Anchor::End, &text);
    }
    for tick in sessions.ticks() {
        let x = sessions.place(tick);
        svg.line((x, floor), (x, ceiling), "#eee", 1.0);
        svg.text((x, floor + 14.0), 10.0, Anchor::Middle, &grouped(tick as u64));
    }
    // Ours on top.
    for contender in colour::contenders().collect::<Vec<_>>().into_iter().rev() {
        let mut figures: Vec<(u64, f64)> = of
            .iter()
            .filter(|row| row.contender == contender)
            .filter_map(|row| Some((row.sessions, row.figure.main()?)))
            .collect();
        figures.sort_unstable_by_key(|(sessions, _)| *sessions);
        let place = |(number, cost): &(u64, f64)| (sessions.place(*number as f64), costs.place(*cost));
        let points: Vec<(f64, f64)> = figures.iter().map(place).collect();
        svg.polyline(&points, colour::of(contender), colour::weight(contender));
        points.iter().for_each(|point| svg.dot(*point, 1.5 + colour::weight(contender) / 2.0, colour::of(contender)));
    }
}
