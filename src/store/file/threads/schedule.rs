//! Hooks for simulations: a scheduler decides about a thread's accesses to the shared page, its clock and its pauses.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Decides what happens when, on the thread that installed it.
pub trait Scheduler {
    /// Called before each access to the shared page; a simulated disk may call it, too. Other processes may run meanwhile.
    fn step(&self);
    /// The time since any fixed moment.
    fn now(&self) -> Duration;
    /// Lets this much time pass.
    fn sleep(&self, pause: Duration);
}

thread_local! {
    static SCHEDULER: RefCell<Option<Rc<dyn Scheduler>>> = const { RefCell::new(None) };
}

/// Installs a scheduler for this thread's steps, clock and pauses; `None` removes it.
pub fn schedule(scheduler: Option<Rc<dyn Scheduler>>) {
    SCHEDULER.with(|current| *current.borrow_mut() = scheduler);
}

fn scheduler() -> Option<Rc<dyn Scheduler>> {
    // A clone, so that the cell is not borrowed while other processes run.
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

/// Returns whether there is a scheduler, which has then paused.
pub(crate) fn sleep(pause: Duration) -> bool {
    scheduler().map(|scheduler| scheduler.sleep(pause)).is_some()
}
