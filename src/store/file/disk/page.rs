//! The shared page: what the processes that use a directory tell each other about its log.

use crate::store::file::disk::line::Line;
use crate::store::file::disk::page_file::{APART, POISON, twice};
use crate::store::file::disk::signal::Signal;
use crate::store::file::threads::AtomicU64;

/// The length of the page's file, in bytes.
pub(crate) const PAGE: usize = 4096;

/// The version of this layout, so that no process takes another version's page for its own.
pub(crate) const VERSION: u64 = 4;

/// In the version: the page is read and written by calls, and mapped by no process.
pub(crate) const BY_CALLS: u64 = 1 << 32;

/// How a process reaches the page that all processes of a store share.
///
/// ```
/// use cloakroom::{Clock, FileStore, PageAccess, SystemClock};
///
/// # let kept = tempfile::tempdir()?;
/// let store = FileStore::open(kept.path().join("sessions"))?;
/// if store.stats(SystemClock.now())?.page == PageAccess::ByCalls {
///     println!("on this file system, loads and saves take some system calls more");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageAccess {
    /// It is mapped into memory, on ext4, xfs and tmpfs.
    #[default]
    Mapped,
    /// It is read and written by system calls. On other file systems, a mapped page could kill the process.
    ByCalls,
    /// There is none: no other process writes, and this one only reads.
    Alone,
}

/// The page, a cache line for each word. A zeroed page is an empty log of which nothing is known; recovery sets the version.
///
/// | offset | what |
/// |---|---|
/// | 0 | tail: where the log ends; stored with release after the write, loaded with acquire before the read |
/// | 64 | durable mark: up to here the log is on disk |
/// | 128 | intent: where the write under way will end; 0 when there is none |
/// | 192 | poison: not 0 after a failed sync, or when files were lost; then no process writes |
/// | 256 | version of this layout, 4 |
/// | 320 | salt of the log that the next three words tell of |
/// | 384, 448 | known: up to here the log was durable, for the next page; twice, for a disk may garble a word |
/// | 512 | gap: up to here the log was durable and is not there, and recovery has not finished with that; 0 when there is none |
/// | 576 | files: which lock files and which page the processes use that have the log open |
/// | 640 | wanted: not 0 if a process has found the writer lock taken |
/// | 704 | numbers: the last number that a process has drawn |
/// | 768 | first in line: the lowest number of the processes that have waited long for the writer lock; 0 when there is none |
/// | 832 | syncing: the number of the sync that is under way for all processes; 0 when there is none |
/// | 896 | synced: the signal that the sync of all processes is over |
///
/// Those before `wanted` carry promises. Those from `wanted` on only save time: they may tell of a process that has died, so no
/// process heeds them for ever.
#[derive(Default, Debug)]
pub struct Page {
    pub(crate) tail: Line,
    pub(crate) durable: Line,
    pub(crate) intent: Line,
    pub(crate) poison: Line,
    pub(crate) version: Line,
    pub(crate) salt: Line,
    pub(crate) known: [Line; 2],
    pub(crate) gap: Line,
    pub(crate) files: Line,
    pub(crate) wanted: Line,
    pub(crate) numbers: Line,
    pub(crate) first_in_line: Line,
    pub(crate) syncing: Line,
    pub(crate) synced: Signal,
}

/// What a page leaves to the one that the next recovery makes (rule 28).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Legacy {
    pub(crate) salt: u64,
    /// Up to here the log was durable.
    pub(crate) known: u64,
    /// See the page.
    pub(crate) gap: u64,
}

impl Legacy {
    /// Where its words stand in the page: the version, the salt, what is known, and the gap.
    const WORDS: [usize; 5] = [4, 5, 6, 7, 8];

    /// Where the version stands.
    pub(crate) const VERSION_AT: u64 = (Self::WORDS[0] * APART) as u64;

    /// From a page's file, or what is left of one. Another version's page says nothing.
    pub(crate) fn of(page: &[u8]) -> Self {
        let word = |number: usize| {
            let bytes = page.get(number * APART..).and_then(<[u8]>::first_chunk);
            bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
        };
        Self::from_words(Self::WORDS.map(word))
    }

