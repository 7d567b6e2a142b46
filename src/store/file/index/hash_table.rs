//! A hash table with linear probing, from hashes to numbers: of sessions' slots, and of owners' sessions. It holds no keys:
//! those stand in the arena and among the owners.
//!
//! A place is one word: 32 bits of the key's hash in the upper half, the number plus 1 in the lower; 0 is free. A key takes
//! the first free place from where its hash points to. The stored hash alone says where that is, so that growing and
//! closing gaps look at no slot. It also tells most keys apart, so a look-up costs one cache line here and one in the arena,
//! as in a map that holds its values.
//!
//! The upper bits of a hash choose one of 256 shards, each of which grows and shrinks alone: the whole table in one step
//! would hold up all loads and saves. At ten million sessions a step moves some 40,000 places.

use crate::model::key::SessionKey;
use crate::store::file::threads::steps;

/// The number of a session's slot in the arena. A session keeps its number until another session leaves the arena.
pub(crate) type SlotNumber = u32;

/// See the module.
pub(crate) struct HashTable {
    shards: Box<[Shard]>,
    taken: usize,
    /// Places that each shard keeps although few of them are taken: more sessions are expected.
    reserved: usize,
    /// The most places that one insertion or removal has moved.
    #[cfg(test)]
    moved: usize,
}

/// The part of the table for the hashes with the same upper bits.
#[derive(Default)]
struct Shard {
    places: Vec<u64>,
    taken: usize,
}

const SHARDS: usize = 1 << SHARD_BITS;
const SHARD_BITS: u32 = 8;

/// Of each `PLACES` places, at most `TAKEN` are taken, so that probing stays short.
const PLACES: usize = 4;
const TAKEN: usize = 3;
const FEWEST: usize = 4;

impl Default for HashTable {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            taken: 0,
            reserved: 0,
            #[cfg(test)]
            moved: 0,
        }
    }
}

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
    pub(crate) fn find(&self, hash: u32, is_right: impl FnMut(SlotNumber) -> bool) -> Option<SlotNumber> {
        self.shards[shard(hash)].find(hash, is_right)
    }

    /// The place where the search for this hash begins.
    pub(crate) fn home_of(&self, hash: u32) -> u64 {
        steps::count(1);
        let shard = &self.shards[shard(hash)];
        shard.places.get(shard.home(hash)).copied().unwrap_or(0)
    }

    /// Adds a number that the table does not hold.
    pub(crate) fn insert(&mut self, hash: u32, number: SlotNumber) {
        let shard = &mut self.shards[shard(hash)];
        if (shard.taken + 1) * PLACES > shard.places.len() * TAKEN {
            // By a quarter: free places take little memory then, and copying is one pass from front to back.
            shard.resize((shard.places.len() + shard.places.len() / 4).max(FEWEST));
            #[cfg(test)]
            (self.moved = self.moved.max(shard.taken));
        }
        shard.put(place(hash, number));
        shard.taken += 1;
        self.taken += 1;
    }

    /// Puts another number in the place of one that the table holds, with the same hash.
    pub(crate) fn renumber(&mut self, hash: u32, before: SlotNumber, after: SlotNumber) {
        let shard = &mut self.shards[shard(hash)];
        let at = shard.place_of(hash, before);
        shard.places[at] = place(hash, after);
    }

    /// Removes a number that the table holds.
    pub(crate) fn remove(&mut self, hash: u32, number: SlotNumber) {
        let which = shard(hash);
        let shard = &mut self.shards[which];
        shard.remove(hash, number);
        self.taken -= 1;
        // From an eighth to a quarter, so that shards, which are about equally full, do not all shrink at one moment. Down to
        // a half: sessions that come and go around one number cause no copying each time.
        let few = shard.places.len() * (SHARDS + which) / (8 * SHARDS);
        if shard.taken < few && shard.places.len() > self.reserved.max(FEWEST) {
            shard.resize((shard.taken * 2).max(FEWEST).max(self.reserved));
            #[cfg(test)]
            (self.moved = self.moved.max(shard.taken));
        }
    }

    /// Makes room for this many numbers, and keeps it until [`Self::shrink_to_fit`].
    pub(crate) fn reserve(&mut self, numbers: usize) {
        // Shards are not equally full. One that is fuller than this grows.
        self.reserved = (numbers * PLACES).div_ceil(TAKEN * SHARDS).max(FEWEST);
        for shard in self.shards.iter_mut().filter(|shard| shard.places.len() < self.reserved) {
            shard.resize(self.reserved);
        }
    }

    /// Gives back room where most of it is free.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.reserved = 0;
        for shard in self.shards.iter_mut().filter(|shard| shard.taken < shard.places.len() / 4) {
            shard.resize((shard.taken * PLACES).div_ceil(TAKEN).max(FEWEST));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.taken
    }

    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.shards.iter().map(|shard| shard.places.len()).sum()
    }
}

