//! The session id: what the visitor's cookie holds. It exists in the cookie and in memory only.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::model::error::{Error, ErrorKind, Result};

const BYTES: usize = 24;
const CHARS: usize = 32;

/// A session id: 192 bits from the operating system's generator, written as 32 base64url characters.
///
/// 24 bytes fill 32 characters exactly, so an id has one spelling and no padding. An id says nothing about its
/// session (OWASP ASVS 5.0, 7.2.3). No store ever sees an id: stores know the [`SessionKey`](crate::SessionKey)
/// derived from it. `Debug` does not show the id, there is no `Display`, and two ids are compared in constant time.
///
/// ```
/// use cloakroom::{SessionId, SessionKey};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let id = SessionId::generate()?;
/// let from_cookie = SessionId::parse(id.expose())?;
/// assert_eq!(from_cookie, id);
/// assert_eq!(format!("{id:?}"), "SessionId(..)");
///
/// let key = SessionKey::of(&id); // what a store may know
/// # let _ = key;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SessionId([u8; BYTES]);

/// Why a string is not a session id. The error never shows the string, which may be most of a valid id.
///
/// ```
/// use cloakroom::{InvalidId, SessionId};
///
/// let error = SessionId::parse("short").unwrap_err();
/// assert_eq!(error, InvalidId::Length(5));
/// assert_eq!(error.to_string(), "a session id has 32 characters, this has 5");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidId {
    /// Not 32 characters.
    #[error("a session id has 32 characters, this has {0}")]
    Length(usize),
    /// A character outside `A-Z a-z 0-9 - _`.
    #[error("a session id is made of A-Z, a-z, 0-9, - and _ only")]
    Alphabet,
}

impl SessionId {
    /// A new id from the operating system's cryptographic generator.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Random`] if the generator fails. There is no fallback to a weaker one.
    pub fn generate() -> Result<Self> {
        let mut bytes = [0; BYTES];
        fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Reads an id from a cookie's value. It neither trims the value nor decodes it twice, and it does no I/O.
    ///
    /// # Errors
    ///
    /// [`InvalidId`] for anything but 32 characters of base64url (RFC 4648 section 5).
    ///
    /// ```
    /// use cloakroom::{InvalidId, SessionId};
    ///
    /// assert_eq!(SessionId::parse("too short"), Err(InvalidId::Length(9)));
    /// assert_eq!(SessionId::parse("=".repeat(32)), Err(InvalidId::Alphabet));
    /// ```
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, InvalidId> {
        let text = text.as_ref();
        if text.len() != CHARS {
            return Err(InvalidId::Length(text.len()));
        }
        let mut bytes = [0; BYTES];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(BYTES) => Ok(Self(bytes)),
            _ => Err(InvalidId::Alphabet),
        }
    }

    /// The 32 characters for the cookie. They are a secret: any client that sends them has the session.
    pub fn expose(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Random bytes from the operating system; the only source of randomness for secrets.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|cause| Error::new(ErrorKind::Random, "drawing random bytes").because(cause))
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}

impl PartialEq for SessionId {
    fn eq(&self, other: &Self) -> bool {
        // BLAKE3's hash compares in constant time.
        blake3::hash(&self.0) == blake3::hash(&other.0)
    }
}

impl Eq for SessionId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_cookie() {
        let id = SessionId::generate().unwrap();
        assert_eq!(id.expose().len(), CHARS);
        assert_eq!(SessionId::parse(id.expose()).unwrap(), id);
    }

    #[test]
    fn anything_but_32_base64url_characters_is_refused() {
        assert_eq!(SessionId::parse("").unwrap_err(), InvalidId::Length(0));
        assert_eq!(SessionId::parse("a".repeat(33)).unwrap_err(), InvalidId::Length(33));
        assert_eq!(SessionId::parse("a".repeat(1 << 20)).unwrap_err(), InvalidId::Length(1 << 20));
        for odd in ["+", "/", "=", " ", "\"", "\0", "%", ";"] {
            let text = format!("{}{odd}", "a".repeat(31));
            assert_eq!(SessionId::parse(&text).unwrap_err(), InvalidId::Alphabet, "{odd:?}");
        }
        assert_eq!(SessionId::parse([0xff; 32]).unwrap_err(), InvalidId::Alphabet);
    }

    #[test]
    fn debug_does_not_show_it() {
        let id = SessionId::generate().unwrap();
        assert_eq!(format!("{id:?}"), "SessionId(..)");
    }
}
