//! The writer lock, kept between writes while that pays: a lease. It never decides what is written.
//!
//! Taking the lock and giving it up are two system calls, a third of what a small save takes. So a process that writes all
//! the time keeps the lock until another process wants it. A process that finds the lock taken says so in the shared page,
//! and the process that keeps it looks there after each write. While the lock is kept, the store's thread checks every
//! millisecond that it is still used. So no process waits longer than that for one that has nothing to write. Now and then
//! the lock is not kept for a millisecond, for read-only processes, which cannot write the page.

use std::io;
use std::time::{Duration, Instant};

use crate::store::file::disk::DiskLock;
use crate::store::file::disk::page::Page;
use crate::store::file::settings::Sizes;
use crate::store::file::threads::wait;
use crate::store::file::writer::waiting_line::WaitingLine;

/// How often the store's thread looks at the lock while this process writes much.
pub(crate) const LOOK: Duration = Duration::from_millis(1);

/// For how many looks the lock is not kept after another process has wanted it. The two take turns as equals meanwhile.
const SHARED: u32 = 20;

/// At one of this many looks, the lock is not kept until the next look, for processes that cannot say that they want it.
const BREATH: u32 = 16;

/// The writer lock, and the decision whether to keep it.
pub(crate) struct KeptLock {
    lock: Box<dyn DiskLock>,
    pub(crate) line: WaitingLine,
    sizes: Sizes,
    is_taken: bool,
    /// Whether the lock is kept when a turn ends.
    keeps: bool,
    /// How many turns began since the last look.
    turns: u32,
    /// Whether the store's thread looks every millisecond.
    is_watched: bool,
    /// Whether the thread was asked for a look, and has not looked yet.
    is_asked: bool,
    looks: u32,
    /// For how many more looks the lock is not kept.
    shared: u32,
}

