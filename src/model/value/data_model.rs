//! Each type of serde's data model, and what is written for it.

use serde::Serialize;

use super::compound::{Open, Struct, Variant};
use super::error::ValueError;
use super::layout::tag;
use super::serializer::Serializer;

/// The name of the struct as which `serde_json` writes a number if a crate of the build enables its feature
/// `arbitrary_precision`. The one field is the number's text.
const NUMBER: &str = "$serde_json::private::Number";
/// The name of the struct as which `serde_json` writes its `RawValue`. The one field is JSON text.
const RAW: &str = "$serde_json::private::RawValue";

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
