//! What only Redis can do to its store.

use std::time::Duration;

use cloakroom::{
    Durability, ErrorKind, Found, Lifetime, Record, RedisStore, Revision, SessionId, SessionKey, Store, Timestamp,
    Trace, Update,
};

use crate::backend::{Backend, Choice};
use crate::redis::{Redis, ask, start_cluster_node};
use crate::suite::{fresh_table, runtime};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const MINUTE: Duration = Duration::from_secs(60);

fn session_of(owner: &str, lifetime: Lifetime, now: Timestamp) -> Record {
    let mut record = Record::new(SessionKey::of(&SessionId::generate().unwrap()), lifetime, now);
    record.set_revision(Revision::fresh());
    record.set_owner(Some(owner.into()), Some(now));
    record
}

fn session() -> Record {
    session_of("ada", Lifetime::AAL2, NOW)
}

fn next(record: &Record) -> Record {
    let mut next = record.clone();
    next.set_revision(Revision::fresh());
    next
}

/// A login that cannot be stored is an error. Whatever ends sessions works on a full server, and a touch does.
#[test]
fn a_full_server_refuses_saves_and_still_ends_sessions() {
    let server = Redis::start();
    runtime().block_on(async {
        let store = Redis::open(server.port(), "full", Choice::default()).await;
        let mut records = Vec::new();
        for _ in 0..4 {
            let record = session();
            let revision = store.create(&record, &[], NOW).await.unwrap();
            records.push((record, revision));
        }
        ask(&server, &["CONFIG", "SET", "maxmemory", "1"]);
        let refused = store.create(&session(), &[], NOW).await.unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::Full, "{refused}");
        assert!(!refused.may_have_happened());
        let refused = store.update(&next(&records[0].0), records[0].1, NOW).await.unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::Full, "{refused}");
        let later = NOW.plus(MINUTE);
        assert!(store.touch(records[0].0.key(), later).await.unwrap());
        let touched = store.load(records[0].0.key(), later).await.unwrap().unwrap();
        assert_eq!(touched.expiry().last_seen(), later);
        let trace = Trace::ended(NOW.plus(MINUTE));
        assert!(store.destroy(records[0].0.key(), Some(&trace)).await.unwrap());
        assert!(matches!(store.find(records[0].0.key(), NOW).await.unwrap(), Found::Trace(_)));
        assert!(store.destroy(records[1].0.key(), None).await.unwrap());
        assert_eq!(store.destroy_owned_by(&"ada".into(), Some(records[2].0.key())).await.unwrap(), 1);
        store.clear().await.unwrap();
        assert_eq!(store.count(NOW).await.unwrap(), 0);
    });
}

/// After a failover the old master is a replica. What it refuses was not done, and the store goes on when it can.
#[test]
fn a_server_that_became_a_replica_fails_writes_until_there_is_a_master() {
    let server = Redis::start();
    runtime().block_on(async {
        let store = Redis::open(server.port(), "replica", Choice::default()).await;
        let record = session();
        let revision = store.create(&record, &[], NOW).await.unwrap();
        ask(&server, &["REPLICAOF", "127.0.0.1", "1"]);
        let refused = store.update(&next(&record), revision, NOW).await.unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::NotWritable, "{refused}");
        assert!(!refused.may_have_happened());
        assert!(!store.destroy(record.key(), None).await.unwrap_err().may_have_happened());
        ask(&server, &["REPLICAOF", "NO", "ONE"]);
        assert!(matches!(store.update(&next(&record), revision, NOW).await.unwrap(), Update::Stored(_)));
    });
}

/// A server forgets its scripts when it starts again, or is told to.
#[test]
fn a_script_that_the_server_does_not_know_is_sent_to_it() {
    let server = Redis::start();
    runtime().block_on(async {
        let store = Redis::open(server.port(), "noscript", Choice::default()).await;
        let forget = || ask(&server, &["SCRIPT", "FLUSH"]);
        let record = session();
        forget();
        let revision = store.create(&record, &[], NOW).await.unwrap();
        forget();
        assert!(store.touch(record.key(), NOW.plus(MINUTE)).await.unwrap());
        forget();
        assert!(matches!(store.update(&next(&record), revision, NOW).await.unwrap(), Update::Stored(_)));
        forget();
        assert!(store.destroy(record.key(), None).await.unwrap());
        store.create(&session(), &[], NOW).await.unwrap();
        forget();
        assert_eq!(store.destroy_owned_by(&"ada".into(), None).await.unwrap(), 1);
        forget();
        store.clear().await.unwrap();
    });
}

