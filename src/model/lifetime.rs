//! How long a session lives: an idle timeout, an absolute timeout, or both; and the one place that decides
//! whether it is over.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::error::{Error, ErrorKind};
use crate::model::text::Span;
use crate::model::time::{Timestamp, millis_of};

/// How long a session may live: idle timeout, absolute timeout, or both.
///
/// The idle timeout starts again at every request. The absolute timeout runs from the session's beginning, or from its
/// login, and no request extends it (OWASP ASVS 5.0, 7.3.1 and 7.3.2). A lifetime always has at least one of the two.
///
/// A store counts in whole milliseconds. It rounds a part of a millisecond up. In a configuration file a lifetime is a table of
/// `idle` and `absolute`, each a number with one of the units `ms`, `s`, `m`, `h` and `d`, such as `"30m"`.
///
/// ```
/// use std::time::Duration;
///
/// use cloakroom::Lifetime;
///
/// // Logged out after half an hour without a request, and after twelve hours in any case.
/// let office = Lifetime::new(Duration::from_secs(30 * 60), Duration::from_secs(12 * 60 * 60));
/// let strict = Lifetime::AAL3.with_absolute(Duration::from_secs(8 * 60 * 60));
/// assert_eq!(strict.idle_timeout(), Some(Duration::from_secs(15 * 60)));
/// assert_eq!(Lifetime::AAL1.idle_timeout(), None);
///
/// let written = r#"{"idle":"30m","absolute":"12h"}"#;
/// assert_eq!(serde_json::from_str::<Lifetime>(written)?, office);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct Lifetime {
    idle: Option<Duration>,
    absolute: Option<Duration>,
}

impl Lifetime {
    /// NIST SP 800-63B-4, authentication assurance level 1: 30 days at most; no idle timeout is asked for.
    pub const AAL1: Self = Self::absolute(Duration::from_secs(30 * 24 * 60 * 60));
    /// NIST SP 800-63B-4, authentication assurance level 2: one hour idle, 24 hours at most.
    pub const AAL2: Self = Self::new(Duration::from_secs(60 * 60), Duration::from_secs(24 * 60 * 60));
    /// NIST SP 800-63B-4, authentication assurance level 3: 15 minutes idle, 12 hours at most.
    pub const AAL3: Self = Self::new(Duration::from_secs(15 * 60), Duration::from_secs(12 * 60 * 60));

    /// Both timeouts.
    pub const fn new(idle: Duration, absolute: Duration) -> Self {
        Self { idle: Some(idle), absolute: Some(absolute) }
    }

    /// An idle timeout alone: the session lives as long as it is used.
    pub const fn idle(idle: Duration) -> Self {
        Self { idle: Some(idle), absolute: None }
    }

    /// An absolute timeout alone.
    pub const fn absolute(absolute: Duration) -> Self {
        Self { idle: None, absolute: Some(absolute) }
    }

    /// This lifetime with another idle timeout.
    #[must_use]
    pub const fn with_idle(self, idle: Duration) -> Self {
        Self { idle: Some(idle), ..self }
    }

    /// This lifetime with another absolute timeout.
    #[must_use]
    pub const fn with_absolute(self, absolute: Duration) -> Self {
        Self { absolute: Some(absolute), ..self }
    }

    /// The idle timeout, if there is one.
    pub const fn idle_timeout(&self) -> Option<Duration> {
        self.idle
    }

    /// The absolute timeout, if there is one.
    pub const fn absolute_timeout(&self) -> Option<Duration> {
        self.absolute
    }
}

/// A lifetime as a configuration file has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idle: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    absolute: Option<Span>,
}

impl From<Lifetime> for Written {
    fn from(Lifetime { idle, absolute }: Lifetime) -> Self {
        Self { idle: idle.map(Span), absolute: absolute.map(Span) }
    }
}

impl TryFrom<Written> for Lifetime {
    type Error = Error;

