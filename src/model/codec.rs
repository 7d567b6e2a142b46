//! The numbers, strings and byte strings that every format of this crate is made of. The only file that imports bincode.
//!
//! bincode is pinned to 2.0.1, its last release that works. If it has to go, this file is written again, and no stored
//! byte changes. The layout is bincode's "standard" configuration:
//!
//! | item | bytes |
//! |---|---|
//! | number below 251 | the number in one byte |
//! | number below 2^16, 2^32, 2^64 | 251, 252 or 253, then the number in 2, 4 or 8 bytes, little-endian |
//! | signed number | zigzag (0, -1, 1, -2 become 0, 1, 2, 3), then as above |
//! | float | IEEE 754 double in 8 bytes, little-endian |
//! | byte string, string | its length as a number, then its bytes; strings are UTF-8 |
//! | fixed bytes | as they are |

use bincode::config;
use bincode::enc::write::Writer as Sink;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};

/// Stored bytes that are not what the format says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("the bytes end too early")]
    TooShort,
    #[error("{0} bytes are left over")]
    LeftOver(usize),
    #[error("a string is not UTF-8")]
    NotUtf8,
    #[error("the bytes are not what the format says")]
    Malformed,
}

/// A number below this takes one byte.
const ONE_BYTE: u64 = 251;

/// Appends items to a byte vector.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// A writer that appends to these bytes.
    pub(crate) fn appending_to(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn fixed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(crate) fn number(&mut self, number: u64) {
        // Nearly all numbers are small and are written as they are. bincode takes several times as long for them.
        if number < ONE_BYTE { self.byte(number as u8) } else { self.put(number) }
    }

    pub(crate) fn signed(&mut self, number: i64) {
        self.put(number);
    }

    pub(crate) fn float(&mut self, number: f64) {
        self.put(number);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.fixed(bytes);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn into_vec(self) -> Vec<u8> {
        self.0
    }

    fn put(&mut self, item: impl Encode) {
        bincode::encode_into_writer(item, VecSink(&mut self.0), config::standard())
            .expect("numbers can be encoded, and a vector takes all bytes");
    }
}

struct VecSink<'a>(&'a mut Vec<u8>);

impl Sink for VecSink<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Takes items off the front of a byte slice. Never allocates, so a damaged length costs nothing.
#[derive(Clone)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(CodecError::TooShort)?;
        self.0 = rest;
        Ok(*bytes)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, CodecError> {
        self.fixed::<1>().map(|[byte]| byte)
    }

    #[inline]
    pub(crate) fn number(&mut self) -> Result<u64, CodecError> {
        // The same result as bincode's, in a fraction of the time: opening a large store is mostly this.
        let (number, rest) = match self.0 {
            [number, rest @ ..] if u64::from(*number) < ONE_BYTE => ((*number).into(), rest),
            [251, a, b, rest @ ..] => (u16::from_le_bytes([*a, *b]).into(), rest),
            [252, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]).into(), rest),
            _ => return self.take(),
        };
        self.0 = rest;
        Ok(number)
    }

    pub(crate) fn signed(&mut self) -> Result<i64, CodecError> {
        let zigzag = self.number()?;
        Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    pub(crate) fn float(&mut self) -> Result<f64, CodecError> {
        self.take()
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], CodecError> {
        let length = usize::try_from(self.number()?).map_err(|_| CodecError::TooShort)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(CodecError::TooShort)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, CodecError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| CodecError::NotUtf8)
    }

    /// Refuses bytes that are left over.
    pub(crate) fn finish(self) -> Result<(), CodecError> {
        if self.0.is_empty() { Ok(()) } else { Err(CodecError::LeftOver(self.0.len())) }
    }

    fn take<T: Decode<()>>(&mut self) -> Result<T, CodecError> {
        let (item, used) = bincode::decode_from_slice(self.0, config::standard()).map_err(|error| match error {
            DecodeError::UnexpectedEnd { .. } => CodecError::TooShort,
            _ => CodecError::Malformed,
        })?;
        self.0 = &self.0[used..];
        Ok(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_the_documented_one() {
        let mut writer = Writer::default();
        writer.number(250);
        writer.number(251);
        writer.number(65_536);
        writer.number(1 << 32);
        writer.signed(-1);
        writer.float(1.0);
        writer.bytes(b"ab");
        let expected = [
            &[250][..],
            &[251, 251, 0],
            &[252, 0, 0, 1, 0],
            &[253, 0, 0, 0, 0, 1, 0, 0, 0],
            &[1],
            &1.0f64.to_le_bytes(),
            &[2, b'a', b'b'],
        ]
        .concat();
        assert_eq!(writer.into_vec(), expected);
    }

    #[test]
    fn numbers_are_what_bincode_makes_of_them() {
        let edges = (0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for number in (0..300).chain(edges).chain([u64::MAX]) {
            let (mut short, mut long) = (Writer::default(), Writer::default());
            short.number(number);
            long.put(number);
            let bytes = long.into_vec();
            assert_eq!(short.into_vec(), bytes);
            assert_eq!((Reader::new(&bytes).number(), Reader::new(&bytes).take()), (Ok(number), Ok(number)));
            for number in [number as i64, (number as i64).wrapping_neg()] {
                let mut writer = Writer::default();
                writer.signed(number);
                let bytes = writer.into_vec();
                assert_eq!((Reader::new(&bytes).signed(), Reader::new(&bytes).take()), (Ok(number), Ok(number)));
            }
        }
        // Also for bytes that are not a number, or not its shortest form: too long, unknown, cut off.
        for bytes in [&[251, 1, 0][..], &[252, 0, 0, 0, 1], &[253; 9], &[254; 17], &[255; 2], &[251, 1], &[252; 4]] {
            assert_eq!(Reader::new(bytes).number(), Reader::new(bytes).take(), "{bytes:?}");
        }
    }

    #[test]
    fn every_item_reads_back_and_every_cut_is_an_error() {
        let mut writer = Writer::default();
        writer.number(u64::MAX);
        writer.signed(i64::MIN);
        writer.bytes(b"name");
        let bytes = writer.into_vec();
        let read = |bytes: &[u8]| -> Result<(), CodecError> {
            let mut reader = Reader::new(bytes);
            assert_eq!(reader.number()?, u64::MAX);
            assert_eq!(reader.signed()?, i64::MIN);
            assert_eq!(reader.text()?, "name");
            reader.finish()
        };
        assert_eq!(read(&bytes), Ok(()));
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]), Err(CodecError::TooShort), "cut at {cut}");
        }
    }

    #[test]
    fn a_length_beyond_the_bytes_is_refused_before_anything_is_allocated() {
        let mut writer = Writer::default();
        writer.number(u64::MAX);
        assert_eq!(Reader::new(&writer.into_vec()).bytes(), Err(CodecError::TooShort));
    }
}
