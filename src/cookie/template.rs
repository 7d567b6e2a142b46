//! A cookie whose description was checked: it writes and reads the cookie's values.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::error::CookieError;
use super::prefix::Prefix;
use super::scope::Scope;
use super::set_cookie::SetCookie;
use super::sign::{Keys, SIGNATURE_BYTES};
use super::{age, header};

/// The most bytes that name and value of a cookie have together, signature included
/// (RFC 6265bis section 5.6).
pub const MAX_COOKIE_BYTES: usize = 4096;

/// The most bytes of removals that one response carries for a cookie. Servers and proxies take some KiB of headers.
const MAX_REMOVAL_BYTES: usize = 2048;

/// One cookie of a site: its name, its attributes and its keys. They are checked once, by
/// [`CookieBuilder::build`](super::CookieBuilder::build), and serve for any number of header values. A
/// clone costs one reference count.
///
/// ```
/// use cloakroom::cookie::Cookie;
///
/// # fn main() -> Result<(), cloakroom::cookie::CookieError> {
/// let theme = Cookie::named("theme").build()?;
/// println!("Set-Cookie: {}", theme.set("dark")?);
/// println!("Set-Cookie: {}", theme.remove());
/// assert_eq!(theme.values(["__Host-theme=dark; lang=en"]).next(), Some("dark"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cookie(Arc<Template>);

/// What [`CookieBuilder::build`](super::CookieBuilder::build) has checked.
pub(super) struct Template {
    pub(super) name: String,
    pub(super) scope: Scope,
    /// The attributes without scope and age, as they stand in the header, with their leading semicolon.
    pub(super) flags: String,
    pub(super) max_age: Option<Duration>,
    pub(super) keys: Option<Keys>,
}

impl Cookie {
    /// Fails if the name leaves no room for an empty value, so that removing always works.
    pub(super) fn new(template: Template) -> Result<Cookie, CookieError> {
        let cookie = Cookie(Arc::new(template));
        cookie.check_length("")?;
        Ok(cookie)
    }

    /// The name as it stands in the headers, with its prefix.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The age that [`set`](Cookie::set) gives the cookie, or none for one that ends with the browser.
    pub fn max_age(&self) -> Option<Duration> {
        self.0.max_age
    }

