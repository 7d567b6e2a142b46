//! The arena: a slot for each session and each trace, 84 bytes, and eleven to thirteen more in the table that finds it.
//!
//! What every load asks for stands in one cache line, and the rest elsewhere. There are no free slots: the last session takes
//! the slot of one that leaves, so that memory goes back as sessions go. Nothing here reads a file.

use std::ops::Range;
use std::sync::atomic::Ordering;

use crate::model::bytes::Bytes;
use crate::model::key::SessionKey;
use crate::model::lifetime::Expiry;
use crate::model::owner::Owner;
use crate::store::file::format::meta::RecordMeta;
use crate::store::file::index::chunks::Chunks;
use crate::store::file::index::deadlines::{Bucket, Deadlines, Place};
use crate::store::file::index::hash_table::{self, HashTable, SlotNumber};
use crate::store::file::index::list::{Link, Linked, NONE};
use crate::store::file::index::owners::Owners;
use crate::store::file::index::ranks::{self, Order, Rank};
use crate::store::file::index::slot::{Cold, Hot, MetaRef, TRACE};
use crate::store::file::index::traces::Traces;
use crate::store::file::threads::{AtomicBool, steps};

/// See the module.
#[derive(Default)]
pub(crate) struct Arena {
    table: HashTable,
    pub(super) hot: Chunks<Hot>,
    pub(super) cold: Chunks<Cold>,
    pub(super) owners: Owners,
    pub(super) traces: Traces,
    /// A touch that puts a deadline off leaves its session in its bucket, so a session may stand too early, never too late.
    pub(super) deadlines: Deadlines,
    /// Bytes of the records that are cached.
    cached: usize,
}

/// How many sessions are looked at in one hold of the lock, and how many a bucket may have before a sweep splits it.
pub(super) const MANY: usize = 1_000;

impl Arena {
    /// An arena for a store with a limit on an owner's sessions, or without one.
    pub(crate) fn new(are_limited: bool) -> Self {
        Self { owners: Owners::new(are_limited), ..Self::default() }
    }

    /// An empty arena for the same store.
    pub(crate) fn anew(&self) -> Self {
        Self::new(self.owners.are_limited())
    }

    /// Makes room for this many sessions.
    pub(crate) fn reserve(&mut self, sessions: usize) {
        self.table.reserve(sessions);
    }

