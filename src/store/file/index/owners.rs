//! The sessions of each owner.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};

use crate::model::key::SessionKey;
use crate::model::lifetime::Expiry;
use crate::model::owner::Owner;
use crate::store::file::index::chunks::Chunks;
use crate::store::file::index::hash_table::{HashTable, SlotNumber};
use crate::store::file::index::list::{Link, Linked, NONE};
use crate::store::file::index::ranks::Ranks;

/// A chain of sessions for each owner. An owner's name takes one allocation, however many sessions the owner has.
#[derive(Default)]
pub(crate) struct Owners {
    /// The first session of each owner, by the hash of the name. Users may choose their names, so the hash has a random key.
    first: HashTable,
    hasher: RandomState,
    owned: Chunks<Owned>,
    /// The chains of sessions that ended with all others of their owner, and have not left the index: the first of each, by the
    /// address of its name. A new chain of that owner has a name of its own.
    dead: BTreeMap<usize, u32>,
    dead_sessions: usize,
    dead_ranks: Vec<Ranks>,
    /// The orders of owners that have many sessions; `None` in a store without a limit on an owner's sessions.
    ranked: Option<BTreeMap<Owner, Ranks>>,
}

/// An owner's session.
struct Owned {
    owner: Owner,
    slot: SlotNumber,
    link: Link,
    /// In the first of a chain, how many sessions it has.
    count: u32,
}

/// An owner's sessions are looked through when a limit asks for their order. Owners with more of them have ranks.
const FEW: usize = 64;

impl Owned {
    /// The address of the owner's name, which tells a chain from a dead one of the same owner.
    fn name(&self) -> usize {
        self.owner.as_bytes().as_ptr() as usize
    }
}

impl Linked for Chunks<Owned> {
    fn link(&self, number: u32) -> Link {
        self[number].link
    }

    fn link_mut(&mut self, number: u32) -> &mut Link {
        &mut self[number].link
    }
}

impl Owners {
    /// Owners for a store with a limit on an owner's sessions, or without one.
    pub(crate) fn new(are_limited: bool) -> Self {
        Self { ranked: are_limited.then(BTreeMap::new), ..Self::default() }
    }

    pub(crate) fn are_limited(&self) -> bool {
        self.ranked.is_some()
    }

