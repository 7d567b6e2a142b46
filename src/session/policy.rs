//! A site's policy for its sessions: how long they live, when the store is told that one was seen, and what the cookie
//! says.

use std::sync::Arc;
use std::time::Duration;

use crate::cookie::{Cookie, MAX_AGE, SetCookie};
use crate::model::id::SessionId;
use crate::model::key::SessionKey;
use crate::model::lifetime::{Expiry, Lifetime};
use crate::model::record::{CookieKind, Record};
use crate::model::time::{Clock, Timestamp};

/// How far another machine's clock, or this one's, may have been ahead.
const AHEAD: Duration = Duration::from_secs(5 * 60);
/// How long activity may go by that the store does not learn of.
const UNNOTED: Duration = Duration::from_secs(5 * 60);
/// How near its end a session is noted as seen before the request is handled, at most.
const NEAR: Duration = Duration::from_secs(5 * 60);

pub(crate) type OnLost = Arc<dyn Fn(&str, &[String]) -> bool + Send + Sync>;

/// The settings of [`SessionsBuilder`](crate::SessionsBuilder), checked.
pub(crate) struct Policy {
    pub(crate) lifetime: Lifetime,
    pub(crate) kind: CookieKind,
    pub(crate) cookie: Cookie,
    /// The part of the idle timeout that passes before a touch is stored.
    pub(crate) touch_fraction: f64,
    pub(crate) rolling: bool,
    /// How long the trace of a rotation, a login or a logout stands.
    pub(crate) trace: Duration,
    pub(crate) keep_changes_on_error: bool,
    /// Whether lost changes of these entries are an error of a request with this method.
    pub(crate) on_lost: OnLost,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Policy {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The record of a session that is not stored and has no key yet.
    pub(crate) fn blank(&self, now: Timestamp) -> Record {
        let mut record = Record::new(SessionKey::from_bytes([0; 16]), self.lifetime, now);
        record.set_cookie(self.kind);
        record
    }

    /// When a session ends. A stored deadline is an upper bound, so that a shorter policy also holds for sessions that
    /// were stored under an earlier one. A session with a lifetime of its own keeps it.
    pub(crate) fn expiry(&self, record: &Record) -> Expiry {
        if record.has_own_lifetime() {
            return *record.expiry();
        }
        let began = record.authenticated_at().unwrap_or(record.created());
        let absolute = self.lifetime.absolute_timeout().map(|absolute| began.plus(absolute));
        record.expiry().capped(self.lifetime.idle_timeout(), absolute)
    }

    /// Whether a session answers as one that has expired. One that was seen in the future was stored under a clock that
    /// was wrong, and its deadlines are, too.
    pub(crate) fn is_over(&self, record: &Record, now: Timestamp) -> bool {
        self.expiry(record).is_expired_at(now) || is_ahead(record, now)
    }

    /// The session with the deadlines of today's policy, if those that it is stored with are later. One that was seen in the
    /// future stays as it is.
    pub(crate) fn lowered(&self, record: &Record, now: Timestamp) -> Option<Record> {
        let expiry = self.expiry(record);
        (expiry != *record.expiry() && !is_ahead(record, now)).then(|| {
            let mut lowered = record.clone();
            lowered.set_expiry(expiry);
            lowered
        })
    }

    /// Whether the store must learn of a request of this time. It does under every lifetime: which of a user's sessions is
    /// in use decides what a limit ends.
    pub(crate) fn touch_is_due(&self, record: &Record, arrived: Timestamp) -> bool {
        let expiry = self.expiry(record);
        let part = expiry.idle().map_or(UNNOTED, |idle| idle.mul_f64(self.touch_fraction).min(UNNOTED));
        arrived.since(expiry.last_seen()) >= part
    }

    /// Whether the session may end for want of a touch while the request is handled.
    pub(crate) fn may_end_meanwhile(&self, record: &Record, arrived: Timestamp) -> bool {
        let expiry = self.expiry(record);
        expiry.idle().is_some_and(|idle| expiry.ends_at().since(arrived) < NEAR.min(idle / 2))
            && self.touch_is_due(record, arrived)
    }

    /// The cookie that carries `id`, for as long as the session may live or until the browser is closed.
    pub(crate) fn set_cookie(&self, id: &SessionId, record: &Record, now: Timestamp) -> SetCookie {
        let age = match record.cookie() {
            CookieKind::BrowserSession => None,
            // An age below one second would remove the cookie.
            CookieKind::Permanent => Some(self.cookie_age(record, now).max(Duration::from_secs(1))),
        };
        self.cookie
            .set_with_age(&id.expose(), age, now.into())
            .expect("the builder checked that an id fits, and base64url is all cookie-octets")
    }

    fn cookie_age(&self, record: &Record, now: Timestamp) -> Duration {
        let expiry = self.expiry(record);
        match (expiry.absolute(), expiry.idle()) {
            (Some(absolute), _) => absolute.since(now),
            (None, Some(idle)) => idle,
            (None, None) => MAX_AGE,
        }
    }

    /// Whether the session may outlive the visitor's cookie, so that a request must send the cookie again that comes after
    /// one which `before` is the time of.
    ///
    /// With an absolute deadline, the cookie's Max-Age reaches the deadline unless that is beyond the greatest age that
    /// a cookie may have. Nobody knows when the cookie was sent. So each tenth of its age, counted from the session's
    /// beginning, has one request that sends it: the first in it.
    pub(crate) fn renews_cookie(&self, record: &Record, before: Timestamp, arrived: Timestamp) -> bool {
        if record.cookie() != CookieKind::Permanent {
            return false;
        }
        let part = self.cookie_age(record, arrived).min(MAX_AGE) / 10;
        let absolute = self.expiry(record).absolute();
        let tenth = |time: Timestamp| time.since(record.created()).as_millis() / part.as_millis().max(1);
        absolute.is_none_or(|absolute| absolute.since(before) + part > MAX_AGE) && tenth(before) != tenth(arrived)
    }
}

fn is_ahead(record: &Record, now: Timestamp) -> bool {
    record.last_seen().since(now) > AHEAD
}
