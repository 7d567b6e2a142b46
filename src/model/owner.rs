//! The owner of a session: the application's id of a user.

use std::fmt;
use std::sync::Arc;

/// The most bytes that an owner may have. A store refuses a longer one.
pub const MAX_OWNER_BYTES: usize = 255;

/// The application's id of a user, at most 255 bytes of UTF-8.
///
/// Owners are compared byte by byte: `Ada`, `ada` and `ada ` are three users, whatever the collation of a database says.
/// A longer owner is refused when its session is stored ([`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge)).
///
/// ```
/// use cloakroom::{MemoryStore, Owner, Sessions};
///
/// # fn main() -> cloakroom::Result<()> {
/// let sessions = Sessions::builder(MemoryStore::new()).build()?.blocking();
/// let cookie = sessions.test_cookie(|session| session.login("user 42"))?;
/// let owner = sessions.open([&cookie])?.owner()?;
/// assert_eq!(owner, Some(Owner::from("user 42")));
/// assert_eq!(owner.as_ref().map(Owner::as_str), Some("user 42"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(Arc<str>);

impl Owner {
    /// The owner as the application gave it.
    pub fn as_str(&self) -> &str {
        &self.0
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
