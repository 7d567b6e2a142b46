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
//! Numbers in the header are little-endian; [`codec`](crate::model::codec) encodes those of the effects. An effect begins
//! with a byte that says its kind. The session's key in 16 bytes follows, except after clear and trim. Then:
//!
//! | byte | | what follows |
//! |---|---|---|
//! | 1 | clear | |
//! | 2 | touch | last seen, in milliseconds after that of the previous touch or put, signed |
//! | 3 | sweep | the time, in milliseconds since the Unix epoch |
//! | 4 | destroy | |
//! | 5 | trim | the oldest segment that stays |
//! | 128 and flags | put | see below |
//!
//! A put stores how it differs from what is usual; each flag says that its field follows:
//!
//! | flag | what follows | else |
//! |---|---|---|
//! | 1 | how many bytes lie between the frame of the previous put and this one | none; the first stands at offset 64 |
//! | always | how many bytes longer its frame is than that of the previous put, signed | |
//! | always | last seen, as with a touch | |
//! | 2 | the revision: by how much it is above that of the previous put with this flag, signed | its position |
//! | 4 | the idle timeout in milliseconds plus 1, or 0 for none | as in the previous put |
//! | 4 without 8 | the absolute deadline, in milliseconds after last seen, signed | as in the previous put |
//! | 8, only with 4 | nothing: there is no absolute deadline | |
//! | 16 | the owner, a string | it has none |
//!
//! A reader believes all of a hint or nothing: a file that differs from this layout anywhere is no hint (protocol rule 8).

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::model::codec::{CodecError, Reader, Writer};
use crate::model::key::SessionKey;
use crate::model::lifetime::Expiry;
use crate::model::record::Revision;
use crate::model::time::Timestamp;
use crate::store::file::format::effect::Effect;
use crate::store::file::format::frame::{Frame, HEAD, Kind};
use crate::store::file::format::meta::RecordMeta;
use crate::store::file::format::position::Position;
use crate::store::file::format::segment;

const MAGIC: &[u8; 8] = b"cloakht\0";
const VERSION: u16 = 1;

/// Bytes of a hint's header, and of its checksum.
const HEADER: usize = 64;
const CHECKSUM: usize = 8;

const CLEAR: u8 = 1;
const TOUCH: u8 = 2;
const SWEEP: u8 = 3;
const DESTROY: u8 = 4;
const TRIM: u8 = 5;
const PUT: u8 = 128;

/// Flags of a put.
mod flag {
    pub(super) const GAP: u8 = 1;
    pub(super) const REVISION: u8 = 2;
    pub(super) const LIFETIME: u8 = 4;
    pub(super) const NO_DEADLINE: u8 = 8;
    pub(super) const OWNER: u8 = 16;
}

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
        let mut reading = Reading::new(effects, at);
        // All effects are decoded before one is applied, so a bad hint changes no index.
        let mut effects = Vec::with_capacity(count as usize + 1);
        for _ in 0..count {
            effects.push(reading.next().ok()?);
        }
        reading.reader.finish().ok()?;
        Some(Self { effects })
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

/// The bytes of the hint of this segment.
pub(crate) fn to_bytes(effects: &[Effect], segment: u32, length: u32, seal: &Seal, salt: u64) -> Vec<u8> {
    let count = u32::try_from(effects.len()).expect("a segment has fewer frames than bytes");
    let mut writer = Writer::with_capacity(HEADER + 24 * effects.len() + CHECKSUM);
    writer.fixed(&header(segment, length, count, seal));
    let mut before = Before::in_segment(segment);
    for effect in effects {
        before.write(effect, &mut writer);
    }
    checked(writer.into_vec(), salt)
}

/// Appends the checksum.
fn checked(mut bytes: Vec<u8>, salt: u64) -> Vec<u8> {
    bytes.extend(xxh3_64_with_seed(&bytes, salt).to_le_bytes());
    bytes
}

/// A hint with a right checksum, and any bytes in the place of effects.
#[cfg(fuzzing)]
pub(crate) fn forged(count: u32, effects: &[u8], segment: u32, length: u32, seal: &Seal, salt: u64) -> Vec<u8> {
    checked([&header(segment, length, count, seal)[..], effects].concat(), salt)
}

/// The earlier values that the next effect is stored relative to.
struct Before {
    /// Where the last put's frame ends, and how long it is.
    end: Position,
    bytes: u32,
    seen: u64,
    revision: u64,
    idle: Option<Duration>,
    /// Milliseconds from last seen to the absolute deadline.
    left: Option<u64>,
}

impl Before {
    fn in_segment(segment: u32) -> Self {
        Self { end: segment::start(segment), bytes: 0, seen: 0, revision: 0, idle: None, left: None }
    }

    fn write(&mut self, effect: &Effect, writer: &mut Writer) {
        match effect {
            Effect::Clear => writer.byte(CLEAR),
            Effect::Touch(key, seen) => {
                writer.byte(TOUCH);
                writer.fixed(key.as_bytes());
                self.write_seen(*seen, writer);
            }
            Effect::Sweep(end, key) => {
                writer.byte(SWEEP);
                writer.fixed(key.as_bytes());
                writer.number(end.as_millis());
            }
            Effect::Destroy(key) => {
                writer.byte(DESTROY);
                writer.fixed(key.as_bytes());
            }
            Effect::Trim(oldest) => {
                writer.byte(TRIM);
                writer.number(u64::from(*oldest));
            }
            Effect::Put(key, meta) | Effect::Move(key, meta) => self.write_put(key, meta, writer),
            // Every segment with a hint is sealed, so the hint need not say it.
            Effect::Seal => {}
        }
    }

