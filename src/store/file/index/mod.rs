//! What the log says, in memory: where each session's newest record is, whose it is, and when it ends.
//!
//! The index is a pure function of the log (protocol rule 3): effects change it and nothing else does, no clock above all. So
//! every process that has read to the same position has the same index. No file is read here.

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
    /// Up to here the log was read.
    pub(crate) applied: Position,
    /// The oldest segment that is part of the log.
    pub(crate) oldest: u32,
    /// The oldest segment by what the log says: 1, or what the last trim left.
    trimmed: u32,
    /// The segment that `applied` is in has been sealed; whoever was to begin the next has died.
    sealed: bool,
    arena: Arena,
    /// Bytes of the frames that slots point to.
    live: LiveBytes,
    /// The lengths of the segments behind `applied`, and all together.
    lengths: BTreeMap<u32, u32>,
    sealed_bytes: u64,
    /// What lost frames may have ended; and what segments that are not there may have.
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

    /// Makes room for the sessions that a log of so many bytes may hold, so that reading it does not do so again and
    /// again: a third of the time it takes to open a large store.
    pub(crate) fn expect_bytes(&mut self, bytes: u64) {
        const SMALL_RECORD: u64 = 600;
        // A file's length is a claim: a sparse one may say anything.
        const MOST: u64 = 1 << 22;
        self.arena.reserve((bytes / SMALL_RECORD).min(MOST) as usize);
    }

    /// Gives back what was expected and did not come.
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

    /// The sessions that have ended by this time and were not swept. Costs as many steps as have ended.
    pub(crate) fn ended_at(&self, now: Timestamp) -> impl Iterator<Item = MetaRef<'_>> {
        let ending = self.arena.ending_by(now).flatten().map(|number| self.arena.at(number));
        ending.filter(move |meta| meta.expiry().is_expired_at(now))
    }

    /// Puts sessions whose end was put off where they belong, as far as they stand among those that may have ended by this
    /// time; see [`Arena::sort_deadlines`].
    pub(crate) fn sort_deadlines(&mut self, from: u32, now: Timestamp, wanted: &mut usize) -> Option<u32> {
        self.arena.sort_deadlines(from, now, wanted)
    }

    /// The first sessions that have ended by this time, at most `budget`: the last of them in the order of (end, key),
    /// and how many they are. `None` if there are none. So many must have been [put in order](Self::sort_deadlines).
    pub(crate) fn first_ended(&self, now: Timestamp, budget: usize) -> Option<(Timestamp, SessionKey, usize)> {
        let mut count = 0;
        let mut last = None;
        for bucket in self.arena.ending_by(now) {
            let slots = bucket.map(|number| self.arena.at(number));
            let mut ended: Vec<(Timestamp, SessionKey)> =
                slots.map(|meta| (meta.expiry().ends_at(), *meta.key())).filter(|(end, _)| *end <= now).collect();
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

    /// Keeps the bytes of a session's record, if it is this one and is not kept already, and fits.
    pub(crate) fn cache(&mut self, key: &SessionKey, revision: Revision, bytes: Bytes, budget: usize) -> bool {
        let found = self.arena.find(key).filter(|number| {
            let meta = self.arena.at(*number);
            meta.revision() == revision && !meta.is_cached() && arena::cost(&bytes) <= budget
        });
        found.inspect(|number| self.arena.set_cached(*number, Some(bytes))).is_some()
    }

    /// Bytes of the records that are kept.
    pub(crate) fn cached(&self) -> usize {
        self.arena.cached()
    }

    /// The cache's hand passes a slot; says where it goes next.
    pub(crate) fn pass(&mut self, number: SlotNumber) -> SlotNumber {
        self.arena.pass(number)
    }

    /// Frames were lost before this place, and nobody can tell what they said.
    pub(crate) fn doubt(&mut self, before: Position) {
        self.lost = Some(Doubt::of_all_before(before));
    }

    /// Segments are not there before this one. A trim that comes later may say that they need not be.
    pub(crate) fn doubt_missing(&mut self, before: u32) {
        self.missing = Some(Doubt::of_all_before(segment::start(before)));
    }

    /// The sessions that such a frame may have ended.
    pub(crate) fn doubtful(&self) -> impl Iterator<Item = &SessionKey> {
        let doubts = || self.lost.iter().chain(&self.missing);
        let slots = doubts().next().into_iter().flat_map(|_| self.arena.iter());
        slots.filter(move |meta| doubts().any(|doubt| doubt.is_about(meta.key(), meta.at()))).map(|meta| meta.key())
    }

    fn doubts(&mut self) -> impl Iterator<Item = &mut Doubt> {
        self.lost.iter_mut().chain(&mut self.missing)
    }

    /// Bytes of frames that are needed.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.live.all()
    }

    pub(crate) fn live_bytes_in(&self, segment: u32) -> u64 {
        self.live.within(segment)
    }

    /// Bytes of the log.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.sealed_bytes + u64::from(self.applied.offset())
    }

    /// Where the log says that it begins. Files below are leftovers; if the first one stands above, there were more.
    pub(crate) fn trimmed(&self) -> u32 {
        self.trimmed
    }

    pub(crate) fn sealed(&self) -> bool {
        self.sealed
    }

    /// Whether the log takes more than it may.
    pub(crate) fn is_wasteful(&self, segment_bytes: u32) -> bool {
        self.segments() > 1 && self.log_bytes() > 2 * self.live_bytes() + u64::from(segment_bytes)
    }

    pub(crate) fn segments(&self) -> u32 {
        self.applied.segment() - self.oldest + 1
    }

    /// What the log says next.
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

    /// A frame with a good head and a bad body. Damage never serves an older version (rule 11): what the frame was
    /// about, if it was about one session's record, is there and cannot be read.
    pub(crate) fn apply_damaged(&mut self, at: Position, head: &Head) {
        if matches!(head.kind, Kind::Put | Kind::Move) {
            // Nothing is known of its deadlines, so it stays until somebody ends it. Those of its older version would be a
            // guess, and another one when that version has left the log.
            let expiry = Expiry::from_parts(Timestamp::NEVER, None, None);
            self.place(head.key, RecordMeta::unreadable(at, head, expiry), head.kind == Kind::Move);
        } else if head.kind == Kind::Batch {
            self.doubt(at);
        }
    }

    /// The log goes on in this segment, and the one before it is this long.
    pub(crate) fn go_on(&mut self, segment: u32, length: u32) {
        self.lengths.insert(self.applied.segment(), length);
        self.sealed_bytes += u64::from(length);
        self.applied = segment::start(segment);
        self.sealed = false;
    }

    /// A session that was put lived then; a move says nothing of that.
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
                self.needs_no_longer(number);
                // A move changes nothing, so what is cached stays so; unless it is damaged, and says so by another revision.
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
        // What was looked at and lives is not to be looked at by the next sweep again.
        let (mut from, mut all) = (Some(0), usize::MAX);
        while let Some(next) = from {
            from = self.arena.sort_deadlines(next, end, &mut all);
        }
    }

    fn trim(&mut self, oldest: u32) {
        // No writer lets go what is still to come.
        if oldest > self.applied.segment() {
            return;
        }
        self.oldest = self.oldest.max(oldest);
        self.trimmed = self.trimmed.max(oldest);
        // What a trim let go is not missing. A crash may take back the removal of some files, and of others not.
        self.missing.take_if(|missing| missing.lies_before(segment::start(oldest)));
        let kept = self.lengths.split_off(&self.oldest);
        let trimmed = std::mem::replace(&mut self.lengths, kept);
        self.sealed_bytes -= trimmed.values().map(|length| u64::from(*length)).sum::<u64>();
        if self.live.first().is_some_and(|first| first < self.oldest) {
            // Only what could not be read is left behind by a trim (rule 7).
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
        self.needs_no_longer(number);
        self.arena.remove(number);
    }

    /// The frame that a slot points to is needed no longer.
    fn needs_no_longer(&mut self, number: SlotNumber) {
        let meta = self.arena.at(number);
        let (segment, bytes) = (meta.at().segment(), u64::from(meta.bytes()));
        self.live.take(segment, bytes);
    }
}

#[cfg(test)]
mod tests;
