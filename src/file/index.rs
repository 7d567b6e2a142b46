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
            // Nothing is known of its deadlines, so it stays until somebody ends it. Those of its older version would be a
            // guess, and another one when that version has left the log.
            let expiry = Expiry::from_parts(Timestamp::NEVER, None, None);
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
mod tests;
