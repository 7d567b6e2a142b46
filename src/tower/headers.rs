//! What a session means for the headers of a response.

use http::HeaderMap;
use http::header::{CACHE_CONTROL, Entry, HeaderValue, SET_COOKIE, VARY};

use crate::cookie::{NO_STORE, SetCookie, VARY as VARY_COOKIE};

/// Keeps shared caches from giving the response to another visitor. A Cache-Control of the handler's own stays.
pub(crate) fn mark_private(headers: &mut HeaderMap) {
    if !varies_by_cookie(headers) {
        headers.append(VARY, HeaderValue::from_static(VARY_COOKIE.1));
    }
    if let Entry::Vacant(vacant) = headers.entry(CACHE_CONTROL) {
        vacant.insert(HeaderValue::from_static(NO_STORE.1));
    }
}

fn varies_by_cookie(headers: &HeaderMap) -> bool {
    headers.get_all(VARY).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).any(|name| {
        let name = name.trim_ascii();
        name == b"*" || name.eq_ignore_ascii_case(b"cookie")
    })
}

/// Adds the Set-Cookie, in place of any of the same name: a response sets a cookie once (RFC 6265bis, 4.1.1).
pub(super) fn set_cookie(headers: &mut HeaderMap, cookie: &SetCookie) {
    if let Entry::Occupied(set) = headers.entry(SET_COOKIE)
        && set.iter().any(|other| cookie.replaces(other.as_bytes()))
    {
        let (_, others) = set.remove_entry_mult();
        let others: Vec<_> = others.filter(|other| !cookie.replaces(other.as_bytes())).collect();
        for other in others {
            headers.append(SET_COOKIE, other);
        }
    }
    let mut value = HeaderValue::from_str(cookie.as_str()).expect("a Set-Cookie is ASCII without controls");
    // Not to be shown by Debug, nor kept in HPACK's tables.
    value.set_sensitive(true);
    headers.append(SET_COOKIE, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(vary: &[&'static str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in vary {
            headers.append(VARY, HeaderValue::from_static(value));
        }
        mark_private(&mut headers);
        headers.get_all(VARY).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn vary_is_appended_once() {
        assert_eq!(marked(&[]), ["Cookie"]);
        assert_eq!(marked(&["Accept-Encoding"]), ["Accept-Encoding", "Cookie"]);
        assert_eq!(marked(&["accept, cookie"]), ["accept, cookie"]);
        assert_eq!(marked(&["*"]), ["*"]);
        assert_eq!(marked(&["X-Cookie"]), ["X-Cookie", "Cookie"]);
    }
}
