//! Several nodes on one database, and the rights that each needs.

use std::time::Duration;

use cloakroom::{ErrorKind, Found, Lifetime, Record, Revision, SessionId, SessionKey, Store, Timestamp, Trace, Update};

use crate::backend::{Choice, Database};
use crate::suite::{fresh_table, runtime};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const MINUTE: Duration = Duration::from_secs(60);

fn session() -> Record {
    let lifetime = Lifetime::idle(30 * MINUTE);
    let mut record = Record::new(SessionKey::of(&SessionId::generate().unwrap()), lifetime, NOW);
    record.set_revision(Revision::fresh());
    record
}

pub fn nodes_that_migrate_at_once_wait_for_each_other<B: Database>() {
    runtime().block_on(async {
        for _ in 0..4 {
            let table = fresh_table();
            let mut nodes = Vec::new();
            for _ in 0..8 {
                nodes.push(B::unmigrated(&table).await.unwrap());
            }
            let migrations: Vec<_> =
                nodes.iter().cloned().map(|node| tokio::spawn(async move { B::migrate(&node).await })).collect();
            for migration in migrations {
                migration.await.unwrap().unwrap();
            }
            nodes[0].create(&session(), &[], NOW).await.unwrap();
            // Sessions that are stored stay.
            B::migrate(&nodes[1]).await.unwrap();
            assert_eq!(nodes[2].count(NOW).await.unwrap(), 1);
        }
    });
}

/// Every node sweeps at once, and visitors come meanwhile: each session is counted once, and none that lives is removed.
pub fn sweeps_of_several_nodes_remove_each_session_once<B: Database>() {
    const EXPIRED: usize = 400;
    runtime().block_on(async {
        let table: &str = fresh_table().leak();
        let store = B::open(B::shared().port(), table, Choice::default()).await;
        let (mut live, later) = (Vec::new(), NOW.plus(31 * MINUTE));
        for number in 0..EXPIRED + 100 {
            let record = session();
            store.create(&record, &[], NOW).await.unwrap();
            if number >= EXPIRED {
                store.touch(record.key(), NOW.plus(29 * MINUTE)).await.unwrap();
                live.push(*record.key());
            }
        }
        let sweeps: Vec<_> = (0..4)
            .map(|_| {
                tokio::spawn(async move {
                    let node = B::open(B::shared().port(), table, Choice::default()).await;
                    let mut removed = 0;
                    loop {
                        let swept = node.sweep(later, 20).await.unwrap();
                        removed += swept.removed;
                        if !swept.more {
                            return removed;
                        }
                    }
                })
            })
            .collect();
        for (minute, key) in (0..).zip(live.iter().cycle().take(400)) {
            assert!(
                store.touch(key, later.plus(Duration::from_millis(minute))).await.unwrap(),
                "a live session is gone"
            );
        }
        let mut removed = 0;
        for sweep in sweeps {
            removed += sweep.await.unwrap();
        }
        // A node passes by what another holds at that moment.
        removed += store.sweep(later, 10_000).await.unwrap().removed;
        assert_eq!(removed, EXPIRED as u64);
        assert_eq!(store.count(later).await.unwrap(), 100);
    });
}

/// Where nobody sweeps, each login removes as many rows that are over as it adds.
pub fn the_traces_of_logins_go_with_later_logins<B: Database>() {
    runtime().block_on(async {
        let store = B::open(B::shared().port(), &fresh_table(), Choice::default()).await;
        let mut left = Vec::new();
        let later = NOW.plus(10 * MINUTE);
        for number in 0..16 {
            let now = if number < 8 { NOW } else { later };
            let traces: Vec<_> = (0..4).map(|_| (*session().key(), Trace::ended(now.plus(MINUTE)))).collect();
            store.create(&session(), &traces, now).await.unwrap();
            left.push(traces);
        }
        for (key, trace) in left.concat() {
            let stands = store.find(&key, NOW).await.unwrap() == Found::Trace(trace);
            assert_eq!(stands, trace.ends() > later, "a trace that ends at {}", trace.ends());
        }
    });
}

