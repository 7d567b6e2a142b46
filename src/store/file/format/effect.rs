//! Effects: what frames and hints do to an index, decoded. An effect holds values and no bytes of a file.

use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::time::Timestamp;
use crate::store::file::format::frame::{Frame, Kind};
use crate::store::file::format::meta::RecordMeta;

/// What one frame does to an index, or what many frames do together.
pub(crate) enum Effect {
    /// The session's record was put at this position.
    Put(SessionKey, RecordMeta),
    /// Compaction moved the record to this position.
    Move(SessionKey, RecordMeta),
    /// The session was last seen at this time.
    Touch(SessionKey, Timestamp),
    /// The session has ended: a tombstone.
    Destroy(SessionKey),
    /// Ends every session that stands before this effect and whose (end, key) is not above this one.
    Sweep(Timestamp, SessionKey),
    /// Ends every session of this owner that stands before this effect, but for the one under this key, if there is a key.
    EndOwned(Owner, Option<SessionKey>),
    /// Segments below this number are no longer part of the log.
    Trim(u32),
    /// Ends every session that stands before this effect.
    Clear,
    /// The segment ends; the log goes on in the next.
    Seal,
}

impl Effect {
    /// Hands over the effects of a frame: none, one, or those of all frames in a batch.
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
            // No writer writes a body of another length, so such a frame has no effect.
            Kind::Touch => match time() {
                Some(seen) => Self::Touch(key, seen),
                None => return,
            },
            Kind::Sweep => match time() {
                Some(end) => Self::Sweep(end, key),
                None => return,
            },
            Kind::EndOwned => match frame.body.split_first() {
                Some((but @ (0 | 1), owner)) => Self::EndOwned(owner.into(), (*but == 1).then_some(key)),
                _ => return,
            },
            Kind::Trim => match frame.oldest() {
                Some(oldest) => Self::Trim(oldest),
                None => return,
            },
            Kind::Mark => return,
        });
    }
}
