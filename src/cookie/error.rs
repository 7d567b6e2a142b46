//! Why a cookie is refused.

use super::prefix::Prefix;

/// Why a cookie was refused: which cookie, where, and by which rule.
///
/// No message and no field contains a cookie's value, a secret or a key.
///
/// ```
/// use cloakroom::cookie::{Cookie, CookieError};
///
/// let error = Cookie::named("sid").path("/shop").build().unwrap_err();
/// assert!(matches!(error, CookieError::PrefixRule { demand: "Path=/", .. }));
/// assert_eq!(
///     error.to_string(),
///     r#"cookie "__Host-sid": the prefix __Host- demands Path=/ (RFC 6265bis section 4.1.3)"#
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CookieError {
    /// The name consists of a prefix only.
    #[error("cookie {name:?} has no name of its own; give it at least one character")]
    EmptyName {
        /// The whole name, with its prefix.
        name: String,
    },

    /// The name is not a token.
    #[error(
        "cookie name {name:?} has byte {byte:#04x} at position {position}; a name is a token: letters, \
         digits and !#$%&'*+-.^_`|~ (RFC 9110 section 5.6.2)"
    )]
    NameByte {
        /// The whole name, with its prefix.
        name: String,
        /// Where the first refused byte stands, counted from 0.
        position: usize,
        /// The refused byte.
        byte: u8,
    },

    /// The name has a prefix, and the builder's caller asked for another.
    #[error("cookie {name:?} already begins with {own}, so it cannot also get {asked}; drop one of them")]
    SecondPrefix {
        /// The name as given.
        name: String,
        /// The prefix that the name begins with.
        own: Prefix,
        /// The prefix that the builder's caller asked for.
        asked: Prefix,
    },

    /// An attribute breaks a rule of the name's prefix, so a browser would drop the cookie.
    #[error("cookie {name:?}: the prefix {prefix} demands {demand} (RFC 6265bis section 4.1.3)")]
    PrefixRule {
        /// The whole name, with its prefix.
        name: String,
        /// The prefix whose rule is broken.
        prefix: Prefix,
        /// What the prefix demands.
        demand: &'static str,
    },

    /// An attribute works only together with Secure, so a browser would drop the cookie.
    #[error("cookie {name:?}: {attribute} demands Secure (RFC 6265bis section 5.7, and CHIPS for Partitioned)")]
    NeedsSecure {
        /// The whole name, with its prefix.
        name: String,
        /// The attribute that makes the demand.
        attribute: &'static str,
    },

    /// An attribute's value has a byte that could end the attribute, or that no browser would match.
    #[error(
        "cookie {name:?}: {attribute} has byte {byte:#04x} at position {position}; it takes {allowed} \
         (RFC 6265bis section 4.1.1)"
    )]
    AttributeByte {
        /// The whole name of the cookie, with its prefix.
        name: String,
        /// The attribute's name.
        attribute: &'static str,
        /// Where the first refused byte stands, counted from 0.
        position: usize,
        /// The refused byte.
        byte: u8,
        /// What the attribute may hold.
        allowed: &'static str,
    },

    /// An attribute's value is one that browsers ignore, which would silently change the cookie.
    #[error("cookie {name:?}: {attribute} {why} (RFC 6265bis section 5.6)")]
    AttributeIgnored {
        /// The whole name of the cookie, with its prefix.
        name: String,
        /// The attribute's name.
        attribute: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },

    /// An attribute's value is longer than browsers read.
    #[error(
        "cookie {name:?}: {attribute} is {length} bytes long; browsers ignore an attribute of more than \
         1024 (RFC 6265bis section 5.6)"
    )]
    AttributeTooLong {
        /// The whole name of the cookie, with its prefix.
        name: String,
        /// The attribute's name.
        attribute: &'static str,
        /// The length of its value, in bytes.
        length: usize,
    },

    /// The value has a byte that a cookie's value may not have. The error does not show the byte.
    #[error(
        "cookie {name:?}: its value has, at position {position}, a byte that is no cookie-octet; encode \
         the value, in base64url for one (RFC 6265bis section 4.1.1)"
    )]
    ValueByte {
        /// The whole name of the cookie, with its prefix.
        name: String,
        /// Where the first refused byte stands, counted from 0.
        position: usize,
    },

    /// Name and value together are longer than browsers store.
    #[error(
        "cookie {name:?}: name and value, with the signature if any, make {length} bytes; browsers drop \
         a cookie of more than 4096 (RFC 6265bis section 5.6)"
    )]
    TooLong {
        /// The whole name of the cookie, with its prefix.
        name: String,
        /// Bytes of the name, the value and the signature together.
        length: usize,
    },

    /// Max-Age is under one second, so a browser would drop each such cookie at once.
    #[error("cookie {name:?}: a Max-Age of less than a second removes the cookie; to do that, call remove()")]
    ZeroMaxAge {
        /// The whole name of the cookie, with its prefix.
        name: String,
    },

    /// A text is none of the values of SameSite.
    #[error("SameSite is Strict, Lax or None (RFC 6265bis section 4.1.2.7)")]
    SameSite,

    /// The secret is too short to derive a key from.
    #[error("a signing secret needs at least 32 bytes, this one has {length}; 32 random bytes are best")]
    ShortSecret {
        /// The length of the secret that was given, in bytes.
        length: usize,
    },

    /// The operating system's random number generator failed, so there is no key.
    #[error("the operating system gave no random bytes for a signing key (its error {code:?})")]
    Random {
        /// The operating system's number of its error, if there is one.
        code: Option<i32>,
    },
}
