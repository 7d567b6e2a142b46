//! Name prefixes by which a browser holds a cookie to rules.

use std::fmt;

/// A prefix of a cookie's name by which browsers hold the cookie to rules (RFC 6265bis section 4.1.3).
///
/// A browser drops a cookie with such a name unless it has the attributes that the prefix demands. So
/// another host or a script cannot plant it.
///
/// ```
/// use cloakroom::cookie::{Cookie, Prefix};
///
/// # fn main() -> Result<(), cloakroom::cookie::CookieError> {
/// let sid = Cookie::named("sid").prefix(Prefix::HostHttp).build()?;
/// assert_eq!(sid.name(), "__Host-Http-sid");
/// assert_eq!(Prefix::of("__hOST-sid"), Prefix::Host);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Prefix {
    /// No prefix and no rules.
    None,
    /// `__Secure-`: demands Secure.
    Secure,
    /// `__Host-`: demands Secure, Path=/ and no Domain, so that only this host can have set the cookie.
    Host,
    /// `__Http-`: demands Secure and HttpOnly, so that no script can have set the cookie.
    Http,
    /// `__Host-Http-`: demands what [`Prefix::Host`] and [`Prefix::Http`] demand.
    HostHttp,
}

impl Prefix {
    /// The text of the prefix, such as `__Host-`. It is empty for [`Prefix::None`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Prefix::None => "",
            Prefix::Secure => "__Secure-",
            Prefix::Host => "__Host-",
            Prefix::Http => "__Http-",
            Prefix::HostHttp => "__Host-Http-",
        }
    }

    /// The prefix that a browser finds in a name: the longest that matches, in upper or lower case
    /// (RFC 6265bis section 5.7).
    pub fn of(name: &str) -> Prefix {
        [Prefix::HostHttp, Prefix::Host, Prefix::Http, Prefix::Secure]
            .into_iter()
            .find(|prefix| {
                name.get(..prefix.as_str().len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_str()))
            })
            .unwrap_or(Prefix::None)
    }

    pub(super) const fn demands_secure(self) -> bool {
        !matches!(self, Prefix::None)
    }

    pub(super) const fn demands_http_only(self) -> bool {
        matches!(self, Prefix::Http | Prefix::HostHttp)
    }

    pub(super) const fn demands_host(self) -> bool {
        matches!(self, Prefix::Host | Prefix::HostHttp)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Prefix::None => "no prefix",
            prefix => prefix.as_str(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_is_seen_in_any_case() {
        for (name, prefix) in [
            ("__Host-sid", Prefix::Host),
            ("__hOST-sid", Prefix::Host),
            ("__host-http-sid", Prefix::HostHttp),
            ("__HTTP-sid", Prefix::Http),
            ("__SECURE-", Prefix::Secure),
            ("__Host", Prefix::None),
            ("_Host-sid", Prefix::None),
            ("x__Host-sid", Prefix::None),
            ("__Hos\u{e9}-", Prefix::None),
            ("", Prefix::None),
        ] {
            assert_eq!(Prefix::of(name), prefix, "{name}");
        }
    }
}
