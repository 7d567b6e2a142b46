//! The writing side of the log: one group of operations, one lock, one write.
//!
//! The steps of a write stand in [`Held::group`], in order, each with its reason.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering;

use super::disk::DiskLock;
use super::effect::Effect;
use super::frame::{Frame, Frames, HEAD, Head, Kind};
use super::log::{Log, State};
use super::op::{Answer, Answered, Op, Waits};
use super::page::Page;
use super::plan::{Memory, Plan, Written};
use super::position::Position;
use super::scan::{Scan, Step};
use super::segment::{self, Header};
use super::settings::{Settings, Sizes};
use super::turn::Turn;
use crate::error::{Error, ErrorKind, Result};
use crate::store::Durability;

/// What this process needs to append. There is one, behind a mutex: threads take turns there, processes at the lock.
pub(crate) struct Writer {
    pub(crate) turn: Turn,
    /// Up to here space is reserved on the disk.
    reserved: Position,
    memory: Memory,
}

/// An operation's answer, and up to where the log must be durable before it may be given.
pub(crate) type Outcome = (Result<Answer>, Option<Position>);

/// What is reserved at a time, and what of it only destroy, move and trim may use (rule 7).
const RESERVE: u32 = 256 * 1024;
const LAST: u32 = 64 * 1024;

/// Beyond this nothing is appended to a segment, whatever happens; offsets stay below 2^32 (rule 20).
const LARGEST_SEGMENT: u32 = 2 << 30;

/// Room that is left for a group below 2^32 bytes (rule 20).
pub(crate) const LARGEST_GROUP: usize = 4 << 20;

/// The group did not fit and a new segment is needed, which takes a sync: not for a caller who must not block.
pub(crate) struct NeedsRoll;

impl Writer {
    pub(crate) fn new(lock: Box<dyn DiskLock>, sizes: Sizes) -> Self {
        Self { turn: Turn::new(lock, sizes), reserved: Position::default(), memory: Memory::default() }
    }

    /// Takes the lock between processes, if that is possible without waiting.
    pub(crate) fn try_hold<'a>(&'a mut self, log: &'a Log) -> Result<Option<Held<'a>>> {
        let page = log.page();
        let begun = self.turn.try_begin(page).map_err(|error| log.io("taking the writer lock", error))?;
        Ok(begun.then_some(Held { writer: self, page }))
    }
}

/// The writer with the lock between processes; its turn ends with this, also by a panic.
pub(crate) struct Held<'a> {
    writer: &'a mut Writer,
    page: &'a Page,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.writer.turn.end(self.page);
    }
}

impl Deref for Held<'_> {
    type Target = Writer;

    fn deref(&self) -> &Writer {
        self.writer
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Writer {
        self.writer
    }
}

