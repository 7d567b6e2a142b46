//! Compaction: what still lives in the oldest segment is appended again, and then the segment leaves the log. No clock and
//! no deadline counts here: dead is what the log says is dead (rule 3).
//!
//! Segments leave at the oldest end only, so a frame that ended, shortened or replaced a record never vanishes while that
//! record is on disk. Compaction begins when half of the log is of no use. So the log takes at most twice the live bytes,
//! plus one segment, and a record is written once more for each pass over the whole log.

use crate::model::error::Result;
use crate::model::key::SessionKey;
use crate::store::file::engine::Engine;
use crate::store::file::format::frame::{Frame, Kind};
use crate::store::file::format::position::Position;
use crate::store::file::format::segment;
use crate::store::file::log::scan::{Scan, Step};
use crate::store::file::log::{Log, State};
use crate::store::file::writer::op::Op;

/// How many bytes are moved at a time: some fifty records, fifty microseconds, so that no save waits for long.
const BATCH: u32 = 32 * 1024;

/// Where compaction has got to.
#[derive(Default)]
pub(crate) struct Compactor {
    /// Up to here, what lives in the oldest segment was moved.
    looked_through: Position,
}

impl Compactor {
    /// Moves a batch or removes a segment. Says whether there is more to do. An error ends the work for now, for the disk
    /// may be full; what was moved already is not moved again.
    pub(crate) fn step(&mut self, engine: &Engine) -> bool {
        let is_wasteful = engine.log.read_unchecked().index.is_wasteful(engine.settings.segment_bytes);
        is_wasteful && self.try_step(engine).unwrap_or(false)
    }

    pub(crate) fn try_step(&mut self, engine: &Engine) -> Result<bool> {
        let log = &engine.log;
        let (oldest, current) = {
            let State { index, .. } = &*log.read()?;
            (index.oldest, index.applied.segment())
        };
        // Another process may have compacted the log since the look.
        if oldest == current {
            return Ok(false);
        }
        let (batch, looked_through) = self.next_batch(log, oldest)?;
        if batch.is_empty() && !self.set_aside_unreadable(log, oldest)? {
            return Ok(false);
        }
        let moved = engine.with_writer(engine.writer(), 1, |locked| {
            let mut run = |op: Op| -> Result<()> {
                let outcome = locked.write(&[&op], true).ok().and_then(|mut outcomes| outcomes.pop());
                outcome.map_or(Ok(()), |(answer, _)| answer.map(drop))
            };
            if !batch.is_empty() {
                return run(Op::Move { live: batch });
            }
            // In any other order a crash loses what was moved (rule 7): the moves, the trim frame after them, one sync for
            // both, and then the removal. A trim frame that survives a crash without the moves stands beyond a hole, where
            // the log ends.
            run(Op::Trim { oldest: oldest + 1 }).and_then(|()| log.segments.sync()).and_then(|()| log.remove_trimmed())
        })?;
        let Some(done) = moved else { return Ok(false) };
        done?;
        // Only after success, so that a batch that failed is moved again.
        self.looked_through = looked_through;
        Ok(true)
    }

    /// Sets aside the records that are still in a segment after all readable ones were moved (rule 7). Says whether the
    /// segment may be trimmed: not if a readable record is left after all.
    fn set_aside_unreadable(&mut self, log: &Log, segment: u32) -> Result<bool> {
        if log.read()?.index.live_bytes_in(segment) == 0 {
            return Ok(true);
        }
        let left = log.keys(|_, meta| meta.at().segment() == segment)?;
        let file = log.segments.file(segment)?;
        for key in left {
            let stands = log.read()?.index.get(&key).map(|meta| (meta.at(), meta.bytes()));
            let Some((at, length)) = stands.filter(|(at, _)| at.segment() == segment) else { continue };
            let mut bytes = vec![0; length as usize];
            let read = file.read_at(&mut bytes, u64::from(at.offset()));
            read.map_err(|error| log.segments.segment_io("compacting", segment, error))?;
            if Frame::parse_anywhere(&bytes, at, log.segments.salt).is_some() {
                self.looked_through = Position::default();
                return Ok(false);
            }
            log.segments.report(segment, at.offset(), at.offset() + length, Some(key));
            log.segments.set_aside(at, &bytes)?;
        }
        Ok(true)
    }

    /// The next records that live in a segment, in the order of the log, and where this batch ends.
    fn next_batch(&self, log: &Log, segment: u32) -> Result<(Vec<(SessionKey, Position)>, Position)> {
        let mut from = self.looked_through;
        if from.segment() != segment {
            from = segment::start(segment);
        }
        if log.read()?.index.live_bytes_in(segment) == 0 {
            return Ok((Vec::new(), from));
        }
        let file = log.segments.file(segment)?;
        let reading = |error| log.segments.segment_io("compacting", segment, error);
        let length = log.segments.length_of(segment, &*file)?;
        let mut scan = Scan::new(&*file, from, length, log.segments.salt);
        let (mut living, mut bytes) = (Vec::new(), 0);
        while bytes < BATCH {
            match scan.next().map_err(reading)? {
                Step::Frame(frame) => {
                    from = frame.at.plus(frame.head.frame_bytes());
                    let State { index, .. } = &*log.read()?;
                    let batch = frame.inner(log.segments.salt).filter(|_| frame.head.kind == Kind::Batch);
                    for frame in batch.chain([frame]) {
                        if index.get(&frame.head.key).is_some_and(|meta| meta.at() == frame.at) {
                            living.push((frame.head.key, frame.at));
                            bytes += frame.head.body;
                        }
                    }
                }
                Step::BadBody(..) | Step::Gap { .. } => {}
                Step::End { .. } => break,
            }
        }
        Ok((living, from))
    }
}
