//! The headers that a response gets for its session, and what they make of those that it has.

use std::borrow::Cow;

use crate::cookie::{NO_STORE, SetCookie, VARY};

/// A header that a response must carry, from [`Committed::into_headers`](crate::Committed::into_headers): `Vary`,
/// `Cache-Control` or `Set-Cookie`.
///
/// An adapter takes out of the response each header that this one [`replaces`](ResponseHeader::replaces), and appends
/// this one unless a value that the response has under the same name [covers](ResponseHeader::is_covered_by) it:
///
/// ```
/// use cloakroom::ResponseHeader;
///
/// fn add(response: &mut Vec<(String, String)>, header: ResponseHeader) {
///     let name = header.name();
///     response.retain(|(other, value)| !header.replaces(other, value.as_bytes()));
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
    /// `Cache-Control: no-store`; where the response carries a cookie, whatever the handler said.
    NoStore {
        has_cookie: bool,
    },
    /// The session's cookie or the removal of another of its name. The first takes the place of those that the
    /// response has.
    SetCookie {
        cookie: SetCookie,
        is_first: bool,
    },
}

impl ResponseHeader {
    /// The headers that keep a shared cache from giving the response to another visitor: `Vary: Cookie`, and
    /// `Cache-Control: no-store` unless the handler has set a Cache-Control of its own.
    ///
    /// [`Committed::into_headers`](crate::Committed::into_headers) contains them where they are needed. A response to
    /// an [`Error`](crate::Error) needs them, too.
    pub const PRIVATE: [Self; 2] = [Self(Kind::Vary), Self(Kind::NoStore { has_cookie: false })];

    /// The same for a response that carries a cookie. No Cache-Control of the handler's own stands beside `no-store`, for
    /// a cache that stores the response gives one visitor's session to the next.
    pub(crate) const WITH_COOKIE: [Self; 2] = [Self(Kind::Vary), Self(Kind::NoStore { has_cookie: true })];

    pub(crate) fn set_cookie(cookie: SetCookie, is_first: bool) -> Self {
        Self(Kind::SetCookie { cookie, is_first })
    }

    /// The header's name, in lower case.
    pub fn name(&self) -> &'static str {
        match self.0 {
            Kind::Vary => VARY.0,
            Kind::NoStore { .. } => NO_STORE.0,
            Kind::SetCookie { .. } => "set-cookie",
        }
    }

    /// The header's value: ASCII without controls.
    pub fn value(&self) -> &str {
        match &self.0 {
            Kind::Vary => VARY.1,
            Kind::NoStore { .. } => NO_STORE.1,
            Kind::SetCookie { cookie, .. } => cookie.as_str(),
        }
    }

    /// The header's value, without a copy.
    pub fn into_value(self) -> Cow<'static, str> {
        match self.0 {
            Kind::Vary => Cow::Borrowed(VARY.1),
            Kind::NoStore { .. } => Cow::Borrowed(NO_STORE.1),
            Kind::SetCookie { cookie, .. } => Cow::Owned(cookie.into_string()),
        }
    }

    /// Whether the value holds the session's id. It must then stay out of logs, and out of the tables of HPACK and
    /// QPACK (RFC 7541 section 7.1.3).
    pub fn is_secret(&self) -> bool {
        matches!(self.0, Kind::SetCookie { .. })
    }

    /// Whether a header that the response has must be taken out, whatever its name.
    ///
    /// A response has one cookie of the session's name (RFC 6265bis section 4.1.1), and beside it removals of what hides
    /// that. A response with the cookie is `no-store` for every cache: headers that address some caches alone, such as
    /// `CDN-Cache-Control` (RFC 9213), go before `Cache-Control` there.
    pub fn replaces(&self, name: &str, present: &[u8]) -> bool {
        match &self.0 {
            Kind::Vary | Kind::NoStore { has_cookie: false } => false,
            Kind::NoStore { has_cookie: true } => name.eq_ignore_ascii_case(NO_STORE.0) || addresses_some_caches(name),
            Kind::SetCookie { cookie, is_first } => {
                *is_first && name.eq_ignore_ascii_case("set-cookie") && cookie.replaces(present)
            }
        }
    }

    /// Whether `present`, a value that the response has under this name, makes this header needless: a `Vary` that
    /// names Cookie or is `*`, and any Cache-Control.
    pub fn is_covered_by(&self, present: &[u8]) -> bool {
        match self.0 {
            Kind::Vary => list(present).any(is_cookie_or_all),
            Kind::NoStore { .. } => true,
            Kind::SetCookie { .. } => false,
        }
    }
}

