//! What a session holds: names and their encoded values, as one block of bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::codec::{CodecError, Reader, Writer};

/// Entry names are 1 to this many bytes long.
pub const MAX_NAME_BYTES: usize = 255;

/// A session's entries, each still encoded (see [`value`](crate::value)). A clone costs one reference count.
///
/// The block's layout, entry after entry in the order of their names: the name as a string, the value as a byte
/// string (for both see `src/codec.rs`). A name stands at most once.
#[derive(Clone, PartialEq, Eq)]
pub struct Data(Arc<[u8]>);

impl Data {
    /// No entries.
    pub fn empty() -> Self {
        Self(Arc::from([]))
    }

    /// The entries of a map from names to encoded values.
    pub fn from_entries<V: AsRef<[u8]>>(entries: &BTreeMap<Arc<str>, V>) -> Self {
        Self::from_sorted(entries.iter().map(|(name, value)| (&**name, value.as_ref())))
    }

    /// The same from an iterator over the entries, which come in the order of their names.
    pub(crate) fn from_sorted<'a>(entries: impl Iterator<Item = (&'a str, &'a [u8])> + Clone) -> Self {
        let bytes: usize = entries.clone().map(|(name, value)| name.len() + value.len() + 10).sum();
        let mut writer = Writer::with_capacity(bytes);
        for (name, value) in entries {
            writer.bytes(name.as_bytes());
            writer.bytes(value);
        }
        Self(writer.into_vec().into())
    }

    /// A block as a store kept it. Only its structure is checked here; a value is checked when it is asked for.
    pub(crate) fn from_block(block: &[u8]) -> Result<Self, CodecError> {
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
        Ok(Self(block.into()))
    }

    pub(crate) fn block(&self) -> &[u8] {
        &self.0
    }

    /// The encoded value of an entry.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// All entries in the order of their names: name and encoded value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut reader = Reader::new(&self.0);
        std::iter::from_fn(move || {
            // The block was checked when it was made; an error here can only mean its end.
            let name = reader.text().ok()?;
            Some((name, reader.bytes().ok()?))
        })
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The size of the block in bytes.
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for Data {
    /// Names only: values may be secrets.
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
        assert_eq!(Data::from_block(data.block()), Ok(data));
    }

    #[test]
    fn a_block_cut_anywhere_but_between_entries_is_refused() {
        let whole = data(&[("cart", b"12"), ("visits", b"\x05")]);
        let first = data(&[("cart", b"12")]).size();
        for cut in 1..whole.size() {
            assert_eq!(Data::from_block(&whole.block()[..cut]).is_ok(), cut == first, "cut at {cut}");
        }
    }

    #[test]
    fn a_block_with_a_name_twice_or_out_of_order_is_refused() {
        let (a, b) = (data(&[("a", b"1")]), data(&[("b", b"2")]));
        assert!(Data::from_block(&[a.block(), b.block()].concat()).is_ok());
        assert!(Data::from_block(&[b.block(), a.block()].concat()).is_err());
        assert!(Data::from_block(&[a.block(), a.block()].concat()).is_err());
    }

    #[test]
    fn debug_shows_names_and_no_values() {
        assert_eq!(format!("{:?}", data(&[("password", b"hunter2")])), "{\"password\"}");
    }
}
