//! A session's entries: names and their encoded values, as one block of bytes.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::model::bytes::Bytes;
use crate::model::codec::{CodecError, Reader, Writer};

/// The most bytes that the name of an entry may have. The fewest are 1.
pub const MAX_NAME_BYTES: usize = 255;

/// A session's entries, each still encoded (see [`value`](crate::value)). A clone costs one reference count.
///
/// `Debug` shows the names and no value, because values may be secrets.
///
/// The block's layout is entry after entry, in the order of their names: the name as a string, the value as a byte
/// string (for both see `src/model/codec.rs`). A name stands at most once.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use cloakroom::{Data, value};
///
/// # fn main() -> Result<(), cloakroom::ValueError> {
/// let entries = BTreeMap::from([("cart".into(), value::encode(&["hat", "coat"])?)]);
/// let data = Data::from_entries(&entries);
/// let cart: Vec<String> = value::decode(data.get("cart").unwrap())?;
/// assert_eq!(cart, ["hat", "coat"]);
/// assert_eq!(format!("{data:?}"), r#"{"cart"}"#);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Data {
    /// The block, after `from` other bytes: those of a record that a store keeps in memory as it is on disk.
    bytes: Bytes,
    from: usize,
}

impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        self.block() == other.block()
    }
}

impl Eq for Data {}

impl Data {
    /// No entries.
    pub fn empty() -> Self {
        Self::of(&[])
    }

    /// The entries of a map from names to [encoded](crate::model::value::encode) values.
    ///
    /// The lengths of the names are not checked here. A store refuses a name that is empty or too long; see
    /// [`Limits::check`](crate::Limits::check).
    pub fn from_entries<V: AsRef<[u8]>>(entries: &BTreeMap<Arc<str>, V>) -> Self {
        Self::from_sorted(entries.iter().map(|(name, value)| (&**name, value.as_ref())))
    }

    /// The entries of an iterator that gives them in the order of their names.
    pub(crate) fn from_sorted<'a>(entries: impl Iterator<Item = (&'a str, &'a [u8])> + Clone) -> Self {
        let bytes: usize = entries.clone().map(|(name, value)| name.len() + value.len() + 10).sum();
        let mut writer = Writer::with_capacity(bytes);
        for (name, value) in entries {
            writer.bytes(name.as_bytes());
            writer.bytes(value);
        }
        Self::of(&writer.into_vec())
    }

    /// The block that begins after `from` bytes. The caller has checked it.
    pub(crate) fn after(from: usize, bytes: Bytes) -> Self {
        debug_assert!(bytes.get(from..).is_some_and(|block| Self::check(block).is_ok()));
        Self { bytes, from }
    }

    fn of(block: &[u8]) -> Self {
        Self { bytes: block.into(), from: 0 }
    }

    /// Checks that the bytes are a block. Values are not looked at: each is checked when it is read.
    pub(crate) fn check(block: &[u8]) -> Result<(), CodecError> {
        let mut reader = Reader::new(block);
        let mut before: Option<&str> = None;
        while !reader.is_empty() {
            let name = reader.text()?;
            reader.bytes()?;
            if before.is_some_and(|before| before >= name) || name.is_empty() || name.len() > MAX_NAME_BYTES {
                return Err(CodecError::Malformed);
            }
            before = Some(name);
        }
        Ok(())
    }

    pub(crate) fn block(&self) -> &[u8] {
        &self.bytes[self.from..]
    }

    /// The encoded value of an entry, or `None` if there is no entry of this name. The cost grows with the number of
    /// entries.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let mut reader = Reader::new(self.block());
        // As in `iter`, but the names were checked when the block was made, so their bytes are enough.
        while let (Ok(other), Ok(value)) = (reader.bytes(), reader.bytes()) {
            match other.cmp(name.as_bytes()) {
                Ordering::Less => (),
                Ordering::Equal => return Some(value),
                Ordering::Greater => return None,
            }
        }
        None
    }

    /// All entries, each with its name and its encoded value, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut reader = Reader::new(self.block());
        std::iter::from_fn(move || {
            // The block was checked when it was made, so an error here can only be its end.
            let name = reader.text().ok()?;
            Some((name, reader.bytes().ok()?))
        })
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.block().is_empty()
    }

    /// The size of the block in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len() - self.from
    }
}

impl fmt::Debug for Data {
    /// Shows the names only, because values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(entries: &[(&str, &[u8])]) -> Data {
        Data::from_entries(&entries.iter().map(|(name, value)| (Arc::from(*name), *value)).collect())
    }

    #[test]
    fn entries_read_back_in_the_order_of_their_names() {
        let data = data(&[("cart", b"12"), ("a", b""), ("visits", b"\x05")]);
        assert_eq!(data.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "cart", "visits"]);
        assert_eq!(data.get("cart"), Some(&b"12"[..]));
        assert_eq!(data.get("a"), Some(&b""[..]));
        assert_eq!(data.get("car"), None);
        assert_eq!(Data::check(data.block()), Ok(()));
        let after = Data::after(5, (&*[b"head:", data.block()].concat()).into());
        assert_eq!((after.size(), after == data), (data.size(), true));
    }

    #[test]
    fn a_block_cut_anywhere_but_between_entries_is_refused() {
        let whole = data(&[("cart", b"12"), ("visits", b"\x05")]);
        let first = data(&[("cart", b"12")]).size();
        for cut in 1..whole.size() {
            assert_eq!(Data::check(&whole.block()[..cut]).is_ok(), cut == first, "cut at {cut}");
        }
    }

    #[test]
    fn a_block_with_a_name_twice_or_out_of_order_is_refused() {
        let (a, b) = (data(&[("a", b"1")]), data(&[("b", b"2")]));
        assert!(Data::check(&[a.block(), b.block()].concat()).is_ok());
        assert!(Data::check(&[b.block(), a.block()].concat()).is_err());
        assert!(Data::check(&[a.block(), a.block()].concat()).is_err());
    }

    #[test]
    fn debug_shows_names_and_no_values() {
        assert_eq!(format!("{:?}", data(&[("password", b"hunter2")])), "{\"password\"}");
    }
}