/// Whether a response with these headers may be stored for later requests, as an image may. A cookie that only gets a
/// new age is not worth to forbid that; it goes with another response.
pub(crate) fn may_be_stored(headers: &mut dyn Iterator<Item = (&str, &[u8])>) -> bool {
    let (mut cache_control, mut expires) = (None, false);
    for (name, value) in headers {
        if addresses_some_caches(name) {
            return true;
        }
        if name.eq_ignore_ascii_case(NO_STORE.0) {
            let is_reused = list(value).any(|directive| !directive.is_empty() && !forbids_reuse(directive));
            let is_forbidden = list(value).any(|directive| directive.eq_ignore_ascii_case(NO_STORE.1.as_bytes()));
            cache_control = Some(cache_control.unwrap_or(true) && !is_forbidden && is_reused);
        }
        // A value that is no date, such as 0, means the past (RFC 9111 section 5.3).
        expires |= name.eq_ignore_ascii_case("expires") && value.first().is_some_and(u8::is_ascii_alphabetic);
    }
    cache_control.unwrap_or(expires)
}

/// Headers that some caches obey in the place of Cache-Control: those of RFC 9213 and of the W3C's Edge Architecture, of
/// Akamai and of nginx.
fn addresses_some_caches(name: &str) -> bool {
    const SUFFIX: &str = "-cache-control";
    let suffix = name.len().checked_sub(SUFFIX.len()).and_then(|at| name.get(at..));
    suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(SUFFIX))
        || ["surrogate-control", "edge-control", "x-accel-expires"].iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// Whether a directive of Cache-Control lets no cache answer a later request without the server.
fn forbids_reuse(directive: &[u8]) -> bool {
    let forbids: [&[u8]; 8] = [
        b"no-store",
        b"no-cache",
        b"private",
        b"max-age=0",
        b"s-maxage=0",
        b"must-revalidate",
        b"proxy-revalidate",
        b"no-transform",
    ];
    forbids.iter().any(|other| directive.eq_ignore_ascii_case(other))
}

fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
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
        assert!(!vary.replaces("vary", b"Accept-Encoding"));
    }

    #[test]
    fn a_cache_control_of_the_handlers_own_stays_unless_the_response_carries_the_cookie() {
        let ([_, no_store], [_, with_cookie]) = (ResponseHeader::PRIVATE, ResponseHeader::WITH_COOKIE);
        assert!(no_store.is_covered_by(b"private, max-age=5"));
        for name in ["cache-control", "CDN-Cache-Control", "my-own-cache-control", "Surrogate-Control"] {
            assert!(!no_store.replaces(name, b"public"), "{name}");
            assert!(with_cookie.replaces(name, b"public"), "{name}");
        }
        for name in ["expires", "x-cache", "-control", "vary"] {
            assert!(!with_cookie.replaces(name, b"public"), "{name}");
        }
    }

    #[test]
    fn a_response_may_be_stored_where_its_headers_let_a_cache_answer_alone() {
        let may = |headers: &[(&str, &str)]| {
            may_be_stored(&mut headers.iter().map(|(name, value)| (*name, value.as_bytes())))
        };
        for headers in [
            [("cache-control", "public")],
            [("Cache-Control", "max-age=31536000, immutable")],
            [("cache-control", "private, max-age=60")],
            [("cache-control", "must-revalidate, s-maxage=5")],
            [("cdn-cache-control", "max-age=0")],
            [("surrogate-control", "max-age=1")],
            [("expires", "Thu, 01 Dec 2094 16:00:00 GMT")],
        ] {
            assert!(may(&headers), "{headers:?}");
        }
        for headers in [
            [("cache-control", "public, no-store")],
            [("cache-control", "no-cache")],
            [("cache-control", "private")],
            [("cache-control", "Max-Age=0, must-revalidate")],
            [("cache-control", "")],
            [("expires", "0")],
            [("etag", "\"1\"")],
        ] {
            assert!(!may(&headers), "{headers:?}");
        }
        assert!(!may(&[("expires", "Thu, 01 Dec 2094 16:00:00 GMT"), ("cache-control", "no-store")]));
        assert!(!may(&[("cache-control", "no-store"), ("cache-control", "public")]));
    }

    #[test]
    fn a_cookie_replaces_its_own_name_only_and_its_debug_hides_the_value() {
        let cookie = Cookie::named("sid").build().unwrap().set("secret").unwrap();
        let header = ResponseHeader::set_cookie(cookie, true);
        assert!(header.replaces("set-cookie", b"__Host-sid=planted; Path=/"));
        assert!(!header.replaces("set-cookie", b"__Host-sidecar=2"));
        assert!(!header.replaces("x-cookie", b"__Host-sid=planted"));
        assert!(!header.is_covered_by(b"__Host-sid=planted; Path=/"));
        assert!(header.is_secret() && !format!("{header:?}").contains("secret"));
        assert_eq!(header.value(), header.clone().into_value());
    }
}
