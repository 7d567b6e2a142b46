//! What was measured: a row for each discipline, number of sessions and contender.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::operation::Discipline;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) operation: String,
    pub(crate) sessions: u64,
    pub(crate) threads: u64,
    pub(crate) durability: String,
    pub(crate) contender: String,
    #[serde(flatten)]
    pub(crate) figure: Figure,
}

/// In JSON, a figure that is no time has no `median_ns`, and a contender that cannot has no `bytes` either.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Flat", into = "Flat")]
pub(crate) enum Figure {
    Time { median_ns: f64, p99_ns: Option<f64> },
    Bytes(f64),
    Cannot,
}

#[derive(Serialize, Deserialize)]
struct Flat {
    median_ns: Option<f64>,
    p99_ns: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<f64>,
}

impl From<Flat> for Figure {
    fn from(flat: Flat) -> Self {
        match flat {
            Flat { median_ns: Some(median_ns), p99_ns, .. } => Self::Time { median_ns, p99_ns },
            Flat { bytes: Some(bytes), .. } => Self::Bytes(bytes),
            _ => Self::Cannot,
        }
    }
}

impl From<Figure> for Flat {
    fn from(figure: Figure) -> Self {
        let tenths = |figure: f64| (figure * 10.0).round() / 10.0;
        let nothing = Self { median_ns: None, p99_ns: None, bytes: None };
        match figure {
            Figure::Time { median_ns, p99_ns } => {
                Self { median_ns: Some(tenths(median_ns)), p99_ns: p99_ns.map(tenths), ..nothing }
            }
            Figure::Bytes(bytes) => Self { bytes: Some(tenths(bytes)), ..nothing },
            Figure::Cannot => nothing,
        }
    }
}

impl Figure {
    /// The time or the bytes.
    pub(crate) fn main(self) -> Option<f64> {
        match self {
            Self::Time { median_ns, .. } => Some(median_ns),
            Self::Bytes(bytes) => Some(bytes),
            Self::Cannot => None,
        }
    }
}

impl Row {
    pub(crate) fn new(discipline: Discipline, sessions: u64, contender: &str, figure: Figure) -> Self {
        let Discipline { operation, threads, class } = discipline;
        let (operation, durability) = (operation.name().to_owned(), class.name().to_owned());
        Self { operation, sessions, threads, durability, contender: contender.to_owned(), figure }
    }

    /// Whether the row is of this discipline.
    pub(crate) fn is_of(&self, discipline: Discipline) -> bool {
        let Discipline { operation, threads, class } = discipline;
        self.operation == operation.name() && self.threads == threads && self.durability == class.name()
    }

    fn replaces(&self, other: &Self) -> bool {
        let what = |row: &Self| (row.operation.clone(), row.sessions, row.threads, row.durability.clone());
        what(self) == what(other) && self.contender == other.contender
    }
}

/// The rows of a file. A missing file has no rows.
pub(crate) fn read(path: &Path) -> io::Result<Vec<Row>> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The rows of earlier runs and of this one. Where both have a row of the same, this run's counts.
pub(crate) fn merged(earlier: Vec<Row>, rows: &[Row]) -> Vec<Row> {
    let kept = earlier.into_iter().filter(|earlier| !rows.iter().any(|row| row.replaces(earlier)));
    kept.chain(rows.iter().cloned()).collect()
}

/// The numbers of sessions that the rows have, in ascending order.
pub(crate) fn sizes(rows: &[Row]) -> Vec<u64> {
    let mut sizes: Vec<u64> = rows.iter().map(|row| row.sessions).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

/// Writes a row a line, so that a diff shows the rows that changed.
pub(crate) fn write(path: &Path, rows: &[Row]) -> io::Result<()> {
    let lines: Vec<String> = rows.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    fs::write(path, format!("[\n{}\n]\n", lines.join(",\n")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::Class;
    use crate::operation::Operation;

    fn row(sessions: u64, figure: Figure) -> Row {
        Row::new(Discipline { operation: Operation::Touch, threads: 1, class: Class::Relaxed }, sessions, "map", figure)
    }

    #[test]
    fn what_is_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.json");
        assert_eq!(read(&path).unwrap(), []);
        let figures = [Figure::Time { median_ns: 12.5, p99_ns: None }, Figure::Bytes(3.0), Figure::Cannot];
        let rows: Vec<Row> = figures.into_iter().zip(1..).map(|(figure, sessions)| row(sessions, figure)).collect();
        write(&path, &rows).unwrap();
        assert_eq!(read(&path).unwrap(), rows);
    }

    #[test]
    fn a_row_is_replaced_by_a_later_one_of_the_same() {
        let earlier = vec![row(1, Figure::Cannot), row(2, Figure::Cannot)];
        let later = [row(2, Figure::Bytes(1.0))];
        assert_eq!(merged(earlier, &later), [row(1, Figure::Cannot), row(2, Figure::Bytes(1.0))]);
    }

    #[test]
    fn the_fields_are_those_that_are_promised() {
        let json = serde_json::to_value(row(5, Figure::Time { median_ns: 1.0, p99_ns: Some(2.0) })).unwrap();
        let fields: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        let mut promised = ["operation", "sessions", "threads", "durability", "contender", "median_ns", "p99_ns"];
        promised.sort_unstable();
        let mut fields = fields;
        fields.sort_unstable();
        assert_eq!(fields, promised);
    }
}
