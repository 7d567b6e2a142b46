//! The plan of a group: its answers, and the frames of its one write. Each operation is checked against the index and
//! against what the group's earlier operations will have done (rule 14). A plan changes neither the index nor a file.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::bytes::Bytes;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::lifetime::Expiry;
use crate::model::owner::Owner;
use crate::model::record::{Note, Record, Revision};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;
use crate::store::file::format::frame::{Frame, Frames, HEAD, Kind, NO_KEY};
use crate::store::file::format::position::Position;
use crate::store::file::index::Index;
use crate::store::file::index::deadlines::Place;
use crate::store::file::log::Log;
use crate::store::file::settings::Settings;
use crate::store::file::writer::op::{Answer, Answered, Op, Waits};
use crate::store::file::writer::overlay::{Overlay, Planned};
use crate::store::sweeper::beside_creates::{SWEPT, over_by};
use crate::store::{BeyondLimit, Limits, Swept, Update};

/// The bytes of a record that is about to be written, for the cache, with its key and its revision.
pub(crate) type CachedRecord = (SessionKey, Revision, Bytes);

impl Memory {
    /// Keeps a group's buffers for the next group. The buffers of a large group are freed.
    pub(crate) fn keep(&mut self, frames: Frames, record: Vec<u8>) {
        const MOST: usize = 64 * 1024;
        let small = |memory: Vec<u8>| if memory.capacity() <= MOST { memory } else { Vec::new() };
        *self = Self { frames: small(frames.into_memory()), record: small(record) };
    }
}

/// A group's plan, while operations are added to it.
pub(crate) struct Plan<'a> {
    pub(super) log: &'a Log,
    pub(super) overlay: Overlay<'a>,
    limits: &'a Limits,
    /// How many more bytes of records the store may hold. Traces take none of it.
    pub(super) room: u64,
    /// Whether there is room for traces. Nothing is refused for lack of it.
    pub(crate) leaves_traces: bool,
    /// How many traces there will be, how many there may be, and about how many bytes they take.
    pub(super) traces: (usize, usize, u64),
    /// Whether the disk is full, so that only operations that are needed then are accepted.
    pub(crate) full: bool,
    /// The time of a save that found no room.
    pub(crate) short_of_room_at: Option<Timestamp>,
    /// Sessions that have ended, in order, some of which leave beside the group's creates.
    ended: VecDeque<Place>,
    swept_behind: Duration,
    pub(crate) frames: Frames,
    pub(super) written: Vec<CachedRecord>,
    /// The buffer in which records are encoded.
    memory: Vec<u8>,
}

/// Buffers that one group leaves for the next, so that a small save allocates none.
#[derive(Default)]
pub(crate) struct Memory {
    frames: Vec<u8>,
    record: Vec<u8>,
}

impl<'a> Plan<'a> {
    /// A plan for this many operations, beside which some of these ended sessions leave. Its frames begin where the index
    /// ends.
    pub(crate) fn new(
        log: &'a Log,
        index: &'a Index,
        settings: &'a Settings,
        operations: usize,
        ended: Vec<Place>,
        memory: Memory,
    ) -> Self {
        let Settings { limits, store_bytes, sizes, .. } = settings;
        Self {
            log,
            overlay: Overlay::new(index, operations > 1),
            limits,
            room: store_bytes.saturating_sub(index.live_bytes() - index.traces().bytes()),
            leaves_traces: true,
            traces: (index.traces().len(), limits.traces, index.traces().bytes()),
            full: false,
            short_of_room_at: None,
            ended: ended.into(),
            swept_behind: sizes.swept_behind,
            frames: Frames::within(memory.frames, index.applied, log.segments.durable(), log.segments.salt),
            written: Vec::new(),
            memory: memory.record,
        }
    }

    /// The frames; the records in them, for the cache once the frames are written; and the buffer.
    pub(crate) fn into_written(self) -> (Frames, Vec<CachedRecord>, Vec<u8>) {
        (self.frames, self.written, self.memory)
    }

