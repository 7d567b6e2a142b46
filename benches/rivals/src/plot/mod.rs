//! Drawings of the rows: how long each operation takes, and how each cost grows with the number of sessions.
//!
//! What turns rows into shapes belongs here. What the tables need, too, never does: it stands in `format`.

mod colour;
mod growth;
mod latency;
mod scale;
mod svg;

use std::io;
use std::path::Path;

use crate::contender::Class;
use crate::operation::{CONNECTIONS, Discipline, Operation};
use crate::row::{Row, sizes};

/// The disciplines that a reader in a hurry wants to see, where they were measured.
const OVERVIEW: [(Operation, u64, Class); 6] = [
    (Operation::LoadHit, 1, Class::Relaxed),
    (Operation::LoadWhileBusy, 1, Class::Relaxed),
    (Operation::Save, 8, Class::Durable),
    (Operation::Mixed, 2, Class::Relaxed),
    (Operation::RequestGet, 1, Class::Durable),
    (Operation::HttpMixed, CONNECTIONS, Class::Durable),
];

/// Writes the drawings into a directory: for each number of sessions a full one and a short one, and one of the growth.
pub(crate) fn draw(rows: &[Row], directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    for sessions in sizes(rows) {
        let is_short = |discipline: Discipline| OVERVIEW.contains(&discipline.parts());
        let drawings = [
            (format!("latency-{sessions}.svg"), latency::drawing(rows, sessions, |_| true)),
            (format!("overview-{sessions}.svg"), latency::drawing(rows, sessions, is_short)),
        ];
        for (name, drawing) in drawings {
            std::fs::write(directory.join(name), drawing)?;
        }
    }
    match sizes(rows).len() {
        // With one number of sessions, no cost can grow.
        0 | 1 => Ok(()),
        _ => std::fs::write(directory.join("growth.svg"), growth::drawing(rows)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::Class;
    use crate::operation::{Discipline, Operation};
    use crate::row::Figure;

    fn rows() -> Vec<Row> {
        let discipline = |operation| Discipline { operation, threads: 1, class: Class::Relaxed };
        let mut rows = Vec::new();
        for sessions in [10_000, 100_000] {
            for (contender, nanos) in [("cloakroom", 300.0), ("redb", 2_000.0)] {
                let figure = Figure::Time { median_ns: nanos, p99_ns: Some(nanos * 3.0) };
                rows.push(Row::new(discipline(Operation::LoadHit), sessions, contender, figure));
                rows.push(Row::new(discipline(Operation::DiskAtRest), sessions, contender, Figure::Bytes(700.0)));
            }
            rows.push(Row::new(discipline(Operation::Sweep), sessions, "redis", Figure::Cannot));
        }
        rows
    }

    #[test]
    fn a_drawing_is_made_for_each_size_and_one_for_all() {
        let directory = tempfile::tempdir().unwrap();
        draw(&rows(), directory.path()).unwrap();
        for name in ["latency-10000.svg", "overview-100000.svg", "growth.svg"] {
            let drawing = std::fs::read_to_string(directory.path().join(name)).unwrap();
            assert!(drawing.starts_with("<svg ") && drawing.ends_with("</svg>\n"), "{name}");
            assert!(drawing.contains("cloakroom") && drawing.contains("redb"), "{name}");
            assert!(!drawing.contains("NaN") && !drawing.contains("inf"), "{name}");
        }
    }

    #[test]
    fn nothing_can_be_drawn() {
        let directory = tempfile::tempdir().unwrap();
        draw(&[], directory.path()).unwrap();
    }
}
