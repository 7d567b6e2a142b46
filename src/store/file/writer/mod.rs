//! The writing side of the log: one group of operations, one lock, one write (group commit).
//!
//! [`LockedWriter::write`] holds the steps of a write, in order, each with its reason. Nothing here waits for the writer
//! lock or holds a future. What queues in front of the writer, and what waits for the disk after it, belongs to the engine.

mod append;
pub(crate) mod kept_lock;
mod leaving;
pub(crate) mod op;
mod overlay;
mod plan;
mod roll;
pub(crate) mod room;
mod waiting_line;

use std::sync::atomic::Ordering;

use self::append::{adopt, append};
use self::kept_lock::KeptLock;
use self::op::{Answer, Answered, Op, Waits};
use self::plan::{CachedRecord, Memory, Plan};
use self::room::{Needs, RESERVE, Room, SEAL};
use crate::model::error::{Error, ErrorKind, Result};
use crate::store::file::disk::DiskLock;
use crate::store::file::format::effect::Effect;
use crate::store::file::format::frame::Frames;
use crate::store::file::format::position::Position;
use crate::store::file::index::Index;
use crate::store::file::index::deadlines::Place;
use crate::store::file::log::{Log, Reading, State};
use crate::store::file::settings::Settings;
use crate::store::sweeper::beside_creates;
use crate::store::{Durability, Swept};

/// What this process needs to append. Each engine has one, inside a mutex: the mutex orders threads, `lock` orders
/// processes.
pub(crate) struct Writer {
    pub(crate) lock: KeptLock,
    settings: Settings,
    room: Room,
    memory: Memory,
}

/// An operation's answer, and up to where the log must be durable before the caller may get it.
pub(crate) type Outcome = (Result<Answer>, Option<Position>);

/// How often the writer lock is given up again because there is too much to read.
const TURNS_GIVEN_UP: u32 = 3;

/// Where no segment can be begun, the last one may grow up to here, so that offsets stay below 2^32 (rule 20).
const LARGEST_SEGMENT: u32 = 2 << 30;

/// In an overgrown log, moved records may make a segment so many times as long as it should be.
const MOVED_BEYOND: u32 = 4;

/// A group holds about this many bytes, or one operation (rule 20).
pub(crate) const LARGEST_GROUP: usize = 4 << 20;

/// How many sessions a create looks at, to find some that are over.
const LOOKS_BESIDE_A_CREATE: usize = 16;

/// The segment is full or sealed. A new one takes syncs, and this caller must not block.
pub(crate) struct NeedsRoll;

impl Writer {
    pub(crate) fn new(lock: Box<dyn DiskLock>, settings: Settings) -> Self {
        let lock = KeptLock::new(lock, settings.sizes);
        Self { lock, settings, room: Room::default(), memory: Memory::default() }
    }

    /// Takes the writer lock, if no other process holds it.
    pub(crate) fn try_lock<'a>(&'a mut self, log: &'a Log) -> Result<Option<LockedWriter<'a>>> {
        // Reading what others have written comes first: with the lock held, their next saves would wait for it (rule 25). So
        // the time until the lock is free is used. A process that was refused for long reads little before it tries again, or
        // the others would be quicker each time. A lock that came too early is given up again, but not for ever: others may
        // write faster than this process reads.
        let far_behind = self.settings.sizes.far_behind;
        let left_unread = if self.lock.line.was_refused() { far_behind } else { 0 };
        for turns_left in (0..=TURNS_GIVEN_UP).rev() {
            if log.is_behind_by(left_unread) {
                // An error shows itself again when the lock is held.
                let _ = log.catch_up();
            }
            let begun = self.lock.try_begin(log.segments.page());
            if !begun.map_err(|error| log.segments.io("taking the writer lock", error))? {
                return Ok(None);
            }
            if turns_left == 0 || !log.is_behind_by(far_behind) {
                break;
            }
            self.lock.end(log.segments.page());
        }
        Ok(Some(LockedWriter { writer: self, log }))
    }
}

/// The writer while it holds the writer lock. Dropping it ends the turn, also in a panic.
pub(crate) struct LockedWriter<'a> {
    writer: &'a mut Writer,
    log: &'a Log,
}

impl Drop for LockedWriter<'_> {
    fn drop(&mut self) {
        self.writer.lock.end(self.log.segments.page());
    }
}

impl<'a> LockedWriter<'a> {
    /// Whether the store's thread should look at the lock between processes, and does not know it.
    pub(crate) fn asks_for_a_look(&mut self) -> bool {
        self.writer.lock.asks_for_a_look()
    }

