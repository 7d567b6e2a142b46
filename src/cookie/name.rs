//! The finished name of a cookie: its prefix and a token.

use super::error::CookieError;
use super::prefix::Prefix;

/// Puts the prefix before a bare name and checks the result. A name that has a prefix already keeps it
/// and gets no second one. For any other name, the default is `__Host-`.
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
    // The finished name decides, because `__Host-` before `Http-sid` makes `__Host-Http-sid`.
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