    fn write_seen(&mut self, seen: Timestamp, writer: &mut Writer) {
        writer.signed(seen.as_millis().wrapping_sub(self.seen) as i64);
        self.seen = seen.as_millis();
    }

    fn write_put(&mut self, key: &SessionKey, meta: &RecordMeta, writer: &mut Writer) {
        let (seen, idle, revision) = (meta.expiry.last_seen(), meta.expiry.idle(), meta.revision.as_u64());
        let left = meta.expiry.absolute().map(|deadline| deadline.as_millis().wrapping_sub(seen.as_millis()));
        let gap = meta.at.as_u64() - self.end.as_u64();
        let has_revision = revision != meta.at.as_u64();
        let has_lifetime = (idle, left) != (self.idle, self.left);
        let flags = [
            (flag::GAP, gap > 0),
            (flag::REVISION, has_revision),
            (flag::LIFETIME, has_lifetime),
            (flag::NO_DEADLINE, has_lifetime && left.is_none()),
            (flag::OWNER, meta.owner.is_some()),
        ];
        writer.byte(flags.iter().filter(|(_, is_set)| *is_set).fold(PUT, |byte, (flag, _)| byte | flag));
        writer.fixed(key.as_bytes());
        if gap > 0 {
            writer.number(gap);
        }
        writer.signed(i64::from(meta.bytes) - i64::from(self.bytes));
        self.write_seen(seen, writer);
        if has_revision {
            writer.signed(revision.wrapping_sub(self.revision) as i64);
            self.revision = revision;
        }
        if has_lifetime {
            writer.number(idle.map_or(0, |idle| idle.as_millis() as u64 + 1));
            if let Some(left) = left {
                writer.signed(left as i64);
            }
            (self.idle, self.left) = (idle, left);
        }
        if let Some(owner) = &meta.owner {
            writer.bytes(owner.as_str().as_bytes());
        }
        (self.end, self.bytes) = (meta.at.plus(meta.bytes as usize), meta.bytes);
    }
}

/// Decodes a hint's effects, one after another.
struct Reading<'a> {
    reader: Reader<'a>,
    before: Before,
    /// The position of the segment's seal, its last frame.
    seal: Position,
}

impl<'a> Reading<'a> {
    fn new(effects: &'a [u8], seal: Position) -> Self {
        Self { reader: Reader::new(effects), before: Before::in_segment(seal.segment()), seal }
    }

    fn next(&mut self) -> Result<Effect, CodecError> {
        Ok(match self.reader.byte()? {
            CLEAR => Effect::Clear,
            TRIM => Effect::Trim(u32::try_from(self.reader.number()?).map_err(|_| CodecError::Malformed)?),
            TOUCH => Effect::Touch(self.key()?, self.seen()?),
            SWEEP => {
                let key = self.key()?;
                Effect::Sweep(time(self.reader.number()?)?, key)
            }
            DESTROY => Effect::Destroy(self.key()?),
            put if put & PUT > 0 => self.put(put)?,
            _ => return Err(CodecError::Malformed),
        })
    }

    fn key(&mut self) -> Result<SessionKey, CodecError> {
        self.reader.fixed().map(SessionKey::from_bytes)
    }

    fn seen(&mut self) -> Result<Timestamp, CodecError> {
        let seen = time(self.before.seen.wrapping_add_signed(self.reader.signed()?))?;
        self.before.seen = seen.as_millis();
        Ok(seen)
    }

    fn put(&mut self, byte: u8) -> Result<Effect, CodecError> {
        let has = |flag: u8| byte & flag > 0;
        if byte >= PUT | flag::OWNER << 1 || has(flag::NO_DEADLINE) && !has(flag::LIFETIME) {
            return Err(CodecError::Malformed);
        }
        let key = self.key()?;
        let gap = if has(flag::GAP) { self.reader.number()? } else { 0 };
        let bytes = i64::from(self.before.bytes).checked_add(self.reader.signed()?);
        let bytes = bytes.and_then(|bytes| u32::try_from(bytes).ok()).filter(|bytes| *bytes >= HEAD as u32);
        let (seen, before) = (self.seen()?, &mut self.before);
        let at = u64::from(before.end.offset()).checked_add(gap);
        let room = u64::from(self.seal.offset());
        // The frame must lie in the segment, in front of the seal.
        let placed = at.zip(bytes).filter(|(at, bytes)| *at <= room && u64::from(*bytes) <= room - at);
        let (at, bytes) = placed.ok_or(CodecError::Malformed)?;
        let at = Position::new(self.seal.segment(), at as u32);
        let mut revision = at.as_u64();
        if has(flag::REVISION) {
            revision = before.revision.wrapping_add_signed(self.reader.signed()?);
            before.revision = revision;
        }
        if has(flag::LIFETIME) {
            before.idle = self.reader.number()?.checked_sub(1).map(Duration::from_millis);
            before.left = if has(flag::NO_DEADLINE) { None } else { Some(self.reader.signed()? as u64) };
        }
        let deadline = match before.left {
            Some(left) => Some(time(seen.as_millis().wrapping_add(left))?),
            None => None,
        };
        let owner = if has(flag::OWNER) { Some(self.reader.text()?.into()) } else { None };
        (before.end, before.bytes) = (at.plus(bytes as usize), bytes);
        let expiry = Expiry::from_parts(seen, before.idle, deadline);
        Ok(Effect::Put(key, RecordMeta { at, bytes, revision: Revision::from_u64(revision), expiry, owner }))
    }
}

/// Refuses times that no writer has: those later than [`Timestamp::NEVER`].
fn time(millis: u64) -> Result<Timestamp, CodecError> {
    if millis <= Timestamp::NEVER.as_millis() { Ok(Timestamp::from_millis(millis)) } else { Err(CodecError::Malformed) }
}

#[cfg(test)]
mod tests;
