//! What the log says, in memory: where each session's newest record is, whose it is, and when it ends.
//!
//! The index is a pure function of the log (protocol rule 3): effects change it, and nothing else does, above all no clock.
//! So all processes that have read up to the same position have the same index. Nothing here reads a file.

mod arena;
pub(crate) mod cache;
mod chunks;
mod deadlines;
mod doubt;
mod hash_table;
mod list;
mod live_bytes;
mod owners;

use std::collections::BTreeMap;

use self::arena::{Arena, MetaRef};
use self::doubt::Doubt;
use self::hash_table::SlotNumber;
use self::live_bytes::LiveBytes;
use crate::model::bytes::Bytes;
use crate::model::key::SessionKey;
use crate::model::lifetime::Expiry;
use crate::model::owner::Owner;
use crate::model::record::Revision;
use crate::model::time::Timestamp;
use crate::store::file::format::effect::Effect;
use crate::store::file::format::frame::{Head, Kind};
use crate::store::file::format::meta::RecordMeta;
use crate::store::file::format::position::Position;
use crate::store::file::format::segment;

/// See the module.
pub(crate) struct Index {
    /// The log was applied up to here.
    pub(crate) applied: Position,
    /// The oldest segment that is part of the log.
    pub(crate) oldest: u32,
    /// The oldest segment as the log itself states it: 1, or what the last trim left.
    trimmed: u32,
    /// The segment that `applied` is in has been sealed. If this stays so, a writer died before it began the next segment.
    sealed: bool,
    arena: Arena,
    /// Bytes of the frames that the arena points to.
    live: LiveBytes,
    /// The lengths of the segments before the one that `applied` is in, and their sum.
    lengths: BTreeMap<u32, u32>,
    sealed_bytes: u64,
    /// Sessions that lost frames may have ended, and sessions that missing segments may have ended.
    lost: Option<Doubt>,
    missing: Option<Doubt>,
}

impl Index {
    /// The index of a log that begins with this segment.
    pub(crate) fn new(oldest: u32) -> Self {
        Self {
            applied: segment::start(oldest),
            oldest,
            trimmed: 1,
            sealed: false,
            arena: Arena::default(),
            live: LiveBytes::default(),
            lengths: BTreeMap::new(),
            sealed_bytes: 0,
            lost: None,
            missing: None,
        }
    }

    /// Makes room for the sessions that a log of this many bytes may hold. To grow step by step instead would take a third
    /// of the time in which a large store opens.
    pub(crate) fn expect_bytes(&mut self, bytes: u64) {
        const SMALL_RECORD: u64 = 600;
        // A file's length is a claim: a sparse file may have any (rule 20).
        const MOST: u64 = 1 << 22;
        self.arena.reserve((bytes / SMALL_RECORD).min(MOST) as usize);
    }

