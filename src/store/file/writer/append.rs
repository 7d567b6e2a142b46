//! The way of frames to the file: stated, written, published; and what is done about a write that was left half-way.

use crate::model::error::{ErrorKind, Result};
use crate::store::file::format::frame::Frames;
use crate::store::file::format::position::Position;
use crate::store::file::log::scan::{Scan, Step};
use crate::store::file::log::segments::Segments;

/// One write call. What it will have written is stated beforehand, so that a process that finds it half done knows how far to
/// look (rule 5). If it fails it is undone, durably, so that no position is used twice.
pub(crate) fn append(segments: &Segments, frames: &Frames) -> Result<()> {
    let (start, end) = (frames.start(), frames.end());
    let file = segments.file(start.segment())?;
    segments.page().intent.set(end.as_u64());
    let Err(error) = file.write_at(frames.bytes(), u64::from(start.offset())) else { return Ok(()) };
    let mut failed = segments.segment_io("appending to the log", start.segment(), error);
    if file.cut(u64::from(start.offset())).and_then(|()| file.sync()).is_err() {
        segments.poison();
        // The next opener may find whole frames there, so no caller may take this for "nothing was done".
        failed = failed.of_kind(ErrorKind::Poisoned);
    }
    segments.page().intent.set(0);
    Err(failed)
}

/// Puts in order what a writer left that died between stating what it would write and publishing it: whole frames become
/// part of the log, what is torn becomes zeros.
pub(crate) fn adopt(segments: &Segments) -> Result<()> {
    let intent = Position::from_u64(segments.page().intent.get());
    if intent == Position::default() {
        return Ok(());
    }
    let tail = segments.tail();
    if intent > tail && intent.segment() == tail.segment() {
        let file = segments.file(tail.segment())?;
        let failed = |error| segments.segment_io("putting a half-done write in order", tail.segment(), error);
        let mut end = tail.offset();
        let mut scan = Scan::new(&*file, tail, intent.offset(), segments.salt);
        while let Step::Frame(frame) = scan.next().map_err(failed)? {
            end = frame.at.plus(frame.head.frame_bytes()).offset();
        }
        // All of it is written by this process: what the dead one wrote may have failed to reach the disk without this
        // descriptor ever saying so, and so may what others wrote before it was opened (rule 4).
        let whole = (end - tail.offset()) as usize;
        let mut bytes = vec![0; (intent.offset() - tail.offset()) as usize];
        file.read_at(&mut bytes[..whole], u64::from(tail.offset())).map_err(failed)?;
        file.write_at(&bytes, u64::from(tail.offset())).map_err(failed)?;
        segments.sync_segment(tail.segment())?;
        let end = Position::new(tail.segment(), end);
        segments.page().durable.raise(end.as_u64());
        segments.page().tail.set(end.as_u64());
    }
    segments.page().intent.set(0);
    Ok(())
}
