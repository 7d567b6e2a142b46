//! One thing that a log does to an index, read already.

use crate::model::key::SessionKey;
use crate::model::time::Timestamp;
use crate::store::file::format::frame::{Frame, Kind};
use crate::store::file::format::meta::RecordMeta;

/// What a frame does to an index; or what many do together.
pub(crate) enum Effect {
    /// A record was put here.
    Put(SessionKey, RecordMeta),
    /// One was moved here.
    Move(SessionKey, RecordMeta),
    /// A session was seen.
    Touch(SessionKey, Timestamp),
    Destroy(SessionKey),
    /// What stands before this and ends by then is dead; of what ends at that moment, what has a key up to this one.
    Sweep(Timestamp, SessionKey),
    /// Segments below this number are no longer part of the log.
    Trim(u32),
    /// All that stands before is dead.
    Clear,
    /// The segment ends.
    Seal,
}

impl Effect {
    /// What a frame does: nothing, one thing, or, if it is a batch, many.
    pub(crate) fn each_of(frame: &Frame<'_>, salt: u64, take: &mut dyn FnMut(Self)) {
        let key = frame.head.key;
        let time = || frame.millis().map(Timestamp::from_millis);
        take(match frame.head.kind {
            Kind::Put => Self::Put(key, RecordMeta::of(frame)),
            Kind::Move => Self::Move(key, RecordMeta::of(frame)),
            Kind::Destroy => Self::Destroy(key),
            Kind::Clear => Self::Clear,
            Kind::Seal => Self::Seal,
            Kind::Batch => return frame.inner(salt).for_each(|inner| Self::each_of(&inner, salt, take)),
            // A body that no writer writes says nothing.
            Kind::Touch => match time() {
                Some(seen) => Self::Touch(key, seen),
                None => return,
            },
            Kind::Sweep => match time() {
                Some(end) => Self::Sweep(end, key),
                None => return,
            },
            Kind::Trim => match frame.oldest() {
                Some(oldest) => Self::Trim(oldest),
                None => return,
            },
            Kind::Mark => return,
        });
    }
}