    pub(crate) fn add(&mut self, op: &Op) -> Answered {
        if self.full && !op.is_needed_when_full() {
            self.short_of_room_at = op.saves_at();
            let why = "the disk is full; what is left is kept for ending sessions";
            return Answered::failed(
                Error::new(ErrorKind::Full, "saving a session").at(&self.log.segments.path).because(why),
            );
        }
        let answered = match op {
            Op::Create { record, traces, now } => self.create(record, traces, *now),
            Op::Update { record, expected, now } => self.update(record, *expected, *now),
            Op::Rotate { old, expected, record, trace, now } => {
                self.rotate(old, *expected, record, trace.as_deref(), *now)
            }
            Op::Touch { key, now } => Ok(self.touch(key, *now)),
            Op::Destroy { key, trace } => Ok(self.destroy(key, trace.as_deref())),
            Op::DestroyOwned { owner, except } => Ok(self.end_owned(owner, except.as_ref())),
            Op::End { keys } => Ok(self.end_all(keys)),
            Op::Sweep { now, budget } => Ok(self.sweep(*now, *budget)),
            Op::Clear => Ok(self.frame(Kind::Clear, &[], Waits::Always)),
            Op::Move { live } => self.relocate(live),
            Op::Trim { oldest } => Ok(self.trim(*oldest)),
            Op::Mark => Ok(self.frame(Kind::Mark, &[], Waits::Never)),
        };
        answered.unwrap_or_else(|error| {
            if *error.kind() == ErrorKind::Full {
                self.short_of_room_at = op.saves_at();
            }
            Answered::failed(error)
        })
    }

    fn create(&mut self, record: &Record, traces: &[(SessionKey, Trace)], now: Timestamp) -> Result<Answered> {
        self.expect_free(record.key(), now)?;
        let mut ended = self.make_room(record, now)?;
        let waits = saved(&ended);
        let traces = self.joined(traces, record.key(), &ended, now)?;
        let swept = self.swept_beside(record.key(), &ended, now);
        ended.extend(swept);
        let revision = self.put(record, *record.expiry(), &ended, traces)?;
        Ok(Answered { answer: Ok(Answer::Created(revision)), waits })
    }

    /// A few sessions that were over long before this time, other than these, which leave beside a create.
    fn swept_beside(&mut self, key: &SessionKey, others: &[SessionKey], now: Timestamp) -> Vec<SessionKey> {
        let over_by = over_by(now, self.swept_behind);
        // Those that this group has ended already are not stepped over again.
        while self.ended.front().is_some_and(|(_, key)| self.overlay.is_changed(key)) {
            self.ended.pop_front();
        }
        let standing = self.ended.iter().filter(|(_, key)| !self.overlay.is_changed(key)).copied();
        let mut over: Vec<Place> = standing
            .take_while(|(end, _)| *end <= over_by)
            .filter(|(_, over)| over != key && !others.contains(over))
            .take(SWEPT)
            .collect();
        over.extend(
            self.overlay.put_and_ended(over_by).into_iter().filter(|(_, over)| over != key && !others.contains(over)),
        );
        over.sort_unstable();
        over.into_iter().map(|(_, key)| key).take(SWEPT).collect()
    }

    fn update(&mut self, record: &Record, expected: Revision, now: Timestamp) -> Result<Answered> {
        let Some(current) = self.overlay.live(record.key(), now) else { return Ok(Answered::gone()) };
        if current.revision != expected {
            return self.conflict(record.key(), current.expiry);
        }
        let mut expiry = *record.expiry();
        expiry.touch(current.expiry.last_seen());
        let evicted = if current.owner.as_ref() == record.owner() { Vec::new() } else { self.make_room(record, now)? };
        let revision = self.put(record, expiry, &evicted, Vec::new())?;
        Ok(Answered { answer: Ok(Answer::Updated(Update::Stored(revision))), waits: saved(&evicted) })
    }

    fn rotate(
        &mut self,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        trace: Option<&Trace>,
        now: Timestamp,
    ) -> Result<Answered> {
        let Some(current) = self.overlay.live(old, now) else { return Ok(Answered::gone()) };
        if current.revision != expected {
            return self.conflict(old, current.expiry);
        }
        self.expect_free(record.key(), now)?;
        let mut expiry = *record.expiry();
        expiry.touch(current.expiry.last_seen());
        let mut ended =
            if current.owner.as_ref() == record.owner() { Vec::new() } else { self.make_room(record, now)? };
        ended.push(*old);
        let traces = trace.map(|trace| (*old, *trace));
        if traces.is_some() {
            ended.extend(self.swept_beside(record.key(), &ended, now));
        }
        let revision = self.put(record, expiry, &ended, Vec::from_iter(traces))?;
        Ok(Answered { answer: Ok(Answer::Updated(Update::Stored(revision))), waits: Waits::Always })
    }

