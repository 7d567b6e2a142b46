//! serde's data model to stored bytes, in one pass.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};
use serde_json::Value as Json;

use super::{MAX_DEPTH, ValueError, tag, to_json};
use crate::codec::Writer;

/// The struct by which `serde_json` writes a number when some crate of the build enables its `arbitrary_precision`; its
/// one field is the number's text.
const NUMBER: &str = "$serde_json::private::Number";
/// The struct by which `serde_json` writes its `RawValue`; its one field is JSON text.
const RAW: &str = "$serde_json::private::RawValue";

/// The bytes of a value that stands inside `depth` lists and maps.
pub(super) fn to_bytes<T: Serialize + ?Sized>(value: &T, depth: usize) -> Result<Vec<u8>, ValueError> {
    let mut serializer = Serializer { out: Writer::default(), depth };
    value.serialize(&mut serializer)?;
    Ok(serializer.out.into_vec())
}

struct Serializer {
    out: Writer,
    depth: usize,
}

impl Serializer {
    fn open(&mut self, tag: u8) -> Result<(), ValueError> {
        if self.depth == MAX_DEPTH {
            return Err(ValueError::TooDeep);
        }
        self.depth += 1;
        self.out.byte(tag);
        Ok(())
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.out.byte(tag::END);
    }

    fn text(&mut self, text: &str) {
        self.out.byte(tag::TEXT);
        self.out.bytes(text.as_bytes());
    }

    /// Opens a map of one entry, as an enum's variant that holds something is written.
    fn variant(&mut self, name: &str) -> Result<(), ValueError> {
        self.open(tag::MAP)?;
        self.text(name);
        Ok(())
    }

    /// A key that is not text becomes the text that `serde_json` would write for it.
    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        let bytes = to_bytes(key, self.depth)?;
        match bytes.first() {
            Some(&tag::TEXT) => self.out.fixed(&bytes),
            Some(&(tag::LIST | tag::MAP | tag::NULL)) | None => return Err(ValueError::Key),
            Some(_) => self.text(&to_json(&bytes)?.to_string()),
        }
        Ok(())
    }
}

impl<'a> serde::Serializer for &'a mut Serializer {
    type Ok = ();
    type Error = ValueError;
    type SerializeSeq = Open<'a>;
    type SerializeTuple = Open<'a>;
    type SerializeTupleStruct = Open<'a>;
    type SerializeTupleVariant = Variant<'a>;
    type SerializeMap = Open<'a>;
    type SerializeStruct = Struct<'a>;
    type SerializeStructVariant = Variant<'a>;

    fn serialize_bool(self, value: bool) -> Result<(), ValueError> {
        self.out.byte(if value { tag::TRUE } else { tag::FALSE });
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), ValueError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), ValueError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), ValueError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), ValueError> {
        self.out.byte(tag::INTEGER);
        self.out.signed(value);
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), ValueError> {
        match (i64::try_from(value), u64::try_from(value)) {
            (Ok(value), _) => self.serialize_i64(value),
            (_, Ok(value)) => self.serialize_u64(value),
            _ => Err(ValueError::TooLarge),
        }
    }

    fn serialize_u8(self, value: u8) -> Result<(), ValueError> {
        self.serialize_i64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), ValueError> {
        self.serialize_i64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), ValueError> {
        self.serialize_i64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), ValueError> {
        if let Ok(value) = i64::try_from(value) {
            return self.serialize_i64(value);
        }
        self.out.byte(tag::LARGE);
        self.out.number(value);
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), ValueError> {
        self.serialize_u64(u64::try_from(value).map_err(|_| ValueError::TooLarge)?)
    }

    fn serialize_f32(self, value: f32) -> Result<(), ValueError> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), ValueError> {
        if !value.is_finite() {
            return Err(ValueError::NotFinite);
        }
        self.out.byte(tag::FLOAT);
        self.out.float(value);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), ValueError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), ValueError> {
        self.text(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), ValueError> {
        self.collect_seq(value)
    }

    fn serialize_none(self) -> Result<(), ValueError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), ValueError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), ValueError> {
        self.out.byte(tag::NULL);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), ValueError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), ValueError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), ValueError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.close();
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Open<'a>, ValueError> {
        self.open(tag::LIST)?;
        Ok(Open(self))
    }

    fn serialize_tuple(self, length: usize) -> Result<Open<'a>, ValueError> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Open<'a>, ValueError> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Variant<'a>, ValueError> {
        self.variant(variant)?;
        self.open(tag::LIST)?;
        Ok(Variant(Open(self)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Open<'a>, ValueError> {
        self.open(tag::MAP)?;
        Ok(Open(self))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Struct<'a>, ValueError> {
        match name {
            NUMBER => Ok(Struct::Number(self)),
            RAW => Ok(Struct::Raw(self)),
            _ => self.serialize_map(None).map(Struct::Plain),
        }
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Variant<'a>, ValueError> {
        self.variant(variant)?;
        self.open(tag::MAP)?;
        Ok(Variant(Open(self)))
    }
}

/// A list or map that is being written.
struct Open<'a>(&'a mut Serializer);

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

/// What an enum's variant holds, inside the map that names the variant.
struct Variant<'a>(Open<'a>);

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

/// A struct, or one of the two by which `serde_json` speaks to itself.
enum Struct<'a> {
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

/// The text that `serde_json` put into a struct of its own.
fn json_text<T: Serialize + ?Sized>(value: &T) -> Result<String, ValueError> {
    match to_json(&to_bytes(value, 0)?)? {
        Json::String(text) => Ok(text),
        _ => Err(ValueError::Key),
    }
}
