//! To which hosts and paths a browser sends a cookie: its Domain and its Path, held to what browsers match
//! (RFC 6265bis section 5.1).
//!
//! Which scope a name's prefix demands is not decided here.

use std::net::Ipv4Addr;

use super::error::CookieError;

/// The most bytes that the value of one attribute may have. Browsers ignore a longer one (RFC 6265bis
/// section 5.6).
pub const MAX_ATTRIBUTE_BYTES: usize = 1024;

/// The most bytes that a host's name has in the DNS, and the most that one of its labels has (RFC 1035 section 2.3.4).
const MAX_HOST_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// A Domain, or none for the one host that sets the cookie, and a Path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) domain: Option<String>,
    pub(super) path: String,
}

impl Scope {
    /// Refuses a scope that browsers would change, or that no request is in.
    pub(super) fn check(&self, name: &str) -> Result<(), CookieError> {
        check_path(name, &self.path)?;
        self.domain.as_deref().map_or(Ok(()), |domain| check_domain(name, domain))
    }

    /// The attributes as they stand in the header.
    pub(super) fn write(&self, text: &mut String) {
        if let Some(domain) = &self.domain {
            text.push_str("; Domain=");
            text.push_str(domain);
        }
        text.push_str("; Path=");
        text.push_str(&self.path);
    }

    /// The scopes that a request for this host and path is in, those of the widest domains and the shortest paths first.
    pub(super) fn around(host: &str, path: &str) -> impl Iterator<Item = Scope> {
        let is_address = host.parse::<Ipv4Addr>().is_ok();
        let wider = host.match_indices('.').map(|(dot, _)| &host[dot + 1..]);
        // A browser takes no cookie for a domain of one label, unless that is the host itself.
        let wider = wider.filter(|domain| !is_address && domain.contains('.'));
        let mut domains: Vec<_> = wider.map(|domain| Some(domain.to_owned())).collect();
        domains.reverse();
        domains.extend([Some(host.to_owned()), None]);
        // A cookie of `/a` and one of `/a/` are both sent to `/a/b` (RFC 6265bis section 5.1.4).
        let ends = path.match_indices('/').flat_map(|(at, _)| [at, at + 1]).filter(|end| *end > 0);
        let ends = ends.chain((!path.ends_with('/')).then_some(path.len()));
        ends.flat_map(move |end| {
            domains.clone().into_iter().map(move |domain| Scope { domain, path: path[..end].to_owned() })
        })
    }
}

/// Browsers replace a path without a leading slash by one of their own choice. Any other they compare byte by byte with
/// the path that they ask for, which they have normalized and percent-encoded (WHATWG URL, path state).
fn check_path(name: &str, path: &str) -> Result<(), CookieError> {
    const ALLOWED: &str =
        "printable ASCII without blanks and `;\"#<>?\\^`{|}`, which browsers percent-encode or cut off";
    check_bytes(name, "Path", path, ALLOWED, |byte| byte.is_ascii_graphic() && !b";\"#<>?\\^`{|}".contains(&byte))?;
    let is_dots = |segment: &str| matches!(&*segment.to_ascii_lowercase().replace("%2e", "."), "." | "..");
    if !path.starts_with('/') {
        return ignored(
            name,
            "Path",
            "does not begin with `/`, so browsers would put a path of their own in its place",
        );
    }
    if path.split('/').any(is_dots) {
        return ignored(name, "Path", "has a segment `.` or `..`, which no path has that a browser asks for");
    }
    Ok(())
}

/// Browsers ignore an empty domain, drop one leading dot, and compare the rest with the host's name in lower case.
fn check_domain(name: &str, domain: &str) -> Result<(), CookieError> {
    const ALLOWED: &str = "letters, digits, `-`, `_` and `.`";
    check_bytes(name, "Domain", domain, ALLOWED, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
    })?;
    let host = domain.strip_prefix('.').unwrap_or(domain);
    let is_label =
        |label: &str| (1..=MAX_LABEL_BYTES).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
    if host.is_empty() {
        return ignored(name, "Domain", "names no host; leave it away for a cookie of this host only");
    }
    if host.len() > MAX_HOST_BYTES || !host.split('.').all(is_label) {
        return ignored(name, "Domain", "is no name that a host has, and browsers match no other (RFC 1035)");
    }
    // Browsers read a name whose last label is a number as an IPv4 address, and write that in its one usual way.
    let last = host.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").or(last.strip_prefix("0X"));
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if is_number && host.parse::<Ipv4Addr>().is_err() {
        return ignored(name, "Domain", "ends with a number and is no IPv4 address, so no host has this name");
    }
    Ok(())
}

fn ignored(name: &str, attribute: &'static str, why: &'static str) -> Result<(), CookieError> {
    Err(CookieError::AttributeIgnored { name: name.to_owned(), attribute, why })
}

fn check_bytes(
    name: &str,
    attribute: &'static str,
    value: &str,
    allowed: &'static str,
    is_allowed: impl Fn(u8) -> bool,
) -> Result<(), CookieError> {
    let name = || name.to_owned();
    if value.len() > MAX_ATTRIBUTE_BYTES {
        return Err(CookieError::AttributeTooLong { name: name(), attribute, length: value.len() });
    }
    match value.bytes().enumerate().find(|(_, byte)| !is_allowed(*byte)) {
        Some((position, byte)) => Err(CookieError::AttributeByte { name: name(), attribute, position, byte, allowed }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(host: &str, path: &str) -> Vec<String> {
        let text = |scope: Scope| format!("{} {}", scope.domain.as_deref().unwrap_or("-"), scope.path);
        Scope::around(host, path).map(text).collect()
    }

    #[test]
    fn a_request_is_in_the_scopes_of_its_hosts_domains_and_of_all_paths_above_its_own() {
        assert_eq!(around("localhost", "/"), ["localhost /", "- /"]);
        assert_eq!(around("127.0.0.1", "/"), ["127.0.0.1 /", "- /"]);
        let domains = ["example.org", "shop.example.org", "-"];
        let paths = ["/", "/a", "/a/", "/a/b"];
        let all: Vec<_> = paths.iter().flat_map(|path| domains.map(|domain| format!("{domain} {path}"))).collect();
        assert_eq!(around("shop.example.org", "/a/b"), all);
    }
}
