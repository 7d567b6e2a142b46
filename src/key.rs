//! What a session is known by everywhere but in the visitor's cookie.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use blake3::Hasher;
use blake3::hazmat::{self, ContextKey, HasherExt as _};

use crate::id::SessionId;

const BYTES: usize = 16;

const CONTEXT_OF_KEYS: &str = "cloakroom session key v1";

/// A session's key: the first 16 bytes of BLAKE3's `derive_key("cloakroom session key v1", id)`.
///
/// Everything stored, listed or logged uses the key. The id cannot be had from it, so a stolen disk or backup
/// opens no session (CVE-2019-16782). Its 32 hexadecimal digits are the public handle that a "your devices" page
/// or an administrator's tool shows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey([u8; BYTES]);

/// A string is no handle: not 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a session handle is 32 hexadecimal digits in lower case")]
pub struct InvalidKey;

impl SessionKey {
    /// The key of an id.
    pub fn of(id: &SessionId) -> Self {
        // As `derive_key`, which would hash the context for every request anew.
        static CONTEXT: LazyLock<ContextKey> = LazyLock::new(|| hazmat::hash_derive_key_context(CONTEXT_OF_KEYS));
        let hash = Hasher::new_from_context_key(&CONTEXT).update(id.as_bytes()).finalize();
        let mut bytes = [0; BYTES];
        bytes.copy_from_slice(&hash.as_bytes()[..BYTES]);
        Self(bytes)
    }

    /// A key from its bytes, as a store kept them.
    pub const fn from_bytes(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }

    /// The key's bytes, for a store to keep.
    pub const fn as_bytes(&self) -> &[u8; BYTES] {
        &self.0
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({self})")
    }
}

impl FromStr for SessionKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let digits = text.as_bytes();
        if digits.len() != 2 * BYTES || digits.iter().any(|digit| !matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(InvalidKey);
        }
        let nibble = |digit: u8| if digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 };
        let mut bytes = [0; BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0]) << 4 | nibble(pair[1]);
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_what_blake3_derives_from_the_id() {
        for _ in 0..9 {
            let id = SessionId::generate().unwrap();
            let derived = blake3::derive_key(CONTEXT_OF_KEYS, id.as_bytes());
            assert_eq!(SessionKey::of(&id).as_bytes(), &derived[..BYTES]);
        }
    }

    #[test]
    fn a_handle_reads_back_and_has_one_spelling() {
        let key = SessionKey::of(&SessionId::generate().unwrap());
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!("A".repeat(32).parse::<SessionKey>(), Err(InvalidKey));
        assert_eq!("".parse::<SessionKey>(), Err(InvalidKey));
        assert_eq!("é".repeat(16).parse::<SessionKey>(), Err(InvalidKey));
    }

    #[test]
    fn the_derivation_is_frozen() {
        let id = SessionId::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYX").unwrap();
        assert_eq!(SessionKey::of(&id).to_string(), "dede8e28dbdd13e43b6b217b332b5c1f");
    }
}
