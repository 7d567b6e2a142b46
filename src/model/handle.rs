//! The handle of a session: its public name, which it keeps through rotations.

use std::fmt;
use std::str::FromStr;

use crate::model::error::Result;
use crate::model::hex::{self, BYTES};
use crate::model::id;
use crate::model::text::serde_as_text;

/// A session's public name: 16 random bytes, shown as 32 hexadecimal digits. A "your devices" page, a log or an administrator's
/// tool shows it.
///
/// A session has one handle for its whole life. [`Session::rotate`](crate::Session::rotate) keeps it, and so does a login as the
/// user who owns the session already; a login as another user begins with a new one. So the handle names a device: the sessions of
/// one user with one handle are those of one browser, and whatever [ends](crate::Sessions::end) one of them ends all of
/// them.
///
/// A handle opens nothing, and neither the session's id nor its [key](crate::SessionKey) can be computed from it. A
/// session is found by its owner and its handle, never by its handle alone.
///
/// ```
/// use cloakroom::{Handle, InvalidHandle};
///
/// # fn main() -> cloakroom::Result<()> {
/// let handle = Handle::generate()?;
/// let shown = handle.to_string(); // in the form of a "your devices" page
/// assert_eq!(shown.parse(), Ok(handle));
/// assert_eq!("DEDE8E28".parse::<Handle>(), Err(InvalidHandle));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle([u8; BYTES]);

/// The error for a string that is not a session's handle: 32 hexadecimal digits in lower case. [`Handle`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a session handle is 32 hexadecimal digits in lower case")]
pub struct InvalidHandle;

impl Handle {
    /// A new handle from the operating system's cryptographic generator.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Random`](crate::ErrorKind::Random) if the generator fails.
    pub fn generate() -> Result<Self> {
        let mut bytes = [0; BYTES];
        id::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// A handle from the bytes that a store kept.
    pub const fn from_bytes(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }

    /// The handle's bytes, for a store to keep.
    pub const fn as_bytes(&self) -> &[u8; BYTES] {
        &self.0
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({self})")
    }
}

impl FromStr for Handle {
    type Err = InvalidHandle;

    fn from_str(text: &str) -> Result<Self, InvalidHandle> {
        hex::read(text).map(Self).ok_or(InvalidHandle)
    }
}

serde_as_text!(Handle);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_reads_back_and_has_one_spelling() {
        let handle = Handle::generate().unwrap();
        assert_eq!(handle.to_string().parse(), Ok(handle));
        for text in ["A".repeat(32), "é".repeat(16), String::new(), "0".repeat(31), "0".repeat(33)] {
            assert_eq!(text.parse::<Handle>(), Err(InvalidHandle), "{text}");
        }
    }
}