    /// Gives back room that is not needed.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.table.shrink_to_fit();
    }

    /// How many sessions and traces there are.
    pub(crate) fn len(&self) -> usize {
        self.table.len() - self.owners.dead_sessions()
    }

    /// The number of a session's slot.
    pub(crate) fn find(&self, key: &SessionKey) -> Option<SlotNumber> {
        self.find_hashed(hash_table::hash(key), key).filter(|number| !self.is_dead(*number))
    }

    /// The same, where the key's hash is known. It may find a dead session.
    pub(crate) fn find_hashed(&self, hash: u32, key: &SessionKey) -> Option<SlotNumber> {
        self.table.find(hash, |number| self.hot[number].key == *key)
    }

    /// What stands in the table where the search for a session begins.
    pub(crate) fn home_of(&self, key: &SessionKey) -> u64 {
        self.table.home_of(hash_table::hash(key))
    }

    pub(crate) fn get(&self, key: &SessionKey) -> Option<MetaRef<'_>> {
        self.find(key).map(|number| self.at(number))
    }

    /// What stands in a slot that is not free.
    pub(crate) fn at(&self, number: SlotNumber) -> MetaRef<'_> {
        MetaRef { hot: &self.hot[number], cold: &self.cold[number], owners: &self.owners }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = MetaRef<'_>> {
        self.within(0..self.cold.len())
    }

    /// The sessions in many slots before this one, and the slot to go on before. From the last slot down: a session moves only
    /// to a lower number, so that none which stands throughout is passed over.
    pub(crate) fn many_before(&self, to: SlotNumber) -> (impl Iterator<Item = MetaRef<'_>>, Option<SlotNumber>) {
        let to = to.min(self.cold.len());
        let from = to.saturating_sub(MANY as u32);
        steps::count(MANY);
        (self.within(from..to), (from > 0).then_some(from))
    }

    fn within(&self, slots: Range<SlotNumber>) -> impl Iterator<Item = MetaRef<'_>> {
        slots.filter(|number| !self.is_dead(*number)).map(|number| self.at(number))
    }

    pub(crate) fn owned_by(&self, owner: &Owner) -> impl Iterator<Item = MetaRef<'_>> {
        self.owners.slots_of(owner).map(|number| self.at(number))
    }

    /// The keys of many sessions of an owner: those after this one in the order in which they are chained, or the first.
    /// `None` if this one is not the owner's.
    pub(crate) fn many_owned_by(&self, owner: &Owner, after: Option<&SessionKey>) -> Option<Vec<SessionKey>> {
        let keys = |slots: &mut dyn Iterator<Item = SlotNumber>| -> Vec<SessionKey> {
            slots.take(MANY).inspect(|_| steps::count(1)).map(|number| self.hot[number].key).collect()
        };
        let Some(after) = after else { return Some(keys(&mut self.owners.slots_of(owner))) };
        let number = self.get(after).filter(|meta| meta.owner() == Some(owner))?.hot.owned()?;
        Some(keys(&mut self.owners.slots_after(number)))
    }

    /// An owner's sessions in this order, those after this place. An owner with few sessions has no ranks, and all of them
    /// are looked at.
    pub(crate) fn in_order(&self, owner: &Owner, order: Order, after: Option<Rank>) -> impl Iterator<Item = Rank> {
        let ranks = self.owners.ranks_of(owner);
        let mut few: Vec<Rank> = Vec::new();
        if ranks.is_none() {
            let places = self.owned_by(owner).map(|meta| order.place(meta.key(), meta.expiry()));
            few.extend(places.inspect(ranks::looked_at).filter(|place| after.is_none_or(|after| *place > after)));
            few.sort_unstable();
        }
        let ranked = ranks.into_iter().flat_map(move |ranks| ranks.after(order, after));
        few.into_iter().chain(ranked.inspect(ranks::looked_at))
    }

    /// Puts sessions in order, from bucket `from` on, until `wanted` sessions are found that end by `until`: one that stands
    /// too early moves into its true bucket, and a large bucket is split. After many sessions it stops and returns where to
    /// go on, so that readers wait for a part of the work only.
    pub(crate) fn sort_deadlines(&mut self, mut from: Bucket, until: &Place, wanted: &mut usize) -> Option<Bucket> {
        let (mut seen, last) = (0, Bucket::last_of(until));
        while *wanted > 0 {
            let (here, first) = self.deadlines.first_within(from..=last)?;
            let most = if here.can_be_split() { MANY + 1 } else { usize::MAX };
            let standing: Vec<SlotNumber> = self.cold.chain(first).take(most).collect();
            let is_large = standing.len() == most;
            let is_right = self.deadlines.holds(here);
            steps::count(standing.len());
            for number in &standing {
                let place = self.place(*number);
                let part = is_large.then(|| here.part_for(&place)).flatten();
                if part.is_some() || !is_right(&place) {
                    steps::count(1);
                    self.deadlines.leave(&mut self.cold, *number);
                    match part {
                        Some(part) => self.deadlines.join_bucket(&mut self.cold, part, *number),
                        None => self.deadlines.join(&mut self.cold, &place, *number),
                    }
                } else if place <= *until {
                    *wanted = wanted.saturating_sub(1);
                }
            }
            // What is left of a large bucket is looked at again.
            from = if is_large { here } else { here.next() };
            seen += standing.len();
            if seen >= MANY {
                return Some(from);
            }
        }
        None
    }

    /// The place in the order of ends of the session in this slot.
    pub(crate) fn place(&self, number: SlotNumber) -> Place {
        let Hot { key, expiry, .. } = &self.hot[number];
        (expiry.ends_at(), *key)
    }

    /// Gives a session that has no slot one of its own.
    pub(crate) fn insert(&mut self, hash: u32, key: SessionKey, meta: RecordMeta) {
        let hot = Hot {
            key,
            expiry: meta.expiry,
            revision: meta.revision,
            cached: None,
            owner: NONE,
            used: AtomicBool::new(false),
        };
        let cold = Cold { at: [meta.at.segment(), meta.at.offset()], bytes: meta.bytes, link: Link::default() };
        self.hot.push(hot);
        let number = self.cold.push(cold);
        self.table.insert(hash, number);
        self.deadlines.join(&mut self.cold, &(meta.expiry.ends_at(), key), number);
        self.set_owner(number, meta.owner);
        self.set_trace(number, meta.is_trace);
    }

    /// Puts newer metadata into a session's slot; the cached record stays only if it is the same.
    pub(crate) fn replace(&mut self, number: SlotNumber, meta: RecordMeta, is_same_record: bool) {
        self.set_trace(number, false);
        self.set_expiry(number, meta.expiry);
        self.set_owner(number, meta.owner);
        self.hot[number].revision = meta.revision;
        let cold = &mut self.cold[number];
        (cold.at, cold.bytes) = ([meta.at.segment(), meta.at.offset()], meta.bytes);
        self.set_trace(number, meta.is_trace);
        if !is_same_record {
            self.set_cached(number, None);
        }
    }

    /// Takes the sessions that end by this place out of their buckets, and returns them. They leave the arena next, each by
    /// [`Self::remove_ended`], from the last slot down: what takes the slot of one that leaves is then none of these.
    pub(crate) fn take_ended(&mut self, last: &Place) -> Vec<SlotNumber> {
        let mut ended = Vec::new();
        let (mut from, until) = (Bucket::FIRST, Bucket::last_of(last));
        while let Some((here, first)) = self.deadlines.first_within(from..=until) {
            let (before, mut standing) = (ended.len(), 0);
            for number in self.cold.chain(first) {
                steps::count(1);
                standing += 1;
                if self.place(number) <= *last {
                    ended.push(number);
                }
            }
            let ended = &ended[before..];
            // Nearly always all of a bucket has ended. It goes at once then, and no session looks for its neighbours.
            if ended.len() == standing {
                self.deadlines.remove(self.cold.chain_of(first));
            } else {
                ended.iter().for_each(|number| self.deadlines.leave(&mut self.cold, *number));
            }
            from = here.next();
        }
        ended.sort_unstable_by(|one, other| other.cmp(one));
        ended
    }

    /// Takes a session out. The last session gets its number.
    pub(crate) fn remove(&mut self, number: SlotNumber) {
        self.deadlines.leave(&mut self.cold, number);
        self.remove_ended(number);
    }

    /// The same, for a session that has left its bucket.
    pub(crate) fn remove_ended(&mut self, number: SlotNumber) {
        self.table.remove(hash_table::hash(&self.hot[number].key), number);
        self.set_trace(number, false);
        self.set_owner(number, None);
        self.set_cached(number, None);
        let last = self.hot.len() - 1;
        if number != last {
            self.table.renumber(hash_table::hash(&self.hot[last].key), last, number);
        }
        self.hot.swap_remove(number);
        self.cold.swap_remove(number);
        if number != last {
            self.deadlines.moved(&mut self.cold, number);
            if let Some(owned) = self.hot[number].owned() {
                self.owners.set_slot(owned, number);
            }
        }
    }

    pub(crate) fn set_expiry(&mut self, number: SlotNumber, expiry: Expiry) {
        let before = std::mem::replace(&mut self.hot[number].expiry, expiry);
        let hot = &self.hot[number];
        if let Some(owned) = hot.owned() {
            self.owners.reorder(owned, &hot.key, &before, &expiry);
        }
        // A deadline that is put off moves nothing here: the move would be most of the cost of a touch.
        if expiry.ends_at() < before.ends_at() {
            self.deadlines.leave(&mut self.cold, number);
            let place = self.place(number);
            self.deadlines.join(&mut self.cold, &place, number);
        }
    }

    fn set_owner(&mut self, number: SlotNumber, owner: Option<Owner>) {
        let hot = &mut self.hot[number];
        let owned = hot.owned();
        if owned.map(|owned| self.owners.get(owned)) == owner.as_ref() {
            return;
        }
        if let Some(free) = owned {
            hot.owner = NONE;
            if let Some(other) = self.owners.remove(free, &hot.key, &hot.expiry) {
                self.hot[other].owner = free;
            }
        }
        if let Some(owner) = owner {
            let hot = &self.hot;
            let added = self.owners.add(owner, number, |slot| (&hot[slot].key, &hot[slot].expiry));
            self.hot[number].owner = added;
        }
    }

    /// Says whether a trace stands in a slot, which has no owner.
    fn set_trace(&mut self, number: SlotNumber, is_trace: bool) {
        if (self.hot[number].owner == TRACE) == is_trace {
            return;
        }
        let (place, bytes) = (self.place(number), self.cold[number].bytes);
        self.hot[number].owner = if is_trace {
            self.traces.add(place, bytes);
            TRACE
        } else {
            self.traces.remove(&place, bytes);
            NONE
        };
    }

    /// Ends the sessions of an owner, but for the one under this key: they are dead at once, and leave later.
    pub(crate) fn end_owned(&mut self, owner: &Owner, but: Option<&SessionKey>) {
        let kept = but.and_then(|key| self.find(key)).filter(|number| self.at(*number).owner() == Some(owner));
        kept.into_iter().for_each(|number| self.set_owner(number, None));
        self.owners.end(owner);
        kept.into_iter().for_each(|number| self.set_owner(number, Some(owner.clone())));
    }

    /// Whether the session in this slot has ended with all others of its owner. Nothing finds or counts it any more.
    pub(crate) fn is_dead(&self, number: SlotNumber) -> bool {
        self.owners.has_dead() && self.hot[number].owned().is_some_and(|owned| self.owners.is_dead(owned))
    }

    /// Caches a record's bytes, or drops them.
    pub(crate) fn set_cached(&mut self, number: SlotNumber, bytes: Option<Bytes>) {
        let hot = &mut self.hot[number];
        self.cached += bytes.as_ref().map_or(0, cost);
        let before = std::mem::replace(&mut hot.cached, bytes);
        self.cached -= before.as_ref().map_or(0, cost);
        if before.is_some() {
            hot.used.store(false, Ordering::Relaxed);
        }
    }

    /// The cost of all cached records, in bytes.
    pub(crate) fn cached_bytes(&self) -> usize {
        self.cached
    }

    /// Passes a slot: its cached record goes, unless it was used since the last pass. Returns the next slot.
    pub(crate) fn pass(&mut self, number: SlotNumber) -> SlotNumber {
        let number = if number < self.hot.len() { number } else { 0 };
        if self.hot[number].cached.is_some() && !self.hot[number].used.swap(false, Ordering::Relaxed) {
            self.set_cached(number, None);
        }
        number + 1
    }

    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.table.room()
    }

    /// How many numbers of split buckets are kept.
    #[cfg(test)]
    pub(crate) fn parts(&self) -> usize {
        self.deadlines.parts()
    }
}

/// What a cached record costs, in bytes.
pub(crate) fn cost(bytes: &Bytes) -> usize {
    // The allocation's head, and what the allocator adds.
    const OVERHEAD: usize = 32;
    OVERHEAD + bytes.len()
}

impl Linked for Chunks<Cold> {
    fn link(&self, number: SlotNumber) -> Link {
        self[number].link
    }

    fn link_mut(&mut self, number: SlotNumber) -> &mut Link {
        &mut self[number].link
    }
}
