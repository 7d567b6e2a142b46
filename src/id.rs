//! The ticket itself: what the visitor's cookie holds. It exists in the cookie and in memory only.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Error, ErrorKind, Result};

const BYTES: usize = 24;
const CHARS: usize = 32;

/// A session id: 192 bits from the operating system's generator, written as 32 base64url characters.
///
/// 24 bytes fill 32 characters exactly, so an id has one spelling and no padding. An id says nothing about its
/// session (OWASP ASVS 5.0, 7.2.3). No store ever sees it: stores know the [`SessionKey`](crate::SessionKey)
/// derived from it. `Debug` does not show it, there is no `Display`, and two ids are compared in constant time.
#[derive(Clone)]
pub struct SessionId([u8; BYTES]);

/// Why a string is no session id. It never shows the string.
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
    /// [`ErrorKind::Random`] if the generator fails; there is no fallback.
    pub fn generate() -> Result<Self> {
        let mut bytes = [0; BYTES];
        fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Reads an id from a cookie's value. Nothing is trimmed or decoded twice, and no I/O happens.
    ///
    /// # Errors
    ///
    /// [`InvalidId`] for anything but 32 base64url characters.
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

    /// The 32 characters for the cookie. Whoever reads them has the session.
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
