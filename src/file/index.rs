//! What the log says, in memory: where each session's newest record is, whose it is, and when it ends.
//!
//! The index is a pure function of the log (protocol rule 3): frames change it and nothing else does, no clock above
//! all. So every process that has read to the same position has the same index.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use super::doubt::Doubt;
use super::frame::{Frame, Head, Kind};
use super::position::Position;
use super::segment;
use super::slot::Slot;
use crate::key::SessionKey;
use crate::lifetime::Expiry;
use crate::owner::Owner;
use crate::time::Timestamp;

/// Keys are parts of BLAKE3 hashes already: eight of their bytes are as good a hash as any.
#[derive(Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

pub(crate) type KeyMap<V> = HashMap<SessionKey, V, BuildHasherDefault<KeyHasher>>;
pub(crate) type KeySet = HashSet<SessionKey, BuildHasherDefault<KeyHasher>>;

/// Deadlines are kept in buckets of 2^14 milliseconds.
const BUCKET_BITS: u32 = 14;

fn bucket(expiry: &Expiry) -> u64 {
    expiry.ends_at().as_millis() >> BUCKET_BITS
}

/// See the module.
pub(crate) struct Index {
    salt: u64,
    /// Up to here the log was read.
    pub(crate) applied: Position,
    /// The oldest segment that is part of the log.
    pub(crate) oldest: u32,
    /// The oldest segment by what the log says: 1, or what the last trim left.
    trimmed: u32,
    /// The segment that `applied` is in has been sealed; whoever was to begin the next has died.
    sealed: bool,
    slots: KeyMap<Slot>,
    owners: HashMap<Owner, KeySet>,
    endings: BTreeMap<u64, KeySet>,
    /// Bytes of the frames that slots point to, by segment, and all together.
    live: BTreeMap<u32, u64>,
    live_bytes: u64,
    /// The lengths of the segments behind `applied`, and all together.
    lengths: BTreeMap<u32, u32>,
    sealed_bytes: u64,
    /// What lost frames may have ended; and what segments that are not there may have.
    lost: Option<Doubt>,
    missing: Option<Doubt>,
}