/// At run time no node needs the right to create anything.
pub fn a_user_without_the_right_to_create_serves_and_cannot_migrate<B: Database>() {
    runtime().block_on(async {
        let table = fresh_table();
        B::open(B::shared().port(), &table, Choice::default()).await;
        let store = B::open_limited(&table).await;
        let record = session();
        let revision = store.create(&record, &[], NOW).await.unwrap();
        let mut next = record.clone();
        next.set_revision(Revision::fresh());
        assert!(matches!(store.update(&next, revision, NOW).await, Ok(Update::Stored(_))));
        assert!(store.touch(record.key(), NOW.plus(MINUTE)).await.unwrap());
        store.sweep(NOW, 10).await.unwrap();
        assert_eq!(store.count(NOW).await.unwrap(), 1);
        assert!(store.destroy(record.key(), None).await.unwrap());
        store.clear().await.unwrap();
        B::migrate(&store).await.unwrap();
        B::mark(B::shared(), &table, "of no version");
        assert_eq!(B::migrate(&store).await.unwrap_err().kind(), &ErrorKind::Config);
    });
}

pub fn a_schema_that_is_missing_or_newer_is_an_error_that_says_so<B: Database>() {
    runtime().block_on(async {
        let table = fresh_table();
        let store = B::unmigrated(&table).await.unwrap();
        let error = store.create(&session(), &[], NOW).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Config, "{error}");
        assert!(!error.may_have_happened() && error.to_string().contains("migrate"), "{error}");
        assert!(error.to_string().contains("exist"), "the server's own words: {error}");
        B::migrate(&store).await.unwrap();
        store.create(&session(), &[], NOW).await.unwrap();
        B::mark(B::shared(), &table, "cloakroom schema 2");
        assert_eq!(B::unmigrated(&table).await.unwrap_err().kind(), &ErrorKind::NewerFormat);
    });
}

/// Log-out-everywhere waits for one session of the owner, while another moves to a smaller or to a larger key: it ends that
/// one under its new key. It has to be seen to wait, which a busy machine may miss once or twice.
pub fn what_rotates_does_not_escape_the_end_of_all_sessions<B: Database>() {
    let runtime = runtime();
    let table: &str = fresh_table().leak();
    let store = runtime.block_on(B::open(B::shared().port(), table, Choice::default()));
    for to in [1, 200] {
        let meets = |_| runtime.block_on(moves_while_all_end::<B>(&store, table, SessionKey::from_bytes([to; 16])));
        assert!((0..20).any(meets), "the end of all sessions was never seen to wait");
    }
}

/// Says whether the session moved while the end of all of the owner's was seen to wait.
async fn moves_while_all_end<B: Database>(store: &B::Store, table: &'static str, to: SessionKey) -> bool {
    let key = |place: u8| SessionKey::from_bytes([place; 16]);
    let mut records = Vec::new();
    for place in [50, 100] {
        let mut record = session();
        record.set_key(key(place));
        record.set_owner(Some("ada".into()), Some(NOW));
        let revision = store.create(&record, &[], NOW).await.unwrap();
        records.push((record, revision));
    }
    let slow = tokio::task::spawn_blocking(move || B::move_slowly(B::shared(), table, key(50), key(51)));
    while !B::is_locked(B::shared(), table, key(50)) && !slow.is_finished() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let node = store.clone();
    let end = tokio::spawn(async move { node.destroy_owned_by(&"ada".into(), None).await.unwrap() });
    let mut is_seen = false;
    while !is_seen && !end.is_finished() {
        is_seen = B::is_waiting(B::shared(), table);
    }
    let (mut record, revision) = records.pop().unwrap();
    record.set_key(to);
    record.set_revision(Revision::fresh());
    let moved = store.rotate(&key(100), revision, &record, None, NOW).await.unwrap();
    assert!(!matches!(moved, Update::Conflict(_)), "{moved:?}");
    assert_eq!(end.await.unwrap(), 2);
    slow.await.unwrap();
    assert!(store.owned_by(&"ada".into(), NOW).await.unwrap().is_empty(), "a session escaped to {to}");
    is_seen
}
