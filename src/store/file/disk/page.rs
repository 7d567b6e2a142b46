//! The shared page: what the processes that use a directory tell each other about its log.

use std::sync::atomic::Ordering;

use crate::store::file::threads::AtomicU64;

/// The length of the page's file, in bytes.
pub(crate) const PAGE: usize = 4096;

/// The page, a cache line for each word. A zeroed page is an empty log of which nothing is known; recovery sets the version.
///
/// | offset | what |
/// |---|---|
/// | 0 | tail: where the log ends; stored with release after the write, loaded with acquire before the read |
/// | 64 | durable mark: up to here the log is on disk |
/// | 128 | intent: where the write under way will end; 0 when there is none |
/// | 192 | poison: not 0 after a failed sync; then no process writes |
/// | 256 | version of this layout, 1 |
/// | 320 | wanted: not 0 if a process has found the writer lock taken |
#[repr(C)]
#[derive(Default, Debug)]
pub struct Page {
    pub(crate) tail: Line,
    pub(crate) durable: Line,
    pub(crate) intent: Line,
    pub(crate) poison: Line,
    pub(crate) version: Line,
    pub(crate) wanted: Line,
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
}

/// A simulation lets other processes change the page before any access to it, or kills this one.
#[inline]
fn pause() {
    #[cfg(feature = "simulation")]
    crate::store::file::threads::schedule::step();
}

const _: () = assert!(size_of::<Page>() <= PAGE && align_of::<Page>() <= PAGE);
