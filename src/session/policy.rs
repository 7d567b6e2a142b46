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

pub(crate) type OnLost = Arc<dyn Fn(&str, &[String]) -> bool + Send + Sync>;

/// The settings of [`SessionsBuilder`](crate::SessionsBuilder), checked.
pub(crate) struct Policy {
    pub(crate) lifetime: Lifetime,
    pub(crate) kind: CookieKind,
    pub(crate) cookie: Cookie,
    /// The part of the idle timeout that passes before a touch is stored.
    pub(crate) touch_after: f64,
    pub(crate) rolling: bool,
    pub(crate) rotation_grace: Option<Duration>,
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

    pub(crate) fn is_over(&self, record: &Record, now: Timestamp) -> bool {
        self.expiry(record).is_expired_at(now)
    }

    /// Whether so much of the idle timeout has passed that the store must learn of this request. Without an idle
    /// timeout there is no deadline that a touch could move.
    pub(crate) fn touch_is_due(&self, record: &Record, now: Timestamp) -> bool {
        let expiry = self.expiry(record);
        expiry.idle().is_some_and(|idle| now.since(expiry.last_seen()) >= idle.mul_f64(self.touch_after))
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

    /// Whether the session may outlive the visitor's cookie, so that the cookie must be sent again.
    ///
    /// With an absolute deadline, the cookie's Max-Age reaches the deadline unless that is beyond the greatest age that
    /// a cookie may have. The distance is taken from `seen.last_seen()`, because the cookie was sent then.
    pub(crate) fn renews_cookie(&self, seen: &Record) -> bool {
        let absolute = self.expiry(seen).absolute();
        seen.cookie() == CookieKind::Permanent
            && absolute.is_none_or(|absolute| absolute.since(seen.last_seen()) > MAX_AGE)
    }
}
