//! Compaction: what still lives in the oldest segment is appended again, and then the segment leaves the log. No clock and
//! no deadline counts here: dead is what the log says is dead (rule 3).
//!
//! Segments leave at the oldest end only, so a frame that ended, shortened or replaced a record never vanishes while that
//! record is on disk. Compaction begins when half of the log is of no use. So the log takes at most twice the live bytes,
//! plus one segment, and a record is written once more for each pass over the whole log. Where saves are faster than that,
//! they pay: above twice the bound, no segment is begun for them before twice the bytes of the last one have left the log.

use std::sync::atomic::Ordering;

use crate::model::error::Result;
use crate::model::key::SessionKey;
use crate::store::file::disk::unreadable::read_past;
use crate::store::file::engine::Engine;
use crate::store::file::format::frame::{Frame, Kind};
use crate::store::file::format::position::Position;
use crate::store::file::format::segment;
use crate::store::file::log::scan::{Scan, Step};
use crate::store::file::log::{Log, State};
use crate::store::file::writer::LockedWriter;
use crate::store::file::writer::op::Op;
use crate::store::file::writer::room::Needs;

/// How many bytes are moved at a time: some fifty records, fifty microseconds, so that no save waits for long.
const BATCH: u32 = 32 * 1024;

/// How many bytes of the log a step reads at most.
const STEP: u32 = 256 * 1024;

/// How many segments one trim lets go at most. Removing a file takes some ten microseconds, with the writer lock held.
const TRIMMED: u32 = 16;

/// For each byte of a new segment, so many leave an overgrown log. What is moved, at most a quarter of such a log, is
/// appended again. So one would not do, and with two the log shrinks in each pass.
const CUT: u64 = 2;

/// On a full disk a cut is worth it that frees so many bytes, and one for each sixteen that it moves. A segment's own frames,
/// and those of the cut, are fewer.
const LEAST_GAIN: u64 = 8 * 1024;
const WORTH_A_CUT: u64 = 16;

/// Where compaction has got to.
#[derive(Default)]
pub(crate) struct Compactor {
    /// Up to here, what could be read of the segments was moved.
    looked_through: Position,
    /// Bytes that this process has trimmed, and that no new segment has used up.
    paid: u64,
    /// The full segment that saves wait behind, and how many bytes they have to pay for the next one.
    due: (u32, u64),
    /// On a full disk, to cut the segments below this one frees space.
    gains_below: u32,
}

impl Compactor {
    /// Moves a batch or removes a segment. Says whether there is more to do. An error ends the work for now, for the disk
    /// may be full; what was moved already is not moved again.
    pub(crate) fn step(&mut self, engine: &Engine) -> bool {
        let is_wasteful = engine.log.read_unchecked().index.is_wasteful(engine.settings.segment_bytes);
        let stepped = if is_wasteful || self.gains(engine) { self.try_step(engine) } else { Ok(false) };
        let has_more = stepped.as_ref().is_ok_and(|has_more| *has_more);
        engine.failed_compaction.keep(stepped.map(drop));
        has_more
    }

    /// Pays for the segment that the next save needs, if it needs one and the log is overgrown. Says whether the segment may
    /// be begun: not while another process has the writer lock.
    pub(crate) fn pays_for_a_roll(&mut self, engine: &Engine) -> bool {
        while let Some(end) = full_segment_of_an_overgrown_log(engine) {
            if self.due.0 != end.segment() {
                // What is left over pays for the next segment. What was compacted before the log was overgrown does not: else
                // a log that was compacted at leisure could outgrow its bound later.
                if self.due.0 != end.segment() - 1 {
                    self.paid = 0;
                }
                self.due = (end.segment(), CUT * u64::from(end.offset()));
            }
            if self.paid >= self.due.1 {
                self.paid -= std::mem::take(&mut self.due.1);
                return true;
            }
            // The cuts take a while, and make durable what these saves wait for.
            if !engine.waiters.is_empty() {
                engine.sync_at_once();
            }
            match self.try_step(engine) {
                Ok(true) => {}
                Ok(false) => return false,
                // Whether the disk is full or the store is poisoned, the operation itself will meet and tell.
                Err(error) => {
                    engine.failed_compaction.keep(Err(error));
                    return true;
                }
            }
        }
        true
    }

