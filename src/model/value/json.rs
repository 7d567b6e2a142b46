//! Stored bytes to JSON.

use serde_json::Value as Json;

use super::error::ValueError;
use super::layout::{MAX_DEPTH, tag};
use crate::model::codec::Reader;

/// Reads what [`encode`](super::encode) wrote as JSON, for operators and tools. Whatever the bytes are, it does not panic,
/// and the memory it takes is in proportion to them.
///
/// ```
/// use cloakroom::value;
///
/// # fn main() -> Result<(), cloakroom::ValueError> {
/// let stored = value::encode(&(1, "two", [3.0, 4.5]))?;
/// assert_eq!(value::to_json(&stored)?.to_string(), r#"[1,"two",[3.0,4.5]]"#);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ValueError::Damaged`] if the bytes are not one whole value; [`ValueError::TooDeep`].
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