    fn touch(&mut self, key: &SessionKey, now: Timestamp) -> Answered {
        let touched = |touched| Answered { answer: Ok(Answer::Touched(touched)), waits: Waits::Never };
        if !self.overlay.is_group {
            // Most touches are alone in their group. They need only the deadline, not a copy of all that the index knows.
            let Some(mut expiry) = self.overlay.index.live_at(key, now).map(|meta| *meta.expiry()) else {
                return touched(false);
            };
            if expiry.touch(now) {
                self.frames.push(Kind::Touch, key, &[&now.as_millis().to_le_bytes()]);
            }
            return touched(true);
        }
        let Some(mut current) = self.overlay.live(key, now) else { return touched(false) };
        if current.expiry.touch(now) {
            self.frames.push(Kind::Touch, key, &[&now.as_millis().to_le_bytes()]);
            self.overlay.set(*key, Some(current));
        }
        touched(true)
    }

    fn destroy(&mut self, key: &SessionKey, trace: Option<&Trace>) -> Answered {
        // An expired session gets a frame as well: a clock that is set back must not bring it back (rule 1).
        let stands = self.overlay.stands(key);
        if stands {
            let freed = self.overlay.bytes_of(key);
            self.write(None, &[*key], Vec::from_iter(trace.map(|trace| (*key, *trace))), freed);
        }
        Answered { answer: Ok(Answer::Counted(stands.into())), waits: Waits::Always }
    }

    /// One frame ends all of them, so that neither the write nor what every process does with it grows with their number.
    fn end_owned(&mut self, owner: &Owner, except: Option<&SessionKey>) -> Answered {
        let index = self.overlay.index;
        let is_kept = except.and_then(|key| index.get(key)).is_some_and(|meta| meta.owner() == Some(owner));
        let ended = index.count_of(owner) - usize::from(is_kept);
        if ended > 0 {
            let body = [&[u8::from(except.is_some())], owner.as_bytes()];
            self.frames.push(Kind::EndOwned, except.unwrap_or(&NO_KEY), &body);
        }
        Answered { answer: Ok(Answer::Counted(ended as u64)), waits: Waits::Always }
    }

    fn end_all(&mut self, ended: &[SessionKey]) -> Answered {
        match ended {
            [] => {}
            [one] => drop(self.write(None, &[*one], Vec::new(), 0)),
            all => {
                self.frames.batch(|frames| push_destroys(frames, all));
                all.iter().for_each(|key| self.overlay.set(*key, None));
            }
        }
        Answered { answer: Ok(Answer::Counted(ended.len() as u64)), waits: Waits::Always }
    }

    fn sweep(&mut self, now: Timestamp, budget: usize) -> Answered {
        let mut swept = (Swept::default(), 0);
        let index = self.overlay.index;
        if let Some(((end, key), removed, more)) = index.first_ended(now, budget.max(1)) {
            self.frames.push(Kind::Sweep, &key, &[&end.as_millis().to_le_bytes()]);
            let traces = index.traces().count_until(&(end, key));
            swept = (Swept { removed: (removed - traces) as u64, more }, traces);
        }
        Answered { answer: Ok(Answer::Swept(swept)), waits: Waits::Never }
    }

    fn relocate(&mut self, live: &[(SessionKey, Position)]) -> Result<Answered> {
        for (key, at) in live {
            // A record that was replaced or ended after the compactor's look is not moved.
            let Some(meta) = self.overlay.index.get(key).filter(|meta| meta.at() == *at) else { continue };
            let record = match meta.record() {
                Some(record) => record.to_bytes(),
                // A record that cannot be read is skipped (rule 7). The compactor sets it aside before the trim.
                None => match self.log.read_frame(*at, meta.bytes())? {
                    Some(frame) => {
                        let Some((_, bytes)) =
                            Frame::parse_anywhere(&frame, *at, self.log.segments.salt).and_then(|frame| frame.record())
                        else {
                            continue;
                        };
                        match Record::from_bytes(*key, meta.revision(), bytes) {
                            Ok(mut record) => {
                                record.set_expiry(*meta.expiry());
                                record.to_bytes()
                            }
                            // The frame is whole and the record is not readable: a newer version wrote it. It moves
                            // unchanged.
                            Err(_) => bytes.to_vec(),
                        }
                    }
                    None => continue,
                },
            };
            let revision = meta.revision().as_u64().to_le_bytes();
            self.frames.push(Kind::Move, key, &[&revision, &record]);
        }
        Ok(Answered { answer: Ok(Answer::Done), waits: Waits::Never })
    }