/// The shard of a hash.
fn shard(hash: u32) -> usize {
    (hash >> (u32::BITS - SHARD_BITS)) as usize
}

impl Shard {
    fn find(&self, hash: u32, mut is_right: impl FnMut(SlotNumber) -> bool) -> Option<SlotNumber> {
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

    /// Where a number stands that the table holds.
    fn place_of(&self, hash: u32, number: SlotNumber) -> usize {
        let mut at = self.home(hash);
        while self.places[at] != place(hash, number) {
            assert_ne!(self.places[at], 0, "the number is in the table");
            at = self.next(at);
        }
        at
    }

    fn remove(&mut self, hash: u32, number: SlotNumber) {
        let mut gap = self.place_of(hash, number);
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

    fn resize(&mut self, places: usize) {
        // Eight places share a line of the cache, and a step is a line.
        steps::count(self.places.len() / 8);
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

    /// Where a hash points to: in the order of the hashes, so that a larger shard is filled from front to back.
    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash << SHARD_BITS) * self.places.len() as u64) >> 32) as usize
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
        }
        for shard in &table.shards {
            assert!(shard.taken * PLACES <= shard.places.len() * TAKEN);
            assert!(shard.places.len() < shard.taken * 2, "{} places for {}", shard.places.len(), shard.taken);
        }
    }

    /// A hash as that of a real key.
    fn scattered(n: u64) -> u32 {
        let n = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (n ^ n >> 31) as u32
    }

    /// One part of a million in 256, and what one shard may have more than another.
    const A_STEP: usize = 6_000;

    #[test]
    fn no_insertion_and_no_removal_moves_more_than_a_shard_and_probing_stays_short() {
        let mut table = HashTable::default();
        let hashes: Vec<u32> = (0..1_000_000).map(scattered).collect();
        for (number, hash) in (0..).zip(&hashes) {
            table.insert(*hash, number);
        }
        assert!((2_000..A_STEP).contains(&table.moved), "{} places were moved at once", table.moved);
        let probes: usize = (0..)
            .zip(&hashes)
            .map(|(number, hash)| {
                let shard = &table.shards[shard(*hash)];
                shard.steps(shard.home(*hash), shard.place_of(*hash, number)) + 1
            })
            .sum();
        assert!(probes < 3 * hashes.len(), "{probes} probes for a million");
        let room = table.room();
        table.moved = 0;
        for (number, hash) in (1_000..).zip(&hashes[1_000..]) {
            table.remove(*hash, number);
        }
        assert!((500..A_STEP).contains(&table.moved), "{} places were moved at once", table.moved);
        assert!(table.room() < room / 200, "{} places are left of {room}", table.room());
        assert!((0..1_000).all(|n| table.find(hashes[n as usize], |other| other == n) == Some(n)));
    }

    #[test]
    fn room_that_was_made_stays_until_it_is_given_back() {
        let mut table = HashTable::default();
        table.reserve(30_000);
        let room = table.room();
        assert!((40_000..41_000).contains(&room));
        (0..1_000).for_each(|n| table.insert(hash(&key(n)), n));
        (0..1_000).for_each(|n| table.remove(hash(&key(n)), n));
        assert_eq!((table.room(), table.moved), (room, 0));
        table.shrink_to_fit();
        assert_eq!(table.room(), SHARDS * FEWEST);
    }

    fn key(n: u32) -> SessionKey {
        let mut key = [0; 16];
        key[3..7].copy_from_slice(&n.to_le_bytes());
        SessionKey::from_bytes(key)
    }

    proptest! {
        // Few hashes, at both ends of the ranges of two shards, so that entries collide and wrap around the end.
        #[test]
        fn it_holds_what_was_added_and_not_removed(
            steps in prop::collection::vec((any::<bool>(), 0u32..6, 0u32..40), 1..400),
        ) {
            let mut table = HashTable::default();
            let mut expected = BTreeSet::new();
            let hash = |n: u32| [0, 1, u32::MAX >> SHARD_BITS, u32::MAX, u32::MAX - 1, !(u32::MAX >> SHARD_BITS)][n as usize];
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
