//! Why a value is refused.

use super::layout::MAX_DEPTH;
use crate::model::codec::CodecError;

/// Why a value cannot be stored, or why stored bytes cannot be read as the type asked for.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use cloakroom::{ValueError, value};
///
/// let keyed_by_lists = BTreeMap::from([([1, 2], "no text")]);
/// assert!(matches!(value::encode(&keyed_by_lists), Err(ValueError::Key)));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The value holds NaN or an infinity. JSON's data model has neither, and null would be a lie.
    #[error("NaN and infinities cannot be stored")]
    NotFinite,
    /// More than [`MAX_DEPTH`] lists and maps stand inside each other, in a value to store or in stored bytes.
    #[error("more than {MAX_DEPTH} lists and maps stand inside each other")]
    TooDeep,
    /// A map's key is not text, and not a type that `serde_json` writes as text.
    #[error("a map's key must be text, a number or a boolean")]
    Key,
    /// The value holds an integer that fits neither `i64` nor `u64`.
    #[error("an integer is larger than 64 bits")]
    TooLarge,
    /// The value's own `Serialize` failed.
    #[error("{0}")]
    Custom(Box<str>),
    /// The stored bytes are not a value.
    #[error("the stored bytes are not a value")]
    Damaged,
    /// The stored bytes are a value, but not of the type asked for. The cause may quote a part of the value.
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
