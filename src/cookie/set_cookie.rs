//! The values of `Set-Cookie` headers, as they are sent.

use std::fmt;

use super::header;

/// A finished value for a `Set-Cookie` header, made by [`Cookie::set`](super::Cookie::set) and its
/// companions.
///
/// Display and [`as_str`](SetCookie::as_str) give the header's value, and so the cookie's, which may be a
/// secret. Debug leaves the cookie's value out. The text is ASCII without controls, so every HTTP library
/// accepts it.
///
/// ```
/// use cloakroom::cookie::Cookie;
///
/// # fn main() -> Result<(), cloakroom::cookie::CookieError> {
/// let set = Cookie::named("sid").build()?.set("secret")?;
/// assert_eq!(set.as_str(), "__Host-sid=secret; Path=/; Secure; HttpOnly; SameSite=Lax");
/// assert!(!format!("{set:?}").contains("secret"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SetCookie {
    text: String,
    name_len: usize,
    /// Where the cookie's value ends and the attributes begin.
    pair_len: usize,
}

impl SetCookie {
    /// Appends the attributes to `name=value`.
    pub(super) fn new(name: &str, pair: String, attributes: impl FnOnce(&mut String)) -> SetCookie {
        let (name_len, pair_len) = (name.len(), pair.len());
        let mut text = pair;
        attributes(&mut text);
        SetCookie { text, name_len, pair_len }
    }

    /// The whole header value.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The whole header value, without a copy.
    pub fn into_string(self) -> String {
        self.text
    }

    /// The cookie's name, with its prefix.
    pub fn name(&self) -> &str {
        &self.text[..self.name_len]
    }

    /// Whether this sets the same cookie as another `Set-Cookie` header's value. The server then removes the
    /// other one from the response, which sets each name at most once (RFC 6265bis section 4.1.1).
    ///
    /// ```
    /// use cloakroom::cookie::Cookie;
    ///
    /// # fn main() -> Result<(), cloakroom::cookie::CookieError> {
    /// let set = Cookie::named("sid").build()?.set("new")?;
    /// assert!(set.replaces(b"__Host-sid=old; Path=/; Secure"));
    /// assert!(!set.replaces(b"sid=old; Path=/"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn replaces(&self, header: &[u8]) -> bool {
        let pair = header.split(|&byte| byte == b';').next().unwrap_or_default();
        header::split(pair).is_some_and(|(name, _)| name == self.name().as_bytes())
    }
}

impl fmt::Display for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SetCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attributes = &self.text[self.pair_len..];
        write!(f, "SetCookie({}=[redacted]{attributes})", self.name())
    }
}

impl From<SetCookie> for String {
    fn from(set_cookie: SetCookie) -> String {
        set_cookie.text
    }
}

/// The cookies that one response sets: at most one for each name, the one pushed last
/// (RFC 6265bis section 4.1.1).
///
/// Only the name decides. A browser keeps cookies of one name for two paths or two domains apart; but a
/// response that sets both, or removes one and sets the other, leaves their order to chance.
///
/// ```
/// use cloakroom::cookie::{Cookie, SetCookies};
///
/// # fn main() -> Result<(), cloakroom::cookie::CookieError> {
/// let theme = Cookie::named("theme").build()?;
/// let mut response = SetCookies::new();
/// response.push(theme.set("light")?);
/// let replaced = response.push(theme.set("dark")?);
/// assert!(replaced.is_some());
/// assert_eq!(response.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetCookies(Vec<SetCookie>);

impl SetCookies {
    /// An empty list.
    pub fn new() -> SetCookies {
        SetCookies::default()
    }

    /// Adds a cookie, and returns the cookie of the same name that it replaces.
    pub fn push(&mut self, cookie: SetCookie) -> Option<SetCookie> {
        match self.0.iter_mut().find(|other| other.name() == cookie.name()) {
            Some(other) => Some(std::mem::replace(other, cookie)),
            None => {
                self.0.push(cookie);
                None
            }
        }
    }

    /// How many cookies are set.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no cookie is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The cookies, in the order in which their names were first pushed.
    pub fn iter(&self) -> std::slice::Iter<'_, SetCookie> {
        self.0.iter()
    }
}

impl IntoIterator for SetCookies {
    type Item = SetCookie;
    type IntoIter = std::vec::IntoIter<SetCookie>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a SetCookies {
    type Item = &'a SetCookie;
    type IntoIter = std::slice::Iter<'a, SetCookie>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Extend<SetCookie> for SetCookies {
    fn extend<I: IntoIterator<Item = SetCookie>>(&mut self, cookies: I) {
        for cookie in cookies {
            self.push(cookie);
        }
    }
}
