//! The rows as tables for the terminal: a block for each discipline, the quickest or smallest contender first.

use std::fmt;

use crate::format;
use crate::operation::Discipline;
use crate::row::{Figure, Row};

/// The contender that all others are compared with.
const OURS: &str = "cloakroom";

pub(crate) struct Table<'a> {
    pub(crate) rows: &'a [Row],
    pub(crate) sessions: u64,
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for discipline in Discipline::of(|_| true) {
            let of = |row: &&Row| row.sessions == self.sessions && row.is_of(discipline);
            let mut rows: Vec<&Row> = self.rows.iter().filter(of).collect();
            if rows.is_empty() {
                continue;
            }
            rows.sort_by(|one, other| order(one).total_cmp(&order(other)));
            block(f, discipline, self.sessions, &rows)?;
        }
        Ok(())
    }
}

/// A contender that cannot do the operation comes last.
fn order(row: &Row) -> f64 {
    row.figure.main().unwrap_or(f64::INFINITY)
}

fn block(f: &mut fmt::Formatter<'_>, discipline: Discipline, sessions: u64, rows: &[&Row]) -> fmt::Result {
    writeln!(f, "\n{} ({sessions} sessions) [{discipline}]", discipline.operation.what())?;
    let ours = rows.iter().find(|row| row.contender == OURS).and_then(|row| row.figure.main());
    writeln!(f, "  {:<16} {:>10} {:>10} {:>18}", "", "median", "p99", "times cloakroom's")?;
    for row in rows {
        let p99 = match row.figure {
            Figure::Time { p99_ns: Some(p99), .. } => format::time(p99),
            _ => String::new(),
        };
        let main = format::figure(discipline.operation, row.figure);
        let ratio = row.figure.main().zip(ours).map(|(figure, ours)| format!("{:.2}", figure / ours));
        writeln!(f, "  {:<16} {main:>10} {p99:>10} {:>18}", row.contender, ratio.unwrap_or_default())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::Class;
    use crate::operation::Operation;

    #[test]
    fn the_winner_is_shown_first_and_a_contender_that_cannot_last() {
        let discipline = Discipline { operation: Operation::LoadHit, threads: 1, class: Class::Relaxed };
        let time = |median_ns| Figure::Time { median_ns, p99_ns: Some(2.0 * median_ns) };
        let rows = [("cloakroom", time(300.0)), ("raw", Figure::Cannot), ("map", time(150.0))];
        let rows = rows.map(|(contender, figure)| Row::new(discipline, 1_000, contender, figure));
        let table = Table { rows: &rows, sessions: 1_000 }.to_string();
        let at = |name: &str| table.find(&format!("\n  {name} ")).unwrap();
        assert!(at("map") < at("cloakroom") && at("cloakroom") < at("raw"), "{table}");
        assert!(table.contains("0.50") && table.contains("1.00"), "{table}");
    }
}
