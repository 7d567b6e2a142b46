//! A hash table with linear probing, from session keys to slot numbers. It holds no keys: those stand in the arena.
//!
//! A place is one word: 32 bits of the key's hash in the upper half, the slot's number plus 1 in the lower; 0 is free. A key
//! takes the first free place from where its hash points to. The stored hash alone says where that is, so that growing and
//! closing gaps look at no slot. It also tells most keys apart, so a look-up costs one cache line here and one in the arena,
//! as in a map that holds its values.

use crate::model::key::SessionKey;

/// The number of a session's slot in the arena. A session keeps its number as long as it lives.
pub(crate) type SlotNumber = u32;

/// See the module.
#[derive(Default)]
pub(crate) struct HashTable {
    places: Vec<u64>,
    taken: usize,
}

/// Of each `PLACES` places, at most `TAKEN` are taken, so that probing stays short.
const PLACES: usize = 4;
const TAKEN: usize = 3;
const FEWEST: usize = 16;

/// The upper half of a place. Keys are parts of BLAKE3 hashes already; but tests and backups of other stores choose
/// their keys, so all bytes count.
pub(crate) fn hash(key: &SessionKey) -> u32 {
    let (first, last) = key.as_bytes().split_at(8);
    let word = |half: &[u8]| half.first_chunk().map_or(0, |half| u64::from_le_bytes(*half));
    // A wide product of both halves, folded: each bit of either half influences the upper bits.
    let product = u128::from(word(first) ^ 0x9e37_79b9_7f4a_7c15) * u128::from(word(last) ^ 0xd6e8_feb8_6659_fd93);
    (((product >> 64) as u64 ^ product as u64) >> 32) as u32
}

impl HashTable {
    /// The number with this hash that `is_right` accepts: other keys may have the same hash.
    pub(crate) fn find(&self, hash: u32, mut is_right: impl FnMut(SlotNumber) -> bool) -> Option<SlotNumber> {
        if self.places.is_empty() {
            return None;
        }
        let mut at = self.home(hash);
        loop {
            match self.places[at] {
                0 => return None,
                place if (place >> 32) as u32 == hash && is_right(number(place)) => return Some(number(place)),
                _ => at = self.next(at),
            }
        }
    }

    /// Adds a number that the table does not hold.
    pub(crate) fn insert(&mut self, hash: u32, number: SlotNumber) {
        if (self.taken + 1) * PLACES > self.places.len() * TAKEN {
            // By a quarter: free places take little memory then, and copying is one pass from front to back.
            self.resize((self.places.len() + self.places.len() / 4).max(FEWEST));
        }
        self.put(place(hash, number));
        self.taken += 1;
    }

    /// Removes a number that the table holds.
    pub(crate) fn remove(&mut self, hash: u32, number: SlotNumber) {
        let mut gap = self.home(hash);
        while self.places[gap] != place(hash, number) {
            assert_ne!(self.places[gap], 0, "a number that is removed is in the table");
            gap = self.next(gap);
        }
        // A later entry that could stand in the gap moves there: probing for it would end at the gap.
        let mut at = gap;
        loop {
            at = self.next(at);
            let place = self.places[at];
            if place == 0 {
                break;
            }
            if self.steps(self.home((place >> 32) as u32), at) >= self.steps(gap, at) {
                self.places[gap] = place;
                gap = at;
            }
        }
        self.places[gap] = 0;
        self.taken -= 1;
    }

    /// Makes room for this many numbers.
    pub(crate) fn reserve(&mut self, numbers: usize) {
        let places = (numbers.max(self.taken) * PLACES).div_ceil(TAKEN).max(FEWEST);
        if places > self.places.len() {
            self.resize(places);
        }
    }

    /// Gives back room, if most of it is free.
    pub(crate) fn shrink_to_fit(&mut self) {
        if self.taken < self.places.len() / 4 {
            self.resize((self.taken * PLACES).div_ceil(TAKEN).max(FEWEST));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.taken
    }

    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.places.len()
    }

    fn resize(&mut self, places: usize) {
        for place in std::mem::replace(&mut self.places, vec![0; places]) {
            if place != 0 {
                self.put(place);
            }
        }
    }

    fn put(&mut self, place: u64) {
        let mut at = self.home((place >> 32) as u32);
        while self.places[at] != 0 {
            at = self.next(at);
        }
        self.places[at] = place;
    }

    /// Where a hash points to: in the order of the hashes, so that a larger table is filled from front to back.
    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.places.len() as u64) >> 32) as usize
    }

    fn next(&self, at: usize) -> usize {
        if at + 1 == self.places.len() { 0 } else { at + 1 }
    }

    fn steps(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.places.len() - from }
    }
}

fn place(hash: u32, number: SlotNumber) -> u64 {
    u64::from(hash) << 32 | (u64::from(number) + 1)
}

fn number(place: u64) -> SlotNumber {
    (place as u32).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_that_differ_anywhere_have_other_hashes() {
        let mut hashes = BTreeSet::new();
        for byte in 0..16 {
            for value in 1..=u8::MAX {
                let mut key = [0; 16];
                key[byte] = value;
                hashes.insert(hash(&SessionKey::from_bytes(key)));
            }
        }
        hashes.extend((0..=u8::MAX).map(|value| hash(&SessionKey::from_bytes([value; 16]))));
        assert_eq!(hashes.len(), 16 * 255 + 256);
    }

    #[test]
    fn at_most_three_quarters_are_taken_and_no_less_than_half_when_it_grows() {
        let mut table = HashTable::default();
        for n in 0..100_000u32 {
            table.insert(hash(&key(n)), n);
            let room = table.room();
            assert!(table.len() * PLACES <= room * TAKEN);
            assert!(room <= FEWEST || room < table.len() * 2, "{room} places for {n}");
        }
    }

    fn key(n: u32) -> SessionKey {
        let mut key = [0; 16];
        key[3..7].copy_from_slice(&n.to_le_bytes());
        SessionKey::from_bytes(key)
    }

    proptest! {
        // Few hashes, at both ends of the range, so that entries collide and wrap around the end.
        #[test]
        fn it_holds_what_was_added_and_not_removed(
            steps in prop::collection::vec((any::<bool>(), 0u32..6, 0u32..40), 1..400),
        ) {
            let mut table = HashTable::default();
            let mut expected = BTreeSet::new();
            let hash = |n: u32| if n < 3 { n } else { u32::MAX - n };
            for (adds, which, number) in steps {
                let entry = (hash(which), number);
                if adds && !expected.contains(&entry) {
                    expected.insert(entry);
                    table.insert(entry.0, entry.1);
                } else if !adds && expected.remove(&entry) {
                    table.remove(entry.0, entry.1);
                }
                prop_assert_eq!(table.len(), expected.len());
                for which in 0..6 {
                    for number in 0..40 {
                        let found = table.find(hash(which), |other| other == number);
                        let is_there = expected.contains(&(hash(which), number));
                        prop_assert_eq!(found, is_there.then_some(number));
                    }
                }
            }
            table.shrink_to_fit();
            for (hash, number) in expected {
                prop_assert_eq!(table.find(hash, |other| other == number), Some(number));
            }
        }
    }
}
