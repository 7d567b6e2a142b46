//! The conformance suite over each server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloakroom::conformance::{Suite, Verdict};
use cloakroom::{AnyStore, Lifetime, Record, SessionId, SessionKey, Store, Timestamp};

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

/// A line of configuration leads to the store, and its sessions are where the store's own type finds them.
pub fn a_url_leads_to_it<B: Backend>() {
    let url = B::url(B::shared().port());
    runtime().block_on(async {
        AnyStore::migrate(&url).await.unwrap();
        let (any, now) = (AnyStore::connect(&url).await.unwrap(), Timestamp::from_secs(1_700_000_000));
        let record = Record::new(SessionKey::of(&SessionId::generate().unwrap()), Lifetime::AAL2, now);
        any.create(&record, &[], now).await.unwrap();
        let own = B::try_open(&url).await.unwrap();
        assert!(own.load(record.key(), now).await.unwrap().is_some());
        assert_eq!(any.capabilities(), own.capabilities());
        assert_eq!(any.durability(), own.durability());
        AnyStore::migrate(&url).await.unwrap();
        assert!(any.destroy(record.key(), None).await.unwrap());
        let unreachable = AnyStore::connect(&format!("{}://t:not-shown@127.0.0.1:1/0", B::SCHEME)).await.unwrap_err();
        assert!(!unreachable.to_string().contains("not-shown"), "{unreachable}");
    });
}
