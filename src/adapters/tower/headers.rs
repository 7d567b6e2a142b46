//! The core's response headers, as those of the `http` crate.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::{Entry, HeaderName, HeaderValue};

use crate::session::ResponseHeader;

/// Adds the headers, each beside or in place of those that the response has.
pub(super) fn add(headers: &mut HeaderMap, added: impl IntoIterator<Item = ResponseHeader>) {
    for header in added {
        remove_replaced(headers, &header);
        let name = HeaderName::from_static(header.name());
        if headers.get_all(&name).iter().any(|value| header.is_covered_by(value.as_bytes())) {
            continue;
        }
        let is_secret = header.is_secret();
        let mut value = match header.into_value() {
            Cow::Borrowed(value) => HeaderValue::from_static(value),
            Cow::Owned(value) => HeaderValue::try_from(value).expect("a header's value is ASCII without controls"),
        };
        value.set_sensitive(is_secret);
        headers.append(name, value);
    }
}

fn remove_replaced(headers: &mut HeaderMap, header: &ResponseHeader) {
    let is_replaced = |name: &HeaderName, value: &HeaderValue| header.replaces(name.as_str(), value.as_bytes());
    while let Some(name) = headers.iter().find_map(|(name, value)| is_replaced(name, value).then(|| name.clone())) {
        let Entry::Occupied(present) = headers.entry(&name) else { return };
        let (_, values) = present.remove_entry_mult();
        let kept: Vec<_> = values.filter(|value| !is_replaced(&name, value)).collect();
        for value in kept {
            headers.append(&name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_added_unless_a_value_there_covers_it() {
        let mut headers = HeaderMap::new();
        headers.append("vary", HeaderValue::from_static("Accept-Encoding"));
        headers.append("cache-control", HeaderValue::from_static("private"));
        for _ in 0..2 {
            add(&mut headers, ResponseHeader::PRIVATE);
        }
        let vary: Vec<_> = headers.get_all("vary").iter().collect();
        assert_eq!(vary, ["Accept-Encoding", "Cookie"]);
        let cache_control: Vec<_> = headers.get_all("cache-control").iter().collect();
        assert_eq!(cache_control, ["private"]);
    }
}
