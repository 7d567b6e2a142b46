//! How the value of a session's entry becomes bytes, and back.
//!
//! What belongs here: the encoding of one value. What never does: the names of entries and the limits on their size.
//!
//! Stored values describe themselves, as JSON does. Servers are redeployed, so a struct that gained or lost a field must
//! still read what its predecessor stored (`#[serde(default)]`); and an operator must be able to look inside
//! ([`to_json`]). A type is written as `serde_json` writes it: structs are maps, `None` is null, enums are externally
//! tagged, integers as keys are text, bytes are lists of numbers. Two things are stricter. NaN and infinities are refused,
//! where `serde_json` silently writes null; and so is nesting deeper than [`MAX_DEPTH`].
//!
//! ```
//! use cloakroom::value;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize)]
//! struct Old {
//!     articles: Vec<String>,
//! }
//!
//! #[derive(Deserialize)]
//! struct New {
//!     articles: Vec<String>,
//!     #[serde(default)]
//!     voucher: Option<String>,
//! }
//!
//! # fn main() -> Result<(), cloakroom::ValueError> {
//! let stored = value::encode(&Old { articles: vec!["hat".into()] })?;
//! let cart: New = value::decode(&stored)?;
//! assert_eq!((cart.articles, cart.voucher), (vec!["hat".to_string()], None));
//! # Ok(())
//! # }
//! ```
//!
//! The layout is one byte that says what follows, and then items as `src/model/codec.rs` lays them out:
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
//! Lists and maps end with a byte and do not begin with a count. So a list of unknown length is written in one pass, and
//! no reader can believe a count from damaged bytes. If a key stands in a map twice, the last one counts.

mod compound;
mod data_model;
mod error;
mod json;
mod layout;
mod serializer;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::error::ValueError;
pub use self::json::to_json;
pub use self::layout::MAX_DEPTH;

/// The bytes of a value.
///
/// ```
/// use cloakroom::{ValueError, value};
///
/// assert_eq!(value::encode("ok").unwrap(), [6, 2, b'o', b'k']);
/// assert!(matches!(value::encode(&f64::NAN), Err(ValueError::NotFinite)));
/// ```
///
/// # Errors
///
/// [`ValueError::NotFinite`], [`TooDeep`](ValueError::TooDeep), [`Key`](ValueError::Key),
/// [`TooLarge`](ValueError::TooLarge), or [`Custom`](ValueError::Custom) from the value's own `Serialize`.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, ValueError> {
    serializer::to_bytes(value, 0)
}

/// Reads what [`encode`] wrote, as any type that fits. Unknown fields, missing fields, defaults and renamings work as with
/// `serde_json`.
///
/// ```
/// use cloakroom::{ValueError, value};
///
/// # fn main() -> Result<(), ValueError> {
/// let stored = value::encode(&3)?;
/// assert_eq!(value::decode::<f64>(&stored)?, 3.0);
/// assert!(matches!(value::decode::<String>(&stored), Err(ValueError::Type(_))));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ValueError::Type`] if the value has another shape; [`ValueError::Damaged`] if the bytes are not one whole value;
/// [`ValueError::TooDeep`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ValueError> {
    serde_json::from_value(to_json(bytes)?).map_err(ValueError::Type)
}

/// Whether two encoded values are equal when they are decoded: the order of a map's entries does not count.
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    let may_hold_a_map = |bytes: &[u8]| matches!(bytes.first(), Some(&(layout::tag::LIST | layout::tag::MAP)));
    // The same entries in another order take as many bytes, and a value without a map has one spelling.
    one == other
        || one.len() == other.len()
            && may_hold_a_map(one)
            && to_json(one).is_ok_and(|one| to_json(other).is_ok_and(|other| one == other))
}

#[cfg(test)]
mod tests;
