//! What was acknowledged is there after opening again, at each durability.

use std::time::Duration;

use cloakroom::{Durability, FileStore, Store, Update};

use super::support::{NOW, block_on, create, key, load, owned, place, record, replace, scanned, value};

#[test]
fn all_that_was_saved_reads_back_at_each_durability() {
    for durability in [Durability::Always, Durability::Every(Duration::from_millis(5)), Durability::Never] {
        let (_keep, place) = place();
        let options = FileStore::options().durability(durability);
        let store = options.clone().open(&place).unwrap();
        assert_eq!(store.durability().saves, durability);
        assert_eq!(store.durability().endings, Durability::Always);
        create(&store, 1, b"created");
        create(&store, 2, b"before");
        let revision = replace(&store, 2, b"updated");
        create(&store, 3, b"destroyed");
        block_on(store.destroy(&key(3), None)).unwrap();
        let from = create(&store, 4, b"rotated");
        let rotated = block_on(store.rotate(&key(4), from, &record(5, b"rotated"), None, NOW)).unwrap();
        let Update::Stored(rotated) = rotated else { panic!("{rotated:?}") };
        create(&store, 6, b"touched");
        let later = NOW.plus(Duration::from_secs(60));
        assert!(block_on(store.touch(&key(6), later)).unwrap());
        for n in 7..10 {
            block_on(store.create(&owned(n, "ada", b"of ada"), &[], NOW)).unwrap();
        }
        assert_eq!(block_on(store.destroy_owned_by(&"ada".into(), Some(&key(8)))).unwrap(), 2);
        let before = [1, 2, 5, 6, 8].map(|n| load(&store, n).unwrap());
        drop(store);

        let store = options.open(&place).unwrap();
        assert_eq!([1, 2, 5, 6, 8].map(|n| load(&store, n).unwrap()), before, "{durability:?}");
        assert_eq!([3, 4, 7, 9].map(|n| load(&store, n)), [None, None, None, None]);
        assert_eq!(before[1].revision(), revision);
        assert_eq!(before[2].revision(), rotated);
        assert_eq!(before[3].last_seen(), later);
        assert_eq!(scanned(&store, NOW).len(), 5);
        assert_eq!(store.damage(), []);
    }
}

#[test]
fn revisions_last_beyond_the_process() {
    let (_keep, place) = place();
    let revision = create(&FileStore::open(&place).unwrap(), 1, b"one");
    let store = FileStore::open(&place).unwrap();
    let updated = block_on(store.update(&record(1, b"two"), revision, NOW)).unwrap();
    assert!(matches!(updated, Update::Stored(_)), "{updated:?}");
    let conflict = block_on(store.update(&record(1, b"three"), revision, NOW)).unwrap();
    assert!(matches!(conflict, Update::Conflict(_)), "{conflict:?}");
}

#[test]
fn a_store_at_never_waits_for_the_disk_only_to_end_sessions() {
    let (_keep, place) = place();
    let store = FileStore::options().durability(Durability::Never).open(&place).unwrap();
    create(&store, 1, b"");
    replace(&store, 1, b"more");
    block_on(store.touch(&key(1), NOW.plus(Duration::from_secs(1)))).unwrap();
    assert_eq!(store.stats(NOW).unwrap().disk_waits, 0);
    block_on(store.destroy(&key(1), None)).unwrap();
    assert_eq!(store.stats(NOW).unwrap().disk_waits, 1);
    let revision = create(&store, 2, b"");
    let rotated = block_on(store.rotate(&key(2), revision, &record(3, b""), None, NOW)).unwrap();
    assert!(matches!(rotated, Update::Stored(_)));
    assert_eq!(store.stats(NOW).unwrap().disk_waits, 2);
    assert!(store.stats(NOW).unwrap().syncs >= 2);
}

#[test]
fn saves_at_once_share_their_syncs() {
    let (_keep, place) = place();
    let store = FileStore::open(&place).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..25 {
                    create(store, thread * 100 + n, b"group");
                }
            });
        }
    });
    let stats = store.stats(NOW).unwrap();
    assert_eq!(stats.live, 200);
    assert!(stats.syncs <= stats.disk_waits, "{stats:?}");
    drop(store);
    let store = FileStore::open(&place).unwrap();
    for n in (0..8).flat_map(|thread| (0..25).map(move |n| thread * 100 + n)) {
        assert_eq!(value(&store, n), Some(b"group".to_vec()));
    }
}
