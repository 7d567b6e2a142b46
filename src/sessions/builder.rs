//! The settings of a site's sessions.

use std::sync::Arc;
use std::time::Duration;

use crate::cookie::{Cookie, CookieBuilder};
use crate::error::{Error, ErrorKind, Result};
use crate::id::SessionId;
use crate::lifetime::Lifetime;
use crate::record::CookieKind;
use crate::session::Policy;
use crate::sessions::handle::{Sessions, Shared};
use crate::store::Store;
use crate::time::{Clock, SystemClock};

const IDLE: Duration = Duration::from_secs(30 * 60);
const ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);
const MAX_GRACE: Duration = Duration::from_secs(60);

/// Settings of [`Sessions`]; begun by [`Sessions::builder`], which says what the defaults are.
#[must_use = "a builder does nothing until build() is called"]
pub struct SessionsBuilder<S> {
    store: S,
    idle: Option<Duration>,
    absolute: Option<Duration>,
    cookie: CookieBuilder,
    permanent: bool,
    touch_after: f64,
    rolling: bool,
    rotation_grace: Duration,
    keep_changes_on_error: bool,
    clock: Arc<dyn Clock>,
}

impl<S: Store> Sessions<S> {
    /// Begins the settings. What is not said: idle timeout 30 minutes, absolute timeout 12 hours, a cookie
    /// `__Host-sid` that goes with the browser.
    pub fn builder(store: S) -> SessionsBuilder<S> {
        SessionsBuilder::new(store)
    }
}

impl<S: Store> SessionsBuilder<S> {
    fn new(store: S) -> Self {
        Self {
            store,
            idle: Some(IDLE),
            absolute: Some(ABSOLUTE),
            cookie: Cookie::named("sid"),
            permanent: false,
            touch_after: 0.1,
            rolling: false,
            rotation_grace: Duration::ZERO,
            keep_changes_on_error: false,
            clock: Arc::new(SystemClock),
        }
    }

    /// A session ends when it was not seen for this long (OWASP ASVS 5.0, 7.3.1). 30 minutes unless said otherwise.
    ///
    /// The policy, this and [`absolute_timeout`](SessionsBuilder::absolute_timeout), also holds for sessions stored
    /// under an earlier one, if it is the stricter, and for none that has a lifetime of its own.
    pub fn idle_timeout(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// A session ends this long after its beginning, or its login, however much it is used (OWASP ASVS 5.0, 7.3.2).
    /// 12 hours unless said otherwise.
    pub fn absolute_timeout(mut self, absolute: Duration) -> Self {
        self.absolute = Some(absolute);
        self
    }

    /// Both timeouts at once, [`Lifetime::AAL2`] for instance.
    pub fn lifetime(mut self, lifetime: Lifetime) -> Self {
        self.idle = lifetime.idle_timeout();
        self.absolute = lifetime.absolute_timeout();
        self
    }

    /// Sessions last until their absolute deadline, used or not.
    pub fn no_idle_timeout(mut self) -> Self {
        self.idle = None;
        self
    }

    /// Sessions last as long as they are used.
    pub fn no_absolute_timeout(mut self) -> Self {
        self.absolute = None;
        self
    }

    /// The cookie: name, prefix, attributes, keys. Its age is the session's to say, so it must have none.
    pub fn cookie(mut self, cookie: CookieBuilder) -> Self {
        self.cookie = cookie;
        self
    }

    /// Whether the cookie of a new session outlives the browser; see
    /// [`Session::set_permanent`](crate::Session::set_permanent). No unless said otherwise.
    pub fn permanent(mut self, permanent: bool) -> Self {
        self.permanent = permanent;
        self
    }

    /// The part of the idle timeout, from 0 to below 1, that goes by before the store is told that a session was seen;
    /// 0.1 unless said otherwise. A session may end that much early, never late.
    pub fn touch_after(mut self, part: f64) -> Self {
        self.touch_after = part;
        self
    }

    /// Whether every response to a live session sets the cookie again. It costs one load a response.
    pub fn rolling(mut self, rolling: bool) -> Self {
        self.rolling = rolling;
        self
    }

    /// How long an id still opens its session after [`Session::rotate`](crate::Session::rotate): read-only, for the
    /// requests that a page sent along with the one that rotated. At most 60 seconds; none unless said otherwise.
    ///
    /// After a login, or any other change of the owner, an old id never opens anything, whatever is set here: it may
    /// have been planted by an attacker, who must not see what the user may see (session fixation).
    pub fn rotation_grace(mut self, grace: Duration) -> Self {
        self.rotation_grace = grace;
        self
    }

    /// Whether [`commit_after_error`](Sessions::commit_after_error) commits like [`commit`](Sessions::commit). No
    /// unless said otherwise.
    pub fn keep_changes_on_error(mut self, keep: bool) -> Self {
        self.keep_changes_on_error = keep;
        self
    }

    /// The clock; the system's unless said otherwise.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`], saying which setting cannot be: neither timeout, or one of zero; a cookie that breaks a
    /// rule, has an age, or no room for an id; a part or a grace out of its range.
    pub fn build(self) -> Result<Sessions<S>> {
        let zero = Some(Duration::ZERO);
        let lifetime = match (self.idle, self.absolute) {
            (None, None) => return Err(refused("a session needs an idle timeout or an absolute timeout")),
            (idle, absolute) if idle == zero || absolute == zero => {
                return Err(refused("with a timeout of zero, sessions would be over at once"));
            }
            (Some(idle), Some(absolute)) => Lifetime::new(idle, absolute),
            (Some(idle), None) => Lifetime::idle(idle),
            (None, Some(absolute)) => Lifetime::absolute(absolute),
        };
        if !(0.0..1.0).contains(&self.touch_after) {
            return Err(refused("touch_after must be at least 0 and below 1"));
        }
        if self.rotation_grace > MAX_GRACE {
            return Err(refused("rotation_grace is at most 60 seconds"));
        }
        let cookie = self.cookie.build().map_err(refused)?;
        if cookie.max_age().is_some() {
            return Err(refused("the session decides its cookie's age; use permanent() instead of max_age()"));
        }
        // All ids are of one length: if this one fits, all do.
        cookie.set(&SessionId::generate()?.expose()).map_err(refused)?;
        let policy = Policy {
            lifetime,
            kind: if self.permanent { CookieKind::Permanent } else { CookieKind::BrowserSession },
            cookie,
            touch_after: self.touch_after,
            rolling: self.rolling,
            rotation_grace: Some(self.rotation_grace).filter(|grace| !grace.is_zero()),
            keep_changes_on_error: self.keep_changes_on_error,
            clock: self.clock,
        };
        Ok(Sessions(Arc::new(Shared { store: Arc::new(self.store), policy: Arc::new(policy) })))
    }
}

fn refused(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Config, "setting up sessions").because(why)
}
