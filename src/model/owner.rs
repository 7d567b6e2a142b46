//! The owner of a session: the application's id of a user.

use std::fmt;
use std::sync::Arc;

/// The most bytes that an owner may have. A store refuses a longer one.
pub const MAX_OWNER_BYTES: usize = 255;

/// The application's id of a user: 1 to 255 bytes, often text.
///
/// Owners are compared byte by byte: `Ada`, `ada` and `ada ` are three users, whatever the collation of a database says.
/// Any byte may occur, zero included, so a store keeps owners in a column of bytes, and never in one of text. When its
/// session is stored, a longer owner is refused ([`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge)), and so is an empty one
/// ([`ErrorKind::EmptyOwner`](crate::ErrorKind::EmptyOwner)): all users without an id would share their sessions.
///
/// ```
/// use cloakroom::{MemoryStore, Owner, Sessions};
///
/// # fn main() -> cloakroom::Result<()> {
/// let sessions = Sessions::builder(MemoryStore::new()).build()?.blocking();
/// let cookie = sessions.test_cookie(|session| session.login("user 42"))?;
/// let owner = sessions.open([&cookie])?.owner()?;
/// assert_eq!(owner, Some(Owner::from("user 42")));
/// assert_eq!(owner.as_ref().and_then(Owner::as_str), Some("user 42"));
/// // An id that is not text.
/// let id = [0xff, 0, 7];
/// assert_eq!(Owner::from(&id[..]).as_bytes(), id);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(Arc<[u8]>);

impl Owner {
    /// The owner as the application gave it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The owner as text, if it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl From<&[u8]> for Owner {
    fn from(owner: &[u8]) -> Self {
        Self(owner.into())
    }
}

impl From<Vec<u8>> for Owner {
    fn from(owner: Vec<u8>) -> Self {
        Self(owner.into())
    }
}

impl From<&str> for Owner {
    fn from(owner: &str) -> Self {
        Self(owner.as_bytes().into())
    }
}

impl From<String> for Owner {
    fn from(owner: String) -> Self {
        Self(owner.into_bytes().into())
    }
}

impl From<&Self> for Owner {
    fn from(owner: &Self) -> Self {
        owner.clone()
    }
}

impl fmt::Display for Owner {
    /// Text as it is; of other bytes, each that is not printable ASCII as an escape.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            Some(text) => f.write_str(text),
            None => write!(f, "{}", self.0.escape_ascii()),
        }
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            Some(text) => fmt::Debug::fmt(text, f),
            None => write!(f, "b\"{}\"", self.0.escape_ascii()),
        }
    }
}