/// An owner's index names every session that may live, also one that touches keep alive, and in time nothing else.
#[test]
fn an_owners_index_forgets_what_is_over_and_nothing_that_lives() {
    runtime().block_on(async {
        let table = fresh_table();
        let store = Redis::open(Redis::shared().port(), &table, Choice::default()).await;
        let lifetime = Lifetime::idle(30 * MINUTE);
        let old = session_of("ada", lifetime, NOW);
        store.create(&old, &[], NOW).await.unwrap();
        for _ in 0..50 {
            store.create(&session_of("ada", lifetime, NOW), &[], NOW).await.unwrap();
        }
        let mut now = NOW;
        for _ in 0..4 {
            now = now.plus(25 * MINUTE);
            assert!(store.touch(old.key(), now).await.unwrap());
        }
        store.create(&session_of("ada", lifetime, now), &[], now).await.unwrap();
        assert_eq!(ask(Redis::shared(), &["ZCARD", &format!("{table}:o:ada")]), "2");
        assert_eq!(store.owned_by(&"ada".into(), now).await.unwrap().len(), 2);
        assert_eq!(store.destroy_owned_by(&"ada".into(), None).await.unwrap(), 2);
        assert_eq!(store.load(old.key(), now).await.unwrap(), None);
    });
}

#[test]
fn stores_of_two_prefixes_on_one_server_never_meet() {
    runtime().block_on(async {
        let table = fresh_table();
        let mut stores = Vec::new();
        for prefix in [table.clone(), format!("{table}2"), format!("{table}/s")] {
            let store = Redis::open(Redis::shared().port(), &prefix, Choice::default()).await;
            store.create(&session(), &[], NOW).await.unwrap();
            stores.push(store);
        }
        stores[0].clear().await.unwrap();
        assert_eq!(stores[0].count(NOW).await.unwrap(), 0);
        for store in &stores[1..] {
            assert_eq!(store.count(NOW).await.unwrap(), 1);
            assert_eq!(store.owned_by(&"ada".into(), NOW).await.unwrap().len(), 1);
        }
    });
}

/// What the server's settings do to sessions is said at the opening.
#[test]
fn unfit_settings_are_named_and_durability_says_what_the_server_keeps() {
    let server = Redis::start();
    runtime().block_on(async {
        let store = Redis::open(server.port(), "settings", Choice::default()).await;
        assert!(store.warnings().is_empty(), "{:?}", store.warnings());
        assert_eq!(store.durability().endings, Durability::Every(Duration::from_secs(1)));
        ask(&server, &["CONFIG", "SET", "appendonly", "no", "maxmemory-policy", "allkeys-lru"]);
        let store = Redis::open(server.port(), "settings", Choice::default()).await;
        let warnings = store.warnings().join(" ");
        assert!(warnings.contains("allkeys-lru") && warnings.contains("appendonly"), "{warnings}");
        assert_eq!(store.durability().saves, Durability::Volatile);
        ask(&server, &["ACL", "SETUSER", "shop", "on", ">secret", "~settings:*", "+@all", "-@dangerous"]);
        let url = format!("redis://shop:secret@127.0.0.1:{}", server.port());
        let limited = RedisStore::options().prefix("settings").connect(&url).await.unwrap();
        assert_eq!(limited.durability().endings, Durability::Volatile, "of what is not known nothing is promised");
        limited.create(&session(), &[], NOW).await.unwrap();
        assert_eq!(limited.count(NOW).await.unwrap(), 1);
        limited.clear().await.unwrap();
        ask(&server, &["CONFIG", "SET", "requirepass", "another"]);
        let refused =
            RedisStore::connect(&format!("redis://:not-shown@127.0.0.1:{}", server.port())).await.unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::Config, "{refused}");
        assert!(!refused.to_string().contains("not-shown"));
    });
}

#[test]
fn a_node_of_a_cluster_is_refused() {
    let node = start_cluster_node();
    runtime().block_on(async {
        let refused = Redis::try_open(&format!("redis://127.0.0.1:{}", node.port())).await.unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::Config);
        assert!(refused.to_string().contains("Cluster"), "{refused}");
    });
}
