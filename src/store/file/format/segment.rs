//! A segment: one file of the log. The layout of its header; no I/O here.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `cloakrm` and a zero byte |
//! | 8 | 2 | format version, 1 |
//! | 10 | 2 | zeros |
//! | 12 | 4 | the segment's number, as in its name |
//! | 16 | 8 | the store's salt: random, the same in all segments |
//! | 24 | 32 | zeros, kept for later versions |
//! | 56 | 8 | xxh3-64 of the 56 bytes before |
//! | 64 | | [frames](crate::store::file::format::frame), one after another, then zeros or the end of the file |
//!
//! Numbers are little-endian. The zeros are preallocated (`engine/zeroed_ahead.rs`); the file of a sealed segment ends at
//! the seal.

use xxhash_rust::xxh3::xxh3_64;

use crate::store::file::format::position::Position;

/// The length of a segment's header, in bytes: the offset of the first frame.
pub(crate) const HEADER: u32 = 64;

const MAGIC: &[u8; 8] = b"cloakrm\0";
const VERSION: u16 = 1;

/// The position of a segment's first frame.
pub(crate) const fn start(number: u32) -> Position {
    Position::new(number, HEADER)
}

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) number: u32,
    pub(crate) salt: u64,
}

/// Why bytes are no valid header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadHeader {
    #[error(
        "the segment's format is version {0}, and this cloakroom knows versions up to {VERSION}; upgrade cloakroom"
    )]
    Newer(u16),
    #[error("the segment's header is damaged")]
    Damaged,
}

impl Header {
    pub(crate) fn to_bytes(self) -> [u8; HEADER as usize] {
        let mut bytes = [0; HEADER as usize];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.salt.to_le_bytes());
        let checksum = xxh3_64(&bytes[..56]);
        bytes[56..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, BadHeader> {
        let bytes = bytes.first_chunk::<{ HEADER as usize }>().ok_or(BadHeader::Damaged)?;
        let word = |from: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[from..from + 8]);
            u64::from_le_bytes(word)
        };
        if &bytes[..8] != MAGIC || word(56) != xxh3_64(&bytes[..56]) {
            return Err(BadHeader::Damaged);
        }
        match u16::from_le_bytes([bytes[8], bytes[9]]) {
            VERSION => Ok(Self { number: (word(8) >> 32) as u32, salt: word(16) }),
            newer => Err(BadHeader::Newer(newer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_and_every_flipped_bit_is_noticed() {
        let header = Header { number: 77, salt: 0x0123_4567_89ab_cdef };
        let bytes = header.to_bytes();
        assert_eq!(Header::parse(&bytes), Ok(header));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::parse(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_format_says_so() {
        let mut bytes = Header { number: 1, salt: 2 }.to_bytes();
        bytes[8] = 2;
        let checksum = xxh3_64(&bytes[..56]);
        bytes[56..].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(Header::parse(&bytes), Err(BadHeader::Newer(2)));
    }
}
