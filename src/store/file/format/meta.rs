//! [`RecordMeta`]: what the index keeps of one session. The record's values are never part of it.

use crate::model::lifetime::Expiry;
use crate::model::owner::Owner;
use crate::model::record::{self, Revision};
use crate::model::time::Timestamp;
use crate::store::file::format::frame::{Frame, Head};
use crate::store::file::format::position::Position;

/// What is known of a session without reading its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordMeta {
    /// The position of the newest put or move.
    pub(crate) at: Position,
    /// The length of that frame, in bytes.
    pub(crate) bytes: u32,
    /// The position of the last put, for compare-and-swap. Moves and touches do not change it.
    pub(crate) revision: Revision,
    pub(crate) expiry: Expiry,
    pub(crate) owner: Option<Owner>,
}

impl RecordMeta {
    /// Decodes what a put or a move says of its session.
    pub(crate) fn of(frame: &Frame<'_>) -> Self {
        let head = frame.record().and_then(|(revision, bytes)| Some((revision, record::Head::read(bytes).ok()?.0)));
        match head {
            Some((revision, head)) => Self {
                at: frame.at,
                bytes: frame.head.frame_bytes() as u32,
                revision: Revision::from_u64(revision),
                expiry: head.expiry,
                owner: head.owner.map(Owner::from),
            },
            // The frame is whole, so a newer version wrote the record, and this version cannot read it.
            None => Self::unreadable(frame.at, &frame.head, Expiry::from_parts(Timestamp::NEVER, None, None)),
        }
    }

    /// A session whose record cannot be read: a load fails, and never serves an older version (rule 11).
    pub(crate) fn unreadable(at: Position, head: &Head, expiry: Expiry) -> Self {
        Self { at, bytes: head.frame_bytes() as u32, revision: Revision::from_u64(at.as_u64()), expiry, owner: None }
    }
}
