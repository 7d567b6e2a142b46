//! Whose a session is.

use cloakroom::SessionKey;

use super::numbers::Numbers;

/// The key of the `n`th session; as even as the hash that real keys are.
pub(crate) fn key(n: u64) -> SessionKey {
    let mut numbers = Numbers(n.wrapping_mul(0x0123_4567_89ab_cdef));
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&numbers.next().to_le_bytes());
    bytes[8..].copy_from_slice(&numbers.next().to_le_bytes());
    SessionKey::from_bytes(bytes)
}

/// A key that no session has.
pub(crate) fn unknown_key(n: u64) -> SessionKey {
    key(n | 1 << 63)
}