impl Index {
    /// The index of a log that begins with this segment.
    pub(crate) fn new(salt: u64, oldest: u32) -> Self {
        Self {
            salt,
            applied: segment::start(oldest),
            oldest,
            trimmed: 1,
            sealed: false,
            slots: KeyMap::default(),
            owners: HashMap::new(),
            endings: BTreeMap::new(),
            live: BTreeMap::new(),
            live_bytes: 0,
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
        self.slots.reserve((bytes / SMALL_RECORD).min(MOST) as usize);
    }

    /// Gives back what was expected and did not come.
    pub(crate) fn settle(&mut self) {
        if self.slots.len() < self.slots.capacity() / 4 {
            self.slots.shrink_to_fit();
        }
    }

    pub(crate) fn get(&self, key: &SessionKey) -> Option<&Slot> {
        self.slots.get(key)
    }

    pub(crate) fn get_mut_cached(&mut self, key: &SessionKey) -> Option<&mut Slot> {
        self.slots.get_mut(key)
    }

    pub(crate) fn live_at(&self, key: &SessionKey, now: Timestamp) -> Option<&Slot> {
        self.slots.get(key).filter(|slot| !slot.expiry.is_expired_at(now))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = (&SessionKey, &Slot)> {
        self.slots.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn owned_by(&self, owner: &Owner) -> impl Iterator<Item = &SessionKey> {
        self.owners.get(owner).into_iter().flatten()
    }

    /// The sessions that have ended by this time and were not swept. Costs as many steps as have ended.
    pub(crate) fn ended_at(&self, now: Timestamp) -> impl Iterator<Item = &SessionKey> {
        let ended = self.endings.range(..=now.as_millis() >> BUCKET_BITS);
        ended.flat_map(|(_, keys)| keys).filter(move |key| self.slots[*key].expiry.is_expired_at(now))
    }

    /// The first sessions that have ended by this time, at most `budget`: the last of them in the order of (end, key),
    /// and how many they are. `None` if there are none.
    pub(crate) fn first_ended(&self, now: Timestamp, budget: usize) -> Option<(Timestamp, SessionKey, usize)> {
        let mut count = 0;
        let mut last = None;
        for (_, keys) in self.endings.range(..=now.as_millis() >> BUCKET_BITS) {
            let mut ended: Vec<(Timestamp, SessionKey)> = keys
                .iter()
                .map(|key| (self.slots[key].expiry.ends_at(), *key))
                .filter(|(end, _)| *end <= now)
                .collect();
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
        let slots = doubts().next().into_iter().flat_map(|_| &self.slots);
        slots.filter(move |(key, slot)| doubts().any(|doubt| doubt.is_about(key, slot.at))).map(|(key, _)| key)
    }

    fn doubts(&mut self) -> impl Iterator<Item = &mut Doubt> {
        self.lost.iter_mut().chain(&mut self.missing)
    }

    /// Bytes of frames that are needed.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    pub(crate) fn live_bytes_in(&self, segment: u32) -> u64 {
        self.live.get(&segment).copied().unwrap_or(0)
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

    pub(crate) fn segments(&self) -> u32 {
        self.applied.segment() - self.oldest + 1
    }

    /// What a frame says. Frames come in the order of the log, each once.
    pub(crate) fn apply(&mut self, frame: &Frame<'_>) {
        match frame.head.kind {
            Kind::Put | Kind::Move => self.put(frame),
            Kind::Touch => self.touch(frame),
            Kind::Destroy => self.remove(&frame.head.key),
            Kind::Batch => frame.inner(self.salt).for_each(|inner| self.apply(&inner)),
            Kind::Trim => self.trim(frame),
            Kind::Sweep => self.sweep(frame),
            Kind::Clear => {
                self.slots.clear();
                self.owners.clear();
                self.endings.clear();
                self.live.clear();
                self.live_bytes = 0;
                (self.lost, self.missing) = (None, None);
            }
            Kind::Seal => self.sealed = true,
            Kind::Mark => {}
        }
    }

    /// A frame with a good head and a bad body. Damage never serves an older version (rule 11): what the frame was
    /// about, if it was about one session's record, is there and cannot be read.
    pub(crate) fn apply_damaged(&mut self, at: Position, head: &Head) {
        if matches!(head.kind, Kind::Put | Kind::Move) {
            // Nothing is known of its deadlines, so it stays until somebody ends it.
            let before = self.slots.get(&head.key).map(|slot| slot.expiry);
            let expiry = before.unwrap_or_else(|| Expiry::from_parts(Timestamp::NEVER, None, None));
            self.place(head.kind, head.key, Slot::unreadable(at, head, expiry));
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

    fn put(&mut self, frame: &Frame<'_>) {
        let mut slot = Slot::of(frame);
        if frame.head.kind == Kind::Move {
            // A move changes nothing, so what is cached stays so.
            slot.cached = self.slots.get_mut(&frame.head.key).and_then(|slot| slot.cached.take());
        }
        self.place(frame.head.kind, frame.head.key, slot);
    }

    /// What a put or a move says, read already. Who was put lived then; a move says nothing of that.
    pub(crate) fn place(&mut self, kind: Kind, key: SessionKey, mut slot: Slot) {
        slot.owner = slot.owner.map(|owner| self.shared(owner));
        if kind == Kind::Move {
            let stood = self.slots.get(&key).map(|slot| slot.at);
            self.doubts().for_each(|doubt| doubt.moved(key, stood));
        } else {
            self.doubts().for_each(|doubt| doubt.put(&key));
        }
        self.set(key, slot);
    }

    /// One allocation for each owner, however many sessions they have.
    fn shared(&self, owner: Owner) -> Owner {
        self.owners.get_key_value(&owner).map_or(owner, |(shared, _)| shared.clone())
    }

    fn touch(&mut self, frame: &Frame<'_>) {
        let (Some(slot), Some(millis)) = (self.slots.get_mut(&frame.head.key), frame.millis()) else { return };
        let before = bucket(&slot.expiry);
        slot.expiry.touch(Timestamp::from_millis(millis));
        let after = bucket(&slot.expiry);
        if after != before {
            take(&mut self.endings, &before, &frame.head.key);
            self.endings.entry(after).or_default().insert(frame.head.key);
        }
        self.doubts().for_each(|doubt| doubt.touched(frame.head.key));
    }

    fn sweep(&mut self, frame: &Frame<'_>) {
        let Some(end) = frame.millis().map(Timestamp::from_millis) else { return };
        let last = (end, frame.head.key);
        let buckets = self.endings.range(..=end.as_millis() >> BUCKET_BITS);
        let dead: Vec<SessionKey> = buckets
            .flat_map(|(_, keys)| keys)
            .filter(|key| (self.slots[*key].expiry.ends_at(), **key) <= last)
            .copied()
            .collect();
        dead.iter().for_each(|key| self.remove(key));
    }

    fn trim(&mut self, frame: &Frame<'_>) {
        // What leaves the log lies behind; a frame that says anything else is none of ours.
        let Some(oldest) = frame.oldest().filter(|oldest| *oldest <= frame.at.segment()) else { return };
        self.oldest = self.oldest.max(oldest);
        self.trimmed = self.trimmed.max(oldest);
        // What a trim let go is not missing. A crash may take back the removal of some files, and of others not.
        self.missing.take_if(|missing| missing.lies_before(segment::start(oldest)));
        let kept = self.lengths.split_off(&self.oldest);
        let trimmed = std::mem::replace(&mut self.lengths, kept);
        self.sealed_bytes -= trimmed.values().map(|length| u64::from(*length)).sum::<u64>();
        if self.live.range(..self.oldest).next().is_some() {
            // Only what could not be read is left behind by a trim (rule 7).
            let left = self.slots.iter().filter(|(_, slot)| slot.at.segment() < self.oldest);
            let left: Vec<SessionKey> = left.map(|(key, _)| *key).collect();
            left.iter().for_each(|key| self.remove(key));
        }
    }

    fn set(&mut self, key: SessionKey, slot: Slot) {
        let (at, bytes, bucket) = (slot.at.segment(), u64::from(slot.bytes), bucket(&slot.expiry));
        let owner = slot.owner.clone();
        // One look-up for a new session and for a replaced one: opening a large store is little else.
        if let Some(replaced) = self.slots.insert(key, slot) {
            self.forget(&key, &replaced);
        }
        *self.live.entry(at).or_default() += bytes;
        self.live_bytes += bytes;
        self.endings.entry(bucket).or_default().insert(key);
        if let Some(owner) = owner {
            self.owners.entry(owner).or_default().insert(key);
        }
    }

    fn remove(&mut self, key: &SessionKey) {
        if let Some(removed) = self.slots.remove(key) {
            self.forget(key, &removed);
        }
    }

    /// Takes what was known of a slot out of everything but the slots.
    fn forget(&mut self, key: &SessionKey, slot: &Slot) {
        take(&mut self.endings, &bucket(&slot.expiry), key);
        if let Some(owner) = &slot.owner
            && let Some(keys) = self.owners.get_mut(owner)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.owners.remove(owner);
            }
        }
        self.live_bytes -= u64::from(slot.bytes);
        if let Some(live) = self.live.get_mut(&slot.at.segment()) {
            *live -= u64::from(slot.bytes);
            if *live == 0 {
                self.live.remove(&slot.at.segment());
            }
        }
    }
}

fn take(endings: &mut BTreeMap<u64, KeySet>, bucket: &u64, key: &SessionKey) {
    if let Some(keys) = endings.get_mut(bucket) {
        keys.remove(key);
        if keys.is_empty() {
            endings.remove(bucket);
        } else if keys.len() * 8 < keys.capacity() {
            // Half dead and more (rule 20); a hash set takes twice the room of what is in it.
            keys.shrink_to(keys.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;
    use std::time::Duration;

    use super::super::frame::{Frames, HEAD, NO_KEY};
    use super::*;
    use crate::lifetime::Lifetime;
    use crate::record::Record;

    const SALT: u64 = 1;
    const START: Position = segment::start(1);

    fn key(byte: u8) -> SessionKey {
        SessionKey::from_bytes([byte; 16])
    }

    fn record(byte: u8, seconds: u64, owner: Option<&str>) -> Record {
        let mut record = Record::new(key(byte), Lifetime::idle(Duration::from_secs(seconds)), Timestamp::EPOCH);
        record.set_owner(owner.map(Owner::from), None);
        record
    }

    fn index(fill: impl FnOnce(&mut Frames)) -> Index {
        let mut frames = Frames::at(START, START, SALT);
        fill(&mut frames);
        let mut index = Index::new(SALT, 1);
        let (mut rest, mut at) = (frames.bytes(), START);
        while let Some(frame) = Frame::parse(rest, at, SALT) {
            index.apply(&frame);
            rest = &rest[frame.head.frame_bytes()..];
            at = at.plus(frame.head.frame_bytes());
            index.applied = at;
        }
        assert!(rest.is_empty());
        index
    }

    fn put(frames: &mut Frames, record: &Record) -> Position {
        frames.push(Kind::Put, record.key(), &[&record.to_bytes()])
    }

    #[test]
    fn the_last_put_counts_and_a_destroy_ends_it() {
        let index = index(|frames| {
            put(frames, &record(1, 10, Some("ada")));
            put(frames, &record(1, 20, None));
            put(frames, &record(2, 30, Some("ada")));
            frames.push(Kind::Destroy, &key(2), &[]);
        });
        assert_eq!(index.len(), 1);
        assert_eq!(index.get(&key(1)).unwrap().expiry.ends_at(), Timestamp::from_secs(20));
        assert_eq!(index.owned_by(&"ada".into()).count(), 0);
        assert!(index.live_bytes() < 2 * u64::from(index.get(&key(1)).unwrap().bytes));
    }

    #[test]
    fn a_touch_moves_the_deadline_and_not_the_revision() {
        let index = index(|frames| {
            put(frames, &record(1, 100, None));
            frames.push(Kind::Touch, &key(1), &[&50_000u64.to_le_bytes()]);
            frames.push(Kind::Touch, &key(1), &[&20_000u64.to_le_bytes()]);
            frames.push(Kind::Touch, &key(9), &[&50_000u64.to_le_bytes()]);
        });
        let slot = index.get(&key(1)).unwrap();
        assert_eq!(slot.expiry.ends_at(), Timestamp::from_secs(150));
        assert_eq!(slot.revision.as_u64(), START.as_u64());
        assert_eq!(index.len(), 1, "a touch makes no session");
        assert_eq!(index.ended_at(Timestamp::from_secs(149)).count(), 0);
        assert_eq!(index.ended_at(Timestamp::from_secs(150)).count(), 1);
    }

    #[test]
    fn a_sweep_ends_what_stood_before_it_and_ended_by_its_time() {
        let index = index(|frames| {
            (1..=5).for_each(|n| {
                put(frames, &record(n, u64::from(n), None));
            });
            frames.push(Kind::Sweep, &key(2), &[&2_000u64.to_le_bytes()]);
            put(frames, &record(6, 1, None));
        });
        let mut left: Vec<_> = index.keys().map(|(key, _)| *key).collect();
        left.sort();
        assert_eq!(left, [key(3), key(4), key(5), key(6)]);
    }

    #[test]
    fn the_first_ended_are_those_that_ended_first() {
        let index = index(|frames| {
            for n in [4, 2, 5, 1, 3] {
                put(frames, &record(n, u64::from(n), None));
            }
            put(frames, &record(9, 2, None));
        });
        let at = Timestamp::from_secs;
        assert_eq!(index.first_ended(at(0), 9), None);
        assert_eq!(index.first_ended(at(5), 2), Some((at(2), key(2), 2)));
        assert_eq!(index.first_ended(at(5), 3), Some((at(2), key(9), 3)));
        assert_eq!(index.first_ended(at(4), 100), Some((at(4), key(4), 5)));
    }

    #[test]
    fn a_move_keeps_the_revision_and_a_trim_forgets_what_it_leaves_behind() {
        let mut index = index(|frames| {
            let old = put(frames, &record(1, 10, None));
            frames.push(Kind::Move, &key(1), &[&old.as_u64().to_le_bytes(), &record(1, 10, None).to_bytes()]);
            put(frames, &record(2, 10, None));
        });
        assert_eq!(index.get(&key(1)).unwrap().revision.as_u64(), START.as_u64());
        let next = segment::start(2);
        let mut frames = Frames::at(next, next, SALT);
        put(&mut frames, &record(3, 10, None));
        let trim = frames.push(Kind::Trim, &NO_KEY, &[&2u32.to_le_bytes()]);
        index.go_on(2, 1000);
        index.apply(&Frame::parse(frames.bytes(), next, SALT).unwrap());
        let rest = &frames.bytes()[(trim.offset() - next.offset()) as usize..];
        index.apply(&Frame::parse(rest, trim, SALT).unwrap());
        assert_eq!(index.oldest, 2);
        assert_eq!(index.keys().map(|(key, _)| *key).collect::<Vec<_>>(), [key(3)], "the others stood in segment 1");
    }

    #[test]
    fn a_trim_of_segments_that_are_still_to_come_says_nothing() {
        let index = index(|frames| {
            put(frames, &record(1, 10, None));
            frames.push(Kind::Trim, &NO_KEY, &[&u32::MAX.to_le_bytes()]);
        });
        assert_eq!((index.oldest, index.segments(), index.len()), (1, 1, 1));
    }

    #[test]
    fn what_is_kept_of_deadlines_shrinks_with_the_sessions_that_have_them() {
        let keys: Vec<SessionKey> = (0..10_000u32)
            .map(|number| {
                let mut bytes = [0; 16];
                bytes[..4].copy_from_slice(&number.to_le_bytes());
                SessionKey::from_bytes(bytes)
            })
            .collect();
        let index = index(|frames| {
            for key in &keys {
                let record = Record::new(*key, Lifetime::idle(Duration::from_secs(9)), Timestamp::EPOCH);
                put(frames, &record);
            }
            // One stays in each bucket that there was.
            for key in &keys[1..] {
                frames.push(Kind::Destroy, key, &[]);
            }
        });
        let room: usize = index.endings.values().map(KeySet::capacity).sum();
        assert!(index.len() == 1 && room < 100, "one session, and room for the deadlines of {room}");
    }

    #[test]
    fn a_budget_holds_across_deadlines_far_from_each_other() {
        let index = index(|frames| {
            for (byte, seconds) in [(1, 100), (2, 100), (3, 1_000), (4, 1_000), (5, 10_000)] {
                put(frames, &record(byte, seconds, None));
            }
        });
        let ended = |seconds, budget| {
            let ended = index.first_ended(Timestamp::from_secs(seconds), budget);
            ended.map(|(end, last, count)| (end.as_millis() / 1_000, last, count))
        };
        assert_eq!(ended(99, 9), None);
        assert_eq!(ended(20_000, 1), Some((100, key(1), 1)));
        assert_eq!(ended(20_000, 2), Some((100, key(2), 2)));
        assert_eq!(ended(20_000, 3), Some((1_000, key(3), 3)));
        assert_eq!(ended(20_000, 4), Some((1_000, key(4), 4)));
        assert_eq!(ended(20_000, 9), Some((10_000, key(5), 5)));
        assert_eq!(ended(5_000, 9), Some((1_000, key(4), 4)));
    }

    #[test]
    fn a_segment_that_a_trim_let_go_puts_nobody_in_doubt_and_one_that_is_missing_does() {
        for (oldest, is_doubtful) in [(2, true), (3, false), (4, false)] {
            let record = record(1, 10, None);
            let mut index = index(|frames| {
                put(frames, &record);
            });
            // The second is not there.
            index.doubt_missing(3);
            index.go_on(3, 500);
            index.go_on(4, 500);
            let mut frames = Frames::at(segment::start(4), START, SALT);
            frames.push(Kind::Move, record.key(), &[&64u64.to_le_bytes(), &record.to_bytes()]);
            let trim = frames.push(Kind::Trim, &NO_KEY, &[&u32::to_le_bytes(oldest)]);
            index.apply(&Frame::parse(frames.bytes(), segment::start(4), SALT).unwrap());
            assert_eq!(index.doubtful().count(), 1, "until the trim is read");
            let rest = &frames.bytes()[(trim.offset() - segment::start(4).offset()) as usize..];
            index.apply(&Frame::parse(rest, trim, SALT).unwrap());
            assert_eq!(index.doubtful().count(), usize::from(is_doubtful), "the log begins with {oldest}");
        }
    }

    #[test]
    fn bytes_count_as_long_as_they_are_needed() {
        let (one, two) = (record(1, 10, Some("ada")), record(2, 10, None));
        let bytes = |record: &Record| (HEAD + record.to_bytes().len()) as u64;
        let mut index = index(|frames| {
            put(frames, &one);
            put(frames, &two);
            put(frames, &one);
        });
        assert_eq!(index.live_bytes(), bytes(&one) + bytes(&two));
        assert_eq!(index.live_bytes_in(1), index.live_bytes());
        assert_eq!(index.log_bytes(), u64::from(index.applied.offset()));
        let end = index.applied.offset();
        index.go_on(2, end);
        let mut frames = Frames::at(segment::start(2), START, SALT);
        frames.push(Kind::Destroy, one.key(), &[]);
        index.apply(&Frame::parse(frames.bytes(), segment::start(2), SALT).unwrap());
        assert_eq!((index.live_bytes(), index.live_bytes_in(1), index.live_bytes_in(2)), (bytes(&two), bytes(&two), 0));
        assert_eq!(index.log_bytes(), u64::from(end + index.applied.offset()));
        assert_eq!(index.owned_by(&"ada".into()).count(), 0);
    }

    #[test]
    fn a_damaged_batch_may_have_ended_anybody_and_a_damaged_touch_nobody() {
        for (kind, is_doubtful) in [(Kind::Batch, true), (Kind::Touch, false), (Kind::Destroy, false)] {
            let mut index = index(|frames| {
                put(frames, &record(1, 10, None));
            });
            let at = Position::new(1, 500);
            let mut frames = Frames::at(at, START, SALT);
            frames.push(kind, &NO_KEY, &[&[0; 8]]);
            index.apply_damaged(at, &Head::parse(frames.bytes(), at, SALT).unwrap());
            assert_eq!(index.doubtful().count(), usize::from(is_doubtful), "{kind:?}");
        }
    }

    #[test]
    fn sessions_that_end_at_different_times_are_looked_for_in_different_places() {
        let index = index(|frames| {
            put(frames, &record(1, 10, None));
            put(frames, &record(2, 10, None));
            put(frames, &record(3, 1000, None));
        });
        let sizes: Vec<usize> = index.endings.values().map(KeySet::len).collect();
        assert_eq!(sizes, [2, 1]);
    }

    #[test]
    fn keys_are_found_by_their_own_bytes() {
        let hash = |key: SessionKey| BuildHasher::hash_one(&BuildHasherDefault::<KeyHasher>::default(), key);
        assert_eq!(hash(key(7)), u64::from_le_bytes([7; 8]));
    }

    #[test]
    fn room_is_made_for_what_a_log_may_hold_and_given_back_where_little_of_it_was_needed() {
        for (bytes, before, after) in [
            (6_000_000, 10_000..40_000, 100..200),
            // Well used.
            (120_000, 200..400, 200..400),
            // What a sparse file claims.
            (u64::MAX, 1 << 22..1 << 24, 100..200),
        ] {
            let mut index = Index::new(SALT, 1);
            index.expect_bytes(bytes);
            assert!(before.contains(&index.slots.capacity()), "{bytes}: {}", index.slots.capacity());
            let mut frames = Frames::at(START, START, SALT);
            let at = put(&mut frames, &record(1, 10, None));
            let head = Head::parse(frames.bytes(), at, SALT).unwrap();
            for n in 0..100 {
                let mut head = head;
                head.key = key(n);
                index.apply_damaged(at, &head);
            }
            index.settle();
            assert!(after.contains(&index.slots.capacity()), "{bytes}: {} left", index.slots.capacity());
        }
    }

    #[test]
    fn a_damaged_put_hides_the_version_before_it() {
        let mut index = index(|frames| {
            put(frames, &record(1, 10, None));
        });
        let mut frames = Frames::at(Position::new(1, 500), START, SALT);
        put(&mut frames, &record(1, 10, None));
        let head = Head::parse(frames.bytes(), Position::new(1, 500), SALT).unwrap();
        index.apply_damaged(Position::new(1, 500), &head);
        assert_eq!(index.get(&key(1)).unwrap().at, Position::new(1, 500));
    }

    #[test]
    fn a_put_lived_when_it_was_written_and_a_move_says_nothing_of_that_whether_they_can_be_read_or_not() {
        for (kind, is_damaged, is_doubtful) in
            [(Kind::Put, false, false), (Kind::Put, true, false), (Kind::Move, false, true), (Kind::Move, true, true)]
        {
            let record = record(1, 10, None);
            let mut index = index(|frames| {
                put(frames, &record);
            });
            index.doubt(Position::new(1, 500));
            assert_eq!(index.doubtful().count(), 1);
            let at = Position::new(1, 500);
            let mut frames = Frames::at(at, START, SALT);
            let revision = 64u64.to_le_bytes();
            let revision: &[u8] = if kind == Kind::Move { &revision } else { &[] };
            frames.push(kind, record.key(), &[revision, &record.to_bytes()]);
            match is_damaged {
                true => index.apply_damaged(at, &Head::parse(frames.bytes(), at, SALT).unwrap()),
                false => index.apply(&Frame::parse(frames.bytes(), at, SALT).unwrap()),
            }
            assert_eq!(index.get(&key(1)).unwrap().at, at);
            assert_eq!(index.doubtful().count(), usize::from(is_doubtful), "{kind:?}, damaged: {is_damaged}");
        }
    }
}
