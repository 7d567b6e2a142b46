//! The roll (log rotation): sealing a segment and beginning the next. When to roll is decided elsewhere.

use crate::model::error::{Error, ErrorKind, Result};
use crate::store::file::format::frame::{Frames, Kind, NO_KEY};
use crate::store::file::format::names;
use crate::store::file::format::segment::{self, Header};
use crate::store::file::log::Log;
use crate::store::file::writer::append::append;

/// The reserve: space that only operations that end sessions or free space may use, so that a full disk can still log a user
/// out (rule 7).
pub(crate) const RESERVE: u32 = 64 * 1024;

/// Begins a new segment, durably at every step, so that a sealed segment is always a synced one (rule 6). Its number is above
/// this one, up to which positions were used.
pub(crate) fn roll(log: &Log, used: u32) -> Result<()> {
    let segments = &log.segments;
    let (at, sealed) = {
        let state = log.read_unchecked();
        (state.index.applied, state.index.sealed())
    };
    let number = at.segment();
    let next = number.max(used).checked_add(1).ok_or_else(|| {
        Error::new(ErrorKind::Full, "beginning a segment").at(&segments.path).because("all segment numbers are used")
    })?;
    // Space for the next segment comes first, while it is easy to turn back: a file without a header is no segment yet. If a
    // dead process left such a file, it is emptied.
    let failed = |error| segments.segment_io("beginning a segment", next, error);
    let begun = segments.disk.create(&names::segment(next)).map_err(failed)?;
    begun.reserve(0, u64::from(RESERVE)).map_err(failed)?;
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
