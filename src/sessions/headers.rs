//! The headers that a response gets for its session.

use std::borrow::Cow;

use crate::cookie::{NO_STORE, SetCookie, VARY};

/// A header that a response must carry, from [`Committed::into_headers`](crate::Committed::into_headers): `Vary`,
/// `Cache-Control` or `Set-Cookie`.
///
/// An adapter compares it with each value that the response has under the same name. It takes out those that the header
/// [`replaces`](ResponseHeader::replaces), and appends the header unless one that is left
/// [covers](ResponseHeader::is_covered_by) it:
///
/// ```
/// use cloakroom::ResponseHeader;
///
/// fn add(response: &mut Vec<(String, String)>, header: ResponseHeader) {
///     let name = header.name();
///     response.retain(|(other, value)| other != name || !header.replaces(value.as_bytes()));
///     if !response.iter().any(|(other, value)| other == name && header.is_covered_by(value.as_bytes())) {
///         response.push((name.to_owned(), header.into_value().into_owned()));
///     }
/// }
///
/// let mut response = vec![("vary".to_owned(), "Accept, Cookie".to_owned())];
/// for header in ResponseHeader::PRIVATE {
///     add(&mut response, header);
/// }
/// assert_eq!(response[1..], [("cache-control".to_owned(), "no-store".to_owned())]);
/// ```
#[derive(Clone, Debug)]
pub struct ResponseHeader(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Vary,
    NoStore,
    SetCookie(SetCookie),
}

impl ResponseHeader {
    /// The headers that keep a shared cache from giving the response to another visitor: `Vary: Cookie`, and
    /// `Cache-Control: no-store` unless the handler has set a Cache-Control of its own.
    ///
    /// [`Committed::into_headers`](crate::Committed::into_headers) contains them where they are needed. A response to
    /// an [`Error`](crate::Error) needs them, too.
    pub const PRIVATE: [Self; 2] = [Self(Kind::Vary), Self(Kind::NoStore)];

    pub(super) fn set_cookie(cookie: SetCookie) -> Self {
        Self(Kind::SetCookie(cookie))
    }

    /// The header's name, in lower case.
    pub fn name(&self) -> &'static str {
        match self.0 {
            Kind::Vary => VARY.0,
            Kind::NoStore => NO_STORE.0,
            Kind::SetCookie(_) => "set-cookie",
        }
    }

    /// The header's value: ASCII without controls.
    pub fn value(&self) -> &str {
        match &self.0 {
            Kind::Vary => VARY.1,
            Kind::NoStore => NO_STORE.1,
            Kind::SetCookie(cookie) => cookie.as_str(),
        }
    }

    /// The header's value, without a copy.
    pub fn into_value(self) -> Cow<'static, str> {
        match self.0 {
            Kind::Vary => Cow::Borrowed(VARY.1),
            Kind::NoStore => Cow::Borrowed(NO_STORE.1),
            Kind::SetCookie(cookie) => Cow::Owned(cookie.into_string()),
        }
    }

    /// Whether the value holds the session's id. It must then stay out of logs, and out of the tables of HPACK and
    /// QPACK (RFC 7541 section 7.1.3).
    pub fn is_secret(&self) -> bool {
        matches!(self.0, Kind::SetCookie(_))
    }

    /// Whether `present`, a value that the response has under this name, must be taken out. A response sets each cookie
    /// at most once (RFC 6265bis section 4.1.1).
    pub fn replaces(&self, present: &[u8]) -> bool {
        match &self.0 {
            Kind::Vary | Kind::NoStore => false,
            Kind::SetCookie(cookie) => cookie.replaces(present),
        }
    }

    /// Whether `present`, a value that the response has under this name, makes this header needless: a `Vary` that
    /// names Cookie or is `*`, and any Cache-Control.
    pub fn is_covered_by(&self, present: &[u8]) -> bool {
        match self.0 {
            Kind::Vary => present.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).any(is_cookie_or_all),
            Kind::NoStore => true,
            Kind::SetCookie(_) => false,
        }
    }
}

fn is_cookie_or_all(name: &[u8]) -> bool {
    name == b"*" || name.eq_ignore_ascii_case(VARY.1.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::Cookie;

    #[test]
    fn vary_is_covered_by_a_list_that_names_cookie_and_by_a_star() {
        let [vary, _] = ResponseHeader::PRIVATE;
        for present in ["Cookie", "cookie", "accept, cookie", "*", "a , * "] {
            assert!(vary.is_covered_by(present.as_bytes()), "{present}");
        }
        for present in ["", "Accept-Encoding", "X-Cookie", "Cookie2"] {
            assert!(!vary.is_covered_by(present.as_bytes()), "{present}");
        }
        assert!(!vary.replaces(b"Accept-Encoding"));
    }

    #[test]
    fn a_cache_control_of_the_handlers_own_stays() {
        let [_, no_store] = ResponseHeader::PRIVATE;
        assert!(no_store.is_covered_by(b"private, max-age=5") && !no_store.replaces(b"private, max-age=5"));
    }

    #[test]
    fn a_cookie_replaces_its_own_name_only_and_its_debug_hides_the_value() {
        let header = ResponseHeader::set_cookie(Cookie::named("sid").build().unwrap().set("secret").unwrap());
        assert!(header.replaces(b"__Host-sid=planted; Path=/"));
        assert!(!header.replaces(b"__Host-sidecar=2") && !header.is_covered_by(b"__Host-sid=planted; Path=/"));
        assert!(header.is_secret() && !format!("{header:?}").contains("secret"));
        assert_eq!(header.value(), header.clone().into_value());
    }
}
