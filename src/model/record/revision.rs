//! Which write of a session a record is of.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Which write of a session a record is of. It is opaque: two revisions are equal or not, and nothing else.
///
/// A compare-and-swap ([`Store::update`](crate::Store::update)) expects the revision that its caller loaded. For the new
/// record, a store either keeps the token that the caller proposed in it, so that a retry after a lost answer recognises
/// its own write; or it chooses a revision itself.
///
/// ```
/// use cloakroom::Revision;
///
/// let token = Revision::fresh();
/// assert_ne!(token, Revision::fresh());
/// assert_eq!(Revision::from_u64(token.as_u64()), token);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Revision(u64);

impl Revision {
    /// A random token, so that no other write has it, of this process or of another. It is no secret.
    pub fn fresh() -> Self {
        // The standard library's keyed hash: each RandomState differs, and the operating system seeds the first.
        Self(RandomState::new().build_hasher().finish())
    }

    /// A revision from the number that a store kept.
    pub const fn from_u64(revision: u64) -> Self {
        Self(revision)
    }

    /// The number for a store to keep.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}
