//! The roll (log rotation): sealing a segment and beginning the next. When to roll is decided elsewhere.

use std::sync::Arc;

use crate::model::error::Result;
use crate::store::file::disk::DiskFile;
use crate::store::file::format::frame::{Frames, Kind, NO_KEY};
use crate::store::file::format::segment::{self, Header};
use crate::store::file::log::Log;
use crate::store::file::writer::append::append;

/// Begins the segment with this number after the one in which the log ends, durably at every step, so that a sealed segment
/// is always a synced one (rule 6). `begun` has its name already, and neither a header nor frames: it is no segment yet, and
/// to turn back from here leaves nothing to repair.
pub(crate) fn roll(log: &Log, next: u32, begun: Arc<dyn DiskFile>) -> Result<()> {
    let segments = &log.segments;
    let (at, sealed) = {
        let state = log.read_unchecked();
        (state.index.applied, state.index.sealed())
    };
    let number = at.segment();
    let file = segments.file(number)?;
    let failed = |error| segments.segment_io("sealing a segment", number, error);
    // The seal says that the log goes on in the next segment. A roll that died after this step has written it already.
    let mut end = at;
    if !sealed {
        let mut frames = Frames::at(at, segments.durable(), segments.salt);
        frames.push(Kind::Seal, &NO_KEY, &[]);
        append(segments, &frames)?;
        end = frames.end();
    }
    // Space that is reserved beyond the seal is given back.
    file.cut(u64::from(end.offset())).map_err(failed)?;
    // The sealed segment is on disk before the next one can hold a frame. So recovery after a power loss concerns the last
    // segment only.
    segments.sync_segment(number)?;
    let failed = |error| segments.segment_io("beginning a segment", next, error);
    begun.write_at(&Header { number: next, salt: segments.salt }.to_bytes(), 0).map_err(failed)?;
    // A failure of either sync poisons the store: the same sync, tried again, would succeed and mean nothing (rule 4).
    begun.sync().map_err(|error| segments.poisoned_by(next, error))?;
    segments.disk.sync_names().map_err(|error| segments.poisoned_by(next, error))?;
    segments.vouch_for(next, begun);
    // Only now do other processes see the new segment.
    let start = segment::start(next);
    log.change(|state| {
        segments.page().raise_durable(start.as_u64());
        segments.page().tail.set(start.as_u64());
        state.index.go_on(next, end.offset());
    });
    segments.page().intent.set(0);
    log.hints.want(number);
    Ok(())
}
