//! Effects in bytes, as hints and snapshots hold them. Their layout; no I/O here.
//!
//! [`codec`](crate::model::codec) encodes the numbers. An effect begins with a byte that says its kind. The session's key in
//! 16 bytes follows, except after clear, trim and 6. Then:
//!
//! | byte | | what follows |
//! |---|---|---|
//! | 1 | clear | |
//! | 2 | touch | last seen, in milliseconds after that of the previous touch or put, signed |
//! | 3 | sweep | the time, in milliseconds since the Unix epoch |
//! | 4 | destroy | |
//! | 5 | trim | the oldest segment that stays |
//! | 6 | end owned | the owner, a byte string |
//! | 7 | end owned, but for the session of this key | the same |
//! | 128 and flags | put | see below |
//!
//! A put stores how it differs from what is usual; each flag says that its field follows:
//!
//! | flag | what follows | else |
//! |---|---|---|
//! | 1 | how far the frame lies behind the end of the previous put's, modulo 2^64 | at its end; the first at offset 64 |
//! | always | how many bytes longer its frame is than that of the previous put, signed | |
//! | always | last seen, as with a touch | |
//! | 2 | the revision: by how much it is above that of the previous put with this flag, signed | its position |
//! | 4 | the idle timeout in milliseconds plus 1, or 0 for none | as in the previous put |
//! | 4 without 8 | the absolute deadline, in milliseconds after last seen, signed | as in the previous put |
//! | 8, only with 4 | nothing: there is no absolute deadline | |
//! | 16 | the owner, a byte string | it has none |
//! | 32, without 4 and 16 | nothing: a trace stands there, and what is in the place of last seen is its end | a session |

use std::time::Duration;

use crate::model::codec::{CodecError, Reader, Writer};
use crate::model::key::SessionKey;
use crate::model::lifetime::Expiry;
use crate::model::record::Revision;
use crate::model::time::Timestamp;
use crate::store::file::format::effect::Effect;
use crate::store::file::format::frame::HEAD;
use crate::store::file::format::meta::{RecordMeta, trace_expiry};
use crate::store::file::format::position::Position;
use crate::store::file::format::segment;

const CLEAR: u8 = 1;
pub(super) const TOUCH: u8 = 2;
pub(super) const SWEEP: u8 = 3;
pub(super) const DESTROY: u8 = 4;
pub(super) const TRIM: u8 = 5;
pub(super) const END_OWNED: u8 = 6;
pub(super) const END_OTHERS: u8 = 7;
const PUT: u8 = 128;

/// Flags of a put.
mod flag {
    pub(super) const GAP: u8 = 1;
    pub(super) const REVISION: u8 = 2;
    pub(super) const LIFETIME: u8 = 4;
    pub(super) const NO_DEADLINE: u8 = 8;
    pub(super) const OWNER: u8 = 16;
    pub(super) const TRACE: u8 = 32;
}

/// Encodes effects, one after another.
pub(crate) struct Encoder {
    before: Before,
    writer: Writer,
    count: u32,
}

impl Encoder {
    /// Appends to these bytes. The first frame of a put may stand at the beginning of this segment.
    pub(crate) fn appending_to(bytes: Vec<u8>, segment: u32) -> Self {
        Self { before: Before::in_segment(segment), writer: Writer::appending_to(bytes), count: 0 }
    }

    pub(crate) fn push(&mut self, effect: &Effect) {
        self.before.write(effect, &mut self.writer);
        self.count += 1;
    }