    fn from_words([version, salt, known, again, gap]: [u64; 5]) -> Self {
        // A word that was garbled to more than was durable would make a healthy log look cut.
        if version & !BY_CALLS == VERSION { Self { salt, known: known.min(again), gap } } else { Self::default() }
    }

    fn to_words(self) -> [u64; 5] {
        [VERSION, self.salt, self.known, self.known, self.gap]
    }

    /// A new page's bytes. `way` is 0 or [`BY_CALLS`].
    pub(crate) fn to_bytes(self, way: u64) -> [u8; PAGE] {
        let mut page = [0; PAGE];
        let [version, others @ ..] = self.to_words();
        for (number, word) in Self::WORDS.into_iter().zip([version | way].into_iter().chain(others)) {
            page[number * APART..][..16].copy_from_slice(&twice(word));
        }
        page
    }
}

impl Page {
    /// What it leaves to the next page.
    pub(crate) fn legacy(&self) -> Legacy {
        let Self { version, salt, known: [known, again], gap, .. } = self;
        Legacy::from_words([version, salt, known, again, gap].map(Line::peek))
    }

    /// A page of which `line` makes the words, by their numbers.
    pub(crate) fn of(line: impl Fn(usize) -> Line, synced: Signal) -> Self {
        Self {
            tail: line(0),
            durable: line(1),
            intent: line(2),
            poison: line(POISON),
            version: line(4),
            salt: line(5),
            known: [line(6), line(7)],
            gap: line(8),
            files: line(9),
            wanted: line(10),
            numbers: line(11),
            first_in_line: line(12),
            syncing: line(13),
            synced,
        }
    }

    /// The number of the signal's word.
    pub(crate) const SYNCED: usize = 14;

    /// A new page.
    pub(crate) fn new(before: Legacy) -> Self {
        let [version, salt, known, again, gap] = before.to_words().map(|word| Line::Here(AtomicU64::new(word)));
        Self { version, salt, known: [known, again], gap, ..Self::default() }
    }

    /// The page that the next recovery makes.
    #[cfg(any(test, fuzzing, feature = "simulation"))]
    pub fn successor(&self) -> Self {
        Self::new(self.legacy())
    }

    /// The log is durable up to here.
    pub(crate) fn raise_durable(&self, position: u64) {
        self.durable.raise(position);
        self.known.iter().for_each(|known| known.raise(position));
    }

    /// Recovery is done with what the page before has left: from now on this one tells of the log with this salt.
    pub(crate) fn begin(&self, salt: u64) {
        self.gap.set(0);
        self.known.iter().for_each(|known| known.set(0));
        self.salt.set(salt);
        self.known.iter().for_each(|known| known.set(self.durable.get()));
    }
}

const _: () = assert!((Page::SYNCED + 1) * APART <= PAGE);

#[cfg(test)]
mod tests {
    use super::*;

    const LEGACY: Legacy = Legacy { salt: 0x5eed, known: 0x1_0000_0040, gap: 0 };

    #[test]
    fn a_page_takes_over_what_the_one_before_has_left() {
        assert_eq!(Legacy::of(&LEGACY.to_bytes(0)), LEGACY);
        assert_eq!(Page::new(LEGACY).successor().legacy(), LEGACY);
        let page = Page::new(Legacy { gap: 7, ..LEGACY });
        page.durable.set(90);
        page.begin(6);
        assert_eq!(page.legacy(), Legacy { salt: 6, known: 90, gap: 0 });
        page.raise_durable(100);
        page.raise_durable(99);
        assert_eq!((page.durable.get(), page.legacy().known), (100, 100));
    }

    #[test]
    fn a_page_of_another_version_or_a_part_of_one_or_a_garbled_one_never_says_more_than_was_known() {
        let bytes = LEGACY.to_bytes(0);
        for length in 0..PAGE {
            assert!([Legacy::default(), LEGACY, Legacy { known: 0, ..LEGACY }].contains(&Legacy::of(&bytes[..length])));
        }
        for bit in 0..512 * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            let left = Legacy::of(&bytes);
            assert!(left.salt != LEGACY.salt || left.known <= LEGACY.known, "bit {bit}");
        }
        let mut older = bytes;
        older[4 * 64] = 3;
        assert_eq!(Legacy::of(&older), Legacy::default());
    }
}
