//! The shared page, read and written by calls: where a mapped page may kill the process (rule 17).
//!
//! Each word stands there twice, the second time with all bits turned. So a read that meets a write half-way sees that, and
//! reads again: the system promises nothing about reads beside a write. A word that several processes change is changed with
//! the file's lock held. There is nothing that a process could wait for but time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::store::file::threads::wait::{self, LOCK_WAIT};
use crate::store::file::threads::{self, Mutex};

/// How many bytes are between one word of the page and the next: a cache line.
pub(crate) const APART: usize = 64;

/// The number of the word that is the poison.
pub(crate) const POISON: usize = 3;

/// The poison after a failed sync, or when the page could not be written or read.
pub(crate) const SYNC_FAILED: u64 = 1;

/// The poison after files were lost that processes have open (rule 22).
pub(crate) const FILES_LOST: u64 = 2;

/// How often a word is read that is being written. A write takes less than a microsecond.
const ATTEMPTS: u32 = 1000;

/// How many failures of the disk a word outlasts (rule 23).
const FAILURES: u32 = 4;

/// For how long a write is tried that a full disk refuses.
const PATIENCE: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug)]
pub(crate) struct PageFile {
    file: File,
    /// Threads of this process share the lock of the file.
    changing: Mutex<()>,
    /// The poison that this process reads when a call has failed, for then it knows nothing of the page any more; 0 before.
    broken: AtomicU64,
}

/// A word's bytes in the file.
pub(crate) fn twice(word: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&word.to_ne_bytes());
    bytes[8..].copy_from_slice(&(!word).to_ne_bytes());
    bytes
}

/// A word of these bytes, if no write has met the read of them. Zeros are a word that was never written.
fn once(bytes: [u8; 16]) -> Option<u64> {
    let word = u64::from_ne_bytes(*bytes.first_chunk()?);
    (bytes == twice(word) || bytes == [0; 16]).then_some(word)
}

/// The word that these reads find; the poison, if they find none.
fn word(mut read: impl FnMut(&mut [u8; 16]) -> io::Result<()>) -> Result<u64, u64> {
    let mut failed = 0;
    for _ in 0..ATTEMPTS {
        let mut bytes = [0; 16];
        match read(&mut bytes).map_err(|error| error.kind()) {
            Ok(()) => match once(bytes) {
                Some(word) => return Ok(word),
                None => threads::yield_now(),
            },
            Err(io::ErrorKind::Interrupted) => {}
            // The file was cut.
            Err(io::ErrorKind::UnexpectedEof) => return Err(FILES_LOST),
            // It is there, and the disk does not give it: often that is over at once.
            Err(_) if failed < FAILURES => failed += 1,
            Err(_) => return Err(SYNC_FAILED),
        }
    }
    Err(FILES_LOST)
}

impl PageFile {
    /// Of a file that was opened for this alone, for its lock belongs to the open file.
    pub(crate) fn of(file: File) -> Self {
        Self { file, changing: Mutex::default(), broken: AtomicU64::default() }
    }

    /// The word with this number; 0 if it cannot be read.
    pub(crate) fn read(&self, number: usize) -> u64 {
        let broken = self.broken.load(Ordering::Acquire);
        if broken != 0 {
            return if number == POISON { broken } else { 0 };
        }
        match word(|bytes| self.file.read_exact_at(bytes, (number * APART) as u64)) {
            Ok(word) => word,
            Err(poison) => {
                self.breaks(poison);
                self.read(number)
            }
        }
    }

    pub(crate) fn write(&self, number: usize, word: u64) {
        let (begun, bytes) = (wait::now(), twice(word));
        while let Err(error) = self.file.write_all_at(&bytes, (number * APART) as u64) {
            if error.kind() != io::ErrorKind::StorageFull || wait::now() - begun > PATIENCE {
                return self.breaks(SYNC_FAILED);
            }
            wait::sleep(wait::FIRST_PAUSE);
        }
    }

    /// Replaces the word by what `new` makes of it, if anything; no other process changes it meanwhile. Says what it was: as an
    /// error, if it stays.
    pub(crate) fn change(&self, number: usize, new: impl Fn(u64) -> Option<u64>) -> Result<u64, u64> {
        // Most of these words need no change.
        let now = self.read(number);
        if new(now).is_none() {
            return Err(now);
        }
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        // Whatever a failed attempt says, the next one may succeed.
        let lock = || Ok(flock(&self.file, FlockOperation::NonBlockingLockExclusive).is_ok());
        if !wait::until(LOCK_WAIT, lock).unwrap_or(false) {
            self.breaks(SYNC_FAILED);
            return Err(now);
        }
        let now = self.read(number);
        let changed = new(now);
        if let Some(word) = changed {
            self.write(number, word);
        }
        // An error means that this process does not hold the lock any more.
        let _ = flock(&self.file, FlockOperation::Unlock);
        changed.map_or(Err(now), |_| Ok(now))
    }

