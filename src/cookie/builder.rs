//! What a cookie is described by, and the rules that the description is checked against.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::CookieError;
use super::prefix::Prefix;
use super::scope::Scope;
use super::sign::Keys;
use super::template::{Cookie, Template};
use super::{age, name};

/// With which requests from other sites' pages a browser sends a cookie (RFC 6265bis section 4.1.2.7).
///
/// ```
/// use cloakroom::cookie::{Cookie, SameSite};
///
/// # fn main() -> Result<(), cloakroom::cookie::CookieError> {
/// let admin = Cookie::named("admin").same_site(SameSite::Strict).build()?;
/// assert!(admin.set("1")?.as_str().ends_with("; SameSite=Strict"));
/// assert_eq!("strict".parse::<SameSite>()?, SameSite::Strict); // as a configuration file says it
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(try_from = "String", into = "&'static str")]
pub enum SameSite {
    /// With none, not even when the visitor follows a link on another site. Such a visitor arrives logged out.
    Strict,
    /// Only with requests that open a page, by a link on another site for instance. Not with forms that
    /// another site posts, and not with its images, frames and scripts.
    Lax,
    /// With all of them. Demands Secure.
    None,
}

impl SameSite {
    /// The attribute's value, such as `Lax`.
    pub const fn as_str(self) -> &'static str {
        match self {
            SameSite::Strict => "Strict",
            SameSite::Lax => "Lax",
            SameSite::None => "None",
        }
    }
}

/// Reads the attribute's value, in upper or lower case, as browsers do.
impl FromStr for SameSite {
    type Err = CookieError;

    fn from_str(text: &str) -> Result<SameSite, CookieError> {
        let all = [SameSite::Strict, SameSite::Lax, SameSite::None];
        all.into_iter().find(|same_site| text.eq_ignore_ascii_case(same_site.as_str())).ok_or(CookieError::SameSite)
    }
}

impl TryFrom<String> for SameSite {
    type Error = CookieError;

    fn try_from(text: String) -> Result<SameSite, CookieError> {
        text.parse()
    }
}

impl From<SameSite> for &'static str {
    fn from(same_site: SameSite) -> &'static str {
        same_site.as_str()
    }
}

/// Describes a [`Cookie`]; begun by [`Cookie::named`].
///
/// The defaults are safe: the prefix `__Host-`, Secure, HttpOnly, SameSite=Lax, Path=/, no Domain, not
/// partitioned, not signed, and dropped when the browser is closed.
///
/// ```
/// use std::time::Duration;
///
/// use cloakroom::cookie::{Cookie, Prefix};
///
/// # fn main() -> Result<(), cloakroom::cookie::CookieError> {
/// let language = Cookie::named("lang")
///     .prefix(Prefix::Secure) // `__Host-` allows no Domain
///     .domain("example.org")
///     .http_only(false) // the page's script reads it
///     .max_age(Duration::from_secs(30 * 24 * 60 * 60))
///     .build()?;
/// assert_eq!(
///     language.set("en")?.as_str(),
///     "__Secure-lang=en; Max-Age=2592000; Domain=example.org; Path=/; Secure; SameSite=Lax"
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until build() is called"]
pub struct CookieBuilder {
    name: String,
    prefix: Option<Prefix>,
    secure: bool,
    http_only: bool,
    same_site: SameSite,
    scope: Scope,
    partitioned: bool,
    max_age: Option<Duration>,
    keys: Option<Keys>,
}

impl Cookie {
    /// Begins the description of a cookie with this name. The documentation of the builder names its
    /// defaults; [`build`](CookieBuilder::build) checks the name.
    ///
    /// ```
    /// use cloakroom::cookie::Cookie;
    ///
    /// # fn main() -> Result<(), cloakroom::cookie::CookieError> {
    /// let sid = Cookie::named("sid").build()?;
    /// assert_eq!(sid.name(), "__Host-sid");
    /// # Ok(())
    /// # }
    /// ```
    pub fn named(name: impl Into<String>) -> CookieBuilder {
        CookieBuilder::new(name.into())
    }
}

impl CookieBuilder {
    fn new(name: String) -> CookieBuilder {
        CookieBuilder {
            name,
            prefix: None,
            secure: true,
            http_only: true,
            same_site: SameSite::Lax,
            scope: Scope { domain: None, path: "/".to_owned() },
            partitioned: false,
            max_age: None,
            keys: None,
        }
    }

    /// Sets the prefix of the name; the default is `__Host-`. A name that begins with a prefix already, in
    /// upper or lower case, keeps that one, is held to its rules, and gets no second.
    pub fn prefix(mut self, prefix: Prefix) -> Self {
        self.prefix = Some(prefix);
        self
    }

    /// Makes a cookie for plain http: neither Secure nor a prefix.
    ///
    /// The cookie loses its secrecy: any listener on the network can read it and take over the session. It
    /// also loses its origin: any host of the same domain, and any attacker on the network, can plant a
    /// cookie of this name. This is for development with browsers that refuse Secure cookies on
    /// `http://localhost`. The name differs from the one with https, so the two never mix.
    ///
    /// ```
    /// use cloakroom::cookie::Cookie;
    ///
    /// # fn main() -> Result<(), cloakroom::cookie::CookieError> {
    /// let sid = Cookie::named("sid").insecure().build()?;
    /// assert_eq!(sid.set("1")?.as_str(), "sid=1; Path=/; HttpOnly; SameSite=Lax");
    /// # Ok(())
    /// # }
    /// ```
    pub fn insecure(mut self) -> Self {
        self.secure = false;
        self.prefix = Some(Prefix::None);
        self
    }

