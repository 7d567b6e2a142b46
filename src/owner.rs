//! Whose session it is.

use std::fmt;
use std::sync::Arc;

/// Owners are at most this many bytes long.
pub const MAX_OWNER_BYTES: usize = 255;

/// The application's id of a user, at most 255 bytes of UTF-8.
///
/// Owners are compared byte by byte: `Ada`, `ada` and `ada ` are three users, whatever a database's collation thinks.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(Arc<str>);

impl Owner {
    /// The owner as the application gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In the place of an owner that was taken out.
    pub(crate) fn nobody() -> Self {
        Self(Arc::default())
    }
}

impl From<&str> for Owner {
    fn from(owner: &str) -> Self {
        Self(owner.into())
    }
}

impl From<String> for Owner {
    fn from(owner: String) -> Self {
        Self(owner.into())
    }
}

impl From<&Self> for Owner {
    fn from(owner: &Self) -> Self {
        owner.clone()
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}
