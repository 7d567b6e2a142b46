//! Places so damaged that nobody can tell whose frames stood there: one of them may have ended a session (protocol rule 11).

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use cloakroom::{Durability, FileOptions, FileStore, OnDamage, Store, Update};

use super::support::{MINUTE, NOW, block_on, create, key, place, record, replace, segments, value};

fn options() -> FileOptions {
    FileStore::options().durability(Durability::Never)
}

fn length(place: &Path) -> u64 {
    // What was written; space that is reserved ahead counts in no length.
    segments(place).last().unwrap().metadata().unwrap().len()
}

/// Overwrites this part of the last segment.
fn destroy_bytes(place: &Path, from: u64, to: u64) {
    let file = OpenOptions::new().write(true).open(segments(place).pop().unwrap()).unwrap();
    file.write_all_at(&vec![0xa5; (to - from) as usize], from).unwrap();
}

/// Sessions 0 to 4; 3 is destroyed, and the frame that says so is lost; then 1 is saved, 2 touched, and 5 comes.
fn a_logout_lost(place: &Path) {
    let store = options().open(place).unwrap();
    (0..5).for_each(|n| {
        create(&store, n, b"early");
    });
    let from = length(place);
    block_on(store.destroy(&key(3), None)).unwrap();
    let to = length(place);
    replace(&store, 1, b"late");
    assert!(block_on(store.touch(&key(2), NOW.plus(MINUTE))).unwrap());
    create(&store, 5, b"late");
    drop(store);
    destroy_bytes(place, from, to);
}

fn doubtful(store: &FileStore) -> Vec<u32> {
    let doubtful = store.doubtful(NOW).unwrap();
    (0..10).filter(|n| doubtful.contains(&key(*n))).collect()
}

fn living(store: &FileStore) -> Vec<u32> {
    (0..10).filter(|n| value(store, *n).is_some()).collect()
}

#[test]
fn sessions_that_a_lost_frame_may_have_ended_are_named() {
    let (_keep, place) = place();
    a_logout_lost(&place);
    let store = options().open(&place).unwrap();
    assert_eq!(store.damage().len(), 1);
    assert_eq!(store.damage()[0].key, None);
    assert_eq!(doubtful(&store), [0, 3, 4], "1 and 2 were used since, so they lived; 5 is younger");
    assert_eq!(living(&store), [0, 1, 2, 3, 4, 5], "nothing is ended unless that was asked for");
    // Also by whoever joins; and whoever is used again is doubtful no more, nor is who has ended.
    let joined = options().open(&place).unwrap();
    assert_eq!(doubtful(&joined), [0, 3, 4]);
    replace(&joined, 0, b"again");
    block_on(store.destroy(&key(3), None)).unwrap();
    assert_eq!(doubtful(&store), [4]);
    block_on(store.clear()).unwrap();
    assert_eq!(doubtful(&store), [0; 0]);
}

#[test]
fn with_end_older_they_are_ended_for_good_and_no_others() {
    let (_keep, place) = place();
    a_logout_lost(&place);
    let store = options().on_damage(OnDamage::EndOlder).open(&place).unwrap();
    assert_eq!(living(&store), [1, 2, 5]);
    assert_eq!(doubtful(&store), [0; 0]);
    create(&store, 0, b"anew");
    drop(store);
    // The place is still damaged, and what came since stands behind it.
    let again = options().on_damage(OnDamage::EndOlder).open(&place).unwrap();
    assert_eq!(living(&again), [0, 1, 2, 5]);
    drop(again);
    assert_eq!(living(&options().open(&place).unwrap()), [0, 1, 2, 5]);
}

#[test]
fn a_damaged_rotation_leaves_the_old_id_doubtful_or_ended() {
    let (_keep, place) = place();
    let store = options().open(&place).unwrap();
    let revision = create(&store, 1, b"old");
    let from = length(&place);
    let rotated = block_on(store.rotate(&key(1), revision, &record(2, b"new"), None, NOW)).unwrap();
    assert!(matches!(rotated, Update::Stored(_)));
    let to = length(&place);
    drop(store);
    // Only its body: the head says that it was a batch, and not of whom.
    destroy_bytes(&place, from + 37, to);
    let store = options().open(&place).unwrap();
    assert_eq!((living(&store), doubtful(&store)), (vec![1], vec![1]));
    drop(store);
    assert_eq!(living(&options().on_damage(OnDamage::EndOlder).open(&place).unwrap()), [0; 0]);
}

#[test]
fn a_record_that_moves_is_as_doubtful_as_before() {
    let (_keep, place) = place();
    a_logout_lost(&place);
    let small = || options().segment_bytes(4096);
    let store = small().open(&place).unwrap();
    // A segment is full, and what lives in the damaged one moves until it can go.
    for n in 0.. {
        replace(&store, 5, &[n as u8; 3000]);
        if !segments(&place)[0].ends_with("00000001.log") {
            break;
        }
        assert!(n < 2000, "the first segment is never given back");
        std::thread::yield_now();
    }
    assert_eq!(doubtful(&store), [0, 3, 4]);
}
