//! The sessions of each owner.

use std::collections::HashMap;

use crate::model::owner::Owner;
use crate::store::file::index::hash_table::SlotNumber;
use crate::store::file::index::list::{Link, Linked, NONE};

/// A chain of sessions for each owner. An owner's name takes one allocation, however many sessions the owner has.
#[derive(Default)]
pub(crate) struct Owners {
    first: HashMap<Owner, u32>,
    owned: Vec<Owned>,
    /// The free places of `owned`.
    free: Vec<u32>,
}

/// An owner's session.
struct Owned {
    owner: Owner,
    slot: SlotNumber,
    link: Link,
}

impl Linked for Vec<Owned> {
    fn link(&self, number: u32) -> Link {
        self[number as usize].link
    }

    fn link_mut(&mut self, number: u32) -> &mut Link {
        &mut self[number as usize].link
    }
}

impl Owners {
    /// Gives the session in this slot an owner; returns its number here.
    pub(crate) fn add(&mut self, owner: Owner, slot: SlotNumber) -> u32 {
        let owner = self.first.get_key_value(&owner).map_or(owner, |(known, _)| known.clone());
        let owned = Owned { owner: owner.clone(), slot, link: Link::default() };
        let number = match self.free.pop() {
            Some(number) => {
                self.owned[number as usize] = owned;
                number
            }
            None => {
                self.owned.push(owned);
                self.owned.len() as u32 - 1
            }
        };
        // All chains have the number 0: a session's owner says which chain it leaves.
        self.owned.join(0, self.first.entry(owner).or_insert(NONE), number);
        number
    }

    pub(crate) fn remove(&mut self, number: u32) {
        // A free place must not keep the owner's name in memory.
        let owner = std::mem::replace(&mut self.owned[number as usize].owner, Owner::nobody());
        match self.owned.leave(number) {
            Some((_, NONE)) => drop(self.first.remove(&owner)),
            Some((_, first)) => *self.first.get_mut(&owner).expect("the owner has sessions left") = first,
            None => {}
        }
        self.free.push(number);
    }

    /// The owner of the session with this number; `None` for [`NONE`].
    pub(crate) fn get(&self, number: u32) -> Option<&Owner> {
        (number != NONE).then(|| &self.owned[number as usize].owner)
    }

    /// The slots of an owner's sessions.
    pub(crate) fn slots_of(&self, owner: &Owner) -> impl Iterator<Item = SlotNumber> {
        let first = self.first.get(owner).copied().unwrap_or(NONE);
        self.owned.chain(first).map(|number| self.owned[number as usize].slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_forgotten_with_the_last_of_its_sessions_and_places_are_used_again() {
        let mut owners = Owners::default();
        let numbers = [("ada", 1), ("eve", 2), ("ada", 3)].map(|(owner, slot)| owners.add(owner.into(), slot));
        assert_eq!(owners.slots_of(&"ada".into()).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(owners.get(numbers[1]), Some(&"eve".into()));
        owners.remove(numbers[2]);
        assert_eq!(owners.slots_of(&"ada".into()).collect::<Vec<_>>(), [1]);
        owners.remove(numbers[0]);
        assert_eq!(owners.slots_of(&"ada".into()).count(), 0);
        assert_eq!(owners.first.len(), 1);
        owners.add("ada".into(), 4);
        owners.add("ada".into(), 5);
        assert_eq!((owners.owned.len(), owners.slots_of(&"ada".into()).count()), (3, 2));
        assert_eq!(owners.get(NONE), None);
    }
}
