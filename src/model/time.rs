//! Points in time, and the one place that reads the clock.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::text::serde_as_text;

/// A point in time: whole milliseconds since the Unix epoch, without leap seconds.
///
/// All arithmetic saturates between the epoch and [`Timestamp::NEVER`] (the end of the year 9999), so a clock that jumps
/// can neither overflow nor panic. A clock before 1970 reads as the epoch.
///
/// ```
/// use std::time::Duration;
///
/// use cloakroom::Timestamp;
///
/// let login = Timestamp::from_secs(1_700_000_000);
/// let later = login.plus(Duration::from_secs(90));
/// assert_eq!(later.since(login), Duration::from_secs(90));
/// assert_eq!(login.since(later), Duration::ZERO);
/// assert_eq!(later.to_string(), "2023-11-14T22:14:50.000Z");
/// assert_eq!("2023-11-14T22:14:50Z".parse::<Timestamp>()?, later);
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);
    /// Later than every deadline: the last millisecond of the year 9999. Six bytes hold any timestamp.
    pub const NEVER: Self = Self(253_402_300_799_999);

    /// The operating system's time, as [`SystemClock`] reads it: for calls outside of [`Sessions`](crate::Sessions), which have a
    /// clock of their own.
    ///
    /// ```
    /// use cloakroom::{MemoryStore, Store, Timestamp};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// assert_eq!(MemoryStore::new().count(Timestamp::now()).await?, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// From milliseconds since the Unix epoch. What lies after [`NEVER`](Self::NEVER) becomes `NEVER`.
    pub const fn from_millis(millis: u64) -> Self {
        if millis < Self::NEVER.0 { Self(millis) } else { Self::NEVER }
    }

    /// From seconds since the Unix epoch, bounded as [`from_millis`](Self::from_millis) is.
    pub const fn from_secs(secs: u64) -> Self {
        Self::from_millis(secs.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment that is `duration` later, at most [`NEVER`](Self::NEVER). A part of a millisecond counts as a whole one.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(millis_of(duration)))
    }

    /// How much later this is than `earlier`. It is zero if this is the earlier of the two.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Whole milliseconds, rounded up, so that a duration above zero never becomes none.
pub(crate) fn millis_of(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1000).saturating_add(duration.subsec_nanos().div_ceil(1_000_000).into())
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        Self::UNIX_EPOCH + Duration::from_millis(time.0)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, to the millisecond.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = OffsetDateTime::UNIX_EPOCH + Duration::from_millis(self.0);
        let (date, time) = (moment.date(), moment.time());
        write!(f, "{:04}-{:02}-{:02}T", date.year(), u8::from(date.month()), date.day())?;
        write!(f, "{:02}:{:02}:{:02}.{:03}Z", time.hour(), time.minute(), time.second(), time.millisecond())
    }
}

/// Reads RFC 3339, in any zone. A part of a millisecond is cut off, and a time before 1970 reads as the epoch.
impl FromStr for Timestamp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let moment = OffsetDateTime::parse(text, &Rfc3339)
            .map_err(|cause| Error::new(ErrorKind::Malformed, "reading a time of RFC 3339").because(cause))?;
        Ok(Self::from_millis(u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).unwrap_or(0)))
    }
}

serde_as_text!(Timestamp);

/// A source of the current time. Everything else in the crate takes the time as an argument.
///
/// A test, for instance, gives a [`ManualClock`] to the sessions and moves it by hand:
///
/// ```
/// use std::time::Duration;
///
/// use cloakroom::{ManualClock, MemoryStore, Sessions, Timestamp};
///
/// # fn main() -> cloakroom::Result<()> {
/// let clock = ManualClock::at(Timestamp::from_secs(1_700_000_000));
/// let builder = Sessions::builder(MemoryStore::new()).idle_timeout(Duration::from_secs(600));
/// let sessions = builder.clock(clock.clone()).build()?.blocking();
/// let cookie = sessions.test_cookie(|session| session.login("user 42"))?;
/// assert!(sessions.open([&cookie])?.owner()?.is_some());
///
/// clock.advance(Duration::from_secs(600)); // the idle timeout is over
/// assert!(sessions.open([&cookie])?.owner()?.is_none());
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no clock",
    note = "clocks are `SystemClock`, `ManualClock` for tests, an `Arc` of a clock, and each type that implements `Clock`"
)]
pub trait Clock: Send + Sync + 'static {
    /// The time now. It may jump in either direction: no stored deadline moves backwards because of it.
    fn now(&self) -> Timestamp;
}

/// The operating system's clock, which reads [`SystemTime::now`].
///
/// ```
/// use cloakroom::{Clock, SystemClock, Timestamp};
///
/// assert!(SystemClock.now() > Timestamp::from_secs(1_700_000_000));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until a test moves it. Clones show the same time.
///
/// ```
/// use std::time::Duration;
///
/// use cloakroom::{Clock, ManualClock, Timestamp};
///
/// let clock = ManualClock::at(Timestamp::from_secs(100));
/// let clone = clock.clone();
/// clock.advance(Duration::from_secs(5));
/// assert_eq!(clone.now(), Timestamp::from_secs(105));
/// clock.set(Timestamp::from_secs(40)); // as a clock that is set back
/// assert_eq!(clone.now(), Timestamp::from_secs(40));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(now.as_millis())))
    }

    /// Sets the time, forwards or back.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_millis(), Ordering::SeqCst);
    }

    /// Moves the time forwards.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().plus(by));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Timestamp::from_millis(u64::MAX), Timestamp::NEVER);
        assert_eq!(Timestamp::NEVER.plus(Duration::MAX), Timestamp::NEVER);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::NEVER), Duration::ZERO);
        assert_eq!(Timestamp::from(SystemTime::UNIX_EPOCH - Duration::from_secs(9)), Timestamp::EPOCH);
    }

    #[test]
    fn a_time_of_the_system_converts_both_ways() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        assert_eq!(Timestamp::from(time), Timestamp::from_millis(1_700_000_000_123));
        assert_eq!(SystemTime::from(Timestamp::from(time + Duration::from_nanos(999_999))), time);
    }

    #[test]
    fn a_part_of_a_millisecond_counts_as_a_whole_one() {
        assert_eq!(Timestamp::EPOCH.plus(Duration::from_nanos(1)), Timestamp::from_millis(1));
    }

    #[test]
    fn display_is_rfc_3339() {
        assert_eq!(Timestamp::from_millis(1_700_000_000_123).to_string(), "2023-11-14T22:13:20.123Z");
        assert_eq!(Timestamp::EPOCH.to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn what_is_shown_reads_back() {
        for time in [Timestamp::EPOCH, Timestamp::from_millis(1_700_000_000_123), Timestamp::NEVER] {
            assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
            assert_eq!(serde_json::from_str::<Timestamp>(&serde_json::to_string(&time).unwrap()).unwrap(), time);
        }
        assert_eq!("1970-01-01T02:00:00.0019+01:00".parse::<Timestamp>().unwrap(), Timestamp::from_millis(3_600_001));
        assert_eq!("1969-12-31T23:59:59Z".parse::<Timestamp>().unwrap(), Timestamp::EPOCH);
        for bad in ["", "2023-11-14", "1700000000", "2023-13-14T22:13:20Z"] {
            assert_eq!(bad.parse::<Timestamp>().unwrap_err().kind(), &ErrorKind::Malformed);
        }
    }

    #[test]
    fn never_can_be_shown() {
        assert_eq!(Timestamp::NEVER.to_string(), "9999-12-31T23:59:59.999Z");
    }
}
