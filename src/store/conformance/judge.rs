//! One promise judged: on a thread of its own, so that a store that never answers ends no more than its check.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::bench::{Bench, Checked, Promise, Trouble, wait};
use super::hooks::{Executor, Hooks};
use super::report::Verdict;
use super::waiting::Waiting;
use crate::store::Store;

/// Checks a promise, and then tears down, whatever the verdict is. Each has this long.
pub(super) fn judge<S: Store>(
    promise: Promise<S>,
    hooks: &Hooks<S>,
    block_on: &Executor,
    time_limit: Duration,
) -> Verdict {
    let (theirs, executor) = (hooks.clone(), block_on.clone());
    let verdict = within(time_limit, move |waiting| {
        let bench = Bench { hooks: &theirs, block_on: &*executor, waiting };
        verdict_of(|| (promise.check)(&bench))
    });
    let Some(tear_down) = hooks.tear_down.clone() else { return verdict };
    let executor = block_on.clone();
    let torn_down = within(time_limit, move |waiting| {
        verdict_of(|| {
            wait(&*executor, waiting, "tear_down", tear_down());
            Ok(())
        })
    });
    // A promise that is not kept says more than a tear-down that fails, perhaps because of it.
    match (verdict, torn_down) {
        (Verdict::Kept | Verdict::Skipped(_), Verdict::Broken(why)) => {
            Verdict::Broken(format!("the tear-down after it {why}"))
        }
        (Verdict::Kept | Verdict::Skipped(_), late @ Verdict::TimedOut { .. }) => late,
        (verdict, _) => verdict,
    }
}

/// Does the work on another thread, and leaves it to itself if it takes longer than the limit.
fn within(limit: Duration, work: impl FnOnce(&Waiting) -> Verdict + Send + 'static) -> Verdict {
    let waiting = Arc::new(Waiting::default());
    let (sender, receiver) = mpsc::channel();
    let its = Arc::clone(&waiting);
    let thread = thread::spawn(move || {
        let _ = sender.send(work(&its));
    });
    match receiver.recv_timeout(limit) {
        Ok(verdict) => {
            let _ = thread.join();
            verdict
        }
        Err(_) => Verdict::TimedOut { after: limit, waiting_for: waiting.names() },
    }
}

/// A store that panics breaks the current promise and not the suite.
fn verdict_of(check: impl FnOnce() -> Checked) -> Verdict {
    match catch_unwind(AssertUnwindSafe(check)) {
        Ok(Ok(())) => Verdict::Kept,
        Ok(Err(Trouble::Broken(why))) => Verdict::Broken(why),
        Ok(Err(Trouble::Unreached(why))) => Verdict::Unreached(why),
        Ok(Err(Trouble::Skipped(why))) => Verdict::Skipped(why),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
            Verdict::Broken(format!("panicked: {text}"))
        }
    }
}
