//! What the log says, in memory: where each session's newest record is, whose it is, and when it ends. A trace stands here as
//! a session does, and is told from one by its slot.
//!
//! The index is a pure function of the log (protocol rule 3): effects change it, and nothing else does, above all no clock.
//! So all processes that have read up to the same position have the same index. Nothing here reads a file.

mod apply;
pub(crate) mod arena;
pub(crate) mod cache;
mod chunks;
pub(crate) mod deadlines;
mod doubt;
mod ended;
mod hash_table;
mod list;
mod live_bytes;
mod owners;
pub(crate) mod ranks;
pub(crate) mod slot;
mod traces;

use std::collections::BTreeMap;

use self::arena::Arena;
use self::deadlines::{Bucket, Place, end_of};
use self::doubt::Doubt;
use self::hash_table::SlotNumber;
use self::live_bytes::LiveBytes;
use self::ranks::{Order, Rank};
use self::slot::MetaRef;
use self::traces::Traces;
use crate::model::bytes::Bytes;
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::Revision;
use crate::model::time::Timestamp;
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
    /// What a clear has left: to drop a million sessions takes longer than a lock may be held.
    cleared: Option<Box<Arena>>,
    /// Bytes of the frames that the arena points to.
    live: LiveBytes,
    /// The lengths of the segments before the one that `applied` is in, the largest of them, and their sum.
    lengths: BTreeMap<u32, u32>,
    longest_sealed: u32,
    sealed_bytes: u64,
    sweeps: u64,
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
            cleared: None,
            live: LiveBytes::default(),
            lengths: BTreeMap::new(),
            longest_sealed: 0,
            sealed_bytes: 0,
            sweeps: 0,
            lost: None,
            missing: None,
        }
    }

    /// The same, still empty, for a store with a limit on an owner's sessions, or without one.
    pub(crate) fn limited(self, per_owner: bool) -> Self {
        Self { arena: Arena::new(per_owner), ..self }
    }

    /// An empty index for the same store.
    pub(crate) fn anew(&self, oldest: u32) -> Self {
        Self { arena: self.arena.anew(), ..Self::new(oldest) }
    }

    /// Makes room for the sessions that a log of this many bytes may hold. To grow step by step instead would take a third
    /// of the time in which a large store opens.
    pub(crate) fn expect_bytes(&mut self, bytes: u64) {
        const SMALL_RECORD: u64 = 600;
        // A file's length is a claim: a sparse file may have any (rule 20).
        const MOST: u64 = 1 << 22;
        self.expect((bytes / SMALL_RECORD).min(MOST) as usize);
    }

    /// Brings what finds these sessions into the processor's caches: the waits for memory overlap here, and would not where
    /// one session is applied after another.
    pub(crate) fn look_ahead<'a>(&self, keys: impl Iterator<Item = &'a SessionKey>) {
        std::hint::black_box(keys.fold(0, |seen, key| seen ^ self.arena.home_of(key)));
    }

    /// Makes room for this many sessions.
    pub(crate) fn expect(&mut self, sessions: usize) {
        self.arena.reserve(sessions);
    }

    /// Gives back room that was expected to be needed, and was not.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.arena.shrink_to_fit();
        self.cleared = None;
    }

    /// Whether effects have left anything for [`Self::let_go`].
    pub(crate) fn has_left(&self) -> bool {
        self.cleared.is_some() || self.arena.owners.has_left()
    }

    /// Whether the ended sessions of an owner are still in the index, where nothing finds them.
    pub(crate) fn has_dead(&self) -> bool {
        self.arena.owners.has_dead()
    }

    /// The session or the trace under a key, also one that is over.
    pub(crate) fn get(&self, key: &SessionKey) -> Option<MetaRef<'_>> {
        self.arena.get(key)
    }

    /// The session or the trace under a key that is not over by this time.
    pub(crate) fn standing_at(&self, key: &SessionKey, now: Timestamp) -> Option<MetaRef<'_>> {
        self.arena.get(key).filter(|meta| !meta.expiry().is_expired_at(now))
    }

    pub(crate) fn live_at(&self, key: &SessionKey, now: Timestamp) -> Option<MetaRef<'_>> {
        self.standing_at(key, now).filter(|meta| !meta.is_trace())
    }

    pub(crate) fn traces(&self) -> &Traces {
        &self.arena.traces
    }

    /// All sessions, and all traces.
    pub(crate) fn iter(&self) -> impl Iterator<Item = MetaRef<'_>> {
        self.arena.iter()
    }

    /// How many sessions there are.
    pub(crate) fn len(&self) -> usize {
        self.arena.len() - self.arena.traces.len()
    }

    #[cfg(test)]
    pub(crate) fn owned_by(&self, owner: &Owner) -> impl Iterator<Item = MetaRef<'_>> {
        self.arena.owned_by(owner)
    }

    /// The keys of a part of an owner's sessions; see [`Arena::many_owned_by`].
    pub(crate) fn many_owned_by(&self, owner: &Owner, after: Option<&SessionKey>) -> Option<Vec<SessionKey>> {
        self.arena.many_owned_by(owner, after)
    }

    /// An owner's sessions in this order; see [`Arena::in_order`].
    pub(crate) fn in_order(&self, owner: &Owner, order: Order, after: Option<Rank>) -> impl Iterator<Item = Rank> {
        self.arena.in_order(owner, order, after)
    }

    pub(crate) fn count_of(&self, owner: &Owner) -> usize {
        self.arena.owners.count_of(owner)
    }

    /// The sessions that have ended by this time and were not swept.
    #[cfg(test)]
    pub(crate) fn ended_at(&self, now: Timestamp) -> impl Iterator<Item = MetaRef<'_>> {
        let ending = self.arena.ending_by(end_of(now)).flatten().map(|number| self.arena.at(number));
        ending.filter(move |meta| meta.expiry().is_expired_at(now))
    }

    /// Puts sessions in the order of their ends; see [`Arena::sort_deadlines`].
    pub(crate) fn sort_deadlines(&mut self, from: Bucket, until: &Place, wanted: &mut usize) -> Option<Bucket> {
        self.arena.sort_deadlines(from, until, wanted)
    }

    /// Whether a session may have ended by this time.
    pub(crate) fn may_have_ended(&self, by: Timestamp) -> bool {
        self.arena.ending_by(end_of(by)).next().is_some()
    }

    /// Some of the sessions that have ended, in order; see [`Arena::some_ended`].
    pub(crate) fn some_ended(&mut self, by: Timestamp, looks: usize) -> Vec<Place> {
        let mut ended = self.arena.some_ended(by, looks);
        ended.sort_unstable();
        ended
    }

    /// Counts a part of the sessions that have ended; see [`Arena::count_ended`].
    pub(crate) fn count_ended(&self, from: Bucket, now: Timestamp, ended: &mut usize) -> Option<Bucket> {
        self.arena.count_ended(from, now, ended)
    }

    /// How many effects were applied that end many sessions at once.
    pub(crate) fn sweeps(&self) -> u64 {
        self.sweeps
    }

    /// The sessions in some of the slots; see [`Arena::many_before`].
    pub(crate) fn many_before(&self, to: SlotNumber) -> (impl Iterator<Item = MetaRef<'_>>, Option<SlotNumber>) {
        self.arena.many_before(to)
    }

    /// Of the sessions and traces that have ended by this time, counts the first `budget` in the order of (end, key). Returns the last
    /// of them, their number, and whether there are more; `None` if there are none. [`Self::sort_deadlines`] must have found
    /// one more before.
    pub(crate) fn first_ended(&self, now: Timestamp, budget: usize) -> Option<(Place, usize, bool)> {
        let (mut count, mut last, mut places) = (0, None, Vec::new());
        for bucket in self.arena.ending_by(end_of(now)) {
            places.clear();
            places.extend(bucket.map(|number| self.arena.place(number)).filter(|(end, _)| *end <= now));
            let room = budget - count;
            if places.len() > room {
                if room > 0 {
                    last = Some(*places.select_nth_unstable(room - 1).1);
                }
                return last.map(|last| (last, budget, true));
            }
            count += places.len();
            last = places.iter().max().copied().or(last);
        }
        last.map(|last| (last, count, false))
    }

    /// Caches a record's bytes, if the session has this revision, is not cached yet, and they fit. Returns its slot then.
    pub(crate) fn cache(
        &mut self,
        key: &SessionKey,
        revision: Revision,
        bytes: Bytes,
        budget: usize,
    ) -> Option<SlotNumber> {
        let found = self.arena.find(key).filter(|number| {
            let meta = self.arena.at(*number);
            meta.revision() == revision && !meta.is_cached() && arena::cost(&bytes) <= budget
        });
        found.inspect(|number| self.arena.set_cached(*number, Some(bytes)))
    }

    /// Drops the cached record of a slot.
    pub(crate) fn uncache(&mut self, number: SlotNumber) {
        self.arena.set_cached(number, None);
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
        let metas = self.has_doubts().then(|| self.arena.iter()).into_iter().flatten();
        metas.filter(|meta| self.is_doubtful(meta)).map(|meta| meta.key())
    }

    pub(crate) fn has_doubts(&self) -> bool {
        self.lost.is_some() || self.missing.is_some()
    }

    pub(crate) fn is_doubtful(&self, meta: &MetaRef<'_>) -> bool {
        // A trace opens nothing, so it is in no doubt.
        !meta.is_trace() && self.lost.iter().chain(&self.missing).any(|doubt| doubt.is_about(meta.key(), meta.at()))
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

    /// The segments before the one that `applied` is in, and their lengths.
    pub(crate) fn lengths(&self) -> impl Iterator<Item = (u32, u32)> {
        self.lengths.iter().map(|(number, length)| (*number, *length))
    }

    /// The length of the longest of these.
    pub(crate) fn longest_sealed(&self) -> u32 {
        self.longest_sealed
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
}

#[cfg(test)]
mod beside_a_map;
#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod tests;
