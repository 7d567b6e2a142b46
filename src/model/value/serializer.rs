//! The bytes of a value while it is being written, in one pass.

use serde::Serialize;

use super::error::ValueError;
use super::json::to_json;
use super::layout::{MAX_DEPTH, tag};
use crate::model::codec::Writer;

/// The bytes of a value that stands inside `depth` lists and maps.
pub(super) fn to_bytes<T: Serialize + ?Sized>(value: &T, depth: usize) -> Result<Vec<u8>, ValueError> {
    let mut serializer = Serializer { out: Writer::default(), depth };
    value.serialize(&mut serializer)?;
    Ok(serializer.out.into_vec())
}

/// The bytes of a value so far.
pub(super) struct Serializer {
    pub(super) out: Writer,
    depth: usize,
}

impl Serializer {
    pub(super) fn open(&mut self, tag: u8) -> Result<(), ValueError> {
        if self.depth == MAX_DEPTH {
            return Err(ValueError::TooDeep);
        }
        self.depth += 1;
        self.out.byte(tag);
        Ok(())
    }

    pub(super) fn close(&mut self) {
        self.depth -= 1;
        self.out.byte(tag::END);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.out.byte(tag::TEXT);
        self.out.bytes(text.as_bytes());
    }

    /// Opens the map of one entry that an enum's variant with content is written as.
    pub(super) fn variant(&mut self, name: &str) -> Result<(), ValueError> {
        self.open(tag::MAP)?;
        self.text(name);
        Ok(())
    }

    /// Writes a map's key. A key that is not text becomes the text that `serde_json` would write for it.
    pub(super) fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        let bytes = to_bytes(key, self.depth)?;
        match bytes.first() {
            Some(&tag::TEXT) => self.out.fixed(&bytes),
            Some(&(tag::LIST | tag::MAP | tag::NULL)) | None => return Err(ValueError::Key),
            Some(_) => self.text(&to_json(&bytes)?.to_string()),
        }
        Ok(())
    }
}
