//! A growing array in chunks of one length. Growing never copies what is in it.

use std::ops::{Index, IndexMut};

use crate::store::file::index::hash_table::SlotNumber;

/// See the module.
pub(crate) struct Chunks<T>(Vec<Vec<T>>);

const CHUNK: u32 = 1024;

impl<T> Chunks<T> {
    pub(crate) fn len(&self) -> u32 {
        self.0.last().map_or(0, |last| (self.0.len() as u32 - 1) * CHUNK + last.len() as u32)
    }

    /// Adds an item; returns its number.
    pub(crate) fn push(&mut self, item: T) -> SlotNumber {
        let number = self.len();
        if number.is_multiple_of(CHUNK) {
            self.0.push(Vec::with_capacity(CHUNK as usize));
        }
        self.0.last_mut().expect("the last chunk has room").push(item);
        number
    }
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Index<SlotNumber> for Chunks<T> {
    type Output = T;

    fn index(&self, number: SlotNumber) -> &T {
        &self.0[(number / CHUNK) as usize][(number % CHUNK) as usize]
    }
}

impl<T> IndexMut<SlotNumber> for Chunks<T> {
    fn index_mut(&mut self, number: SlotNumber) -> &mut T {
        &mut self.0[(number / CHUNK) as usize][(number % CHUNK) as usize]
    }
}
