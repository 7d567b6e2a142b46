//! Every store keeps every promise.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cloakroom::conformance::{Suite, Verdict, Work};
use cloakroom::{AnyStore, Durability, DynStore, FileStore, MemoryStore, SessionKey};

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
    let skipped = report.promises().filter(|(_, verdict)| matches!(verdict, Verdict::Skipped(_))).count();
    assert_eq!(skipped, 8, "six on what survives the process, two on damage:\n{report}");
}

#[test]
fn a_store_behind_an_arc_keeps_every_promise() {
    Suite::new(async |limits| Arc::new(MemoryStore::with_limits(limits))).run().assert();
}

#[test]
fn a_store_chosen_at_run_time_keeps_every_promise() {
    Suite::new(async |limits| AnyStore::memory(MemoryStore::with_limits(limits))).run_with(spin).assert();
    Suite::new(async |limits| AnyStore::other(DynStore::new(MemoryStore::with_limits(limits)))).run_with(spin).assert();
}

#[test]
fn a_store_that_panics_breaks_promises_and_not_the_suite() {
    let report = Suite::new(async |_| -> MemoryStore { panic!("as the test wants it") }).run();
    assert!(!report.is_kept());
    assert!(
        report.promises().all(|(_, verdict)| matches!(verdict, Verdict::Broken(why) if why.contains("as the test")))
    );
}

#[test]
fn each_promise_is_checked_as_often_as_asked_and_torn_down_each_time_also_after_a_failure() {
    for panics in [false, true] {
        let (opened, torn_down) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, count_down) = (opened.clone(), torn_down.clone());
        let open = move |limits| {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                assert!(!panics, "as the test wants it");
                MemoryStore::with_limits(limits)
            }
        };
        let tear_down = move || {
            count_down.fetch_add(1, Ordering::SeqCst);
            async {}
        };
        let report = Suite::new(open).tear_down(tear_down).only("destroy is content").repeat(3).run();
        assert_eq!(report.promises().count(), 1);
        assert_eq!(report.is_kept(), !panics);
        // A promise that is broken is not repeated.
        let times = if panics { 1 } else { 3 };
        assert_eq!((opened.load(Ordering::SeqCst), torn_down.load(Ordering::SeqCst)), (times, times));
    }
}

#[test]
fn a_tear_down_that_panics_is_reported_and_hides_no_verdict() {
    let suite = Suite::new(async |limits| MemoryStore::with_limits(limits)).only("destroy is content");
    let report = suite.tear_down(async || panic!("no such table")).run();
    let (_, verdict) = report.promises().next().unwrap();
    assert_eq!(verdict.to_string(), "BROKEN: the tear-down after it panicked: no such table");
}

#[test]
#[should_panic(expected = "no promise's name contains any of [\"destory\"]")]
fn a_filter_that_fits_no_promise_is_a_mistake() {
    let _ = Suite::new(async |limits| MemoryStore::with_limits(limits)).only("destory").run();
}

/// Each store of a suite in a directory of its own, which goes with the test.
fn file_suite(durability: Durability) -> (Suite<FileStore>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_owned();
    let count = AtomicUsize::new(0);
    let open = move |limits| {
        let name = root.join(count.fetch_add(1, Ordering::Relaxed).to_string());
        let store = FileStore::options().limits(limits).durability(durability).segment_bytes(64 << 10).open(name);
        async move { store.unwrap() }
    };
    let reopen = async |store: FileStore| {
        let directory = store.directory().to_owned();
        store.close().unwrap();
        FileStore::open(directory).unwrap()
    };
    (Suite::new(open).reopen(reopen).damage(async |store, key| damage(store, key)), directory)
}

/// Flips a bit of every place where the session's key stands: behind it comes its record.
fn damage(store: FileStore, key: SessionKey) -> FileStore {
    let directory = store.directory().to_owned();
    store.close().unwrap();
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let mut bytes = std::fs::read(&path).unwrap();
            let places: Vec<usize> = bytes
                .windows(16)
                .enumerate()
                .filter(|(_, window)| window == key.as_bytes())
                .map(|(at, _)| at)
                .collect();
            for at in places {
                if let Some(byte) = bytes.get_mut(at + 16 + 10) {
                    *byte ^= 1;
                }
            }
            std::fs::write(&path, bytes).unwrap();
        }
    }
    FileStore::open(directory).unwrap()
}

#[test]
fn file_store_keeps_every_promise_at_every_durability() {
    for durability in [Durability::Always, Durability::Every(Duration::from_millis(20)), Durability::Never] {
        let (suite, _directory) = file_suite(durability);
        let report = suite.run();
        report.assert();
        let skipped = report.promises().filter(|(_, verdict)| matches!(verdict, Verdict::Skipped(_))).count();
        assert_eq!(skipped, 0, "{report}");
    }
}

#[test]
fn a_file_store_chosen_at_run_time_keeps_every_promise() {
    let directory = tempfile::tempdir().unwrap();
    let (root, count) = (directory.path().to_owned(), AtomicUsize::new(0));
    let open = move |limits| {
        let name = root.join(count.fetch_add(1, Ordering::Relaxed).to_string());
        let store = FileStore::options().limits(limits).durability(Durability::Never).open(name);
        async move { AnyStore::file(store.unwrap()) }
    };
    Suite::new(open).run_with(spin).assert();
}
