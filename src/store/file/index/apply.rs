//! What each effect does to the index. Damage below the tail is an effect of its own kind. Nothing here looks for a frame.

use crate::model::key::SessionKey;
use crate::model::lifetime::Expiry;
use crate::model::time::Timestamp;
use crate::store::file::format::effect::Effect;
use crate::store::file::format::frame::{Head, Kind};
use crate::store::file::format::meta::RecordMeta;
use crate::store::file::format::position::Position;
use crate::store::file::format::segment;
use crate::store::file::index::Index;
use crate::store::file::index::arena::Arena;
use crate::store::file::index::deadlines::Bucket;
use crate::store::file::index::hash_table::{self, SlotNumber};
use crate::store::file::index::live_bytes::LiveBytes;
use crate::store::file::index::ranks::Ranks;
use crate::store::file::threads::steps;

/// What effects have put aside to be dropped: to drop so much takes longer than a lock may be held.
pub(crate) type Left = (Option<Box<Arena>>, Vec<Ranks>);

impl Index {
    /// Applies the log's next effect.
    pub(crate) fn apply(&mut self, effect: Effect) {
        steps::count(1);
        match effect {
            Effect::Put(key, meta) => self.place(key, meta, false),
            Effect::Move(key, meta) => self.place(key, meta, true),
            Effect::Touch(key, seen) => self.touch(&key, seen),
            Effect::Destroy(key) => self.end(&key),
            Effect::Sweep(end, key) => self.sweep(end, key),
            Effect::EndOwned(owner, but) => {
                self.sweeps += 1;
                self.arena.end_owned(&owner, but.as_ref());
            }
            Effect::Trim(oldest) => self.trim(oldest),
            Effect::Clear => {
                self.sweeps += 1;
                let anew = self.arena.anew();
                self.cleared = Some(Box::new(std::mem::replace(&mut self.arena, anew)));
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
        } else if matches!(head.kind, Kind::Batch | Kind::EndOwned) {
            self.doubt(at);
        }
    }

    /// Goes over to the next segment; the one before it has this length.
    pub(crate) fn go_on(&mut self, segment: u32, length: u32) {
        self.lengths.insert(self.applied.segment(), length);
        self.longest_sealed = self.longest_sealed.max(length);
        self.sealed_bytes += u64::from(length);
        self.applied = segment::start(segment);
        self.sealed = false;
    }

    /// Applies a put or a move. A put clears doubt, because its session lived then; a move does not.
    fn place(&mut self, key: SessionKey, meta: RecordMeta, is_move: bool) {
        let hash = hash_table::hash(&key);
        let mut stood = self.arena.find_hashed(hash, &key);
        // A dead session has nothing to do with the one that begins.
        if let Some(dead) = stood.take_if(|number| self.arena.is_dead(*number)) {
            self.remove(dead);
        }
        if is_move {
            let stood = stood.map(|number| self.arena.at(number).at());
            self.doubts().for_each(|doubt| doubt.moved(key, stood));
        } else {
            self.doubts().for_each(|doubt| doubt.forget(&key));
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
        let meta = self.arena.at(number);
        // Nothing puts off the end of a trace.
        if meta.is_trace() {
            return;
        }
        let (mut expiry, at) = (*meta.expiry(), meta.at());
        expiry.touch(seen);
        self.arena.set_expiry(number, expiry);
        self.doubts().for_each(|doubt| doubt.touched(*key, at));
    }

    fn sweep(&mut self, end: Timestamp, key: SessionKey) {
        self.sweeps += 1;
        let last = (end, key);
        for number in self.arena.take_ended(&last) {
            self.leave(number);
            self.arena.remove_ended(number);
        }
        // The sessions that live go to their true bucket, so that the next sweep does not look at them again.
        let (mut from, mut all) = (Some(Bucket::FIRST), usize::MAX);
        while let Some(next) = from {
            from = self.arena.sort_deadlines(next, &last, &mut all);
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
        self.longest_sealed = self.lengths.values().max().copied().unwrap_or_default();
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
        self.leave(number);
        self.arena.remove(number);
    }

    /// Lets so many dead sessions leave the index, and hands over what is to be dropped. Says whether there are more.
    pub(crate) fn let_go(&mut self, many: usize) -> (Left, bool) {
        for _ in 0..many {
            let Some(number) = self.arena.owners.first_dead() else { break };
            self.remove(number);
        }
        ((self.cleared.take(), self.arena.owners.take_dead_ranks()), self.has_dead())
    }

    /// A session is about to leave the arena.
    fn leave(&mut self, number: SlotNumber) {
        steps::count(1);
        let key = *self.arena.at(number).key();
        self.doubts().for_each(|doubt| doubt.forget(&key));
        self.release(number);
    }

    /// The frame that a slot points to is needed no longer.
    fn release(&mut self, number: SlotNumber) {
        let meta = self.arena.at(number);
        let (segment, bytes) = (meta.at().segment(), u64::from(meta.bytes()));
        self.live.take(segment, bytes);
    }
}
