//! Writing frames to the file, and adopting what a dead writer left half-way (rule 5). No frame's meaning counts here.

use std::io;

use crate::model::error::{ErrorKind, Result};
use crate::store::file::disk::DiskFile;
use crate::store::file::format::frame::Frames;
use crate::store::file::format::position::Position;
use crate::store::file::log::scan::{Scan, Step};
use crate::store::file::log::segments::Segments;

/// Writes the frames with one call. The intent is stored first, so that a process that finds the write half done knows how
/// far it may reach. A write that fails is undone durably, so that no position is used twice (rule 5).
pub(crate) fn append(segments: &Segments, frames: &Frames) -> Result<()> {
    let (start, end) = (frames.start(), frames.end());
    if segments.tail() != start {
        // A page that cannot be read says that the log ends at 0, and shows itself as poison.
        segments.refuse_if_poisoned()?;
        return Err(segments.lose_page());
    }
    let file = segments.file(start.segment())?;
    segments.page().intent.set(end.as_u64());
    // A page that could not be written shows itself as poison.
    segments.refuse_if_poisoned()?;
    let Err(error) = file.write_at(frames.bytes(), u64::from(start.offset())) else { return Ok(()) };
    let mut failed = segments.segment_io("appending to the log", start.segment(), error);
    let at = u64::from(start.offset());
    let undone =
        if *failed.kind() == ErrorKind::Full { write_zeros(&*file, at, end.offset().into()) } else { file.cut(at) };
    if undone.and_then(|()| file.sync()).is_err() {
        segments.poison();
        // The next opener may find whole frames there. So the error must not be of a kind that means "nothing was done".
        failed = failed.of_kind(ErrorKind::Poisoned);
    }
    segments.page().intent.set(0);
    Err(failed)
}

/// Takes back what a full disk has taken of a write. The file keeps its space: a cut would give back all
/// that is held in it, and another program may take that.
fn write_zeros(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<()> {
    let written = file.len()?.min(to).saturating_sub(from) as usize;
    file.write_at(&vec![0; written], from).or_else(|_| file.cut(from))
}

/// Repairs what a writer left that died between storing its intent and publishing: its whole frames become part of the
/// log, and the rest of its write, up to the intent, becomes zeros.
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
        // This process writes all of it again. The dead writer's bytes may have failed to reach the disk, and the kernel may
        // have reported that to the dead writer's descriptor only (rule 4). `sync_segment` does the same for older bytes.
        let whole = (end - tail.offset()) as usize;
        let mut bytes = vec![0; (intent.offset() - tail.offset()) as usize];
        file.read_at(&mut bytes[..whole], u64::from(tail.offset())).map_err(failed)?;
        file.write_at(&bytes, u64::from(tail.offset())).map_err(failed)?;
        segments.sync_segment(tail.segment())?;
        let end = Position::new(tail.segment(), end);
        segments.page().raise_durable(end.as_u64());
        segments.page().tail.set(end.as_u64());
    }
    segments.page().intent.set(0);
    Ok(())
}
