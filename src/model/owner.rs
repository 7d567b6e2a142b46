//! The owner of a session: the application's id of a user.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// The most bytes that an owner may have. A store refuses a longer one.
pub const MAX_OWNER_BYTES: usize = 255;

/// The application's id of a user: 1 to 255 bytes, often text. A number is written in decimal digits, so that `42` and `"42"`
/// are one user.
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
/// // The number of a row in a database, and back.
/// let owner = Owner::from(42);
/// assert_eq!(owner, Owner::from("42"));
/// assert_eq!(owner.as_str().and_then(|id| id.parse().ok()), Some(42));
/// // An id that is not text, such as the bytes of a UUID.
/// let id = [0xff, 0, 7];
/// assert_eq!(Owner::from(&id).as_bytes(), id);
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

impl<const N: usize> From<&[u8; N]> for Owner {
    fn from(owner: &[u8; N]) -> Self {
        Self(owner.as_slice().into())
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

impl From<&String> for Owner {
    fn from(owner: &String) -> Self {
        owner.as_str().into()
    }
}

/// Numbers in decimal digits.
macro_rules! from_numbers {
    ($($number:ty)*) => {$(
        impl From<$number> for Owner {
            fn from(number: $number) -> Self {
                number.to_string().into()
            }
        }
    )*};
}

from_numbers!(i32 i64 i128 u32 u64 u128);

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

/// Text as text, other bytes as bytes. Formats that no person reads get bytes alone.
impl Serialize for Owner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_str() {
            Some(text) if serializer.is_human_readable() => serializer.serialize_str(text),
            _ => serializer.serialize_bytes(&self.0),
        }
    }
}

/// Takes a whole number as well, as its decimal digits, and refuses what is empty.
impl<'de> Deserialize<'de> for Owner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let owner = match deserializer.is_human_readable() {
            true => deserializer.deserialize_any(AnySpelling),
            false => deserializer.deserialize_byte_buf(AnySpelling),
        }?;
        if owner.0.is_empty() { Err(D::Error::custom("the owner is empty")) } else { Ok(owner) }
    }
}

struct AnySpelling;

impl<'de> Visitor<'de> for AnySpelling {
    type Value = Owner;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the id of a user: a text, a whole number or bytes")
    }

    fn visit_str<E>(self, text: &str) -> Result<Owner, E> {
        Ok(text.into())
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Owner, E> {
        Ok(bytes.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Owner, E> {
        Ok(number.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Owner, E> {
        Ok(number.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Owner, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = sequence.next_element::<u8>()? {
            if bytes.len() > MAX_OWNER_BYTES {
                return Err(A::Error::custom("the owner is too long"));
            }
            bytes.push(byte);
        }
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_made_of_whatever_an_application_has() {
        let text = String::from("42");
        let owners = [
            Owner::from("42"),
            (&text).into(),
            text.clone().into(),
            text.as_bytes().into(),
            b"42".into(),
            text.clone().into_bytes().into(),
            42_i32.into(),
            42_i64.into(),
            42_i128.into(),
            42_u32.into(),
            42_u64.into(),
            42_u128.into(),
            (&Owner::from("42")).into(),
        ];
        for owner in owners {
            assert_eq!((owner.as_bytes(), owner.as_str()), (&b"42"[..], Some("42")));
        }
        assert_eq!(Owner::from(i128::MIN).as_str(), Some(i128::MIN.to_string().as_str()));
    }

    #[test]
    fn an_owner_reads_back_from_json_and_a_number_is_its_digits() {
        let read = |json: &str| serde_json::from_str::<Owner>(json);
        for owner in [Owner::from("user 42"), Owner::from(&[0xff, 0, 7])] {
            assert_eq!(read(&serde_json::to_string(&owner).unwrap()).unwrap(), owner);
        }
        assert_eq!(serde_json::to_string(&Owner::from(42_u64)).unwrap(), "\"42\"");
        for json in ["42", "\"42\"", "[52, 50]"] {
            assert_eq!(read(json).unwrap(), Owner::from(42));
        }
        assert_eq!(read("-7").unwrap(), Owner::from("-7"));
        let bytes = serde::de::value::BytesDeserializer::<serde::de::value::Error>::new(b"42");
        assert_eq!(Owner::deserialize(bytes).unwrap(), Owner::from(42), "as formats have it that know bytes");
        let endless = serde_json::to_string(&vec![1; 300]).unwrap();
        for json in ["\"\"", "[]", "4.2", "true", "null", "[300]", &endless] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
