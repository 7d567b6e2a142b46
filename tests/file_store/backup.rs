//! Copies of a store that is in use.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cloakroom::{Durability, ErrorKind, FileOptions, FileStore, Store, Update};

use super::support::{NOW, block_on, create, key, place, record, replace, segments, value};

fn options() -> FileOptions {
    FileStore::options().segment_bytes(4096).durability(Durability::Never)
}

#[test]
fn a_backup_opens_with_all_that_was_there_and_nothing_of_later() {
    let (keep, place) = place();
    let store = options().open(&place).unwrap();
    (0..40).for_each(|n| {
        create(&store, n, &[n as u8; 300]);
    });
    block_on(store.destroy(&key(7), None)).unwrap();
    let copy = keep.path().join("copy");
    store.backup(&copy).unwrap();
    create(&store, 50, b"later");
    block_on(store.destroy(&key(8), None)).unwrap();

    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    for segment in segments(&copy) {
        assert_eq!(segment.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(FileStore::verify(&copy, NOW).unwrap().is_sound(), "it ends as a store that was closed");
    let copied = options().open(&copy).unwrap();
    for n in 0..40 {
        assert_eq!(value(&copied, n), (n != 7).then(|| vec![n as u8; 300]), "session {n}");
    }
    assert_eq!(value(&copied, 50), None);
    assert_eq!(copied.damage(), []);
    // Two stores from now on.
    replace(&copied, 1, b"there");
    assert_eq!(value(&store, 1), Some(vec![1; 300]));
}

#[test]
fn a_backup_during_writes_and_compaction_is_the_state_of_one_moment() {
    let (keep, place) = place();
    let store = options().open(&place).unwrap();
    let (mut id, mut revision) = (0, create(&store, 0, &[0; 1000]));
    create(&store, 1_000_000, &0u32.to_le_bytes());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // One visitor, who gets a new id again and again: at any moment exactly one of them lives.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let next = record(id + 1, &[id as u8; 1000]);
                match block_on(store.rotate(&key(id), revision, &next, None, NOW)).unwrap() {
                    Update::Stored(stored) => (id, revision) = (id + 1, stored),
                    other => panic!("{other:?}"),
                }
            }
        });
        let given_back = || !segments(&place)[0].ends_with("00000001.log");
        for n in 0.. {
            let copy = keep.path().join(format!("copy {n}"));
            store.backup(&copy).unwrap();
            let verified = FileStore::verify(&copy, NOW).unwrap();
            assert!(verified.is_sound(), "{verified:?}");
            assert_eq!(verified.live, 2, "the visitor once, and the other session");
            fs::remove_dir_all(&copy).unwrap();
            if n >= 30 && given_back() {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_place_with_something_in_it_is_refused_and_left_alone() {
    let (keep, place) = place();
    let store = options().open(&place).unwrap();
    create(&store, 1, b"here");
    let other = keep.path().join("other");
    fs::create_dir(&other).unwrap();
    store.backup(&other).unwrap();
    let again = store.backup(&other).unwrap_err();
    assert_eq!(again.kind(), &ErrorKind::Refused);
    assert_eq!(again.path(), Some(&*other));
    let file = keep.path().join("file");
    fs::write(&file, b"mine").unwrap();
    assert_eq!(store.backup(&file).unwrap_err().kind(), &ErrorKind::Refused);
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    let nowhere = store.backup(keep.path().join("no/such/place")).unwrap_err();
    assert_eq!(nowhere.kind(), &ErrorKind::Io);
    let left: Vec<_> = fs::read_dir(keep.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
    assert_eq!(value(&options().open(&other).unwrap(), 1), Some(b"here".to_vec()));
}