    /// Gives the session in this slot an owner; returns its number here. `session` says what stands in a slot.
    pub(crate) fn add<'a>(
        &mut self,
        owner: Owner,
        slot: SlotNumber,
        session: impl Fn(SlotNumber) -> (&'a SessionKey, &'a Expiry),
    ) -> u32 {
        let hash = self.hasher.hash_one(&owner) as u32;
        let first = self.find(hash, &owner);
        let (owner, count) = match first.map(|first| &self.owned[first]) {
            Some(first) => (first.owner.clone(), first.count + 1),
            // No dead chain may have this name.
            None if self.has_dead() => (owner.as_bytes().into(), 1),
            None => (owner, 1),
        };
        let number = self.owned.push(Owned { owner: owner.clone(), slot, link: Link::default(), count });
        // All chains have the number 0: a session's name of its owner says which chain it leaves.
        self.owned.join(0, &mut first.unwrap_or(NONE), number);
        match first {
            Some(first) => self.first.renumber(hash, first, number),
            None => self.first.insert(hash, number),
        }
        if let Some(ranked) = &mut self.ranked {
            if let Some(ranks) = ranked.get_mut(&owner) {
                let (key, expiry) = session(slot);
                ranks.insert(key, expiry);
            } else if count as usize > FEW {
                let mut ranks = Ranks::default();
                let slots = self.owned.chain(number).map(|number| self.owned[number].slot);
                slots.map(session).for_each(|(key, expiry)| ranks.insert(key, expiry));
                ranked.insert(owner, ranks);
            }
        }
        number
    }

    /// Takes the owner of a session away. The last session gets its number, and the slot of that session is returned if it
    /// is another one.
    pub(crate) fn remove(&mut self, number: u32, key: &SessionKey, expiry: &Expiry) -> Option<SlotNumber> {
        let (is_dead, left) = (self.is_dead(number), self.owned.leave(number));
        if is_dead {
            self.dead_sessions -= 1;
            match left {
                Some((_, NONE)) => drop(self.dead.remove(&self.owned[number].name())),
                Some((_, first)) => drop(self.dead.insert(self.owned[number].name(), first)),
                None => {}
            }
        } else {
            let hash = self.hash_of(number);
            match left {
                Some((_, NONE)) => self.first.remove(hash, number),
                Some((_, first)) => {
                    self.owned[first].count = self.owned[number].count - 1;
                    self.first.renumber(hash, number, first);
                }
                None => {
                    let first = self.find(hash, &self.owned[number].owner).expect("a chain is found by its first");
                    self.owned[first].count -= 1;
                }
            }
        }
        let Owned { owner, .. } = self.owned.swap_remove(number);
        if let Some(ranked) = self.ranked.as_mut().filter(|_| !is_dead)
            && let Some(ranks) = ranked.get_mut(&owner)
        {
            ranks.remove(key, expiry);
            // Half as many, so that an owner that has about so many gets no ranks each time.
            if ranks.len() <= FEW / 2 {
                ranked.remove(&owner);
            }
        }
        let last = self.owned.len();
        if number == last {
            return None;
        }
        if self.owned.moved(number).is_some() {
            match self.dead.get_mut(&self.owned[number].name()) {
                Some(first) => *first = number,
                None => self.first.renumber(self.hash_of(number), last, number),
            }
        }
        Some(self.owned[number].slot)
    }

    /// All of an owner's sessions are dead. That takes one step; the sessions leave later, one by one.
    pub(crate) fn end(&mut self, owner: &Owner) {
        let hash = self.hasher.hash_one(owner) as u32;
        let Some(first) = self.find(hash, owner) else { return };
        self.first.remove(hash, first);
        self.dead.insert(self.owned[first].name(), first);
        self.dead_sessions += self.owned[first].count as usize;
        self.dead_ranks.extend(self.ranked.as_mut().and_then(|ranked| ranked.remove(owner)));
    }

    /// Whether the session with this number is dead.
    pub(crate) fn is_dead(&self, number: u32) -> bool {
        self.has_dead() && self.dead.contains_key(&self.owned[number].name())
    }

    pub(crate) fn has_dead(&self) -> bool {
        !self.dead.is_empty()
    }

    /// Whether there are dead sessions, or orders of some.
    pub(crate) fn has_left(&self) -> bool {
        self.has_dead() || !self.dead_ranks.is_empty()
    }

    pub(crate) fn dead_sessions(&self) -> usize {
        self.dead_sessions
    }

    /// The slot of a dead session.
    pub(crate) fn first_dead(&self) -> Option<SlotNumber> {
        self.dead.values().next().map(|first| self.owned[*first].slot)
    }

    /// The orders of sessions that are dead. To drop them takes longer than a lock may be held.
    pub(crate) fn take_dead_ranks(&mut self) -> Vec<Ranks> {
        std::mem::take(&mut self.dead_ranks)
    }

    /// How many sessions an owner has.
    pub(crate) fn count_of(&self, owner: &Owner) -> usize {
        let first = self.find(self.hasher.hash_one(owner) as u32, owner);
        first.map_or(0, |first| self.owned[first].count as usize)
    }

    /// The session with this number has another slot.
    pub(crate) fn set_slot(&mut self, number: u32, slot: SlotNumber) {
        self.owned[number].slot = slot;
    }

    /// The session with this number has other deadlines.
    pub(crate) fn reorder(&mut self, number: u32, key: &SessionKey, before: &Expiry, after: &Expiry) {
        if let Some(ranked) = &mut self.ranked
            && let Some(ranks) = ranked.get_mut(&self.owned[number].owner)
        {
            ranks.remove(key, before);
            ranks.insert(key, after);
        }
    }

    /// The owner of the session with this number.
    pub(crate) fn get(&self, number: u32) -> &Owner {
        &self.owned[number].owner
    }

    /// The slots of an owner's sessions.
    pub(crate) fn slots_of(&self, owner: &Owner) -> impl Iterator<Item = SlotNumber> {
        let first = self.find(self.hasher.hash_one(owner) as u32, owner);
        self.slots_from(first.unwrap_or(NONE))
    }

    /// The slots of the sessions that stand after this number in the chain of its owner.
    pub(crate) fn slots_after(&self, number: u32) -> impl Iterator<Item = SlotNumber> {
        self.slots_from(self.owned[number].link.next)
    }

    fn slots_from(&self, number: u32) -> impl Iterator<Item = SlotNumber> {
        self.owned.chain(number).map(|number| self.owned[number].slot)
    }

    /// The orders of an owner's sessions, if they have any.
    pub(crate) fn ranks_of(&self, owner: &Owner) -> Option<&Ranks> {
        self.ranked.as_ref()?.get(owner)
    }

    fn find(&self, hash: u32, owner: &Owner) -> Option<u32> {
        self.first.find(hash, |number| self.owned[number].owner == *owner)
    }

    fn hash_of(&self, number: u32) -> u32 {
        self.hasher.hash_one(&self.owned[number].owner) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    #[test]
    fn an_owner_is_forgotten_with_the_last_of_its_sessions_and_no_place_stays_free() {
        let mut owners = Owners::default();
        let key = SessionKey::from_bytes([0; 16]);
        let expiry = Expiry::from_parts(Timestamp::EPOCH, None, None);
        let numbers = [("ada", 1), ("eve", 2), ("ada", 3)]
            .map(|(owner, slot)| owners.add(owner.into(), slot, |_| (&key, &expiry)));
        let slots = |owners: &Owners, owner: &str| owners.slots_of(&owner.into()).collect::<Vec<_>>();
        assert_eq!(slots(&owners, "ada"), [3, 1]);
        assert_eq!(owners.get(numbers[1]), &"eve".into());
        assert_eq!(owners.remove(numbers[0], &key, &expiry), Some(3), "the last one took its number");
        assert_eq!((slots(&owners, "ada"), owners.get(numbers[0])), (vec![3], &"ada".into()));
        owners.set_slot(numbers[0], 9);
        assert_eq!(slots(&owners, "ada"), [9]);
        assert_eq!(owners.remove(numbers[0], &key, &expiry), Some(2));
        assert_eq!((slots(&owners, "ada"), slots(&owners, "eve")), (vec![], vec![2]));
        assert_eq!(owners.remove(numbers[0], &key, &expiry), None);
        assert_eq!((owners.owned.len(), owners.first.len()), (0, 0));
    }
}