    fn breaks(&self, poison: u64) {
        self.broken.store(poison, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::file::disk::line::Line;
    use crate::store::file::disk::page::{Legacy, PAGE};

    fn file() -> (tempfile::NamedTempFile, impl Fn() -> PageFile) {
        let named = tempfile::NamedTempFile::new().unwrap();
        named.as_file().write_all_at(&Legacy::default().to_bytes(0), 0).unwrap();
        let path = named.path().to_owned();
        (named, move || PageFile::of(File::options().read(true).write(true).open(&path).unwrap()))
    }

    #[test]
    fn a_word_that_is_half_written_is_no_word() {
        for (before, after) in [(0x0000_ffff, 0x0001_0000), (0, u64::MAX), (5, 6), (1 << 63, 1)] {
            for meets in 1..16 {
                let mut bytes = twice(before);
                bytes[..meets].copy_from_slice(&twice(after)[..meets]);
                let from_behind = [&twice(before)[..meets], &twice(after)[meets..]].concat().try_into().unwrap();
                for bytes in [bytes, from_behind] {
                    assert!(once(bytes).is_none_or(|word| word == before || word == after));
                }
            }
        }
        assert_eq!((once([0; 16]), once(twice(0)), once(twice(7))), (Some(0), Some(0), Some(7)));
    }

    #[test]
    fn a_word_that_the_disk_does_not_give_is_read_again_and_is_no_file_that_was_lost() {
        let eio = || io::Error::from_raw_os_error(5);
        for (failures, expected) in [(0, Ok(7)), (1, Ok(7)), (4, Ok(7)), (5, Err(SYNC_FAILED)), (50, Err(SYNC_FAILED))]
        {
            let mut reads = 0;
            let read = word(|bytes| {
                reads += 1;
                *bytes = twice(7);
                if reads <= failures { Err(eio()) } else { Ok(()) }
            });
            assert_eq!((read, reads), (expected, 1 + failures.min(4)));
        }
        assert_eq!(word(|_| Err(io::ErrorKind::UnexpectedEof.into())), Err(FILES_LOST), "it was cut");
        let never_whole = |bytes: &mut [u8; 16]| {
            bytes.fill(1);
            Ok(())
        };
        assert_eq!(word(never_whole), Err(FILES_LOST), "no writer is so slow");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_page_that_cannot_be_read_poisons_this_process_alone() {
        // What stands nowhere in memory gives EIO.
        let page = Arc::new(PageFile::of(File::open("/proc/self/mem").unwrap()));
        assert_eq!(page.file.read_at(&mut [0; 16], 0).unwrap_err().raw_os_error(), Some(5));
        let (tail, poison) = (Line::ByCalls(page.clone(), 0), Line::ByCalls(page, POISON));
        assert_eq!((poison.get(), tail.get(), poison.get()), (SYNC_FAILED, 0, SYNC_FAILED));
    }

    #[test]
    fn what_handles_and_threads_change_at_once_is_changed_by_each() {
        const TIMES: u64 = 200;
        let (_named, open) = file();
        let pages = [open(), open()].map(Arc::new);
        let mut drawn: Vec<u64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    let (counter, highest) =
                        (Line::ByCalls(pages[thread % 2].clone(), 11), Line::ByCalls(pages[thread % 2].clone(), 1));
                    scope.spawn(move || {
                        let drawn: Vec<u64> = (0..TIMES).map(|_| counter.draw()).collect();
                        drawn.iter().for_each(|number| highest.raise(*number));
                        drawn
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        drawn.sort_unstable();
        assert_eq!(drawn, (1..=4 * TIMES).collect::<Vec<_>>(), "each number once");
        let highest = Line::ByCalls(pages[0].clone(), 1);
        assert_eq!(highest.get(), 4 * TIMES);
        highest.lower(9);
        highest.lower(10);
        assert_eq!((highest.replace(8, 7), highest.replace(9, 7), highest.get()), (Err(9), Ok(()), 7));
    }

    #[test]
    fn a_page_that_was_cut_is_poison_and_no_signal() {
        let (named, open) = file();
        let page = Arc::new(open());
        let (tail, poison) = (Line::ByCalls(page.clone(), 0), Line::ByCalls(page.clone(), POISON));
        tail.set(77);
        assert_eq!((tail.get(), poison.get()), (77, 0));
        named.as_file().set_len(0).unwrap();
        assert_eq!((tail.get(), poison.get()), (0, FILES_LOST));
        named.as_file().set_len(PAGE as u64).unwrap();
        assert_eq!((tail.get(), poison.get()), (0, FILES_LOST), "it stays so");
    }
}
