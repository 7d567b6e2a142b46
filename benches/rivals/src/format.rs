//! Figures as text, for the tables, the drawings and the goals.

use crate::operation::Operation;
use crate::row::Figure;

/// The median or the bytes. Requests over the network are shown as requests a second.
pub(crate) fn figure(operation: Operation, figure: Figure) -> String {
    match figure {
        Figure::Time { median_ns, .. } if operation.is_http() => format!("{}/s", grouped((1e9 / median_ns) as u64)),
        Figure::Time { median_ns, .. } => time(median_ns),
        Figure::Bytes(bytes) => format!("{} B", grouped(bytes as u64)),
        Figure::Cannot => "cannot".to_owned(),
    }
}

/// A time, in the unit that suits it.
pub(crate) fn time(nanos: f64) -> String {
    match nanos {
        nanos if nanos < 1e3 => format!("{nanos:.0} ns"),
        nanos if nanos < 1e6 => format!("{:.2} us", nanos / 1e3),
        nanos if nanos < 1e9 => format!("{:.2} ms", nanos / 1e6),
        nanos => format!("{:.2} s", nanos / 1e9),
    }
}

/// `12345678` as `12,345,678`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_unit_that_suits_them() {
        assert_eq!([12.0, 1_234.0, 5.6e6, 7.89e9].map(time), ["12 ns", "1.23 us", "5.60 ms", "7.89 s"]);
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([5, 1_000, 12_345_678].map(grouped), ["5", "1,000", "12,345,678"]);
    }
}
