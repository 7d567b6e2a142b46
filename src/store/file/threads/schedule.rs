//! Whose turn it is, in a simulation: a thread's looks at the shared page, its time and its pauses are a scheduler's.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Who decides what happens when, on the thread that installed it.
pub trait Scheduler {
    /// Called before each look at the shared page; a disk of the campaign's may call it as well. Others may run meanwhile.
    fn step(&self);
    /// The time, from any beginning.
    fn now(&self) -> Duration;
    /// Lets time go by.
    fn sleep(&self, pause: Duration);
}

thread_local! {
    static SCHEDULER: RefCell<Option<Rc<dyn Scheduler>>> = const { RefCell::new(None) };
}

/// From now on this thread's steps and its time are the scheduler's; `None` gives them back.
pub fn schedule(scheduler: Option<Rc<dyn Scheduler>>) {
    SCHEDULER.with(|current| *current.borrow_mut() = scheduler);
}

fn scheduler() -> Option<Rc<dyn Scheduler>> {
    // A handle of its own: nothing is borrowed while others run.
    SCHEDULER.with(|current| current.borrow().clone())
}

pub(crate) fn step() {
    if let Some(scheduler) = scheduler() {
        scheduler.step();
    }
}

pub(crate) fn now() -> Option<Instant> {
    thread_local! {
        static BEGINNING: Instant = Instant::now();
    }
    scheduler().map(|scheduler| BEGINNING.with(|beginning| *beginning) + scheduler.now())
}

/// Whether somebody saw to it.
pub(crate) fn sleep(pause: Duration) -> bool {
    scheduler().map(|scheduler| scheduler.sleep(pause)).is_some()
}
