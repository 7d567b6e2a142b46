//! What the log says about one session.

use crate::model::lifetime::Expiry;
use crate::model::owner::Owner;
use crate::model::record::{self, Revision};
use crate::model::time::Timestamp;
use crate::store::file::format::frame::{Frame, Head};
use crate::store::file::format::position::Position;

/// What is known of a session without reading its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordMeta {
    /// The frame of the newest put or move.
    pub(crate) at: Position,
    /// That frame's bytes.
    pub(crate) bytes: u32,
    /// The position of the last put: a move changes it as little as a touch does.
    pub(crate) revision: Revision,
    pub(crate) expiry: Expiry,
    pub(crate) owner: Option<Owner>,
}

impl RecordMeta {
    /// What a put or a move says.
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
            // The frame is whole, so a newer version wrote the record: it is there, and this version cannot read it.
            None => Self::unreadable(frame.at, &frame.head, Expiry::from_parts(Timestamp::NEVER, None, None)),
        }
    }

    /// The session is there, and its record cannot be read (rule 11): whoever loads it is told why.
    pub(crate) fn unreadable(at: Position, head: &Head, expiry: Expiry) -> Self {
        Self { at, bytes: head.frame_bytes() as u32, revision: Revision::from_u64(at.as_u64()), expiry, owner: None }
    }
}