impl KeptLock {
    pub(crate) fn new(lock: Box<dyn DiskLock>, sizes: Sizes) -> Self {
        Self {
            lock,
            line: WaitingLine::new(sizes.patience),
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

    /// Begins a turn, if no other process has the lock or goes first. If one has it, the shared page tells it that the lock is
    /// wanted.
    pub(crate) fn try_begin(&mut self, page: &Page) -> io::Result<bool> {
        self.try_begin_at(page, wait::now)
    }

    fn try_begin_at(&mut self, page: &Page, clock: impl FnOnce() -> Instant) -> io::Result<bool> {
        if !self.is_taken {
            if self.line.is_behind_another(page, clock) {
                return Ok(false);
            }
            self.is_taken = self.lock.try_exclusive()?;
            if !self.is_taken {
                page.wanted.set(1);
                return Ok(false);
            }
            self.line.leave(page);
        }
        self.turns = self.turns.saturating_add(1);
        Ok(true)
    }

    /// Ends a turn: the lock is kept or given up.
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

    /// Gives up the lock. It is not kept again before the thread's looks say so.
    pub(crate) fn give_up(&mut self) {
        self.keeps = false;
        self.unlock();
    }

    /// Whether the store's thread has to be woken for a look. True once, until it has looked.
    pub(crate) fn asks_for_a_look(&mut self) -> bool {
        self.turns >= self.sizes.busy && !self.is_watched && !std::mem::replace(&mut self.is_asked, true)
    }

    /// Decides whether the lock is kept from now on. Says whether to look again in a millisecond.
    pub(crate) fn look(&mut self, page: &Page) -> bool {
        let turns = std::mem::take(&mut self.turns);
        self.is_asked = false;
        self.looks = self.looks.wrapping_add(1);
        self.shared = self.shared.saturating_sub(1);
        let Sizes { busy, worth_keeping, .. } = self.sizes;
        let is_worth_it = turns >= if self.is_watched { worth_keeping } else { busy };
        // Before the first look of a busy time, it is not known in how much time those turns were taken.
        self.keeps = is_worth_it && self.is_watched && self.shared == 0 && !self.looks.is_multiple_of(BREATH);
        self.is_watched = is_worth_it;
        if !self.keeps || page.wanted.get() != 0 {
            self.unlock();
        }
        self.is_watched
    }

    fn unlock(&mut self) {
        if std::mem::take(&mut self.is_taken) {
            // An error means that this process does not hold the lock any more, which is the purpose.
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
        let lock = || KeptLock::new(Disk::lock(&disk, "writer.lock").unwrap(), Sizes::REAL);
        (lock(), lock(), Page::default())
    }

    fn write(lock: &mut KeptLock, page: &Page, times: u32) {
        for _ in 0..times {
            assert!(lock.try_begin(page).unwrap());
            lock.end(page);
        }
    }

    /// Writes and looks until the lock is kept.
    fn keep(lock: &mut KeptLock, page: &Page) {
        write(lock, page, BUSY);
        for _ in 0..2 * SHARED {
            assert!(lock.look(page));
            write(lock, page, WORTH_KEEPING);
            if lock.is_taken {
                return;
            }
        }
        panic!("a process that writes all the time keeps the lock");
    }

    #[test]
    fn a_process_that_writes_now_and_then_gives_the_lock_up_each_time() {
        let (mut one, mut other, page) = two();
        write(&mut one, &page, BUSY - 1);
        assert!(!one.asks_for_a_look() && !one.look(&page));
        write(&mut other, &page, 1);
        // These are many turns, but it is not known in how much time.
        write(&mut one, &page, BUSY + 1);
        assert!(one.asks_for_a_look() && !one.asks_for_a_look());
        assert!(one.look(&page));
        write(&mut one, &page, WORTH_KEEPING - 1);
        write(&mut other, &page, 1);
        assert!(!one.look(&page), "too few in a millisecond");
    }

    #[test]
    fn a_process_that_writes_all_the_time_keeps_the_lock_until_another_wants_it() {
        let (mut one, mut other, page) = two();
        keep(&mut one, &page);
        assert!(!other.try_begin(&page).unwrap());
        write(&mut one, &page, 1);
        write(&mut other, &page, 1);
        // From now on the two take turns.
        for _ in 1..SHARED {
            write(&mut one, &page, WORTH_KEEPING);
            write(&mut other, &page, 1);
            one.look(&page);
        }
        keep(&mut one, &page);
    }

    #[test]
    fn a_process_that_stops_writing_gives_the_lock_up_at_the_next_look_or_when_told() {
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

    /// Two processes write by turns, and others come only while one of these two writes.
    #[test]
    fn a_process_that_always_comes_at_the_wrong_moment_gets_its_turn() {
        const PATIENCE: u32 = 3;
        for late in 1..=5 {
            let (disk, page, now) = (MemoryDisk::default(), Page::default(), Instant::now());
            let sizes = Sizes { patience: PATIENCE, ..Sizes::REAL };
            let lock = || KeptLock::new(Disk::lock(&disk, "writer.lock").unwrap(), sizes);
            let mut busy = [lock(), lock()];
            let mut waiting: Vec<KeptLock> = (0..late).map(|_| lock()).collect();
            let mut turns = 0;
            while !waiting.is_empty() {
                let writes = busy[turns % 2].try_begin_at(&page, || now).unwrap();
                waiting.retain_mut(|lock| {
                    let begins = lock.try_begin_at(&page, || now).unwrap();
                    if begins {
                        assert!(!writes, "two write at once");
                        lock.end(&page);
                    } else {
                        lock.line.refuse(&page);
                    }
                    !begins
                });
                if writes {
                    busy[turns % 2].end(&page);
                }
                turns += 1;
                assert!(turns <= PATIENCE as usize + late, "{} of {late} wait after {turns} turns", waiting.len());
            }
        }
    }

    #[test]
    fn processes_that_cannot_say_that_they_want_the_lock_find_it_free_now_and_then() {
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
