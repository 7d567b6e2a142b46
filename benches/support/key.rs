//! The keys of the benchmarks' sessions. Real keys are hashes, and what a key costs to find depends on how evenly keys lie;
//! so these are not the plain numbers that the keys of tests are.

use cloakroom::SessionKey;

use super::numbers::Numbers;

/// The key of the `n`th session, as even as a hash.
pub(crate) fn hash_like_key(n: u64) -> SessionKey {
    let mut numbers = Numbers(n.wrapping_mul(0x0123_4567_89ab_cdef));
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&numbers.next().to_le_bytes());
    bytes[8..].copy_from_slice(&numbers.next().to_le_bytes());
    SessionKey::from_bytes(bytes)
}

/// A key that no session has.
pub(crate) fn unknown_key(n: u64) -> SessionKey {
    hash_like_key(n | 1 << 63)
}
