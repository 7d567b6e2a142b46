//! How each cost grows with the number of sessions: a panel for each discipline, a line for each contender.

use super::colour;
use super::scale::{self, Scale};
use super::svg::{Anchor, Style, Svg};
use crate::operation::Discipline;
use crate::row::Row;

const COLUMNS: u32 = 3;
const PANEL: (f64, f64) = (340.0, 250.0);
const TOP: f64 = 100.0;
/// How many contenders a line of the legend has.
const LEGEND: u32 = 7;
/// Between a panel's border and its axes.
const INSET: (f64, f64, f64, f64) = (62.0, 34.0, 28.0, 34.0);

pub(super) fn drawing(rows: &[Row]) -> String {
    // Requests are measured only with few sessions.
    let disciplines = Discipline::of(|operation| !operation.is_request());
    // A line needs more than one number of sessions.
    let grown = |discipline: &Discipline| {
        let mut sizes = rows.iter().filter(|row| row.is_of(*discipline)).map(|row| row.sessions);
        sizes.next().is_some_and(|first| sizes.any(|size| size != first))
    };
    let drawn: Vec<Discipline> = disciplines.into_iter().filter(grown).collect();

    let mut svg = Svg::new(PANEL.0 * f64::from(COLUMNS));
    svg.text((16.0, 28.0), Style::TITLE, Anchor::Start, "How each cost grows with the number of sessions");
    let how = "Medians; further down is better, and all axes are logarithmic.";
    svg.text((16.0, 48.0), Style::ASIDE, Anchor::Start, how);
    let is_drawn = |row: &Row| drawn.iter().any(|discipline| row.is_of(*discipline));
    let has_rows = |contender: &&str| rows.iter().any(|row| row.contender == **contender && is_drawn(row));
    for (contender, place) in colour::contenders().filter(has_rows).zip(0_u32..) {
        let (x, y) = (22.0 + f64::from(place % LEGEND) * 142.0, 70.0 + f64::from(place / LEGEND) * 18.0);
        svg.line((x - 6.0, y - 4.0), (x + 8.0, y - 4.0), colour::of(contender), 3.0);
        let style = Style { is_bold: colour::is_ours(contender), ..Style::TEXT };
        svg.text((x + 13.0, y), style, Anchor::Start, contender);
    }
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

    svg.text((left + 16.0, top + 20.0), Style::HEAD, Anchor::Start, &discipline.to_string());
    for tick in costs.ticks() {
        let y = costs.place(tick);
        svg.line((across.0, y), (across.1, y), "#e4e4e4", 1.0);
        let unit = scale::unit(tick, discipline.operation.is_bytes());
        svg.text((across.0 - 6.0, y + 4.0), Style::ASIDE, Anchor::End, &unit);
    }
    for tick in sessions.ticks() {
        let x = sessions.place(tick);
        svg.line((x, floor), (x, ceiling), "#e4e4e4", 1.0);
        svg.text((x, floor + 15.0), Style::ASIDE, Anchor::Middle, &scale::number(tick));
    }
    // cloakroom, the first of the legend, is drawn last, so that no line covers its own.
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