    /// Whether a full disk has room to gain (rule 24). No log may be wasteful then, and the segment that is written to is cut like
    /// any other. What was begun goes on when there is room for the next save.
    fn gains(&mut self, engine: &Engine) -> bool {
        let State { index, .. } = &*engine.log.read_unchecked();
        if index.oldest >= self.gains_below && engine.log.is_full.load(Ordering::Relaxed) {
            let (mut dead, mut living, mut most) = (0, 0, LEAST_GAIN);
            for (number, length) in index.lengths().chain([(index.applied.segment(), index.applied.offset())]) {
                let lives = index.live_bytes_in(number);
                dead += u64::from(length).saturating_sub(lives);
                living += lives;
                let gain = dead.saturating_sub(living / WORTH_A_CUT);
                if gain > most {
                    (most, self.gains_below) = (gain, number.saturating_add(1));
                }
            }
        }
        index.oldest < self.gains_below
    }

    /// Moves a batch, or removes segments. Says whether it did: not if only the current segment is left, or if another
    /// process has the writer lock.
    pub(crate) fn try_step(&mut self, engine: &Engine) -> Result<bool> {
        let log = &engine.log;
        // What is dead need not live in the oldest segment for longer.
        log.let_all_go();
        let (oldest, current, living) = {
            let State { index, .. } = &*log.read()?;
            let (oldest, current) = (index.oldest, index.applied.segment());
            let most = current.min(oldest.saturating_add(TRIMMED));
            (oldest, current, (oldest..most).find(|number| index.live_bytes_in(*number) > 0).unwrap_or(most))
        };
        if oldest == current {
            return if current < self.gains_below { self.begin_segment(engine) } else { Ok(false) };
        }
        if oldest < living {
            return self.trim(engine, living);
        }
        let from = self.looked_through.max(segment::start(oldest));
        if from.segment() > oldest {
            // All of the segment was read, and yet something in it lives.
            let left = left_in(log, oldest)?;
            return if left.is_empty() { self.trim(engine, oldest + 1) } else { self.relocate(engine, left, from) };
        }
        // A full disk has room for one cut.
        let to = if log.is_full.load(Ordering::Relaxed) { oldest + 1 } else { current };
        let (batch, looked_through) = next_batch(log, from, to)?;
        if batch.is_empty() {
            self.looked_through = looked_through;
            return Ok(true);
        }
        self.relocate(engine, batch, looked_through)
    }

    /// Begins a segment, so that the one in which the whole log stands can be cut.
    fn begin_segment(&self, engine: &Engine) -> Result<bool> {
        let begun = engine.with_writer(engine.writer(), 1, |locked| {
            let (is_alone, needs) = {
                let State { index, .. } = &*locked.read()?;
                (index.oldest == index.applied.segment(), Needs::of(index, 0, 0))
            };
            // Another process may have begun one by now.
            if is_alone { locked.begin_segment(needs.all()) } else { Ok(()) }
        })?;
        Ok(begun.transpose()?.is_some())
    }

    fn relocate(
        &mut self,
        engine: &Engine,
        live: Vec<(SessionKey, Position)>,
        looked_through: Position,
    ) -> Result<bool> {
        let moved = engine.with_writer(engine.writer(), 1, |locked| run(locked, Op::Move { live }))?;
        let Some(done) = moved else { return Ok(false) };
        done?;
        // Only after success, so that a batch that failed is moved again.
        self.looked_through = looked_through;
        Ok(true)
    }

