//! How the value of a session's entry becomes bytes, and back.
//!
//! Stored values describe themselves, as JSON does: servers get redeployed, so a struct that gained or lost a field must
//! still read what its predecessor stored (`#[serde(default)]`), and an operator must be able to look inside
//! ([`to_json`]). What a type becomes is what `serde_json` makes of it: structs are maps, `None` is null, enums are
//! externally tagged, integers as keys are text, bytes are lists of numbers. Two things are stricter: NaN and infinities are
//! refused (`serde_json` writes null for them, silently), and so is nesting deeper than [`MAX_DEPTH`].
//!
//! The layout: one byte that says what follows, then items as `src/codec.rs` lays them out.
//!
//! | byte | what | then |
//! |---|---|---|
//! | 0 | null | |
//! | 1, 2 | false, true | |
//! | 3 | integer | signed number |
//! | 4 | integer above 2^63 - 1 | number |
//! | 5 | float, finite | float |
//! | 6 | text | string |
//! | 7 | list | its values, one after another, then byte 9 |
//! | 8 | map | its entries, each a text and a value, then byte 9 |
//! | 9 | the end of a list or map | |
//!
//! Lists and maps end with a byte instead of beginning with a count, so that those whose length is not known
//! beforehand are written in one pass, and no count read from damaged bytes can be believed. Should a key stand twice
//! in a map, the last counts.

mod ser;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::codec::{CodecError, Reader};

/// How many lists and maps may stand inside each other.
pub const MAX_DEPTH: usize = 128;

mod tag {
    pub(super) const NULL: u8 = 0;
    pub(super) const FALSE: u8 = 1;
    pub(super) const TRUE: u8 = 2;
    pub(super) const INTEGER: u8 = 3;
    pub(super) const LARGE: u8 = 4;
    pub(super) const FLOAT: u8 = 5;
    pub(super) const TEXT: u8 = 6;
    pub(super) const LIST: u8 = 7;
    pub(super) const MAP: u8 = 8;
    pub(super) const END: u8 = 9;
}

/// Why a value cannot be stored, or stored bytes cannot be read as the type asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// NaN or an infinity: JSON's data model has none, and null would be a lie.
    #[error("NaN and infinities cannot be stored")]
    NotFinite,
    /// More than [`MAX_DEPTH`] lists and maps inside each other, in a value to store or in stored bytes.
    #[error("more than {MAX_DEPTH} lists and maps stand inside each other")]
    TooDeep,
    /// A map's key is not text, nor anything that `serde_json` writes as text.
    #[error("a map's key must be text, a number or a boolean")]
    Key,
    /// An integer that fits neither `i64` nor `u64`.
    #[error("an integer is larger than 64 bits")]
    TooLarge,
    /// The value's own `Serialize` refused.
    #[error("{0}")]
    Custom(Box<str>),
    /// The bytes are not a value at all.
    #[error("the stored bytes are not a value")]
    Damaged,
    /// The bytes are a value, but not of the type asked for. The cause may quote a part of the value.
    #[error("{0}")]
    Type(serde_json::Error),
}

impl serde::ser::Error for ValueError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Custom(message.to_string().into())
    }
}

impl From<CodecError> for ValueError {
    fn from(_: CodecError) -> Self {
        Self::Damaged
    }
}

/// The bytes of a value.
///
/// # Errors
///
/// [`ValueError::NotFinite`], [`TooDeep`](ValueError::TooDeep), [`Key`](ValueError::Key),
/// [`TooLarge`](ValueError::TooLarge), or [`Custom`](ValueError::Custom) from the value's own `Serialize`.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, ValueError> {
    ser::to_bytes(value, 0)
}

/// Reads what [`encode`] wrote, as any type that fits: unknown fields, missing fields, defaults and renamings are
/// what they are with `serde_json`.
///
/// # Errors
///
/// [`ValueError::Type`] if the value is of another shape; otherwise as [`to_json`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ValueError> {
    serde_json::from_value(to_json(bytes)?).map_err(ValueError::Type)
}

/// What [`encode`] wrote, for eyes and tools. Whatever the bytes are, it neither panics nor takes more memory than is
/// in proportion to them.
///
/// # Errors
///
/// [`ValueError::Damaged`] if the bytes are not one whole value, [`ValueError::TooDeep`].
pub fn to_json(bytes: &[u8]) -> Result<Json, ValueError> {
    let mut reader = Reader::new(bytes);
    let tag = reader.byte()?;
    let value = read(tag, &mut reader, 0)?;
    reader.finish()?;
    Ok(value)
}

/// The value whose tag was just read, inside `depth` lists and maps.
fn read(tag: u8, reader: &mut Reader<'_>, depth: usize) -> Result<Json, ValueError> {
    if matches!(tag, tag::LIST | tag::MAP) && depth == MAX_DEPTH {
        return Err(ValueError::TooDeep);
    }
    Ok(match tag {
        tag::NULL => Json::Null,
        tag::FALSE => Json::Bool(false),
        tag::TRUE => Json::Bool(true),
        tag::INTEGER => reader.signed()?.into(),
        tag::LARGE => match reader.number()? {
            number if i64::try_from(number).is_err() => number.into(),
            _ => return Err(ValueError::Damaged),
        },
        tag::FLOAT => serde_json::Number::from_f64(reader.float()?).ok_or(ValueError::Damaged)?.into(),
        tag::TEXT => reader.text()?.into(),
        tag::LIST => {
            let mut list = Vec::new();
            loop {
                match reader.byte()? {
                    tag::END => break Json::Array(list),
                    tag => list.push(read(tag, reader, depth + 1)?),
                }
            }
        }
        tag::MAP => {
            let mut map = serde_json::Map::new();
            loop {
                match reader.byte()? {
                    tag::END => break Json::Object(map),
                    tag::TEXT => {
                        let key = reader.text()?;
                        let tag = reader.byte()?;
                        map.insert(key.into(), read(tag, reader, depth + 1)?);
                    }
                    _ => return Err(ValueError::Damaged),
                }
            }
        }
        _ => return Err(ValueError::Damaged),
    })
}

#[cfg(test)]
mod tests;