    /// Whether the cookie is sent over https only (RFC 6265bis section 4.1.2.5). Every prefix demands it. To
    /// go without, call [`insecure`](CookieBuilder::insecure).
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Whether the cookie is hidden from scripts (RFC 6265bis section 4.1.2.6).
    pub fn http_only(mut self, http_only: bool) -> Self {
        self.http_only = http_only;
        self
    }

    /// With which requests from other sites a browser sends the cookie.
    ///
    /// ```
    /// use cloakroom::cookie::{Cookie, SameSite};
    ///
    /// let sid = Cookie::named("sid").same_site(SameSite::Strict).build()?;
    /// assert!(sid.set("1")?.as_str().ends_with("; SameSite=Strict"));
    /// # Ok::<(), cloakroom::cookie::CookieError>(())
    /// ```
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// The path that the cookie is sent to, with all paths below it, written as browsers ask for it:
    /// percent-encoded, and without segments `.` and `..`. It begins with a slash. It does not protect the
    /// cookie, which pages of other paths on the same host can reach (RFC 6265bis section 8.5).
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.scope.path = path.into();
        self
    }

    /// Sends the cookie to all hosts of this domain, and not only to the host that sets it. A name outside
    /// of ASCII is written as its A-label (`xn--..`). `__Host-` allows no domain, so choose another
    /// [`prefix`](CookieBuilder::prefix) as well.
    ///
    /// ```
    /// use cloakroom::cookie::{Cookie, Prefix};
    ///
    /// let shared = Cookie::named("theme").prefix(Prefix::Secure).domain("example.org").build()?;
    /// assert!(shared.set("dark")?.as_str().starts_with("__Secure-theme=dark; Domain=example.org"));
    /// assert!(Cookie::named("theme").domain("example.org").build().is_err(), "__Host- allows none");
    /// # Ok::<(), cloakroom::cookie::CookieError>(())
    /// ```
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.scope.domain = Some(domain.into());
        self
    }

    /// Whether a browser keeps a separate cookie for each site that embeds the page (CHIPS,
    /// draft-cutler-httpbis-partitioned-cookies). Demands Secure.
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// Makes the cookie permanent: a browser keeps it for this long, also when it is closed. Fractions of a
    /// second are cut off, and an age above [`MAX_AGE`](super::MAX_AGE) becomes that.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use cloakroom::cookie::Cookie;
    ///
    /// let theme = Cookie::named("theme").max_age(Duration::from_secs(3600)).build()?;
    /// assert!(theme.set("dark")?.as_str().contains("; Max-Age=3600"));
    /// # Ok::<(), cloakroom::cookie::CookieError>(())
    /// ```
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Signs every value, which takes 44 bytes more. On reading, values without a valid signature are left
    /// out; see [`Cookie::values`].
    ///
    /// ```
    /// use cloakroom::cookie::{Cookie, Key};
    ///
    /// let consent = Cookie::named("consent").signed(Key::generate()?).build()?;
    /// assert_eq!(consent.values(["__Host-consent=all"]).next(), None); // not signed
    /// # Ok::<(), cloakroom::cookie::CookieError>(())
    /// ```
    pub fn signed(mut self, keys: impl Into<Keys>) -> Self {
        self.keys = Some(keys.into());
        self
    }

    /// Checks everything that does not depend on a value.
    ///
    /// # Errors
    ///
    /// A [`CookieError`] that names the rule: the name is not a token (RFC 9110 section 5.6.2), or only a
    /// prefix; the prefix, SameSite=None or Partitioned demands an attribute that is missing; an attribute
    /// is longer than [`MAX_ATTRIBUTE_BYTES`](super::MAX_ATTRIBUTE_BYTES), or is one that browsers ignore, change,
    /// or never match;
    /// Max-Age is under one second; the name alone is longer than a cookie may be.
    pub fn build(self) -> Result<Cookie, CookieError> {
        let name = name::finish(&self.name, self.prefix)?;
        self.scope.check(&name)?;
        self.check_prefix(&name)?;
        self.check_secure(&name)?;
        if self.max_age.is_some_and(|max_age| age::seconds(max_age) == 0) {
            return Err(CookieError::ZeroMaxAge { name });
        }
        let flags = self.flags();
        Cookie::new(Template { name, scope: self.scope, flags, max_age: self.max_age, keys: self.keys })
    }

    /// The finished name decides, as it does in browsers, whether the builder or the caller put the prefix there.
    fn check_prefix(&self, name: &str) -> Result<(), CookieError> {
        let prefix = Prefix::of(name);
        let demands = [
            (prefix.demands_secure() && !self.secure, "Secure (for plain http, call insecure())"),
            (prefix.demands_http_only() && !self.http_only, "HttpOnly"),
            (prefix.demands_host() && self.scope.path != "/", "Path=/"),
            (prefix.demands_host() && self.scope.domain.is_some(), "no Domain"),
        ];
        match demands.into_iter().find(|(broken, _)| *broken) {
            Some((_, demand)) => Err(CookieError::PrefixRule { name: name.to_owned(), prefix, demand }),
            None => Ok(()),
        }
    }

    fn check_secure(&self, name: &str) -> Result<(), CookieError> {
        let attribute = match self {
            _ if self.secure => return Ok(()),
            CookieBuilder { same_site: SameSite::None, .. } => "SameSite=None",
            CookieBuilder { partitioned: true, .. } => "Partitioned",
            _ => return Ok(()),
        };
        Err(CookieError::NeedsSecure { name: name.to_owned(), attribute })
    }

    fn flags(&self) -> String {
        let mut text = String::new();
        if self.secure {
            text.push_str("; Secure");
        }
        if self.http_only {
            text.push_str("; HttpOnly");
        }
        text.push_str("; SameSite=");
        text.push_str(self.same_site.as_str());
        if self.partitioned {
            text.push_str("; Partitioned");
        }
        text
    }
}