impl Held<'_> {
    /// Carries out a group of operations, with the lock held. All of it is written, or none.
    pub(crate) fn group(
        &mut self,
        log: &Log,
        settings: &Settings,
        ops: &[&Op],
        may_roll: bool,
    ) -> Result<Vec<Outcome>, NeedsRoll> {
        match self.try_group(log, settings, ops, may_roll) {
            Ok(Some(outcomes)) => Ok(outcomes),
            Ok(None) => Err(NeedsRoll),
            Err(error) => Ok(ops.iter().map(|_| (Err(error.repeated()), None)).collect()),
        }
    }

    fn try_group(
        &mut self,
        log: &Log,
        settings: &Settings,
        ops: &[&Op],
        may_roll: bool,
    ) -> Result<Option<Vec<Outcome>>> {
        // A failed sync anywhere means that nobody knows what is on disk.
        refuse_if_poisoned(log)?;
        // Whoever wrote last may have died in the middle; what they left is put in order first.
        self.adopt(log)?;
        if let [Op::Sweep { now, budget }] = ops {
            // Which have ended first is told in order.
            log.put_in_order(*now, (*budget).max(1))?;
        }
        // Conditions are checked against all that was written before.
        let mut state = log.read()?;
        let end = state.index.applied;
        if state.index.sealed() || end.offset() >= settings.segment_bytes {
            drop(state);
            if !may_roll {
                return Ok(None);
            }
            match self.roll(log) {
                // A full disk that has no room for a new segment can still log out in the old one, whose limit is soft.
                Err(error) if *error.kind() == ErrorKind::Full && end.offset() < LARGEST_SEGMENT => {}
                rolled => rolled?,
            }
            state = log.read()?;
            if state.index.sealed() {
                return Err(Error::new(ErrorKind::Full, "beginning a segment").at(&log.path));
            }
        }
        let bytes: usize = ops.iter().map(|op| op.size()).sum();
        let full = !self.reserve(log, bytes)?;
        let mut plan = Plan::new(log, &state.index, settings, ops.len(), std::mem::take(&mut self.memory));
        plan.full = full;
        let mut outcomes = Vec::with_capacity(ops.len());
        for op in ops {
            let Answered { answer, waits } = plan.add(op);
            let waits = match waits {
                Waits::Never => false,
                Waits::AsConfigured => settings.durability == Durability::Always,
                Waits::Always => true,
            };
            outcomes.push((answer, waits.then_some(Position::default())));
        }
        let (frames, written, memory) = plan.into_written();
        drop(state);
        if !frames.bytes().is_empty() {
            self.append(log, &frames)?;
            publish(log, settings, &frames, written);
        }
        let end = frames.end();
        self.memory.keep(frames, memory);
        // Also with nothing to write: what was decided on may not be durable yet (rule 1).
        let until = (end > log.durable()).then_some(end);
        outcomes.iter_mut().for_each(|(_, waits)| *waits = waits.and(until));
        Ok(Some(outcomes))
    }

    /// One write call. What it will have written is stated beforehand, so that whoever finds it half done knows how far
    /// to look (rule 5). If it fails it is undone, durably, so that no position is used twice.
    fn append(&mut self, log: &Log, frames: &Frames) -> Result<()> {
        let (start, end) = (frames.start(), frames.end());
        let file = log.file(start.segment())?;
        log.page().intent.set(end.as_u64());
        if let Err(error) = file.write_at(frames.bytes(), u64::from(start.offset())) {
            let mut failed = log.segment_io("appending to the log", start.segment(), error);
            if file.cut(u64::from(start.offset())).and_then(|()| file.sync()).is_err() {
                poison(log);
                // Whoever opens the store next may find whole frames there: nobody may take this for "nothing was done".
                failed = failed.of_kind(ErrorKind::Poisoned);
            }
            self.reserved = start;
            log.page().intent.set(0);
            return Err(failed);
        }
        Ok(())
    }

    /// Puts in order what a writer left who died between stating what it would write and publishing it: whole frames
    /// become part of the log, what is torn becomes zeros.
    fn adopt(&mut self, log: &Log) -> Result<()> {
        let intent = Position::from_u64(log.page().intent.get());
        if intent == Position::default() {
            return Ok(());
        }
        let tail = log.tail();
        if intent > tail && intent.segment() == tail.segment() {
            let file = log.file(tail.segment())?;
            let failed = |error| log.segment_io("putting a half-done write in order", tail.segment(), error);
            let mut end = tail.offset();
            let mut scan = Scan::new(&*file, tail, intent.offset(), log.salt);
            while let Step::Frame(frame) = scan.next().map_err(failed)? {
                end = frame.at.plus(frame.head.frame_bytes()).offset();
            }
            // All of it is written by this process: what the dead one wrote may have failed to reach the disk without this
            // descriptor ever saying so, and so may what others wrote before it was opened (rule 4).
            let whole = (end - tail.offset()) as usize;
            let mut bytes = vec![0; (intent.offset() - tail.offset()) as usize];
            file.read_at(&mut bytes[..whole], u64::from(tail.offset())).map_err(failed)?;
            file.write_at(&bytes, u64::from(tail.offset())).map_err(failed)?;
            log.sync_segment(tail.segment())?;
            let end = Position::new(tail.segment(), end);
            log.page().durable.raise(end.as_u64());
            log.page().tail.set(end.as_u64());
        }
        log.page().intent.set(0);
        Ok(())
    }

    /// Goes over to a new segment, durable at every step, so that a sealed segment is a synced one (rule 6).
    pub(crate) fn roll(&mut self, log: &Log) -> Result<()> {
        let (at, sealed) = {
            let state = log.read_unchecked();
            (state.index.applied, state.index.sealed())
        };
        let number = at.segment();
        let next = number.checked_add(1).ok_or_else(|| {
            Error::new(ErrorKind::Full, "beginning a segment").at(&log.path).because("all segment numbers are used")
        })?;
        // Room for the next segment first, while it is easy to turn back: a file without a header is nothing yet. A leftover
        // of a roll that died is emptied.
        let failed = |error| log.segment_io("beginning a segment", next, error);
        let begun = log.disk.create(&segment::name(next)).map_err(failed)?;
        begun.reserve(0, u64::from(LAST)).map_err(failed)?;
        let file = log.file(number)?;
        let failed = |error| log.segment_io("sealing a segment", number, error);
        // The seal says that the log goes on in the next segment. A roll that died behind this step left it already.
        let mut end = at;
        if !sealed {
            let mut frames = Frames::at(at, log.durable(), log.salt);
            frames.push(Kind::Seal, &super::frame::NO_KEY, &[]);
            self.append(log, &frames)?;
            end = frames.end();
        }
        // Space reserved behind it is given back.
        file.cut(u64::from(end.offset())).map_err(failed)?;
        // All that it holds is on disk before anything can be in the next: so only the last segment needs a look after
        // a power loss.
        log.sync_segment(number)?;
        let failed = |error| log.segment_io("beginning a segment", next, error);
        begun.write_at(&Header { number: next, salt: log.salt }.to_bytes(), 0).map_err(failed)?;
        // Neither is tried again when it has failed: it would succeed, and mean nothing (rule 4).
        begun.sync().map_err(|error| log.poisoned(next, error))?;
        log.disk.sync_names().map_err(|error| log.poisoned(next, error))?;
        log.adopt_file(next, begun);
        // Now it may be seen.
        let start = segment::start(next);
        log.change(|state| {
            log.page().durable.raise(start.as_u64());
            log.page().tail.set(start.as_u64());
            state.index.go_on(next, end.offset());
        });
        log.page().intent.set(0);
        log.hints.want(number);
        self.reserved = start;
        Ok(())
    }

    /// Reserves space for a group; says whether there is some beyond the last that is kept.
    fn reserve(&mut self, log: &Log, bytes: usize) -> Result<bool> {
        let end = log.tail();
        if self.reserved.segment() != end.segment() || self.reserved < end {
            self.reserved = end;
        }
        let enough = |reserved: Position| reserved.offset() - end.offset() >= LAST + bytes as u32;
        if enough(self.reserved) {
            return Ok(true);
        }
        let file = log.file(end.segment())?;
        // Zeros ahead are space that is there, and to reserve more than that would make the next sync take longer.
        let length = file.len().map_err(|error| log.segment_io("reserving space", end.segment(), error))?;
        self.reserved = self.reserved.max(Position::new(end.segment(), length.min(u64::from(u32::MAX)) as u32));
        if enough(self.reserved) {
            return Ok(true);
        }
        // As much as usual; or else just what is needed.
        for more in [RESERVE + LAST + bytes as u32, LAST + bytes as u32] {
            match file.reserve(u64::from(end.offset()), u64::from(more)) {
                Ok(()) => {
                    self.reserved = end.plus(more as usize);
                    return Ok(true);
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {}
                Err(error) => return Err(log.segment_io("reserving space", end.segment(), error)),
            }
        }
        Ok(false)
    }
}

