//! Whose turn it is to write: the lock between processes, kept from one write to the next while it pays.
//!
//! To take the lock and to give it up are two calls of the system, a third of what a small save takes. A process that writes
//! all the time keeps it, until another wants it: whoever finds it taken says so in the shared page, and who has it looks
//! there after each write. As long as it is kept the store's thread looks every millisecond whether it is still used, so
//! nobody waits longer than that for a process that has nothing to write; and now and then it is not kept for a
//! millisecond, for those who cannot say that they want it.

use std::io;
use std::time::Duration;

use crate::store::file::disk::DiskLock;
use crate::store::file::disk::page::Page;
use crate::store::file::settings::Sizes;

/// How often the store's thread looks while there is something to see.
pub(crate) const LOOK: Duration = Duration::from_millis(1);

/// For so many looks it is not kept after another process has wanted it: the two take turns then, as equals.
const SHARED: u32 = 20;

/// Of so many looks, one does without.
const BREATH: u32 = 16;

/// See the module.
pub(crate) struct KeptLock {
    lock: Box<dyn DiskLock>,
    sizes: Sizes,
    is_taken: bool,
    /// Whether it is kept after a write.
    keeps: bool,
    /// How often a turn began since the last look.
    turns: u32,
    /// Whether the store's thread looks every millisecond; and whether it was asked to.
    is_watched: bool,
    is_asked: bool,
    looks: u32,
    /// For how many more looks it is shared.
    shared: u32,
}

impl KeptLock {
    pub(crate) fn new(lock: Box<dyn DiskLock>, sizes: Sizes) -> Self {
        Self {
            lock,
            sizes,
            is_taken: false,
            keeps: false,
            turns: 0,
            is_watched: false,
            is_asked: false,
            looks: 0,
            shared: 0,
        }
    }

    /// Begins a turn, if that is possible without waiting.
    pub(crate) fn try_begin(&mut self, page: &Page) -> io::Result<bool> {
        if !self.is_taken {
            self.is_taken = self.lock.try_exclusive()?;
            if !self.is_taken {
                page.wanted.set(1);
                return Ok(false);
            }
        }
        self.turns = self.turns.saturating_add(1);
        Ok(true)
    }

    /// Ends it. The lock is kept, or given up.
    pub(crate) fn end(&mut self, page: &Page) {
        let is_wanted = page.wanted.get() != 0;
        if is_wanted {
            page.wanted.set(0);
            self.shared = SHARED;
            self.keeps = false;
        }
        if !self.keeps {
            self.unlock();
        }
    }

    /// Gives up the lock, and keeps it no more.
    pub(crate) fn give_up(&mut self) {
        self.keeps = false;
        self.unlock();
    }

    /// Whether the store's thread should look, and does not know it.
    pub(crate) fn asks_for_a_look(&mut self) -> bool {
        self.turns >= self.sizes.busy && !self.is_watched && !std::mem::replace(&mut self.is_asked, true)
    }

    /// Decides whether the lock is kept from now on. Says whether to look again soon.
    pub(crate) fn look(&mut self, page: &Page) -> bool {
        let turns = std::mem::take(&mut self.turns);
        self.is_asked = false;
        self.looks = self.looks.wrapping_add(1);
        self.shared = self.shared.saturating_sub(1);
        let Sizes { busy, worth_keeping, .. } = self.sizes;
        let is_worth_it = turns >= if self.is_watched { worth_keeping } else { busy };
        // The first look after a while says nothing of how much time those turns took.
        self.keeps = is_worth_it && self.is_watched && self.shared == 0 && !self.looks.is_multiple_of(BREATH);
        self.is_watched = is_worth_it;
        if !self.keeps || page.wanted.get() != 0 {
            self.unlock();
        }
        self.is_watched
    }

    fn unlock(&mut self) {
        if std::mem::take(&mut self.is_taken) {
            // An error here means that there is no lock any more, which is what was wanted.
            let _ = self.lock.unlock();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::file::disk::Disk;
    use crate::store::file::disk::memory::MemoryDisk;

    const BUSY: u32 = Sizes::REAL.busy;
    const WORTH_KEEPING: u32 = Sizes::REAL.worth_keeping;

    fn two() -> (KeptLock, KeptLock, Page) {
        let disk = MemoryDisk::default();
        let turn = || KeptLock::new(Disk::lock(&disk, "writer.lock").unwrap(), Sizes::REAL);
        (turn(), turn(), Page::default())
    }

    fn write(turn: &mut KeptLock, page: &Page, times: u32) {
        for _ in 0..times {
            assert!(turn.try_begin(page).unwrap());
            turn.end(page);
        }
    }

    /// Looked at until it is kept.
    fn keep(turn: &mut KeptLock, page: &Page) {
        write(turn, page, BUSY);
        for _ in 0..2 * SHARED {
            assert!(turn.look(page));
            write(turn, page, WORTH_KEEPING);
            if turn.is_taken {
                return;
            }
        }
        panic!("a process that writes all the time keeps the lock");
    }

    #[test]
    fn who_writes_now_and_then_gives_the_lock_up_each_time() {
        let (mut one, mut other, page) = two();
        write(&mut one, &page, BUSY - 1);
        assert!(!one.asks_for_a_look() && !one.look(&page));
        write(&mut other, &page, 1);
        // Many, but in how much time nobody knows.
        write(&mut one, &page, BUSY + 1);
        assert!(one.asks_for_a_look() && !one.asks_for_a_look());
        assert!(one.look(&page));
        write(&mut one, &page, WORTH_KEEPING - 1);
        write(&mut other, &page, 1);
        assert!(!one.look(&page), "too few in a millisecond");
    }

    #[test]
    fn who_writes_all_the_time_keeps_it_until_another_wants_it() {
        let (mut one, mut other, page) = two();
        keep(&mut one, &page);
        assert!(!other.try_begin(&page).unwrap());
        write(&mut one, &page, 1);
        write(&mut other, &page, 1);
        // From then on they take turns.
        for _ in 1..SHARED {
            write(&mut one, &page, WORTH_KEEPING);
            write(&mut other, &page, 1);
            one.look(&page);
        }
        keep(&mut one, &page);
    }

    #[test]
    fn who_stops_writing_gives_it_up_at_the_next_look_or_when_told() {
        let (mut one, mut other, page) = two();
        keep(&mut one, &page);
        one.look(&page);
        assert!(!one.look(&page));
        write(&mut other, &page, 1);
        keep(&mut one, &page);
        one.give_up();
        write(&mut other, &page, 1);
        keep(&mut one, &page);
        assert!(!other.try_begin(&page).unwrap());
        one.look(&page);
        write(&mut other, &page, 1);
    }

    #[test]
    fn who_cannot_say_that_they_want_it_find_it_free_now_and_then() {
        let (mut one, mut other, page) = two();
        keep(&mut one, &page);
        let mut free = 0;
        for _ in 0..10 * BREATH {
            write(&mut one, &page, WORTH_KEEPING);
            free += u32::from(other.try_begin(&Page::default()).unwrap());
            other.give_up();
            one.look(&page);
        }
        assert_eq!(free, 10);
    }
}
