//! A word of the shared page, alone in its cache line: in memory, mapped, or in the page's file.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::store::file::disk::page_file::PageFile;
use crate::store::file::threads::AtomicU64;

/// See the module.
#[repr(align(64))]
#[derive(Debug)]
pub(crate) enum Line {
    /// In this process's memory.
    Here(AtomicU64),
    /// In the mapped page, which lives as long as this.
    Mapped(&'static AtomicU64),
    /// In the page's file, with its number.
    ByCalls(Arc<PageFile>, usize),
}

impl Default for Line {
    fn default() -> Self {
        Self::Here(AtomicU64::default())
    }
}

impl Line {
    #[inline]
    fn word(&self) -> Result<&AtomicU64, (&PageFile, usize)> {
        match self {
            Self::Here(word) => Ok(word),
            Self::Mapped(word) => Ok(word),
            Self::ByCalls(file, number) => Err((file, *number)),
        }
    }

    /// The word, and no step of a simulation.
    pub(crate) fn peek(&self) -> u64 {
        match self.word() {
            Ok(word) => word.load(Ordering::Acquire),
            Err((file, number)) => file.read(number),
        }
    }

    pub(crate) fn get(&self) -> u64 {
        pause();
        self.peek()
    }

    pub(crate) fn set(&self, new: u64) {
        pause();
        match self.word() {
            Ok(word) => word.store(new, Ordering::Release),
            Err((file, number)) => file.write(number, new),
        }
    }

    /// Sets the word, unless it is higher already.
    pub(crate) fn raise(&self, new: u64) {
        pause();
        match self.word() {
            Ok(word) => _ = word.fetch_max(new, Ordering::AcqRel),
            Err((file, number)) => _ = file.change(number, |now| (now < new).then_some(new)),
        }
    }

    /// Sets the word, unless it is lower already and not 0.
    pub(crate) fn lower(&self, new: u64) {
        pause();
        let lower = |now| (now == 0 || now > new).then_some(new);
        match self.word() {
            Ok(word) => _ = word.fetch_update(Ordering::AcqRel, Ordering::Acquire, lower),
            Err((file, number)) => _ = file.change(number, lower),
        }
    }

    /// Sets the word, if it is this one; the other word if it is not.
    pub(crate) fn replace(&self, before: u64, new: u64) -> Result<(), u64> {
        pause();
        match self.word() {
            Ok(word) => word.compare_exchange(before, new, Ordering::AcqRel, Ordering::Acquire).map(drop),
            Err((file, number)) => file.change(number, |now| (now == before).then_some(new)).map(drop),
        }
    }

    /// The next number, which no other process gets.
    pub(crate) fn draw(&self) -> u64 {
        pause();
        match self.word() {
            Ok(word) => word.fetch_add(1, Ordering::AcqRel) + 1,
            Err((file, number)) => file.change(number, |now| Some(now + 1)).unwrap_or_default() + 1,
        }
    }
}

/// A simulation lets other processes change the page before any access to it, or kills this one.
#[inline]
fn pause() {
    #[cfg(feature = "simulation")]
    crate::store::file::threads::schedule::step();
}
