//! The line of processes that have waited long for the writer lock. It decides which of them tries for the lock, and never
//! which holds it: that is the lock's part.
//!
//! A lock that is only tried goes to any process that comes by at the right moment. That is fast, for no process has to be
//! woken to take it, and it is not fair: one may come at the wrong moment for seconds. So a process that was refused often draws
//! a number. The lowest number stands in the shared page, and the other processes let its process go first.
//!
//! That process may have died, or be stopped. So the others do not wait for it for long, and clear the page's word then. A
//! process whose number was cleared puts it there again.

use std::time::{Duration, Instant};

use crate::store::file::disk::page::Page;
use crate::store::file::threads::wait::FIRST_PAUSE;

/// For how long a process lets the same other one go first.
const PATIENCE: Duration = Duration::from_millis(10);

/// The longest pause of a process in line, in shares of the first's.
const LONGEST: u64 = 100;

/// This process's place in the line.
pub(crate) struct WaitingLine {
    /// A process gets in line after so many refusals.
    patience: u32,
    /// How often this process was refused since it last had the lock or last had nothing to write.
    refusals: u32,
    /// Its number; 0 without one.
    number: u64,
    /// The number in front of it that it has seen last, and when it saw that first.
    ahead: Option<(u64, Instant)>,
}

impl WaitingLine {
    pub(crate) fn new(patience: u32) -> Self {
        Self { patience, refusals: 0, number: 0, ahead: None }
    }

    /// Whether another process goes first, so that this one does not try for the lock.
    pub(crate) fn is_behind_another(&mut self, page: &Page, clock: impl FnOnce() -> Instant) -> bool {
        let first = page.first_in_line.get();
        if first == 0 || (1..=first).contains(&self.number) {
            return false;
        }
        let now = clock();
        let ahead = self.ahead.filter(|(ahead, _)| *ahead == first).unwrap_or((first, now));
        self.ahead = Some(ahead);
        if now - ahead.1 < PATIENCE {
            return true;
        }
        let _ = page.first_in_line.replace(first, self.number);
        false
    }

    /// Whether an attempt has failed since this process last had the lock or last had nothing to write.
    pub(crate) fn was_refused(&self) -> bool {
        self.refusals > 0
    }

    /// Counts an attempt that has failed. For a process in line, says how long to rest before the next: the first tries often,
    /// and the others the less, the further behind they are.
    pub(crate) fn refuse(&mut self, page: &Page) -> Option<Duration> {
        self.refusals = self.refusals.saturating_add(1);
        if self.refusals < self.patience {
            return None;
        }
        if self.number == 0 {
            self.number = page.numbers.draw();
        }
        page.first_in_line.lower(self.number);
        let before = self.number.saturating_sub(page.first_in_line.get());
        Some(FIRST_PAUSE * (1 + before).min(LONGEST) as u32)
    }

    /// This process has the lock, or does not want it any more.
    pub(crate) fn leave(&mut self, page: &Page) {
        self.refusals = 0;
        let number = std::mem::take(&mut self.number);
        if number != 0 {
            let _ = page.first_in_line.replace(number, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of so many processes that get in line at once, all of which have done so, the first first.
    fn in_line(processes: usize) -> (Vec<WaitingLine>, Page) {
        let page = Page::default();
        let mut lines: Vec<_> = (0..processes).map(|_| WaitingLine::new(1)).collect();
        for line in &mut lines {
            line.refuse(&page);
        }
        (lines, page)
    }

    #[test]
    fn the_process_that_has_waited_longest_goes_first_and_the_others_follow_in_their_order() {
        let (mut lines, page) = in_line(5);
        let now = Instant::now();
        for first in 0..5 {
            // Whoever comes first takes the place, and the first takes it back.
            for line in lines[first..].iter_mut().rev() {
                line.refuse(&page);
            }
            assert_eq!(lines[first].refuse(&page), Some(FIRST_PAUSE));
            for (behind, line) in (1..).zip(&mut lines[first + 1..]) {
                assert_eq!(line.refuse(&page), Some(FIRST_PAUSE * (1 + behind)));
                assert!(line.is_behind_another(&page, || now));
            }
            assert!(WaitingLine::new(1).is_behind_another(&page, || now), "one that has just come");
            assert!(!lines[first].is_behind_another(&page, || now));
            lines[first].leave(&page);
        }
        assert_eq!(page.first_in_line.get(), 0);
    }

    #[test]
    fn a_process_that_does_not_come_is_passed_over_and_takes_its_place_again_when_it_does() {
        let (mut lines, page) = in_line(1);
        let begun = Instant::now();
        let [mut one, mut other] = [(); 2].map(|()| WaitingLine::new(1));
        let passed = |after: Duration| move || begun + after;
        assert!(one.is_behind_another(&page, passed(Duration::ZERO)));
        assert!(one.is_behind_another(&page, passed(PATIENCE - Duration::from_nanos(1))));
        // This one has only just seen it, and lets it go first for as long.
        assert!(other.is_behind_another(&page, passed(PATIENCE)));
        assert!(!one.is_behind_another(&page, passed(PATIENCE)));
        assert!(!other.is_behind_another(&page, passed(PATIENCE)), "passed over by all");
        let late = PATIENCE * 3;
        lines[0].refuse(&page);
        assert!(other.is_behind_another(&page, passed(PATIENCE)), "for the rest of the time");
        assert!(!other.is_behind_another(&page, passed(late)));
    }

    #[test]
    fn a_process_gets_in_line_after_so_many_refusals_in_a_row() {
        let (mut line, page) = (WaitingLine::new(3), Page::default());
        for _ in 0..2 {
            assert_eq!((line.refuse(&page), line.refuse(&page)), (None, None));
            assert_eq!(page.first_in_line.get(), 0);
            line.leave(&page);
        }
        assert_eq!((line.refuse(&page), line.refuse(&page)), (None, None));
        assert_eq!(line.refuse(&page), Some(FIRST_PAUSE));
        line.leave(&page);
        assert_eq!((line.refuse(&page), page.first_in_line.get()), (None, 0));
    }
}
