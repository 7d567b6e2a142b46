//! Values as text, for configuration files and JSON: serde by way of `Display` and `FromStr`, and spans of time. Formats on disk
//! do not use it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::model::error::{Error, ErrorKind, Result};

/// Gives a type serde's two traits, by its `Display` and its `FromStr`.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;

/// A span of time as people write it: a whole number and one of the units `ms`, `s`, `m`, `h` and `d`, such as `30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

serde_as_text!(Span);

/// Units and their milliseconds, the largest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let fits = |(_, unit): &&(&str, u64)| millis != 0 && millis.is_multiple_of(*unit);
        let (name, unit) = UNITS.iter().find(fits).unwrap_or(&("s", 1));
        write!(f, "{}{name}", millis / unit)
    }
}

impl FromStr for Span {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (number, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
        let unit = UNITS.iter().find(|(name, _)| *name == unit.trim_start());
        let millis = unit.and_then(|(_, unit)| number.parse::<u64>().ok()?.checked_mul(*unit));
        millis.map(|millis| Self(Duration::from_millis(millis))).ok_or_else(|| {
            let start: String = text.chars().take(40).collect();
            let why = format!("{start:?} is no whole number with one of the units ms, s, m, h and d, such as \"30m\"");
            Error::new(ErrorKind::Config, "reading a span of time").because(why)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reads_back_in_its_largest_unit() {
        for text in ["0s", "1ms", "1500ms", "90s", "30m", "36h", "14d"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("120 s".parse::<Span>().unwrap().to_string(), "2m");
        assert_eq!(Span(Duration::from_nanos(1)).to_string(), "1ms");
    }

    #[test]
    fn a_span_needs_a_number_and_a_unit_and_fits() {
        for text in
            ["", "30", "m", "-1s", "1.5h", "1h30m", "99999999999999999999s", "18446744073709551615d", "30 minutes"]
        {
            let error = text.parse::<Span>().unwrap_err();
            assert!(error.kind() == &ErrorKind::Config && error.to_string().contains("30m"), "{error}");
        }
    }
}
