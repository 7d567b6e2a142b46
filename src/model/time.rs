//! Points in time, and the one place that reads the clock.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

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
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);
    /// Later than every deadline: the last millisecond of the year 9999. Six bytes hold any timestamp.
    pub const NEVER: Self = Self(253_402_300_799_999);

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
        let moment = time::OffsetDateTime::UNIX_EPOCH + Duration::from_millis(self.0);
        let (date, time) = (moment.date(), moment.time());
        write!(f, "{:04}-{:02}-{:02}T", date.year(), u8::from(date.month()), date.day())?;
        write!(f, "{:02}:{:02}:{:02}.{:03}Z", time.hour(), time.minute(), time.second(), time.millisecond())
    }
}

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
        SystemTime::now().into()
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
    fn a_part_of_a_millisecond_counts_as_a_whole_one() {
        assert_eq!(Timestamp::EPOCH.plus(Duration::from_nanos(1)), Timestamp::from_millis(1));
    }

    #[test]
    fn display_is_rfc_3339() {
        assert_eq!(Timestamp::from_millis(1_700_000_000_123).to_string(), "2023-11-14T22:13:20.123Z");
        assert_eq!(Timestamp::EPOCH.to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn never_can_be_shown() {
        assert_eq!(Timestamp::NEVER.to_string(), "9999-12-31T23:59:59.999Z");
    }
}