    fn try_from(Written { idle, absolute }: Written) -> Result<Self, Error> {
        let (idle, absolute) = (idle.map(|span| span.0), absolute.map(|span| span.0));
        if idle.is_none() && absolute.is_none() {
            let error = Error::new(ErrorKind::Config, "reading a lifetime");
            return Err(error.because("it needs an idle timeout or an absolute timeout"));
        }
        Ok(Self { idle, absolute })
    }
}

/// When a session ends: at its absolute deadline, or its idle timeout after it was last seen, whichever comes first.
///
/// Every store decides by this type, and by nothing else, whether a session is over.
///
/// ```
/// use std::time::Duration;
///
/// use cloakroom::{Expiry, Lifetime, Timestamp};
///
/// let minute = |minute: u64| Timestamp::from_secs(minute * 60);
/// let lifetime = Lifetime::new(Duration::from_secs(30 * 60), Duration::from_secs(45 * 60));
/// let mut expiry = Expiry::starting(lifetime, minute(0));
/// assert_eq!(expiry.ends_at(), minute(30));
/// assert!(expiry.is_expired_at(minute(30)));
///
/// expiry.touch(minute(20)); // a request: the idle timeout starts again
/// assert_eq!(expiry.ends_at(), minute(45)); // and the absolute deadline stays
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    last_seen: Timestamp,
    // In milliseconds; u64::MAX for none. Three words in all, because a store keeps one for each session in memory.
    idle: u64,
    absolute: Timestamp,
}

impl Expiry {
    /// The deadlines of a lifetime that begins now.
    pub fn starting(lifetime: Lifetime, now: Timestamp) -> Self {
        let absolute = lifetime.absolute.map_or(Timestamp::NEVER, |absolute| now.plus(absolute));
        Self::from_parts(now, lifetime.idle, Some(absolute))
    }

    /// The deadlines as a store kept them: last seen, idle timeout, absolute deadline.
    pub fn from_parts(last_seen: Timestamp, idle: Option<Duration>, absolute: Option<Timestamp>) -> Self {
        Self { last_seen, idle: idle.map_or(u64::MAX, millis_of), absolute: absolute.unwrap_or(Timestamp::NEVER) }
    }

    /// When the session was last seen.
    pub const fn last_seen(&self) -> Timestamp {
        self.last_seen
    }

    /// The idle timeout, if there is one.
    pub fn idle(&self) -> Option<Duration> {
        (self.idle != u64::MAX).then(|| Duration::from_millis(self.idle))
    }

    /// The absolute deadline, if there is one.
    pub fn absolute(&self) -> Option<Timestamp> {
        (self.absolute != Timestamp::NEVER).then_some(self.absolute)
    }

    /// The moment at which the session ends unless it is seen again.
    ///
    /// Stores that compare in their medium, in SQL for instance, compute the same. All are milliseconds since the Unix epoch,
    /// and `NEVER` is [`Timestamp::NEVER`], 253402300799999:
    ///
    /// ```text
    /// ends_at = LEAST(last_seen + COALESCE(idle, NEVER), COALESCE(absolute, NEVER), NEVER)
    /// a session is over if ends_at <= now
    /// touch:  last_seen = GREATEST(last_seen, now)
    /// ```
    ///
    /// The sum saturates, it never wraps. An idle timeout may have any number of milliseconds below 2^64, so a store whose
    /// integers are signed keeps one beyond `NEVER` as `NEVER`, which ends the session at the same moment.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use cloakroom::{Expiry, Timestamp};
    ///
    /// const NEVER: i64 = 253_402_300_799_999;
    /// let by_formula = |last_seen: i64, idle: Option<i64>, absolute: Option<i64>| {
    ///     (last_seen + idle.unwrap_or(NEVER)).min(absolute.unwrap_or(NEVER)).min(NEVER)
    /// };
    /// for last_seen in [0, 1_700_000_000_000, NEVER - 1, NEVER] {
    ///     for idle in [None, Some(1), Some(1_800_000), Some(NEVER - 1), Some(NEVER)] {
    ///         for absolute in [None, Some(0), Some(1_700_000_000_001), Some(NEVER - 1)] {
    ///             let time = |millis: i64| Timestamp::from_millis(millis as u64);
    ///             let span = idle.map(|idle| Duration::from_millis(idle as u64));
    ///             let expiry = Expiry::from_parts(time(last_seen), span, absolute.map(time));
    ///             assert_eq!(expiry.ends_at().as_millis() as i64, by_formula(last_seen, idle, absolute));
    ///         }
    ///     }
    /// }
    /// ```
    pub fn ends_at(&self) -> Timestamp {
        let idle = Timestamp::from_millis(self.last_seen.as_millis().saturating_add(self.idle));
        idle.min(self.absolute)
    }

