//! A hint: a short file beside a sealed segment, which says what the segment does to an index. Its layout; no I/O here.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `cloakht` and a zero byte |
//! | 8 | 2 | format version, 1 |
//! | 10 | 2 | zeros |
//! | 12 | 4 | the segment's number, as in the names of both files |
//! | 16 | 4 | the segment's length |
//! | 20 | 4 | how many effects there are |
//! | 24 | 37 | the segment's last [frame](crate::store::file::format::frame), which seals it |
//! | 61 | 3 | zeros |
//! | 64 | | the effects, one after another, in the order in which they are to be applied |
//! | end - 8 | 8 | xxh3-64 of all bytes before, seeded with the store's salt |
//!
//! Numbers in the header are little-endian; [`effects`] says how the effects are encoded.
//!
//! A reader believes all of a hint or nothing: a file that differs from this layout anywhere is no hint (protocol rule 8).

pub(crate) mod effects;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use self::effects::{Decoder, Encoder};
use crate::store::file::format::effect::Effect;
use crate::store::file::format::frame::{Frame, HEAD, Kind};
use crate::store::file::format::position::Position;

const MAGIC: &[u8; 8] = b"cloakht\0";
const VERSION: u16 = 1;

/// Bytes of a hint's header, and of its checksum.
const HEADER: usize = 64;
const CHECKSUM: usize = 8;

/// The bytes of a segment's last frame.
pub(crate) type Seal = [u8; HEAD];

/// A hint whose checks have passed.
pub(crate) struct Hint {
    /// What the segment does, in order, without the seal.
    pub(crate) effects: Vec<Effect>,
}

impl Hint {
    /// Parses the hint of a segment that has this length and this seal. The length bounds the memory that this takes.
    pub(crate) fn parse(bytes: &[u8], segment: u32, length: u32, seal: &Seal, salt: u64) -> Option<Self> {
        let (checked, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
        let (header, effects) = checked.split_first_chunk::<HEADER>()?;
        let count = u32::from_le_bytes([header[20], header[21], header[22], header[23]]);
        // Each effect comes from a frame with a head of its own, so a larger count is a false claim.
        if count > length / HEAD as u32
            || *header != self::header(segment, length, count, seal)
            || u64::from_le_bytes(*checksum) != xxh3_64_with_seed(checked, salt)
        {
            return None;
        }
        let at = Position::new(segment, length.checked_sub(HEAD as u32)?);
        Frame::parse(seal, at, salt).filter(|frame| frame.head.kind == Kind::Seal)?;
        let mut decoder = Decoder::new(effects, segment, at);
        // All effects are decoded before one is applied, so a bad hint changes no index.
        let mut effects = Vec::with_capacity(count as usize + 1);
        for _ in 0..count {
            effects.push(decoder.next().ok()?);
        }
        decoder.is_empty().then_some(Self { effects })
    }
}

fn header(segment: u32, length: u32, count: u32, seal: &Seal) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..10].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&segment.to_le_bytes());
    header[16..20].copy_from_slice(&length.to_le_bytes());
    header[20..24].copy_from_slice(&count.to_le_bytes());
    header[24..24 + HEAD].copy_from_slice(seal);
    header
}

/// Takes the effects of this segment's hint.
pub(crate) fn encoder(segment: u32) -> Encoder {
    Encoder::appending_to(vec![0; HEADER], segment)
}

/// The bytes of the hint of this segment.
pub(crate) fn to_bytes(encoder: Encoder, segment: u32, length: u32, seal: &Seal, salt: u64) -> Vec<u8> {
    let header = header(segment, length, encoder.count(), seal);
    let mut bytes = encoder.into_bytes();
    bytes[..HEADER].copy_from_slice(&header);
    checked(bytes, salt)
}

/// Appends the checksum.
fn checked(mut bytes: Vec<u8>, salt: u64) -> Vec<u8> {
    bytes.extend(xxh3_64_with_seed(&bytes, salt).to_le_bytes());
    bytes
}

/// The same of effects that are there at once.
#[cfg(any(test, fuzzing))]
pub(crate) fn of_effects(effects: &[Effect], segment: u32, length: u32, seal: &Seal, salt: u64) -> Vec<u8> {
    let mut encoder = encoder(segment);
    effects.iter().for_each(|effect| encoder.push(effect));
    to_bytes(encoder, segment, length, seal, salt)
}

/// A hint with a right checksum, and any bytes in the place of effects.
#[cfg(fuzzing)]
pub(crate) fn forged(count: u32, effects: &[u8], segment: u32, length: u32, seal: &Seal, salt: u64) -> Vec<u8> {
    checked([&header(segment, length, count, seal)[..], effects].concat(), salt)
}

#[cfg(test)]
mod tests;
