//! The conformance suite over each server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloakroom::conformance::{Suite, Verdict};

use crate::backend::{Backend, Choice};

static TABLES: AtomicUsize = AtomicUsize::new(0);

/// A name that no other store of this process has.
pub fn fresh_table() -> String {
    format!("t{}", TABLES.fetch_add(1, Ordering::Relaxed))
}

pub fn runtime() -> Arc<tokio::runtime::Runtime> {
    Arc::new(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap())
}

pub fn keeps_every_promise<B: Backend>() {
    let runtime = runtime();
    let port = B::shared().port();
    let open = move |limits| async move { B::open(port, &fresh_table(), Choice { limits, ..Choice::default() }).await };
    let reopen = move |store: B::Store| async move {
        let table = B::table(&store);
        drop(store);
        B::open(port, &table, Choice::default()).await
    };
    let damage = |store: B::Store, key| async move {
        B::damage(B::shared(), &B::table(&store), &key);
        store
    };
    let mut suite = Suite::new(open).reopen(reopen).damage(damage);
    if let Ok(only) = std::env::var("ONLY") {
        suite = suite.only(only);
    }
    let suite = suite.progress(|promise, verdict| {
        if let Some(verdict) = verdict {
            eprintln!("{promise}: {verdict}");
        }
    });
    let report = suite.run_with(move |work| runtime.block_on(work));
    report.assert();
    let skipped = report.promises().filter(|(_, verdict)| matches!(verdict, Verdict::Skipped(_))).count();
    assert_eq!(skipped, B::SKIPPED, "{report}");
}
