use std::fmt;

use super::CookieError;

/// A beginning of a cookie's name by which browsers hold the cookie to rules of its own
/// (RFC 6265bis section 4.1.3).
///
/// The rules are what keeps another page from planting a cookie: it cannot, under such a name, without
/// the attributes that the prefix demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Prefix {
    /// No prefix, and no rules.
    None,
    /// `__Secure-`: demands Secure.
    Secure,
    /// `__Host-`: demands Secure, Path=/ and no Domain, so that only this very host can have set it.
    Host,
    /// `__Http-`: demands Secure and HttpOnly, so that no script can have set it.
    Http,
    /// `__Host-Http-`: demands what [`Prefix::Host`] and [`Prefix::Http`] demand.
    HostHttp,
}

impl Prefix {
    /// The prefix as it stands before a name, `__Host-` for instance; empty for [`Prefix::None`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Prefix::None => "",
            Prefix::Secure => "__Secure-",
            Prefix::Host => "__Host-",
            Prefix::Http => "__Http-",
            Prefix::HostHttp => "__Host-Http-",
        }
    }

    /// The prefix that a browser sees in a name: the longest one that fits, in whatever case
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

/// Puts the prefix before a bare name and checks the result. A name that brings a prefix along keeps it
/// and gets no second one; with `asked` unset, `__Host-` is the default for all others.
pub(super) fn finish(bare: &str, asked: Option<Prefix>) -> Result<String, CookieError> {
    let own = Prefix::of(bare);
    let name = match (own, asked) {
        (Prefix::None, asked) => format!("{}{bare}", asked.unwrap_or(Prefix::Host).as_str()),
        (own, Some(asked)) if asked != own && asked != Prefix::None => {
            return Err(CookieError::SecondPrefix { name: bare.to_owned(), own, asked });
        }
        _ => bare.to_owned(),
    };
    if let Some(position) = name.bytes().position(|byte| !is_token_byte(byte)) {
        let byte = name.as_bytes()[position];
        return Err(CookieError::NameByte { name, position, byte });
    }
    // Asked of the finished name: `__Host-` before `Http-sid` makes `__Host-Http-sid`.
    if name.len() == Prefix::of(&name).as_str().len() {
        return Err(CookieError::EmptyName { name });
    }
    Ok(name)
}

/// `tchar` of RFC 9110 section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
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

    #[test]
    fn a_name_with_a_prefix_gets_no_second_one() {
        assert_eq!(finish("sid", None).unwrap(), "__Host-sid");
        assert_eq!(finish("sid", Some(Prefix::None)).unwrap(), "sid");
        assert_eq!(finish("__secure-sid", None).unwrap(), "__secure-sid");
        assert_eq!(finish("__Host-sid", Some(Prefix::Host)).unwrap(), "__Host-sid");
        assert_eq!(finish("__Host-sid", Some(Prefix::None)).unwrap(), "__Host-sid");
        assert!(matches!(
            finish("__Secure-sid", Some(Prefix::Host)),
            Err(CookieError::SecondPrefix { own: Prefix::Secure, asked: Prefix::Host, .. })
        ));
    }

    #[test]
    fn a_prefix_alone_is_no_name() {
        for (bare, prefix) in [
            ("", None),
            ("", Some(Prefix::None)),
            ("__Host-", None),
            ("__HTTP-", Some(Prefix::None)),
            ("Http-", Some(Prefix::Host)),
        ] {
            assert!(matches!(finish(bare, prefix), Err(CookieError::EmptyName { .. })), "{bare:?}");
        }
    }
}