/// The tail first, then the index, both before any reader of this process gets the index again: nobody sees here what
/// another process cannot see yet (rule 13).
fn publish(log: &Log, settings: &Settings, frames: &Frames, written: Vec<Written>) {
    log.change(|State { index, cache, .. }| {
        log.page().tail.set(frames.end().as_u64());
        let (mut rest, mut at) = (frames.bytes(), frames.start());
        while let Some(head) = Head::parse(rest, at, log.salt) {
            let (frame, behind) = rest.split_at(head.frame_bytes());
            let frame = Frame { at, head, body: &frame[HEAD..] };
            Effect::each_of(&frame, log.salt, &mut |effect| index.apply(effect));
            rest = behind;
            at = at.plus(head.frame_bytes());
        }
        index.applied = frames.end();
        for (key, revision, bytes) in written {
            cache.keep(index, &key, revision, bytes);
        }
        log.is_wasteful.store(settings.is_wasteful(index), Ordering::Relaxed);
    });
    log.page().intent.set(0);
}

/// After a failed sync nothing is written by anybody until the store is opened anew.
pub(crate) fn poison(log: &Log) {
    log.page().poison.set(1);
}

pub(crate) fn refuse_if_poisoned(log: &Log) -> Result<()> {
    if log.page().poison.get() == 0 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Poisoned, "saving a session").at(&log.path))
}