    fn trim(&mut self, oldest: u32) -> Answered {
        // Another process may have trimmed already. The last segment is never trimmed.
        if self.overlay.index.oldest < oldest && oldest <= self.frames.start().segment() {
            return self.frame(Kind::Trim, &oldest.to_le_bytes(), Waits::Always);
        }
        Answered { answer: Ok(Answer::Done), waits: Waits::Always }
    }

    fn frame(&mut self, kind: Kind, body: &[u8], waits: Waits) -> Answered {
        self.frames.push(kind, &NO_KEY, &[body]);
        Answered { answer: Ok(Answer::Done), waits }
    }

    /// Adds a record's frame, with this expiry. If the save ends other sessions, or leaves traces, all goes into one batch.
    fn put(
        &mut self,
        record: &Record,
        expiry: Expiry,
        ended: &[SessionKey],
        traces: Vec<(SessionKey, Trace)>,
    ) -> Result<Revision> {
        let kept = record.to_kept(&expiry, std::mem::take(&mut self.memory));
        let bytes = &kept[Note::BYTES..];
        self.limits.check(record, bytes).map_err(|error| error.at(&self.log.segments.path))?;
        let key = *record.key();
        let freed: u64 = ended.iter().chain([&key]).map(|key| self.overlay.bytes_of(key)).sum();
        let taken = (HEAD + bytes.len()) as u64;
        let Some(room) = self.room.saturating_add(freed).checked_sub(taken) else {
            let why = "its limit of bytes is reached";
            return Err(Error::new(ErrorKind::Full, "saving a session").at(&self.log.segments.path).because(why));
        };
        self.room = room;
        let at = self.write(Some((&key, bytes)), ended, traces, 0);
        let revision = Revision::from_u64(at.as_u64());
        let shared = Bytes::from(&kept[..]);
        self.memory = kept;
        if self.overlay.is_group {
            let (owner, record) = (record.owner().cloned(), Some(shared.clone()));
            let planned = Planned { revision, expiry, owner, is_trace: false, bytes: taken, record };
            self.overlay.set(key, Some(planned));
        }
        self.written.push((key, revision, shared));
        Ok(revision)
    }

    /// Which sessions of the record's owner have to end so that the limit leaves room for it, where it is new to its owner.
    /// Those that have expired end before any that lives. So an owner never has more sessions than the limit, and to look
    /// for them takes few steps.
    fn make_room(&mut self, record: &Record, now: Timestamp) -> Result<Vec<SessionKey>> {
        let (Some(limit), Some(owner)) = (self.limits.per_owner, record.owner()) else { return Ok(Vec::new()) };
        let (ended, too_many_live) = self.overlay.beyond(owner, limit.sessions, record.key(), now);
        if too_many_live && limit.beyond == BeyondLimit::Refuse {
            let kind = ErrorKind::OwnerLimit { limit: limit.sessions };
            return Err(Error::new(kind, format!("saving session {}", record.key())));
        }
        Ok(ended)
    }

    fn expect_free(&self, key: &SessionKey, now: Timestamp) -> Result<()> {
        match self.overlay.live(key, now) {
            Some(_) => Err(Error::new(ErrorKind::KeyTaken, format!("creating session {key}"))),
            None => Ok(()),
        }
    }

    fn conflict(&self, key: &SessionKey, expiry: Expiry) -> Result<Answered> {
        let mut current = match self.overlay.planned(key) {
            Some(Planned { revision, owner, record: Some(record), .. }) => {
                Record::from_kept(*key, *revision, expiry, owner.clone(), record.clone())
            }
            _ => {
                let meta = self.overlay.index.get(key).expect("what conflicts was found in the index");
                match meta.record() {
                    Some(record) => record,
                    None => self.log.read_record(key, meta.at(), meta.bytes())?.0,
                }
            }
        };
        current.set_expiry(expiry);
        let answer = Ok(Answer::Updated(Update::Conflict(Box::new(current))));
        Ok(Answered { answer, waits: Waits::Never })
    }
}

fn push_destroys(frames: &mut Frames, ended: &[SessionKey]) {
    for key in ended {
        frames.push(Kind::Destroy, key, &[]);
    }
}

fn saved(evicted: &[SessionKey]) -> Waits {
    if evicted.is_empty() { Waits::AsConfigured } else { Waits::Always }
}
