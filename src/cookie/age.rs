//! Max-Age and Expires, as they are written.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;

/// The longest Max-Age that is written: 34,560,000 seconds, which are 400 days. Browsers cut a longer one
/// down to it (RFC 6265bis section 5.5).
pub const MAX_AGE: Duration = Duration::from_secs(34_560_000);

/// IMF-fixdate (RFC 9110 section 5.6.7), always in UTC.
const IMF_FIXDATE: StaticFormatDescription =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// The years that a browser accepts in a cookie's date (RFC 6265bis section 5.1.1) and that fit into the
/// format's four digits.
const YEARS: std::ops::RangeInclusive<i32> = 1601..=9999;

/// Whole seconds, at most [`MAX_AGE`]. Fractions are cut off: a cookie may end early, never late.
pub(super) fn seconds(age: Duration) -> u64 {
    age.min(MAX_AGE).as_secs()
}

/// Writes Max-Age, and Expires as well when `now` is given and the date can be written.
pub(super) fn write(text: &mut String, seconds: u64, now: Option<SystemTime>) {
    let _ = write!(text, "; Max-Age={seconds}");
    // Without the date the cookie still ends on time, because Max-Age has precedence (RFC 6265bis
    // section 4.1.2.2). So a clock that is wrong by centuries harms only the oldest browsers.
    if let Some(date) = now.and_then(|now| date_after(now, seconds)) {
        text.push_str("; Expires=");
        text.push_str(&date);
    }
}

/// Writes the attributes that remove a cookie: an age of zero, and a date long past.
pub(super) fn write_removal(text: &mut String) {
    text.push_str("; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
}

fn date_after(now: SystemTime, seconds: u64) -> Option<String> {
    let now = match now.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).ok()?,
        Err(before) => i64::try_from(before.duration().as_secs()).ok()?.checked_neg()?,
    };
    let end = now.checked_add_unsigned(seconds)?;
    let end = OffsetDateTime::from_unix_timestamp(end).ok()?;
    YEARS.contains(&end.year()).then(|| end.format(IMF_FIXDATE).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(unix_seconds: i64) -> Option<String> {
        let distance = Duration::from_secs(unix_seconds.unsigned_abs());
        let now = match unix_seconds {
            0.. => UNIX_EPOCH.checked_add(distance)?,
            _ => UNIX_EPOCH.checked_sub(distance)?,
        };
        date_after(now, 0)
    }

    #[test]
    fn a_date_is_an_imf_fixdate() {
        assert_eq!(date(784_111_777).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(0).unwrap(), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date(-1).unwrap(), "Wed, 31 Dec 1969 23:59:59 GMT");
        assert_eq!(date(253_402_300_799).unwrap(), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn a_date_that_cannot_be_written_is_left_out() {
        for unix_seconds in [253_402_300_800, -11_644_473_601, i64::MAX, i64::MIN + 1] {
            assert_eq!(date(unix_seconds), None, "{unix_seconds}");
        }
        let mut text = String::new();
        write(&mut text, 5, UNIX_EPOCH.checked_add(Duration::from_secs(1 << 60)));
        assert_eq!(text, "; Max-Age=5");
    }

    #[test]
    fn an_age_is_whole_seconds_and_at_most_400_days() {
        assert_eq!(seconds(Duration::from_millis(1_999)), 1);
        assert_eq!(seconds(Duration::MAX), 34_560_000);
        assert_eq!(seconds(Duration::from_millis(999)), 0);
    }
}
