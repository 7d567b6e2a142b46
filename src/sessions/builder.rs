//! The settings of a site's sessions.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::cookie::{Cookie, CookieBuilder};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::id::SessionId;
use crate::model::lifetime::Lifetime;
use crate::model::record::CookieKind;
use crate::model::time::{Clock, SystemClock};
use crate::session::{OnLost, Policy};
use crate::sessions::handle::{Sessions, Shared};
use crate::sessions::lowering::Lowering;
use crate::store::Store;

const IDLE: Duration = Duration::from_secs(30 * 60);
const ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);
const TRACE: Duration = Duration::from_secs(60);
const LIVES_OF_TRACES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(10 * 60);

/// Settings of [`Sessions`], begun by [`Sessions::builder`]. Each method says its default.
///
/// ```
/// use std::time::Duration;
///
/// use cloakroom::cookie::Cookie;
/// use cloakroom::{Lifetime, MemoryStore, Sessions};
///
/// let sessions = Sessions::builder(MemoryStore::new())
///     .lifetime(Lifetime::AAL2)
///     .cookie(Cookie::named("ticket"))
///     .traces_last(Duration::from_secs(5 * 60))
///     .build()?;
/// assert_eq!(sessions.cookie().name(), "__Host-ticket");
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until build() is called"]
pub struct SessionsBuilder<S> {
    store: S,
    idle: Option<Duration>,
    absolute: Option<Duration>,
    cookie: CookieBuilder,
    permanent: bool,
    touch_fraction: f64,
    rolling: bool,
    trace: Duration,
    keep_changes_on_error: bool,
    on_lost: OnLost,
    clock: Arc<dyn Clock>,
}