    /// Lets the segments below this one go.
    fn trim(&mut self, engine: &Engine, oldest: u32) -> Result<bool> {
        let log = &engine.log;
        let bytes = || log.read_unchecked().index.log_bytes();
        let trimmed = engine.with_writer(engine.writer(), 1, |locked| {
            let before = bytes();
            // In any other order a crash loses what was moved (rule 7): the moves, the trim frame after them, one sync for
            // both, and then the removal. A trim frame that survives a crash without the moves stands beyond a hole, where
            // the log ends.
            let done =
                run(locked, Op::Trim { oldest }).and_then(|()| log.segments.sync()).and_then(|()| log.remove_trimmed());
            done.and_then(|()| if log.is_full.load(Ordering::Relaxed) { locked.look_for_room() } else { Ok(()) })
                .map(|()| before.saturating_sub(bytes()))
        })?;
        let Some(freed) = trimmed else { return Ok(false) };
        self.paid += freed?;
        Ok(true)
    }
}

/// Where the log ends, if the segment there is full and the log is overgrown.
fn full_segment_of_an_overgrown_log(engine: &Engine) -> Option<Position> {
    let State { index, .. } = &*engine.log.read_unchecked();
    let is_full = index.sealed() || index.applied.offset() >= engine.settings.segment_bytes;
    (is_full && index.is_overgrown(engine.settings.segment_bytes)).then_some(index.applied)
}

fn run(locked: &mut LockedWriter<'_>, op: Op) -> Result<()> {
    let outcome = locked.write_one(&op, true).ok();
    outcome.map_or(Ok(()), |(answer, _)| answer.map(drop))
}

/// Records that still live in a segment of which all was read and moved. Those that are whole lie in the body of a damaged
/// batch, which no scan enters, and are moved from there. The others are set aside (rule 7).
fn left_in(log: &Log, segment: u32) -> Result<Vec<(SessionKey, Position)>> {
    let left = log.keys(|_, meta| meta.at().segment() == segment)?;
    let file = log.segments.file(segment)?;
    let mut whole = Vec::new();
    for key in left {
        let stands = log.read()?.index.get(&key).map(|meta| (meta.at(), meta.bytes()));
        let Some((at, length)) = stands.filter(|(at, _)| at.segment() == segment) else { continue };
        let mut bytes = vec![0; length as usize];
        let read = read_past(&*file, &mut bytes, u64::from(at.offset()));
        read.map_err(|error| log.segments.segment_io("compacting", segment, error))?;
        if Frame::parse_anywhere(&bytes, at, log.segments.salt).is_some_and(|frame| frame.record().is_some()) {
            whole.push((key, at));
            continue;
        }
        log.segments.report(segment, at.offset(), at.offset() + length, Some(key));
        log.segments.set_aside(at, &bytes)?;
    }
    Ok(whole)
}

/// The next records that live in sealed segments, in the order of the log, and where this batch ends. It may come from many
/// small segments, so that one trim lets all of them go.
fn next_batch(log: &Log, from: Position, current: u32) -> Result<(Vec<(SessionKey, Position)>, Position)> {
    let (mut living, mut bytes, mut read) = (Vec::new(), 0, 0);
    let mut from = from;
    while from.segment() < current && bytes < BATCH && read < STEP {
        let number = from.segment();
        let file = log.segments.file(number)?;
        let length = log.segments.length_of(number, &*file)?;
        let mut scan = Scan::new(&*file, from, length, log.segments.salt);
        while bytes < BATCH && read < STEP {
            let step = scan.next().map_err(|error| log.segments.segment_io("compacting", number, error))?;
            let end = match step {
                Step::Frame(frame) => {
                    let State { index, .. } = &*log.read()?;
                    let batch = frame.inner(log.segments.salt).filter(|_| frame.head.kind == Kind::Batch);
                    for frame in batch.chain([frame]) {
                        if index.get(&frame.head.key).is_some_and(|meta| meta.at() == frame.at) {
                            living.push((frame.head.key, frame.at));
                            bytes += frame.head.body;
                        }
                    }
                    frame.at.plus(frame.head.frame_bytes())
                }
                Step::BadBody(at, head) => at.plus(head.frame_bytes()),
                Step::Gap { to, .. } => Position::new(number, to),
                Step::End { .. } => {
                    let index = &log.read()?.index;
                    let next = (number + 1..current).find(|number| index.live_bytes_in(*number) > 0);
                    from = segment::start(next.unwrap_or(current));
                    break;
                }
            };
            read += end.offset() - from.offset();
            from = end;
        }
    }
    Ok((living, from))
}