    /// Whether the session is over. It is over at the very moment of [`ends_at`](Self::ends_at), not only after it.
    pub fn is_expired_at(&self, now: Timestamp) -> bool {
        self.ends_at() <= now
    }

    /// Notes that the session is seen, and returns whether `last_seen` moved.
    ///
    /// Neither `last_seen` nor the end ever moves backwards. The absolute deadline never moves at all.
    pub fn touch(&mut self, now: Timestamp) -> bool {
        let moved = now > self.last_seen;
        self.last_seen = self.last_seen.max(now);
        moved
    }

    /// These deadlines, and none later than the given ones: a stored deadline is an upper bound, and so is a policy.
    ///
    /// So a timeout that is shortened in a deployment holds at once, also for the sessions that are stored already.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use cloakroom::{Expiry, Lifetime, Timestamp};
    ///
    /// let minute = |minute: u64| Timestamp::from_secs(minute * 60);
    /// let stored = Expiry::starting(Lifetime::idle(Duration::from_secs(30 * 60)), minute(0));
    /// let today = stored.capped(Some(Duration::from_secs(10 * 60)), None);
    /// assert_eq!(today.ends_at(), minute(10));
    /// ```
    #[must_use]
    pub fn capped(self, idle: Option<Duration>, absolute: Option<Timestamp>) -> Self {
        Self {
            last_seen: self.last_seen,
            idle: self.idle.min(idle.map_or(u64::MAX, millis_of)),
            absolute: self.absolute.min(absolute.unwrap_or(Timestamp::NEVER)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(minutes: u64) -> Timestamp {
        Timestamp::from_secs(minutes * 60)
    }

    #[test]
    fn a_session_ends_at_the_earlier_of_its_two_deadlines() {
        let mut expiry = Expiry::starting(Lifetime::new(30 * MINUTE, 45 * MINUTE), at(0));
        assert_eq!(expiry.ends_at(), at(30));
        assert!(!expiry.is_expired_at(Timestamp::from_millis(at(30).as_millis() - 1)));
        assert!(expiry.is_expired_at(at(30)));
        assert!(expiry.touch(at(20)));
        assert_eq!(expiry.ends_at(), at(45));
    }

    #[test]
    fn a_clock_set_back_moves_nothing() {
        let mut expiry = Expiry::starting(Lifetime::idle(30 * MINUTE), at(100));
        assert!(!expiry.touch(at(50)));
        assert!(!expiry.touch(at(100)));
        assert_eq!(expiry.ends_at(), at(130));
    }

    #[test]
    fn no_clock_and_no_timeout_overflows() {
        let mut expiry = Expiry::starting(Lifetime::new(Duration::MAX, Duration::MAX), Timestamp::NEVER);
        assert!(!expiry.touch(Timestamp::NEVER));
        assert_eq!(expiry.ends_at(), Timestamp::NEVER);
    }

    #[test]
    fn a_policy_shortens_and_never_lengthens() {
        let expiry = Expiry::starting(Lifetime::new(30 * MINUTE, 60 * MINUTE), at(0));
        assert_eq!(expiry.capped(Some(10 * MINUTE), None).ends_at(), at(10));
        assert_eq!(expiry.capped(Some(90 * MINUTE), Some(at(20))).ends_at(), at(20));
        assert_eq!(expiry.capped(None, None), expiry);
    }
}
