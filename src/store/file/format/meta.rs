//! [`RecordMeta`]: what the index keeps of one session, or of a trace. The record's values are never part of it.

use crate::model::lifetime::Expiry;
use crate::model::owner::Owner;
use crate::model::record::{self, Revision};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;
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
    /// Whether a trace stands there, and no session. Its expiry says when it ends, and no more.
    pub(crate) is_trace: bool,
}

impl RecordMeta {
    /// Decodes what a put or a move says of its session.
    pub(crate) fn of(frame: &Frame<'_>) -> Self {
        let trace = frame.record().map(|(_, bytes)| bytes).filter(|bytes| Trace::is_trace(bytes));
        if let Some(bytes) = trace {
            return Self::of_trace(frame, Trace::read(bytes).map_or(Timestamp::NEVER, |trace| trace.ends()));
        }
        let head = frame.record().and_then(|(revision, bytes)| Some((revision, record::Head::read(bytes).ok()?.0)));
        match head {
            Some((revision, head)) => Self {
                at: frame.at,
                bytes: frame.head.frame_bytes() as u32,
                revision: Revision::from_u64(revision),
                expiry: head.expiry,
                owner: head.owner.map(Owner::from),
                is_trace: false,
            },
            // The frame is whole, so a newer version wrote the record, and this version cannot read it.
            None => Self::unreadable(frame.at, &frame.head, Expiry::from_parts(Timestamp::NEVER, None, None)),
        }
    }

    /// A trace that ends at this time. One that a newer version wrote has no end that this version knows.
    fn of_trace(frame: &Frame<'_>, ends: Timestamp) -> Self {
        let revision = frame.record().map_or(0, |(revision, _)| revision);
        let meta = Self::unreadable(frame.at, &frame.head, trace_expiry(ends));
        Self { revision: Revision::from_u64(revision), is_trace: true, ..meta }
    }

    /// A session whose record cannot be read: a load fails, and never serves an older version (rule 11).
    pub(crate) fn unreadable(at: Position, head: &Head, expiry: Expiry) -> Self {
        let (bytes, revision) = (head.frame_bytes() as u32, Revision::from_u64(at.as_u64()));
        Self { at, bytes, revision, expiry, owner: None, is_trace: false }
    }
}

/// The deadlines of a trace that ends at this time.
pub(crate) fn trace_expiry(ends: Timestamp) -> Expiry {
    Expiry::from_parts(ends, None, Some(ends))
}
