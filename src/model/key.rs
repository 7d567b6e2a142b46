//! The session key: what a session is known by everywhere but in the visitor's cookie.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::str::FromStr;
use std::sync::LazyLock;

use blake3::hazmat::{self, ContextKey, HasherExt as _};

use crate::model::hex::{self, BYTES};
use crate::model::id::SessionId;
use crate::model::text::serde_as_text;

const CONTEXT_OF_KEYS: &str = "cloakroom session key v1";

/// A session's key: the first 16 bytes of BLAKE3's `derive_key("cloakroom session key v1", id)`.
///
/// A store keeps the session under its key. The id cannot be computed from the key, so a stolen disk or backup opens no
/// session (CVE-2019-16782). A rotation gives the session another key; its public name, which it keeps, is its
/// [`Handle`](crate::Handle).
///
/// ```
/// use cloakroom::{SessionId, SessionKey};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let id = SessionId::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYX")?;
/// let key = SessionKey::of(&id);
/// let shown = key.to_string();
/// assert_eq!(shown, "dede8e28dbdd13e43b6b217b332b5c1f");
/// assert_eq!(shown.parse(), Ok(key));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey([u8; BYTES]);

/// The error for a string that is not a session's key: 32 hexadecimal digits in lower case.
///
/// ```
/// use cloakroom::{InvalidKey, SessionKey};
///
/// assert_eq!("DEDE8E28".parse::<SessionKey>(), Err(InvalidKey));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a session key is 32 hexadecimal digits in lower case")]
pub struct InvalidKey;

impl SessionKey {
    /// The key of an id.
    pub fn of(id: &SessionId) -> Self {
        // This is `blake3::derive_key`, which would hash the context again for each request.
        static CONTEXT: LazyLock<ContextKey> = LazyLock::new(|| hazmat::hash_derive_key_context(CONTEXT_OF_KEYS));
        let hash = blake3::Hasher::new_from_context_key(&CONTEXT).update(id.as_bytes()).finalize();
        let mut bytes = [0; BYTES];
        bytes.copy_from_slice(&hash.as_bytes()[..BYTES]);
        Self(bytes)
    }

    /// A key from the bytes that a store kept.
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
        hex::write(&self.0, f)
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
        hex::read(text).map(Self).ok_or(InvalidKey)
    }
}

serde_as_text!(SessionKey);

/// The hasher of maps by [`SessionKey`]. A key is a part of a BLAKE3 hash, so eight of its bytes are a hash as good as
/// any, and no client can choose them to make keys collide.
#[derive(Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    // The length of the key's bytes, which is the same for every key.
    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A map by session key.
pub(crate) type KeyMap<V> = HashMap<SessionKey, V, BuildHasherDefault<KeyHasher>>;
/// A set of session keys.
pub(crate) type KeySet = HashSet<SessionKey, BuildHasherDefault<KeyHasher>>;

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher as _;

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
    fn a_key_reads_back_and_has_one_spelling() {
        let key = SessionKey::of(&SessionId::generate().unwrap());
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!("A".repeat(32).parse::<SessionKey>(), Err(InvalidKey));
        assert_eq!("".parse::<SessionKey>(), Err(InvalidKey));
        assert_eq!("é".repeat(16).parse::<SessionKey>(), Err(InvalidKey));
    }

    #[test]
    fn keys_are_hashed_by_their_own_bytes() {
        let hasher = BuildHasherDefault::<KeyHasher>::default();
        assert_eq!(hasher.hash_one(SessionKey::from_bytes([7; BYTES])), u64::from_le_bytes([7; 8]));
    }

    #[test]
    fn the_derivation_is_frozen() {
        let id = SessionId::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYX").unwrap();
        assert_eq!(SessionKey::of(&id).to_string(), "dede8e28dbdd13e43b6b217b332b5c1f");
    }
}
