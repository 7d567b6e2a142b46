//! The writing side of the log: one group of operations, one lock, one write. No thread waits here, and no future.
//!
//! The steps of a write stand in [`LockedWriter::write`], in order, each with its reason.

mod append;
pub(crate) mod kept_lock;
pub(crate) mod op;
mod overlay;
mod plan;
mod roll;

use std::io;
use std::sync::atomic::Ordering;

use self::append::{adopt, append};
use self::kept_lock::KeptLock;
use self::op::{Answer, Answered, Op, Waits};
use self::plan::{CachedRecord, Memory, Plan};
use self::roll::LAST;
use crate::model::error::{Error, ErrorKind, Result};
use crate::store::Durability;
use crate::store::file::disk::DiskLock;
use crate::store::file::format::effect::Effect;
use crate::store::file::format::frame::{Frame, Frames, HEAD, Head};
use crate::store::file::format::position::Position;
use crate::store::file::log::{Log, State};
use crate::store::file::settings::Settings;

/// What this process needs to append. There is one, behind a mutex: threads take turns there, processes at the lock.
pub(crate) struct Writer {
    pub(crate) lock: KeptLock,
    settings: Settings,
    /// Up to here space is reserved on the disk.
    reserved: Position,
    memory: Memory,
}

/// An operation's answer, and up to where the log must be durable before it may be given.
pub(crate) type Outcome = (Result<Answer>, Option<Position>);

/// What is reserved at a time, beyond the last of it, which only operations that are needed on a full disk may use (rule 7).
const RESERVE: u32 = 256 * 1024;

/// Beyond this nothing is appended to a segment, whatever happens; offsets stay below 2^32 (rule 20).
const LARGEST_SEGMENT: u32 = 2 << 30;

/// Room that is left for a group below 2^32 bytes (rule 20).
pub(crate) const LARGEST_GROUP: usize = 4 << 20;

/// The group did not fit and a new segment is needed, which takes a sync: not for a caller who must not block.
pub(crate) struct NeedsRoll;

impl Writer {
    pub(crate) fn new(lock: Box<dyn DiskLock>, settings: Settings) -> Self {
        let lock = KeptLock::new(lock, settings.sizes);
        Self { lock, settings, reserved: Position::default(), memory: Memory::default() }
    }

    /// Takes the lock between processes, if that is possible without waiting.
    pub(crate) fn try_lock<'a>(&'a mut self, log: &'a Log) -> Result<Option<LockedWriter<'a>>> {
        let begun = self.lock.try_begin(log.segments.page());
        let begun = begun.map_err(|error| log.segments.io("taking the writer lock", error))?;
        Ok(begun.then_some(LockedWriter { writer: self, log }))
    }
}

/// The writer with the lock between processes; its turn ends with this, also by a panic.
pub(crate) struct LockedWriter<'a> {
    writer: &'a mut Writer,
    log: &'a Log,
}

impl Drop for LockedWriter<'_> {
    fn drop(&mut self) {
        self.writer.lock.end(self.log.segments.page());
    }
}