    /// The log as it stands, which is looked at before anything is written. Where a turn begins, the index may be older: other
    /// processes write until the moment in which the lock is taken.
    pub(crate) fn read(&self) -> Result<Reading<'a>> {
        self.put_in_order()?;
        self.log.read()
    }

    /// Leaves nothing half done by others before this turn reads or writes.
    fn put_in_order(&self) -> Result<()> {
        // After a failed sync in any process, no process knows what is on disk (rule 4).
        self.log.segments.refuse_if_poisoned()?;
        // The last writer may have died in the middle of a write. Its whole frames become part of the log first (rule 5).
        adopt(&self.log.segments)
    }

    /// Carries out a group of operations. Either the whole group is written, or nothing.
    pub(crate) fn write(&mut self, ops: &[&Op], may_roll: bool) -> Result<Vec<Outcome>, NeedsRoll> {
        let mut outcomes: Vec<Outcome> = ops.iter().map(|_| (Ok(Answer::Done), None)).collect();
        match self.try_write(ops, &mut outcomes, may_roll, self.writer.settings.sizes.sweeps_for_room) {
            Ok(true) => {}
            Ok(false) => return Err(NeedsRoll),
            Err(error) => outcomes.iter_mut().for_each(|outcome| *outcome = (Err(error.repeated()), None)),
        }
        Ok(outcomes)
    }

    /// The same for one operation, without an allocation.
    pub(crate) fn write_one(&mut self, op: &Op, may_roll: bool) -> Result<Outcome, NeedsRoll> {
        let mut outcome = (Ok(Answer::Done), None);
        let may_sweep = self.writer.settings.sizes.sweeps_for_room;
        match self.try_write(&[op], std::slice::from_mut(&mut outcome), may_roll, may_sweep) {
            Ok(true) => Ok(outcome),
            Ok(false) => Err(NeedsRoll),
            Err(error) => Ok((Err(error), None)),
        }
    }

    /// Fills in an outcome for each operation; `false` if a new segment is needed first. Where there is no room, it sweeps
    /// so many times at most.
    fn try_write(&mut self, ops: &[&Op], outcomes: &mut [Outcome], may_roll: bool, may_sweep: u32) -> Result<bool> {
        let (log, segments) = (self.log, &self.log.segments);
        self.put_in_order()?;
        match ops {
            // The sweep's budget takes the sessions that ended first, so the index has to know their order. One more tells
            // whether there are more.
            [Op::Sweep { now, budget }] => log.sort_deadlines(*now, (*budget).max(1).saturating_add(1))?,
            // A trim looks for sessions that compaction could not move, and would meet the dead.
            [Op::Trim { .. }] => {
                log.read()?;
                log.let_all_go();
            }
            _ => {}
        }
        if !self.has_segment(ops, may_roll)? {
            return Ok(false);
        }
        let ended = self.look_around(ops)?;
        let (mut drops_traces, mut refuses_saves, mut has_rolled, mut has_failed) = (false, false, false, false);
        let (frames, written, memory) = loop {
            // Conditions are checked against all that any process has written, so the index catches up first.
            let state = log.read()?;
            let full = refuses_saves || !self.has_room(&state.index, ops)?;
            let memory = std::mem::take(&mut self.writer.memory);
            let mut plan = Plan::new(log, &state.index, &self.writer.settings, ops.len(), ended.clone(), memory);
            plan.full = full;
            // A full disk has no room for traces, and no operation is refused for their sake.
            plan.leaves_traces = !drops_traces && !log.is_full.load(Ordering::Relaxed);
            for (op, outcome) in ops.iter().zip(&mut *outcomes) {
                let Answered { answer, waits } = plan.add(op);
                let waits = match waits {
                    Waits::Never => false,
                    Waits::AsConfigured => self.writer.settings.durability == Durability::Always,
                    Waits::Always => true,
                };
                *outcome = (answer, waits.then_some(Position::default()));
            }
            let short_of_room_at = plan.short_of_room_at.filter(|now| state.index.may_have_ended(*now));
            let planned = plan.into_written();
            if let Some(now) = short_of_room_at
                && may_sweep > 0
            {
                drop(state);
                // No save is told that there is no room while there are sessions that are over. The group is planned anew in
                // any case, for the sweep may have begun a segment. Its failure must not keep the group's logouts from being
                // done.
                let sweep = Op::Sweep { now, budget: Op::SWEPT_AT_ONCE };
                let mut swept = (Ok(Answer::Done), None);
                if let Ok(false) = self.try_write(&[&sweep], std::slice::from_mut(&mut swept), may_roll, 0) {
                    return Ok(false);
                }
                let goes_on =
                    matches!(swept.0, Ok(Answer::Swept((Swept { removed, .. }, traces))) if removed > 0 || traces > 0);
                return self.try_write(ops, outcomes, may_roll, if goes_on { may_sweep - 1 } else { 0 });
            }
            let bytes = planned.0.bytes().len() as u64;
            if bytes == 0 {
                break planned;
            }
            // Of a group whose saves are refused, only what else it asks for is left.
            let takes_all = ops.iter().all(|op| op.may_take_all() || full && !op.is_needed_when_full());
            let left = if takes_all { SEAL } else { Needs::of(&state.index, 0, 0).ends };
            if self.fits(&state.index, ops, bytes)? || has_rolled && takes_all {
                drop(state);
                match append(segments, &planned.0) {
                    Ok(()) => break planned,
                    Err(error) => {
                        // Another process may have given the space to the spare. What is true is looked at once.
                        self.writer.room.doubt(planned.0.start().segment());
                        let has_tried_all = has_rolled && has_failed;
                        if *error.kind() != ErrorKind::Full || has_tried_all {
                            return Err(error);
                        }
                        drops_traces = true;
                        if !std::mem::replace(&mut has_failed, true) {
                            continue;
                        }
                    }
                }
            } else {
                drop(state);
                if !std::mem::replace(&mut drops_traces, true) || !std::mem::replace(&mut refuses_saves, true) {
                    continue;
                }
                if has_rolled {
                    return Err(full_disk(log));
                }
            }
            // On a full disk the spare has room for what ends sessions, and for a cut (rule 24).
            if !may_roll {
                return Ok(false);
            }
            has_rolled = true;
            self.roll(bytes + left)?;
        };
        if !frames.bytes().is_empty() {
            publish(log, &self.writer.settings, &frames, written);
        }
        let end = frames.end();
        self.writer.memory.keep(frames, memory);
        // Also with nothing to write: the frames on which the answer rests may not be durable yet (rule 1).
        let until = (end > segments.durable()).then_some(end);
        outcomes.iter_mut().for_each(|(_, waits)| *waits = waits.and(until));
        Ok(true)
    }

    /// Makes room of what is dead, if a limit asks for it, and gives some of the sessions that are over, which may leave beside
    /// the group's creates.
    fn look_around(&self, ops: &[&Op]) -> Result<Vec<Place>> {
        let (log, settings) = (self.log, &self.writer.settings);
        let bytes: u64 = ops.iter().map(|op| op.size() as u64).sum();
        let state = log.read()?;
        let is_short = state.index.live_bytes().saturating_add(bytes) > settings.store_bytes;
        let lets_go = is_short && state.index.has_dead();
        let created_at = ops.iter().filter_map(|op| op.creates_at()).max();
        let over_by = created_at.map(|now| beside_creates::over_by(now, settings.sizes.swept_behind));
        let over_by = over_by.filter(|over_by| state.index.may_have_ended(*over_by));
        drop(state);
        if lets_go {
            log.let_all_go();
        }
        let look = |over_by| log.change(|state| state.index.some_ended(over_by, LOOKS_BESIDE_A_CREATE * ops.len()));
        Ok(over_by.map(look).unwrap_or_default())
    }

    /// Sees to it that the log ends in a segment that can be written to. `false` if a new one is to be begun first.
    fn has_segment(&mut self, ops: &[&Op], may_roll: bool) -> Result<bool> {
        let (end, sealed, needs, is_due) = {
            let State { index, .. } = &*self.log.read()?;
            let segment_bytes = self.writer.settings.segment_bytes;
            let mut full_at = segment_bytes;
            if matches!(ops, [Op::Move { .. } | Op::Trim { .. }]) && index.is_overgrown(segment_bytes) {
                // What compaction moves makes a full segment longer. A new one would have room for saves that have not paid.
                full_at = segment_bytes.saturating_mul(MOVED_BEYOND).min(LARGEST_SEGMENT);
            }
            let (end, needs) = (index.applied, Needs::of(index, 0, 0));
            (end, index.sealed(), needs, end.offset() >= full_at && end >= self.writer.room.rolls_from)
        };
        if !sealed && !is_due {
            return Ok(true);
        }
        if !may_roll {
            return Ok(false);
        }
        // Without room for a new segment, or without the right to make one, the old one goes on: its limit is soft.
        if self.roll(needs.all())? || !sealed && end.offset() < LARGEST_SEGMENT {
            return Ok(true);
        }
        self.log.failed_roll.tell().and(Err(full_disk(self.log)))
    }

    /// Whether the disk has room for a group, and for all that is to be held besides.
    fn has_room(&mut self, index: &Index, ops: &[&Op]) -> Result<bool> {
        let (log, room) = (self.log, &mut self.writer.room);
        let bytes = ops.iter().map(|op| op.size() as u64).sum();
        let saves = ops.iter().filter(|op| !op.is_needed_when_full()).count();
        if saves > 0 || matches!(ops, [Op::Move { .. }]) {
            return room.hold(log, index, bytes, saves);
        }
        // To ask a full disk for space takes it long, and a session that ends finds its own.
        let has_room = !log.is_full.load(Ordering::Relaxed) && room.reach(log, index.applied, bytes + RESERVE)?;
        log.is_full.store(!has_room, Ordering::Relaxed);
        Ok(has_room)
    }

    /// Whether the segment has room for these frames.
    fn fits(&mut self, index: &Index, ops: &[&Op], bytes: u64) -> Result<bool> {
        let (log, room) = (self.log, &mut self.writer.room);
        match ops {
            [Op::Move { .. } | Op::Mark] => room.takes_moves(log, index, bytes),
            _ => room.reach(log, index.applied, bytes + SEAL),
        }
    }

    /// Seals the segment and begins the next, if that has room for so many bytes. Says whether it did: if not, nothing has changed.
    fn roll(&mut self, bytes: u64) -> Result<bool> {
        let ends = Needs::of(&self.log.read()?.index, 0, 0).ends;
        self.roll_beyond(0, bytes, ends)
    }

    /// The same, with a number above `used`. Meanwhile so many bytes stay held to end sessions with.
    fn roll_beyond(&mut self, used: u32, bytes: u64, ends: u64) -> Result<bool> {
        let end = self.log.read()?.index.applied;
        match self.writer.room.next_segment(self.log, end, ends, used, bytes) {
            Ok((next, begun)) => {
                roll::roll(self.log, next, begun)?;
                self.log.failed_roll.keep(Ok(()));
                Ok(true)
            }
            Err(error) => {
                self.log.is_full.fetch_or(*error.kind() == ErrorKind::Full, Ordering::Relaxed);
                self.log.failed_roll.keep(Err(error));
                Ok(false)
            }
        }
    }

    /// Begins a segment that has room for so many bytes.
    pub(crate) fn begin_segment(&mut self, bytes: u64) -> Result<()> {
        self.put_in_order()?;
        if self.roll(bytes)? { Ok(()) } else { self.log.failed_roll.tell() }
    }

    /// Leaves the last segment where the log cannot go on in it, for one whose number is above `used`. What is held in the last
    /// one serves nothing any more but its seal, so the next one gets it, and is begun with whatever that is: a store that did
    /// not open would serve nobody.
    pub(crate) fn leave_segment(&mut self, used: u32) -> Result<()> {
        self.put_in_order()?;
        let is_left = self.roll_beyond(used, RESERVE, 0)? || self.roll_beyond(used, SEAL, 0)?;
        if is_left { Ok(()) } else { self.log.failed_roll.tell() }
    }

    /// Looks whether a disk that was full has room again.
    pub(crate) fn look_for_room(&mut self) -> Result<()> {
        let State { index, .. } = &*self.read()?;
        self.writer.room.hold(self.log, index, RESERVE, 0).map(drop)
    }
}

fn full_disk(log: &Log) -> Error {
    let why = "the disk is full, and what is left is kept for ending sessions";
    Error::new(ErrorKind::Full, "appending to the log").at(&log.segments.path).because(why)
}

/// Stores the tail first and applies the frames second, both under the index write lock: no reader of this process sees
/// what a reader of another process cannot see yet (rule 13).
fn publish(log: &Log, settings: &Settings, frames: &Frames, written: Vec<CachedRecord>) {
    log.change(|State { index, cache, .. }| {
        log.segments.page().tail.set(frames.end().as_u64());
        for frame in frames.iter() {
            Effect::each_of(&frame, log.segments.salt, &mut |effect| index.apply(effect));
        }
        index.applied = frames.end();
        for (key, revision, bytes) in written {
            cache.keep(index, &key, revision, bytes);
        }
        log.is_wasteful.store(index.is_wasteful(settings.segment_bytes), Ordering::Relaxed);
    });
    log.segments.page().intent.set(0);
}
