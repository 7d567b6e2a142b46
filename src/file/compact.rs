//! Giving space back: what still lives in the oldest segment is appended again, then the segment leaves the log.
//!
//! Segments leave at the oldest end only, so a frame that ended, shortened or replaced a record never vanishes while
//! that record is on disk. A record costs one more write in each round of the whole log, and a round begins only when
//! half of the log is of no use: on disk is at most twice what lives, and one segment.

use std::sync::{Arc, PoisonError};

use super::engine::Engine;
use super::frame::{Frame, Kind};
use super::index::Index;
use super::log::{Log, State};
use super::op::Op;
use super::position::Position;
use super::scan::{Scan, Step};
use super::segment;
use super::settings::Settings;
use crate::error::Result;
use crate::key::SessionKey;

/// How many bytes are moved at a time, so that no save waits for long: some fifty records, fifty microseconds.
const BATCH: u32 = 32 * 1024;

impl Settings {
    /// Whether the log takes more than it may.
    pub(crate) fn is_wasteful(&self, index: &Index) -> bool {
        index.segments() > 1 && index.log_bytes() > 2 * index.live_bytes() + u64::from(self.segment_bytes)
    }
}

impl Engine {
    pub(crate) fn log_is_wasteful(&self) -> bool {
        self.settings.is_wasteful(&self.log.read_unchecked().index)
    }

    /// Moves a batch, or removes a segment; says whether there is more to do. An error ends it for now: the disk may be
    /// full, and what was moved already is only moved once.
    pub(crate) fn compact_step(self: &Arc<Self>) -> bool {
        self.log_is_wasteful() && self.try_compact_step().unwrap_or(false)
    }

    pub(crate) fn try_compact_step(self: &Arc<Self>) -> Result<bool> {
        let (oldest, current) = {
            let State { index, .. } = &*self.log.read()?;
            (index.oldest, index.applied.segment())
        };
        // What looked wasteful a moment ago may have been seen to by another process.
        if oldest == current {
            return Ok(false);
        }
        let (batch, looked_through) = self.next_batch(oldest)?;
        if batch.is_empty() && !self.set_aside_unreadable(oldest)? {
            return Ok(false);
        }
        let mut writer = self.writer();
        let Some(mut held) = writer.try_hold(&self.log)? else { return Ok(false) };
        let mut run = |op: Op| -> Result<()> {
            let outcomes = held.group(&self.log, &self.settings, &[&op], true);
            let outcome = outcomes.ok().and_then(|mut outcomes| outcomes.pop());
            outcome.map_or(Ok(()), |(answer, _)| answer.map(drop))
        };
        let done = if batch.is_empty() {
            // In this order, or a crash loses what was moved (rule 7): the moves, behind them the trim, both durable by one
            // sync, then the file goes. A trim that survives a crash without the moves lies behind a hole, and says nothing.
            run(Op::Trim { oldest: oldest + 1 }).and_then(|()| self.log.sync()).and_then(|()| self.log.remove_trimmed())
        } else {
            run(Op::Move { live: batch })
        };
        drop(held);
        drop(writer);
        // Whoever saved meanwhile counts on who had the writer, and shall not wait for what else this thread has to do.
        if self.has_queued() {
            self.pump();
        }
        done?;
        // Only now: a batch that failed is looked for again.
        *self.compacted.lock().unwrap_or_else(PoisonError::into_inner) = looked_through;
        Ok(true)
    }

    /// What is still in a segment when everything readable was moved: it is kept aside, and goes with the segment (rule 7).
    /// Says whether the segment may go: not if something readable is left after all.
    fn set_aside_unreadable(&self, segment: u32) -> Result<bool> {
        let left: Vec<(SessionKey, Position, u32)> = {
            let State { index, .. } = &*self.log.read()?;
            if index.live_bytes_in(segment) == 0 {
                return Ok(true);
            }
            let slots = index.iter().filter(|slot| slot.at().segment() == segment);
            slots.map(|slot| (*slot.key(), slot.at(), slot.bytes())).collect()
        };
        let file = self.log.file(segment)?;
        for (key, at, length) in left {
            let mut bytes = vec![0; length as usize];
            let read = file.read_at(&mut bytes, u64::from(at.offset()));
            read.map_err(|error| self.log.segment_io("compacting", segment, error))?;
            if Frame::parse_anywhere(&bytes, at, self.log.salt).is_some() {
                *self.compacted.lock().unwrap_or_else(PoisonError::into_inner) = Position::default();
                return Ok(false);
            }
            self.log.report(segment, at.offset(), at.offset() + length, Some(key));
            self.log.set_aside(at, &bytes)?;
        }
        Ok(true)
    }

    /// Some of what lives in a segment, in the order of the log, from where the last batch ended; and where this one ends.
    fn next_batch(&self, segment: u32) -> Result<(Vec<(SessionKey, Position)>, Position)> {
        let mut from = *self.compacted.lock().unwrap_or_else(PoisonError::into_inner);
        if from.segment() != segment {
            from = segment::start(segment);
        }
        if self.log.read()?.index.live_bytes_in(segment) == 0 {
            return Ok((Vec::new(), from));
        }
        let file = self.log.file(segment)?;
        let reading = |error| self.log.segment_io("compacting", segment, error);
        let length = file.len().map_err(reading)? as u32;
        let mut scan = Scan::new(&*file, from, length, self.log.salt);
        let (mut living, mut bytes) = (Vec::new(), 0);
        while bytes < BATCH {
            match scan.next().map_err(reading)? {
                Step::Frame(frame) => {
                    from = frame.at.plus(frame.head.frame_bytes());
                    let State { index, .. } = &*self.log.read()?;
                    let batch = frame.inner(self.log.salt).filter(|_| frame.head.kind == Kind::Batch);
                    for frame in batch.chain([frame]) {
                        if index.get(&frame.head.key).is_some_and(|slot| slot.at() == frame.at) {
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

impl Log {
    /// Removes the files of segments that have left the log. That needs no sync: whatever of it a crash takes back, the trim
    /// is durable and says that they are no part of the log, and the next opener removes what is there again.
    pub(crate) fn remove_trimmed(&self) -> Result<()> {
        let oldest = self.read()?.index.oldest;
        for number in self.segments()?.into_iter().filter(|number| *number < oldest) {
            let removed = self.disk.remove(&segment::name(number));
            removed.map_err(|error| self.segment_io("removing a trimmed segment", number, error))?;
        }
        self.remove_trimmed_hints(oldest);
        self.close_trimmed(oldest);
        Ok(())
    }
}
