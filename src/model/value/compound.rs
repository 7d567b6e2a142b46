//! Values that hold others: what is written from their beginning to their end.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};
use serde_json::Value as Json;

use super::error::ValueError;
use super::json::to_json;
use super::serializer::{Serializer, to_bytes};

/// A list or map that is being written.
pub(super) struct Open<'a>(pub(super) &'a mut Serializer);

impl Open<'_> {
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), ValueError> {
        self.0.text(name);
        value.serialize(&mut *self.0)
    }
}

impl SerializeSeq for Open<'_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        value.serialize(&mut *self.0)
    }

    fn end(self) -> Result<(), ValueError> {
        self.0.close();
        Ok(())
    }
}

impl SerializeTuple for Open<'_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        value.serialize(&mut *self.0)
    }

    fn end(self) -> Result<(), ValueError> {
        SerializeSeq::end(self)
    }
}

impl SerializeTupleStruct for Open<'_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        value.serialize(&mut *self.0)
    }

    fn end(self) -> Result<(), ValueError> {
        SerializeSeq::end(self)
    }
}

impl SerializeMap for Open<'_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        self.0.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        value.serialize(&mut *self.0)
    }

    fn end(self) -> Result<(), ValueError> {
        SerializeSeq::end(self)
    }
}

/// The content of an enum's variant, inside the map that names the variant.
pub(super) struct Variant<'a>(pub(super) Open<'a>);

impl Variant<'_> {
    fn close(self) {
        self.0.0.close();
        self.0.0.close();
    }
}

impl SerializeTupleVariant for Variant<'_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        value.serialize(&mut *self.0.0)
    }

    fn end(self) -> Result<(), ValueError> {
        self.close();
        Ok(())
    }
}

impl SerializeStructVariant for Variant<'_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), ValueError> {
        self.0.field(name, value)
    }

    fn end(self) -> Result<(), ValueError> {
        self.close();
        Ok(())
    }
}

/// A struct, or one of the two structs by which `serde_json` passes on a number or JSON text.
pub(super) enum Struct<'a> {
    Plain(Open<'a>),
    Number(&'a mut Serializer),
    Raw(&'a mut Serializer),
}

impl SerializeStruct for Struct<'_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), ValueError> {
        match self {
            Self::Plain(open) => open.field(name, value),
            Self::Number(serializer) => {
                let text = json_text(value)?;
                if text.contains(['.', 'e', 'E']) {
                    let float: f64 = text.parse().map_err(|_| ValueError::NotFinite)?;
                    float.serialize(&mut **serializer)
                } else {
                    let integer: i128 = text.parse().map_err(|_| ValueError::TooLarge)?;
                    integer.serialize(&mut **serializer)
                }
            }
            Self::Raw(serializer) => {
                let json: Json = serde_json::from_str(&json_text(value)?).map_err(ValueError::Type)?;
                json.serialize(&mut **serializer)
            }
        }
    }

    fn end(self) -> Result<(), ValueError> {
        match self {
            Self::Plain(open) => SerializeSeq::end(open),
            Self::Number(_) | Self::Raw(_) => Ok(()),
        }
    }
}

/// The text in the one field of such a struct.
fn json_text<T: Serialize + ?Sized>(value: &T) -> Result<String, ValueError> {
    match to_json(&to_bytes(value, 0)?)? {
        Json::String(text) => Ok(text),
        _ => Err(ValueError::Key),
    }
}
