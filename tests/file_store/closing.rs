//! Closing.

use cloakroom::{Durability, Error, ErrorKind, FileStore, Store};

use super::support::{NOW, block_on, create, key, owned, place, record, scanned, value};

fn all_operations(store: &FileStore) -> Vec<(&'static str, Option<Error>)> {
    let revision = cloakroom::Revision::from_u64(1);
    let visit = &mut |_| std::ops::ControlFlow::Continue(());
    vec![
        ("create", block_on(store.create(&record(9, b""), &[], NOW)).err()),
        ("load", block_on(store.load(&key(1), NOW)).err()),
        ("update", block_on(store.update(&record(1, b""), revision, NOW)).err()),
        ("touch", block_on(store.touch(&key(1), NOW)).err()),
        ("rotate", block_on(store.rotate(&key(1), revision, &record(2, b""), None, NOW)).err()),
        ("destroy", block_on(store.destroy(&key(1), None)).err()),
        ("owned_by", block_on(store.owned_by(&"ada".into(), NOW)).err()),
        ("destroy_owned_by", block_on(store.destroy_owned_by(&"ada".into(), None)).err()),
        ("sweep", block_on(store.sweep(NOW, 10)).err()),
        ("scan", block_on(store.scan(NOW, visit)).err()),
        ("count", block_on(store.count(NOW)).err()),
        ("clear", block_on(store.clear()).err()),
        ("stats", store.stats(NOW).err()),
    ]
}

#[test]
fn after_closing_every_operation_of_every_clone_says_so() {
    let (_keep, place) = place();
    let store = FileStore::open(&place).unwrap();
    block_on(store.create(&owned(1, "ada", b"kept"), &[], NOW)).unwrap();
    let clone = store.clone();
    store.close().unwrap();
    store.close().unwrap();
    for (operation, error) in all_operations(&clone) {
        let error = error.unwrap_or_else(|| panic!("{operation} succeeded"));
        assert_eq!(error.kind(), &ErrorKind::Closed, "{operation}: {error}");
        assert!(error.to_string().contains(place.to_str().unwrap()), "{error}");
    }
    let store = FileStore::open(&place).unwrap();
    assert_eq!(value(&store, 1), Some(b"kept".to_vec()));
    assert_eq!(scanned(&store, NOW), [key(1)]);
}

#[test]
fn closing_one_handle_leaves_the_other_open() {
    let (_keep, place) = place();
    let (one, other) = (FileStore::open(&place).unwrap(), FileStore::open(&place).unwrap());
    create(&one, 1, b"from one");
    one.close().unwrap();
    assert_eq!(value(&other, 1), Some(b"from one".to_vec()));
    create(&other, 2, b"from the other");
    drop(one);
    drop(other);
    let store = FileStore::open(&place).unwrap();
    assert_eq!(value(&store, 2), Some(b"from the other".to_vec()));
    assert_eq!(store.damage(), []);
}

#[test]
fn closing_amid_saves_ends_each_with_an_answer_that_holds() {
    for round in 0..20 {
        let (_keep, place) = super::support::quick_place();
        let durability = [Durability::Always, Durability::Never][round % 2];
        let store = FileStore::options().durability(durability).open(&place).unwrap();
        let saved: Vec<u32> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    let store = store.clone();
                    scope.spawn(move || {
                        let mut saved = Vec::new();
                        for n in thread * 100_000.. {
                            match block_on(store.create(&record(n, b"saved"), &[], NOW)) {
                                Ok(_) => saved.push(n),
                                Err(error) => {
                                    assert_eq!(error.kind(), &ErrorKind::Closed, "{error}");
                                    return saved;
                                }
                            }
                        }
                        unreachable!("the store is closed before that")
                    })
                })
                .collect();
            while block_on(store.count(NOW)).unwrap() < 20 {
                std::thread::yield_now();
            }
            store.close().unwrap();
            // Nobody holds the directory any more, so this recovers it while the threads hear that the store is closed.
            let next = FileStore::open(&place).unwrap();
            let saved = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
            drop(next);
            saved
        });
        let store = FileStore::open(&place).unwrap();
        for n in saved {
            assert_eq!(value(&store, n), Some(b"saved".to_vec()), "session {n} in round {round}");
        }
        assert_eq!(store.damage(), [], "round {round}");
    }
}

#[test]
fn dropping_the_last_handle_gives_the_directory_free() {
    let (_keep, place) = place();
    for n in 0..20 {
        // Each of them alone, so each recovers; not one is kept waiting by its predecessor.
        let store = FileStore::options().open_wait(std::time::Duration::ZERO).open(&place).unwrap();
        create(&store, n, b"");
        assert_eq!(block_on(store.count(NOW)).unwrap(), u64::from(n) + 1);
    }
}
