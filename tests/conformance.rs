//! Every store keeps every promise.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use cloakroom::conformance::{Outcome, Suite, Work};
use cloakroom::{AnyStore, MemoryStore};

/// An executor that polls until the future is done.
fn spin(work: Work<'_>) {
    let mut work = pin!(work);
    while work.as_mut().poll(&mut Context::from_waker(Waker::noop())) == Poll::Pending {
        std::thread::yield_now();
    }
}

#[test]
fn memory_store_keeps_every_promise() {
    let report = Suite::new(async |limits| MemoryStore::with_limits(limits)).run();
    report.assert();
    let skipped = report.promises().filter(|(_, outcome)| matches!(outcome, Outcome::Skipped(_))).count();
    assert_eq!(skipped, 6, "five on what survives the process, one on damage:\n{report}");
}

#[test]
fn a_store_behind_an_arc_keeps_every_promise() {
    Suite::new(async |limits| Arc::new(MemoryStore::with_limits(limits))).run().assert();
}

#[test]
fn a_store_chosen_at_run_time_keeps_every_promise() {
    Suite::new(async |limits| AnyStore::memory(MemoryStore::with_limits(limits))).run_with(spin).assert();
    Suite::new(async |limits| AnyStore::other(MemoryStore::with_limits(limits))).run_with(spin).assert();
}

#[test]
fn a_store_that_panics_breaks_promises_and_not_the_suite() {
    let report = Suite::new(async |_| -> MemoryStore { panic!("as the test wants it") }).run();
    assert!(!report.is_kept());
    assert!(
        report.promises().all(|(_, outcome)| matches!(outcome, Outcome::Broken(why) if why.contains("as the test")))
    );
}