    /// How many effects were appended.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.writer.len()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.writer.into_vec()
    }
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
            Effect::EndOwned(owner, but) => {
                writer.byte(if but.is_some() { END_OTHERS } else { END_OWNED });
                but.iter().for_each(|but| writer.fixed(but.as_bytes()));
                writer.bytes(owner.as_bytes());
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
        let (idle, revision) = (meta.expiry.idle(), meta.revision.as_u64());
        let seen = if meta.is_trace { meta.expiry.ends_at() } else { meta.expiry.last_seen() };
        let left = meta.expiry.absolute().map(|deadline| deadline.as_millis().wrapping_sub(seen.as_millis()));
        let gap = meta.at.as_u64().wrapping_sub(self.end.as_u64());
        let has_revision = revision != meta.at.as_u64();
        let has_lifetime = !meta.is_trace && (idle, left) != (self.idle, self.left);
        let flags = [
            (flag::GAP, gap > 0),
            (flag::REVISION, has_revision),
            (flag::LIFETIME, has_lifetime),
            (flag::NO_DEADLINE, has_lifetime && left.is_none()),
            (flag::OWNER, meta.owner.is_some()),
            (flag::TRACE, meta.is_trace),
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
            writer.bytes(owner.as_bytes());
        }
        (self.end, self.bytes) = (meta.at.plus(meta.bytes as usize), meta.bytes);
    }
}

/// Decodes effects, one after another.
pub(crate) struct Decoder<'a> {
    reader: Reader<'a>,
    before: Before,
    /// The frames of all puts lie between these two.
    start: Position,
    end: Position,
}

impl<'a> Decoder<'a> {
    /// Of effects whose frames stand in the segments from this one on, and before `end`.
    pub(crate) fn new(effects: &'a [u8], first: u32, end: Position) -> Self {
        Self { reader: Reader::new(effects), before: Before::in_segment(first), start: segment::start(first), end }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.reader.is_empty()
    }

    pub(crate) fn next(&mut self) -> Result<Effect, CodecError> {
        Ok(match self.reader.byte()? {
            CLEAR => Effect::Clear,
            TRIM => Effect::Trim(u32::try_from(self.reader.number()?).map_err(|_| CodecError::Malformed)?),
            TOUCH => Effect::Touch(self.key()?, self.seen()?),
            SWEEP => {
                let key = self.key()?;
                Effect::Sweep(time(self.reader.number()?)?, key)
            }
            DESTROY => Effect::Destroy(self.key()?),
            END_OWNED => Effect::EndOwned(self.reader.bytes()?.into(), None),
            END_OTHERS => {
                let but = Some(self.key()?);
                Effect::EndOwned(self.reader.bytes()?.into(), but)
            }
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
        let is_trace = has(flag::TRACE);
        if byte >= PUT | flag::TRACE << 1
            || has(flag::NO_DEADLINE) && !has(flag::LIFETIME)
            || is_trace && (has(flag::LIFETIME) || has(flag::OWNER))
        {
            return Err(CodecError::Malformed);
        }
        let key = self.key()?;
        let gap = if has(flag::GAP) { self.reader.number()? } else { 0 };
        let bytes = i64::from(self.before.bytes).checked_add(self.reader.signed()?);
        let bytes = bytes.and_then(|bytes| u32::try_from(bytes).ok()).filter(|bytes| *bytes >= HEAD as u32);
        let (seen, before) = (self.seen()?, &mut self.before);
        let at = Position::from_u64(before.end.as_u64().wrapping_add(gap));
        let is_placed = at >= self.start
            && at.offset() >= segment::HEADER
            && at.offset().checked_add(bytes.unwrap_or(u32::MAX)).is_some()
            && bytes.is_some_and(|bytes| at.plus(bytes as usize) <= self.end);
        let bytes = bytes.filter(|_| is_placed).ok_or(CodecError::Malformed)?;
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
            Some(left) if !is_trace => Some(time(seen.as_millis().wrapping_add(left))?),
            _ => None,
        };
        let owner = if has(flag::OWNER) { Some(self.reader.bytes()?.into()) } else { None };
        (before.end, before.bytes) = (at.plus(bytes as usize), bytes);
        let expiry = if is_trace { trace_expiry(seen) } else { Expiry::from_parts(seen, before.idle, deadline) };
        let revision = Revision::from_u64(revision);
        Ok(Effect::Put(key, RecordMeta { at, bytes, revision, expiry, owner, is_trace }))
    }
}

/// Refuses times that no writer has: those later than [`Timestamp::NEVER`].
fn time(millis: u64) -> Result<Timestamp, CodecError> {
    if millis <= Timestamp::NEVER.as_millis() { Ok(Timestamp::from_millis(millis)) } else { Err(CodecError::Malformed) }
}
