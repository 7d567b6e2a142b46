//! The keys of the tests' sessions: a number each, and nothing else. A test whose keys have to say more, or to look like
//! hashes, makes them itself and calls them by another name.

use cloakroom::SessionKey;

/// The key of a number of any type. The frozen stores in `tests/fixtures` hold such keys, so it stays as it is.
///
/// Keys of numbers below 256 are in the order of their numbers.
pub fn key(n: impl TryInto<u32>) -> SessionKey {
    let n: u32 = n.try_into().ok().expect("a session's number has 32 bits");
    let mut bytes = [0x5e; 16];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    SessionKey::from_bytes(bytes)
}

/// The number that a [`key`] was made of.
pub fn number_of(key: &SessionKey) -> u32 {
    let [a, b, c, d, ..] = *key.as_bytes();
    u32::from_le_bytes([a, b, c, d])
}