impl LockedWriter<'_> {
    /// Carries out a group of operations, with the lock held. All of it is written, or none.
    pub(crate) fn write(&mut self, ops: &[&Op], may_roll: bool) -> Result<Vec<Outcome>, NeedsRoll> {
        match self.try_write(ops, may_roll) {
            Ok(Some(outcomes)) => Ok(outcomes),
            Ok(None) => Err(NeedsRoll),
            Err(error) => Ok(ops.iter().map(|_| (Err(error.repeated()), None)).collect()),
        }
    }

    fn try_write(&mut self, ops: &[&Op], may_roll: bool) -> Result<Option<Vec<Outcome>>> {
        let (log, segments) = (self.log, &self.log.segments);
        // A failed sync anywhere means that nobody knows what is on disk.
        segments.refuse_if_poisoned()?;
        // The last writer may have died in the middle; what it left is put in order first.
        adopt(segments)?;
        if let [Op::Sweep { now, budget }] = ops {
            // Which have ended first is told in order.
            log.sort_deadlines(*now, (*budget).max(1))?;
        }
        // Conditions are checked against all that was written before.
        let mut state = log.read()?;
        let end = state.index.applied;
        if state.index.sealed() || end.offset() >= self.writer.settings.segment_bytes {
            drop(state);
            if !may_roll {
                return Ok(None);
            }
            match self.roll() {
                // A full disk that has no room for a new segment can still log out in the old one, whose limit is soft.
                Err(error) if *error.kind() == ErrorKind::Full && end.offset() < LARGEST_SEGMENT => {}
                rolled => rolled?,
            }
            state = log.read()?;
            if state.index.sealed() {
                return Err(Error::new(ErrorKind::Full, "beginning a segment").at(&segments.path));
            }
        }
        let bytes: usize = ops.iter().map(|op| op.size()).sum();
        let full = !self.reserve(bytes)?;
        let mut plan =
            Plan::new(log, &state.index, &self.writer.settings, ops.len(), std::mem::take(&mut self.writer.memory));
        plan.full = full;
        let mut outcomes = Vec::with_capacity(ops.len());
        for op in ops {
            let Answered { answer, waits } = plan.add(op);
            let waits = match waits {
                Waits::Never => false,
                Waits::AsConfigured => self.writer.settings.durability == Durability::Always,
                Waits::Always => true,
            };
            outcomes.push((answer, waits.then_some(Position::default())));
        }
        let (frames, written, memory) = plan.into_written();
        drop(state);
        if !frames.bytes().is_empty() {
            append(segments, &frames).inspect_err(|_| self.writer.reserved = Position::default())?;
            publish(log, &self.writer.settings, &frames, written);
        }
        let end = frames.end();
        self.writer.memory.keep(frames, memory);
        // Also with nothing to write: what was decided on may not be durable yet (rule 1).
        let until = (end > segments.durable()).then_some(end);
        outcomes.iter_mut().for_each(|(_, waits)| *waits = waits.and(until));
        Ok(Some(outcomes))
    }

    /// Goes over to a new segment.
    pub(crate) fn roll(&mut self) -> Result<()> {
        self.writer.reserved = Position::default();
        roll::roll(self.log)
    }

    /// Reserves space for a group; says whether there is some beyond the last that is kept.
    fn reserve(&mut self, bytes: usize) -> Result<bool> {
        let (segments, reserved) = (&self.log.segments, &mut self.writer.reserved);
        let end = segments.tail();
        if reserved.segment() != end.segment() || *reserved < end {
            *reserved = end;
        }
        let enough = |reserved: Position| reserved.offset() - end.offset() >= LAST + bytes as u32;
        if enough(*reserved) {
            return Ok(true);
        }
        let file = segments.file(end.segment())?;
        // Zeros ahead are space that is there, and to reserve more than that would make the next sync take longer.
        let length = segments.length_of(end.segment(), &*file)?;
        *reserved = (*reserved).max(Position::new(end.segment(), length));
        if enough(*reserved) {
            return Ok(true);
        }
        // As much as usual; or else just what is needed.
        for more in [RESERVE + LAST + bytes as u32, LAST + bytes as u32] {
            match file.reserve(u64::from(end.offset()), u64::from(more)) {
                Ok(()) => {
                    *reserved = end.plus(more as usize);
                    return Ok(true);
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {}
                Err(error) => return Err(segments.segment_io("reserving space", end.segment(), error)),
            }
        }
        Ok(false)
    }
}

/// The tail first, then the index, both before any reader of this process gets the index again: nobody sees here what
/// another process cannot see yet (rule 13).
fn publish(log: &Log, settings: &Settings, frames: &Frames, written: Vec<CachedRecord>) {
    log.change(|State { index, cache, .. }| {
        log.segments.page().tail.set(frames.end().as_u64());
        let (mut rest, mut at) = (frames.bytes(), frames.start());
        while let Some(head) = Head::parse(rest, at, log.segments.salt) {
            let (frame, behind) = rest.split_at(head.frame_bytes());
            let frame = Frame { at, head, body: &frame[HEAD..] };
            Effect::each_of(&frame, log.segments.salt, &mut |effect| index.apply(effect));
            rest = behind;
            at = at.plus(head.frame_bytes());
        }
        index.applied = frames.end();
        for (key, revision, bytes) in written {
            cache.keep(index, &key, revision, bytes);
        }
        log.is_wasteful.store(index.is_wasteful(settings.segment_bytes), Ordering::Relaxed);
    });
    log.segments.page().intent.set(0);
}