    /// Sets the cookie as the builder described it: until the browser is closed, or permanent with a
    /// Max-Age. The value is signed if there are keys. It is never encoded and never cut.
    ///
    /// ```
    /// use cloakroom::cookie::Cookie;
    ///
    /// # fn main() -> Result<(), cloakroom::cookie::CookieError> {
    /// let theme = Cookie::named("theme").build()?;
    /// assert!(theme.set("dark").is_ok());
    /// assert!(theme.set("dark blue").is_err()); // a space is not allowed
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`CookieError::ValueByte`] if the value is not all cookie-octets (RFC 6265bis section 4.1.1: no
    /// controls, spaces, quotes, commas, semicolons and backslashes, and only ASCII);
    /// [`CookieError::TooLong`] above [`MAX_COOKIE_BYTES`].
    pub fn set(&self, value: &str) -> Result<SetCookie, CookieError> {
        let pair = self.pair(value)?;
        Ok(self.finish(pair, |text| {
            if let Some(max_age) = self.0.max_age {
                age::write(text, age::seconds(max_age), None);
            }
        }))
    }

    /// Sets the cookie with another age than the builder's: permanent with Max-Age and Expires, or, for
    /// none, until the browser is closed.
    ///
    /// Fractions of a second are cut off, and an age above [`MAX_AGE`](super::MAX_AGE) becomes that. An age
    /// under one second gives the header that [removes](Cookie::remove) the cookie, without the value.
    /// `now` is for Expires only, which is left out if it falls outside of the years 1601 to 9999.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// use cloakroom::cookie::Cookie;
    ///
    /// # fn main() -> Result<(), cloakroom::cookie::CookieError> {
    /// let theme = Cookie::named("theme").build()?;
    /// let now = UNIX_EPOCH + Duration::from_secs(784_111_717);
    /// let set = theme.set_with_age("dark", Some(Duration::from_secs(60)), now)?;
    /// assert!(set.as_str().contains("; Max-Age=60; Expires=Sun, 06 Nov 1994 08:49:37 GMT;"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`CookieError::ValueByte`] or [`CookieError::TooLong`], as [`set`](Cookie::set).
    pub fn set_with_age(&self, value: &str, age: Option<Duration>, now: SystemTime) -> Result<SetCookie, CookieError> {
        let pair = self.pair(value)?;
        Ok(match age.map(age::seconds) {
            None => self.finish(pair, |_| ()),
            Some(0) => self.remove(),
            Some(seconds) => self.finish(pair, |text| age::write(text, seconds, Some(now))),
        })
    }

    /// Removes the cookie from the browser: no value, Max-Age=0 and a date long past (RFC 6265bis
    /// section 4.1.2). The attributes are the same, because a browser removes the cookie of this name,
    /// domain and path.
    ///
    /// ```
    /// use cloakroom::cookie::Cookie;
    ///
    /// # fn main() -> Result<(), cloakroom::cookie::CookieError> {
    /// let removal = Cookie::named("theme").build()?.remove();
    /// assert!(removal.as_str().starts_with("__Host-theme=; Max-Age=0;"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn remove(&self) -> SetCookie {
        self.finish(format!("{}=", self.name()), age::write_removal)
    }

    /// Removes what hides this cookie in requests for this host and path: cookies of its name with another Domain or
    /// Path, which a neighbouring host or another page of this host may have planted. Set this cookie after them in the
    /// response.
    ///
    /// The server cannot see where such a cookie came from. So these are guesses, of the parents of host and path, as many
    /// as fit into 2 KiB. A cookie whose prefix is `__Host-` has none, because browsers keep only one of it. `host` may
    /// name a port.
    ///
    /// ```
    /// use cloakroom::cookie::{Cookie, Prefix};
    ///
    /// let sid = Cookie::named("sid").prefix(Prefix::Secure).build()?;
    /// let removals = sid.remove_others("shop.example.org:8443", "/cart");
    /// let parent = "__Secure-sid=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Domain=example.org; Path=/;";
    /// assert!(removals[0].as_str().starts_with(parent));
    /// assert!(Cookie::named("sid").build()?.remove_others("shop.example.org", "/cart").is_empty());
    /// # Ok::<(), cloakroom::cookie::CookieError>(())
    /// ```
    pub fn remove_others(&self, host: &str, path: &str) -> Vec<SetCookie> {
        let port = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let host = port.map_or(host, |(host, _)| host).to_ascii_lowercase();
        let request = Scope { domain: Some(host.clone()), path: path.to_owned() };
        if Prefix::of(self.name()).demands_host() || request.check(self.name()).is_err() {
            return Vec::new();
        }
        let mut room = MAX_REMOVAL_BYTES;
        let removal = |scope: &Scope| self.finish_in(scope, format!("{}=", self.name()), age::write_removal);
        let mut fits = |removal: &SetCookie| {
            room = room.saturating_sub(removal.as_str().len());
            room > 0
        };
        let others = Scope::around(&host, path).filter(|scope| *scope != self.0.scope);
        others.map(|scope| removal(&scope)).take_while(&mut fits).collect()
    }

    /// Reads the values of this cookie from a request's `Cookie` headers, in order.
    ///
    /// The name must match exactly, case and prefix included. There may be several values, because a cookie
    /// of another path, or one that a neighbouring host planted, comes under the same name. Their order does
    /// not tell them apart (RFC 6265bis section 4.2.2), so try them all.
    ///
    /// With keys, only values whose signature verifies are given, and without the signature. Every other
    /// value is left out. A signature proves that this site made the value for this name. It proves neither
    /// for which visitor nor when. A value that is not UTF-8 was not set by this site and is left out, too.
    ///
    /// Bounds and syntax are those of [`pairs`](super::pairs).
    ///
    /// ```
    /// # use cloakroom::cookie::Cookie;
    /// let cookie = Cookie::named("sid").build().unwrap();
    /// let header: &[u8] = b"theme=dark; __Host-sid=abc";
    /// assert_eq!(cookie.values([header]).next(), Some("abc"));
    /// ```
    pub fn values<'c, 'h, T, I>(&'c self, headers: I) -> impl Iterator<Item = &'h str>
    where
        T: AsRef<[u8]> + ?Sized + 'h,
        I: IntoIterator<Item = &'h T>,
    {
        header::pairs(headers)
            .filter(|(name, _)| *name == self.name().as_bytes())
            .filter_map(|(_, value)| std::str::from_utf8(value).ok())
            .filter_map(|value| match &self.0.keys {
                Some(keys) => keys.verify(self.name(), value),
                None => Some(value),
            })
    }

    /// `name=value`, signed if there are keys.
    fn pair(&self, value: &str) -> Result<String, CookieError> {
        if let Some(position) = value.bytes().position(|byte| !is_cookie_octet(byte)) {
            return Err(CookieError::ValueByte { name: self.name().to_owned(), position });
        }
        self.check_length(value)?;
        let mut pair = format!("{}={value}", self.name());
        if let Some(keys) = &self.0.keys {
            keys.append_signature(self.name(), value, &mut pair);
        }
        Ok(pair)
    }

    fn check_length(&self, value: &str) -> Result<(), CookieError> {
        let signature = if self.0.keys.is_some() { SIGNATURE_BYTES } else { 0 };
        let length = self.name().len() + value.len() + signature;
        if length > MAX_COOKIE_BYTES {
            return Err(CookieError::TooLong { name: self.name().to_owned(), length });
        }
        Ok(())
    }

    /// The one place that decides the order of the attributes: the age, then the template's.
    fn finish(&self, pair: String, write_age: impl FnOnce(&mut String)) -> SetCookie {
        self.finish_in(&self.0.scope, pair, write_age)
    }

    fn finish_in(&self, scope: &Scope, pair: String, write_age: impl FnOnce(&mut String)) -> SetCookie {
        SetCookie::new(self.name(), pair, |text| {
            write_age(text);
            scope.write(text);
            text.push_str(&self.0.flags);
        })
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cookie")
            .field("name", &self.0.name)
            .field("scope", &self.0.scope)
            .field("flags", &self.0.flags.trim_start_matches("; "))
            .field("max_age", &self.0.max_age)
            .field("keys", &self.0.keys)
            .finish()
    }
}

/// RFC 6265bis section 4.1.1. Its grammar also allows quotes around a value. They would be a part of the
/// value and protect nothing, so they are refused at its ends as they are elsewhere.
fn is_cookie_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}
