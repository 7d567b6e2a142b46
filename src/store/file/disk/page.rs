//! The shared page: what the processes that use a directory tell each other about its log.

use std::sync::atomic::Ordering;

use crate::store::file::disk::signal::Signal;
use crate::store::file::threads::AtomicU64;

/// The length of the page's file, in bytes.
pub(crate) const PAGE: usize = 4096;

/// The version of this layout, so that no process takes another version's page for its own.
pub(crate) const VERSION: u64 = 4;

/// The poison after a failed sync.
pub(crate) const SYNC_FAILED: u64 = 1;

/// The poison after files were lost that processes have open (rule 22).
pub(crate) const FILES_LOST: u64 = 2;

/// The page, a cache line for each word. A zeroed page is an empty log of which nothing is known; recovery sets the version.
///
/// | offset | what |
/// |---|---|
/// | 0 | tail: where the log ends; stored with release after the write, loaded with acquire before the read |
/// | 64 | durable mark: up to here the log is on disk |
/// | 128 | intent: where the write under way will end; 0 when there is none |
/// | 192 | poison: not 0 after a failed sync, or when files were lost; then no process writes |
/// | 256 | version of this layout, 4 |
/// | 320 | files: which lock files and which page the processes use that have the log open |
/// | 384 | wanted: not 0 if a process has found the writer lock taken |
/// | 448 | numbers: the last number that a process has drawn |
/// | 512 | first in line: the lowest number of the processes that have waited long for the writer lock; 0 when there is none |
/// | 576 | syncing: the number of the sync that is under way for all processes; 0 when there is none |
/// | 640 | synced: the signal that the sync of all processes is over |
///
/// Those before `wanted` carry promises. Those from `wanted` on only save time: they may tell of a process that has died, so no
/// process heeds them for ever.
#[repr(C)]
#[derive(Default, Debug)]
pub struct Page {
    pub(crate) tail: Line,
    pub(crate) durable: Line,
    pub(crate) intent: Line,
    pub(crate) poison: Line,
    pub(crate) version: Line,
    pub(crate) files: Line,
    pub(crate) wanted: Line,
    pub(crate) numbers: Line,
    pub(crate) first_in_line: Line,
    pub(crate) syncing: Line,
    pub(crate) synced: Signal,
}

/// A word alone in its cache line.
#[repr(C, align(64))]
#[derive(Default, Debug)]
pub(crate) struct Line(AtomicU64);

impl Line {
    pub(crate) fn get(&self) -> u64 {
        pause();
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn set(&self, word: u64) {
        pause();
        self.0.store(word, Ordering::Release);
    }

    /// Sets the word, unless it is higher already.
    pub(crate) fn raise(&self, word: u64) {
        pause();
        self.0.fetch_max(word, Ordering::AcqRel);
    }

    /// Sets the word, unless it is lower already and not 0.
    pub(crate) fn lower(&self, word: u64) {
        pause();
        let lower = |now| (now == 0 || now > word).then_some(word);
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, lower);
    }

    /// Sets the word, if it is this one; the other word if it is not.
    pub(crate) fn replace(&self, before: u64, word: u64) -> Result<(), u64> {
        pause();
        self.0.compare_exchange(before, word, Ordering::AcqRel, Ordering::Acquire).map(drop)
    }

    /// The next number, which no other process gets.
    pub(crate) fn draw(&self) -> u64 {
        pause();
        self.0.fetch_add(1, Ordering::AcqRel) + 1
    }
}

/// A simulation lets other processes change the page before any access to it, or kills this one.
#[inline]
fn pause() {
    #[cfg(feature = "simulation")]
    crate::store::file::threads::schedule::step();
}

const _: () = assert!(size_of::<Page>() <= PAGE && align_of::<Page>() <= PAGE);
