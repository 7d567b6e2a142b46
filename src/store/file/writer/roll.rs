//! Going over to the next segment.

use crate::model::error::{Error, ErrorKind, Result};
use crate::store::file::format::frame::{Frames, Kind, NO_KEY};
use crate::store::file::format::names;
use crate::store::file::format::segment::{self, Header};
use crate::store::file::log::Log;
use crate::store::file::writer::append::append;

/// Room that is reserved in a new segment, for ending sessions on a full disk (rule 7).
pub(crate) const LAST: u32 = 64 * 1024;

/// Goes over to a new segment, durable at every step, so that a sealed segment is a synced one (rule 6).
pub(crate) fn roll(log: &Log) -> Result<()> {
    let segments = &log.segments;
    let (at, sealed) = {
        let state = log.read_unchecked();
        (state.index.applied, state.index.sealed())
    };
    let number = at.segment();
    let next = number.checked_add(1).ok_or_else(|| {
        Error::new(ErrorKind::Full, "beginning a segment").at(&segments.path).because("all segment numbers are used")
    })?;
    // Room for the next segment first, while it is easy to turn back: a file without a header is nothing yet. A leftover
    // of a roll that died is emptied.
    let failed = |error| segments.segment_io("beginning a segment", next, error);
    let begun = segments.disk.create(&names::segment(next)).map_err(failed)?;
    begun.reserve(0, u64::from(LAST)).map_err(failed)?;
    let file = segments.file(number)?;
    let failed = |error| segments.segment_io("sealing a segment", number, error);
    // The seal says that the log goes on in the next segment. A roll that died behind this step left it already.
    let mut end = at;
    if !sealed {
        let mut frames = Frames::at(at, segments.durable(), segments.salt);
        frames.push(Kind::Seal, &NO_KEY, &[]);
        append(segments, &frames)?;
        end = frames.end();
    }
    // Space reserved behind it is given back.
    file.cut(u64::from(end.offset())).map_err(failed)?;
    // All that it holds is on disk before anything can be in the next: so only the last segment needs a look after
    // a power loss.
    segments.sync_segment(number)?;
    let failed = |error| segments.segment_io("beginning a segment", next, error);
    begun.write_at(&Header { number: next, salt: segments.salt }.to_bytes(), 0).map_err(failed)?;
    // Neither is tried again when it has failed: it would succeed, and mean nothing (rule 4).
    begun.sync().map_err(|error| segments.poisoned(next, error))?;
    segments.disk.sync_names().map_err(|error| segments.poisoned(next, error))?;
    segments.adopt_file(next, begun);
    // Now it may be seen.
    let start = segment::start(next);
    log.change(|state| {
        segments.page().durable.raise(start.as_u64());
        segments.page().tail.set(start.as_u64());
        state.index.go_on(next, end.offset());
    });
    segments.page().intent.set(0);
    log.hints.want(number);
    Ok(())
}
