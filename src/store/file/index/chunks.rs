//! An array in chunks of one length, without gaps. Growing never copies what is in it, and chunks that are empty are freed.

use std::ops::{Index, IndexMut};

use crate::store::file::index::hash_table::SlotNumber;
#[cfg(any(test, feature = "simulation"))]
use crate::store::file::threads::steps;

/// See the module.
pub(crate) struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    len: u32,
}

const CHUNK: u32 = 1024;

impl<T> Chunks<T> {
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Adds an item; returns its number.
    pub(crate) fn push(&mut self, item: T) -> SlotNumber {
        let number = self.len;
        if (number / CHUNK) as usize == self.chunks.len() {
            self.chunks.push(Vec::with_capacity(CHUNK as usize));
        }
        self.chunks[(number / CHUNK) as usize].push(item);
        self.len += 1;
        number
    }

    /// Takes an item out. The last one gets its number.
    #[inline]
    pub(crate) fn swap_remove(&mut self, number: SlotNumber) -> T {
        self.len -= 1;
        let chunk = &mut self.chunks[(self.len / CHUNK) as usize];
        let last = chunk.pop().expect("there is an item to take out");
        // One empty chunk stays, so that items that come and go around its first place cost no allocations.
        if chunk.is_empty() {
            self.chunks.truncate((self.len / CHUNK) as usize + 1);
        }
        if number == self.len { last } else { std::mem::replace(&mut self[number], last) }
    }
}

/// To drop the items takes as many steps, and must not come under the lock of the log's state (rule 25).
#[cfg(any(test, feature = "simulation"))]
impl<T> Drop for Chunks<T> {
    fn drop(&mut self) {
        steps::count(self.len as usize);
    }
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T> Index<SlotNumber> for Chunks<T> {
    type Output = T;

    fn index(&self, number: SlotNumber) -> &T {
        &self.chunks[(number / CHUNK) as usize][(number % CHUNK) as usize]
    }
}

impl<T> IndexMut<SlotNumber> for Chunks<T> {
    fn index_mut(&mut self, number: SlotNumber) -> &mut T {
        &mut self.chunks[(number / CHUNK) as usize][(number % CHUNK) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_item_takes_the_place_of_one_that_leaves_and_empty_chunks_go() {
        let mut chunks = Chunks::default();
        assert!((0..5 * CHUNK).all(|n| chunks.push(n) == n));
        assert_eq!((chunks.swap_remove(7), chunks[7], chunks.len()), (7, 5 * CHUNK - 1, 5 * CHUNK - 1));
        assert_eq!(chunks.swap_remove(5 * CHUNK - 2), 5 * CHUNK - 2);
        while chunks.len() > CHUNK {
            chunks.swap_remove(0);
        }
        assert_eq!(chunks.chunks.len(), 2);
        assert!((0..=CHUNK).all(|n| chunks.push(n) == CHUNK + n), "an item beyond the chunk that was kept");
    }
}