    /// Gives back room that was expected to be needed, and was not.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.arena.shrink_to_fit();
    }

    pub(crate) fn get(&self, key: &SessionKey) -> Option<MetaRef<'_>> {
        self.arena.get(key)
    }

    pub(crate) fn live_at(&self, key: &SessionKey, now: Timestamp) -> Option<MetaRef<'_>> {
        self.arena.get(key).filter(|meta| !meta.expiry().is_expired_at(now))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = MetaRef<'_>> {
        self.arena.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.arena.len()
    }

    pub(crate) fn owned_by(&self, owner: &Owner) -> impl Iterator<Item = MetaRef<'_>> {
        self.arena.owned_by(owner)
    }

    /// The sessions that have ended by this time and were not swept. Costs a step for each of them, and for each session
    /// that stands too early until [`Self::sort_deadlines`] has moved it.
    pub(crate) fn ended_at(&self, now: Timestamp) -> impl Iterator<Item = MetaRef<'_>> {
        let ending = self.arena.ending_by(now).flatten().map(|number| self.arena.at(number));
        ending.filter(move |meta| meta.expiry().is_expired_at(now))
    }

    /// Moves sessions whose deadline was put off into their true bucket; see [`Arena::sort_deadlines`].
    pub(crate) fn sort_deadlines(&mut self, from: u32, now: Timestamp, wanted: &mut usize) -> Option<u32> {
        self.arena.sort_deadlines(from, now, wanted)
    }

    /// Of the sessions that have ended by this time, counts the first `budget` in the order of (end, key). Returns the last
    /// of them and their number; `None` if there are none. [`Self::sort_deadlines`] must have found as many before.
    pub(crate) fn first_ended(&self, now: Timestamp, budget: usize) -> Option<(Timestamp, SessionKey, usize)> {
        let mut count = 0;
        let mut last = None;
        for bucket in self.arena.ending_by(now) {
            let metas = bucket.map(|number| self.arena.at(number));
            let mut ended: Vec<(Timestamp, SessionKey)> =
                metas.map(|meta| (meta.expiry().ends_at(), *meta.key())).filter(|(end, _)| *end <= now).collect();
            let room = budget - count;
            if ended.len() > room {
                ended.sort_unstable();
                ended.truncate(room);
            }
            count += ended.len();
            last = ended.into_iter().max().or(last);
            if count == budget {
                break;
            }
        }
        last.map(|(end, key)| (end, key, count))
    }

    /// Caches a record's bytes, if the session has this revision, is not cached yet, and they fit. Returns whether it did.
    pub(crate) fn cache(&mut self, key: &SessionKey, revision: Revision, bytes: Bytes, budget: usize) -> bool {
        let found = self.arena.find(key).filter(|number| {
            let meta = self.arena.at(*number);
            meta.revision() == revision && !meta.is_cached() && arena::cost(&bytes) <= budget
        });
        found.inspect(|number| self.arena.set_cached(*number, Some(bytes))).is_some()
    }

    /// The cost of all cached records, in bytes.
    pub(crate) fn cached_bytes(&self) -> usize {
        self.arena.cached_bytes()
    }

    /// Moves the cache's hand over a slot; see [`Arena::pass`].
    pub(crate) fn pass(&mut self, number: SlotNumber) -> SlotNumber {
        self.arena.pass(number)
    }

    /// Frames before this position are lost, and may have ended any session that stands before it.
    pub(crate) fn doubt(&mut self, before: Position) {
        self.lost = Some(Doubt::of_all_before(before));
    }

    /// Segments before this one are missing. A later trim may say that they have left the log.
    pub(crate) fn doubt_missing(&mut self, before: u32) {
        self.missing = Some(Doubt::of_all_before(segment::start(before)));
    }

    /// The sessions in doubt: lost frames may have ended them (rule 11).
    pub(crate) fn doubtful(&self) -> impl Iterator<Item = &SessionKey> {
        let doubts = || self.lost.iter().chain(&self.missing);
        let metas = doubts().next().into_iter().flat_map(|_| self.arena.iter());
        metas.filter(move |meta| doubts().any(|doubt| doubt.is_about(meta.key(), meta.at()))).map(|meta| meta.key())
    }

    fn doubts(&mut self) -> impl Iterator<Item = &mut Doubt> {
        self.lost.iter_mut().chain(&mut self.missing)
    }

    /// Bytes of the frames that are still needed.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.live.all()
    }

    pub(crate) fn live_bytes_in(&self, segment: u32) -> u64 {
        self.live.within(segment)
    }

    /// Bytes of the log up to `applied`.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.sealed_bytes + u64::from(self.applied.offset())
    }

    /// The segment with which the log says that it begins. Files below it are leftovers. If the first file is above it,
    /// segments are missing.
    pub(crate) fn trimmed(&self) -> u32 {
        self.trimmed
    }

    pub(crate) fn sealed(&self) -> bool {
        self.sealed
    }

    /// Whether compaction is due: the log takes more than its live bytes twice, and one segment.
    pub(crate) fn is_wasteful(&self, segment_bytes: u32) -> bool {
        self.segments() > 1 && self.log_bytes() > 2 * self.live_bytes() + u64::from(segment_bytes)
    }

    /// Whether the log takes twice as much as that. Then saves wait for compaction (`engine/compact.rs`).
    pub(crate) fn is_overgrown(&self, segment_bytes: u32) -> bool {
        self.segments() > 1 && self.log_bytes() > 2 * (2 * self.live_bytes() + u64::from(segment_bytes))
    }

    pub(crate) fn segments(&self) -> u32 {
        self.applied.segment() - self.oldest + 1
    }

    /// Applies the log's next effect.
    pub(crate) fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Put(key, meta) => self.place(key, meta, false),
            Effect::Move(key, meta) => self.place(key, meta, true),
            Effect::Touch(key, seen) => self.touch(&key, seen),
            Effect::Destroy(key) => self.end(&key),
            Effect::Sweep(end, key) => self.sweep(end, key),
            Effect::Trim(oldest) => self.trim(oldest),
            Effect::Clear => {
                self.arena = Arena::default();
                self.live = LiveBytes::default();
                (self.lost, self.missing) = (None, None);
            }
            Effect::Seal => self.sealed = true,
        }
    }

    /// Applies a frame with a good head and a bad body. Damage never serves an older version (rule 11): the session of a
    /// damaged put or move is there, and its record cannot be read.
    pub(crate) fn apply_damaged(&mut self, at: Position, head: &Head) {
        if matches!(head.kind, Kind::Put | Kind::Move) {
            // Its deadlines are unknown, so the session stays until an operation ends it. Those of its older version would
            // be a guess. An index that is rebuilt after that version left the log could not make the same one (rule 3).
            let expiry = Expiry::from_parts(Timestamp::NEVER, None, None);
            self.place(head.key, RecordMeta::unreadable(at, head, expiry), head.kind == Kind::Move);
        } else if head.kind == Kind::Batch {
            self.doubt(at);
        }
    }

    /// Goes over to the next segment; the one before it has this length.
    pub(crate) fn go_on(&mut self, segment: u32, length: u32) {
        self.lengths.insert(self.applied.segment(), length);
        self.sealed_bytes += u64::from(length);
        self.applied = segment::start(segment);
        self.sealed = false;
    }

    /// Applies a put or a move. A put clears doubt, because its session lived then; a move does not.
    fn place(&mut self, key: SessionKey, meta: RecordMeta, is_move: bool) {
        let hash = hash_table::hash(&key);
        let stood = self.arena.find_hashed(hash, &key);
        if is_move {
            let stood = stood.map(|number| self.arena.at(number).at());
            self.doubts().for_each(|doubt| doubt.moved(key, stood));
        } else {
            self.doubts().for_each(|doubt| doubt.put(&key));
        }
        let (segment, bytes) = (meta.at.segment(), u64::from(meta.bytes));
        match stood {
            Some(number) => {
                self.release(number);
                // A move changes no record, so the cached one stays. A damaged move has another revision.
                let is_same = is_move && meta.revision == self.arena.at(number).revision();
                self.arena.replace(number, meta, is_same);
            }
            None => self.arena.insert(hash, key, meta),
        }
        self.live.add(segment, bytes);
    }

    fn touch(&mut self, key: &SessionKey, seen: Timestamp) {
        let Some(number) = self.arena.find(key) else { return };
        let mut expiry = *self.arena.at(number).expiry();
        expiry.touch(seen);
        self.arena.set_expiry(number, expiry);
        self.doubts().for_each(|doubt| doubt.touched(*key));
    }

    fn sweep(&mut self, end: Timestamp, key: SessionKey) {
        let last = (end, key);
        let is_dead = |number: &SlotNumber| {
            let meta = self.arena.at(*number);
            (meta.expiry().ends_at(), *meta.key()) <= last
        };
        let dead: Vec<SlotNumber> = self.arena.ending_by(end).flatten().filter(is_dead).collect();
        dead.into_iter().for_each(|number| self.remove(number));
        // The sessions that live go to their true bucket, so that the next sweep does not look at them again.
        let (mut from, mut all) = (Some(0), usize::MAX);
        while let Some(next) = from {
            from = self.arena.sort_deadlines(next, end, &mut all);
        }
    }

    fn trim(&mut self, oldest: u32) {
        // No writer trims segments that do not exist yet.
        if oldest > self.applied.segment() {
            return;
        }
        self.oldest = self.oldest.max(oldest);
        self.trimmed = self.trimmed.max(oldest);
        // Trimmed segments are not missing, even if a crash brings back some of their files and not others.
        self.missing.take_if(|missing| missing.lies_before(segment::start(oldest)));
        let kept = self.lengths.split_off(&self.oldest);
        let trimmed = std::mem::replace(&mut self.lengths, kept);
        self.sealed_bytes -= trimmed.values().map(|length| u64::from(*length)).sum::<u64>();
        if self.live.first().is_some_and(|first| first < self.oldest) {
            // Compaction has moved all that it could read, so these sessions have a record that it could not read (rule 7).
            let left = self.arena.iter().filter(|meta| meta.at().segment() < self.oldest);
            let left: Vec<SessionKey> = left.map(|meta| *meta.key()).collect();
            left.iter().for_each(|key| self.end(key));
        }
    }

    fn end(&mut self, key: &SessionKey) {
        if let Some(number) = self.arena.find(key) {
            self.remove(number);
        }
    }

    fn remove(&mut self, number: SlotNumber) {
        self.release(number);
        self.arena.remove(number);
    }

    /// The frame that a slot points to is needed no longer.
    fn release(&mut self, number: SlotNumber) {
        let meta = self.arena.at(number);
        let (segment, bytes) = (meta.at().segment(), u64::from(meta.bytes()));
        self.live.take(segment, bytes);
    }
}

#[cfg(test)]
mod tests;