impl<S: Store> Sessions<S> {
    /// Begins the settings. The defaults are an idle timeout of 30 minutes, an absolute timeout of 12 hours, and a
    /// cookie `__Host-sid` that ends with the browser.
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
            touch_fraction: 0.1,
            rolling: false,
            trace: TRACE,
            keep_changes_on_error: false,
            on_lost: Arc::new(|method, _| !matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE")),
            clock: Arc::new(SystemClock),
        }
    }

    /// How long a session lives without being seen (OWASP ASVS 5.0, 7.3.1). The default is 30 minutes.
    ///
    /// A policy of timeouts that is stricter than an earlier one also holds for the sessions that were stored under the
    /// earlier one. A session with a lifetime of its own keeps that. Until a [sweeper](Sessions::sweeper) has come by, a
    /// store's limit that ends a user's oldest session may end one that lives where one is over by the new policy alone.
    #[doc(alias("with_expiry", "ttl"))]
    pub fn idle_timeout(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// How long a session lives after its beginning or its login, however much it is used (OWASP ASVS 5.0, 7.3.2). The
    /// default is 12 hours.
    #[doc(alias = "max_age")]
    pub fn absolute_timeout(mut self, absolute: Duration) -> Self {
        self.absolute = Some(absolute);
        self
    }

    /// Sets both timeouts at once, to [`Lifetime::AAL2`] for instance.
    pub fn lifetime(mut self, lifetime: Lifetime) -> Self {
        self.idle = lifetime.idle_timeout();
        self.absolute = lifetime.absolute_timeout();
        self
    }

    /// Lets sessions live until their absolute deadline, used or not.
    pub fn no_idle_timeout(mut self) -> Self {
        self.idle = None;
        self
    }

    /// Lets sessions live as long as they are used.
    pub fn no_absolute_timeout(mut self) -> Self {
        self.absolute = None;
        self
    }

    /// The cookie's name, prefix, attributes and keys. It must have no Max-Age, which the session decides. The default
    /// is `Cookie::named("sid")`.
    ///
    /// ```
    /// use cloakroom::cookie::{Cookie, SameSite};
    /// use cloakroom::{MemoryStore, Sessions};
    ///
    /// let cookie = Cookie::named("ticket").same_site(SameSite::Strict);
    /// let sessions = Sessions::builder(MemoryStore::new()).cookie(cookie).build()?;
    /// assert_eq!(sessions.cookie().name(), "__Host-ticket");
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn cookie(mut self, cookie: CookieBuilder) -> Self {
        self.cookie = cookie;
        self
    }

    /// Whether the cookie of a new session outlives the browser; see
    /// [`Session::set_permanent`](crate::Session::set_permanent). The default is no.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// let sessions = Sessions::builder(MemoryStore::new()).permanent(true).build()?.blocking();
    /// # let session = sessions.open([""; 0])?;
    /// session.insert("theme", "dark")?;
    /// let committed = sessions.commit(session)?;
    /// assert!(committed.set_cookie().unwrap().as_str().contains("Max-Age="));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    #[doc(alias = "persistent")]
    pub fn permanent(mut self, permanent: bool) -> Self {
        self.permanent = permanent;
        self
    }

    /// The part of the idle timeout, from 0 to below 1, that passes before the store is told again that a session was
    /// seen: at most five minutes, whatever the lifetime. A session may end earlier by that part, never later. The default
    /// is 0.1.
    ///
    /// What counts is when a request came, and not how long it took. Near its end a session is noted as seen before the
    /// request is handled.
    #[doc(alias = "touch_after")]
    pub fn touch_fraction(mut self, part: f64) -> Self {
        self.touch_fraction = part;
        self
    }

    /// Whether each response to a live session sets the cookie again, and may then be stored by no cache. A response that
    /// caches may store goes without it. It costs one load for each response. The default is no.
    #[doc(alias = "always_save")]
    pub fn rolling(mut self, rolling: bool) -> Self {
        self.rolling = rolling;
        self
    }

    /// How long the store knows what became of an id: of a session that has got a new one, was replaced by a login, or was
    /// ended by its visitor. A request that was on its way meanwhile is then told apart from a stranger's: what it changed
    /// follows a rotation, or is reported as [lost](ErrorKind::Lost); a logout ends the session under its new id; and
    /// no late request takes a login's cookie away. The old id opens nothing meanwhile. From a second to ten minutes; the
    /// default is 60 seconds.
    pub fn traces_last(mut self, life: Duration) -> Self {
        self.trace = life;
        self
    }

    /// Whether [`settle`](Sessions::settle) fails with [`ErrorKind::Lost`] when another request ended the session meanwhile
    /// and changes are lost: `is_error` gets the request's method and the names of the entries that were set or modified.
    /// By default they are an error of methods that are not safe (RFC 9110 section 9.2.1), so that no form is answered
    /// with "done" whose effect is gone; a page that only noted what was looked at is shown. There are no names where a
    /// [reauthentication](crate::Session::reauthenticated) alone is lost.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// let sessions = Sessions::builder(MemoryStore::new())
    ///     .on_lost(|_method, entries| entries.iter().any(|name| name == "cart"))
    ///     .build()?;
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn on_lost(mut self, is_error: impl Fn(&str, &[String]) -> bool + Send + Sync + 'static) -> Self {
        self.on_lost = Arc::new(is_error);
        self
    }

    /// Whether [`commit_after_error`](Sessions::commit_after_error) keeps the changes, as [`commit`](Sessions::commit)
    /// does. The default is no. Where there is no response at all, because of a panic, changes that need a cookie are
    /// dropped with all others: a new session, a new id, a cookie of another age.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Outcome, Sessions};
    /// let builder = Sessions::builder(MemoryStore::new()).keep_changes_on_error(true);
    /// let sessions = builder.build()?.blocking();
    /// # let session = sessions.open([""; 0])?;
    /// session.insert("attempts", &1)?;
    /// assert_eq!(sessions.settle(session, "POST", Some(500))?.outcome(), Outcome::Created);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn keep_changes_on_error(mut self, keep: bool) -> Self {
        self.keep_changes_on_error = keep;
        self
    }

    /// The clock by which sessions end. The default is the [`SystemClock`].
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use cloakroom::{ManualClock, MemoryStore, Sessions, Timestamp};
    ///
    /// let clock = ManualClock::at(Timestamp::from_secs(1_700_000_000));
    /// let sessions = Sessions::builder(MemoryStore::new()).clock(clock.clone()).build()?.blocking();
    /// let cookie = sessions.test_cookie(|session| session.login("user 42"))?;
    /// clock.advance(Duration::from_secs(60 * 60)); // the idle timeout is 30 minutes
    /// assert!(sessions.open([cookie])?.is_new());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks the settings, and makes the [`Sessions`].
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use cloakroom::{ErrorKind, MemoryStore, Sessions};
    ///
    /// let refused = Sessions::builder(MemoryStore::new()).idle_timeout(Duration::ZERO).build();
    /// assert_eq!(refused.err().unwrap().kind(), &ErrorKind::Config);
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`], which names the setting that is refused: no timeout at all, or one of zero; a cookie that
    /// breaks a rule, has a Max-Age, or has no room for an id; `touch_fraction` or `traces_last` out of its range.
    /// [`ErrorKind::Random`] if the operating system gives no random bytes.
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
        if !(0.0..1.0).contains(&self.touch_fraction) {
            return Err(refused("touch_fraction must be at least 0 and below 1"));
        }
        if !LIVES_OF_TRACES.contains(&self.trace) {
            return Err(refused("traces_last is from a second to ten minutes"));
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
            touch_fraction: self.touch_fraction,
            rolling: self.rolling,
            trace: self.trace,
            keep_changes_on_error: self.keep_changes_on_error,
            on_lost: self.on_lost,
            clock: self.clock,
        };
        let (store, policy) = (Arc::new(self.store), Arc::new(policy));
        Ok(Sessions(Arc::new(Shared { store, policy, lowering: Lowering::new() })))
    }
}

impl<S> fmt::Debug for SessionsBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionsBuilder")
            .field("idle_timeout", &self.idle)
            .field("absolute_timeout", &self.absolute)
            .field("cookie", &self.cookie)
            .field("permanent", &self.permanent)
            .field("touch_fraction", &self.touch_fraction)
            .field("rolling", &self.rolling)
            .field("traces_last", &self.trace)
            .field("keep_changes_on_error", &self.keep_changes_on_error)
            .finish_non_exhaustive()
    }
}

fn refused(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Config, "setting up sessions").because(why)
}
