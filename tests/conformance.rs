//! Every store keeps every promise.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cloakroom::conformance::{Suite, Verdict, Work};
use cloakroom::{AnyStore, Durability, FileStore, MemoryStore, SessionKey};

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
        report.promises().all(|(_, verdict)| matches!(verdict, Verdict::Broken(why) if why.contains("as the test")))
    );
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
