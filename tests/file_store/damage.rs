//! Bytes on disk that are not what was written: an error that names the file, never a lost or an older session.
//! Requirement 24 of docs/security.md.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use cloakroom::{Durability, Error, ErrorKind, FileStore, Store};

use super::support::{NOW, block_on, create, key, load, place, replace, segments, value};

/// Flips a bit in the first place in any segment where these bytes stand; says where.
fn flip(directory: &Path, bytes: &[u8]) -> (PathBuf, u64) {
    for segment in segments(directory) {
        let content = fs::read(&segment).unwrap();
        if let Some(at) = content.windows(bytes.len()).position(|window| window == bytes) {
            let file = OpenOptions::new().write(true).open(&segment).unwrap();
            file.write_all_at(&[content[at] ^ 0x10], at as u64).unwrap();
            return (segment, at as u64);
        }
    }
    panic!("the bytes stand in no segment");
}

fn damaged(store: &FileStore, n: u32) -> Error {
    let error = block_on(store.load(&key(n), NOW)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Damaged, "{error}");
    error
}

/// 30 sessions in several segments; session n holds "session n's secret" twice over.
fn filled(place: &Path) -> FileStore {
    let store = FileStore::options().segment_bytes(4096).durability(Durability::Never).open(place).unwrap();
    for n in 0..30 {
        create(&store, n, &secret(n));
    }
    store
}

fn secret(n: u32) -> Vec<u8> {
    format!("session {n:02}'s secret ").repeat(20).into_bytes()
}

#[test]
fn a_damaged_record_is_an_error_that_names_its_file_and_the_others_stay_readable() {
    // In a sealed segment, and in the last.
    for hit in [3, 29] {
        let (_keep, place) = place();
        drop(filled(&place));
        let (segment, at) = flip(&place, &secret(hit));
        let store = FileStore::open(&place).unwrap();
        let error = damaged(&store, hit);
        assert_eq!(error.path(), Some(&*segment), "{error}");
        let text = error.to_string();
        assert!(text.contains(&key(hit).to_string()) && text.contains("bytes on disk"), "{text}");
        assert!(!text.contains("secret"));
        for n in (0..30).filter(|n| *n != hit) {
            assert_eq!(value(&store, n), Some(secret(n)), "session {n}");
        }
        let damage = store.damage();
        assert_eq!(damage.len(), 1, "{damage:?}");
        assert_eq!(damage[0].key, Some(key(hit)));
        assert!(segment.ends_with(&damage[0].file));
        assert!((damage[0].from..damage[0].to).contains(&at), "{damage:?}");
        assert_eq!(store.stats(NOW).unwrap().damaged, 1);
        // It is known to be there: nobody can take its key, and only ending it helps.
        let taken = block_on(store.create(&super::support::record(hit, b""), &[], NOW)).unwrap_err();
        assert_eq!(taken.kind(), &ErrorKind::KeyTaken);
        block_on(store.destroy(&key(hit), None)).unwrap();
        assert_eq!(load(&store, hit), None);
        create(&store, hit, b"anew");
        drop(store);
        assert_eq!(value(&FileStore::open(&place).unwrap(), hit), Some(b"anew".to_vec()));
    }
}

#[test]
fn damage_never_serves_an_older_version() {
    let (_keep, place) = place();
    let store = filled(&place);
    replace(&store, 5, &secret(77));
    drop(store);
    flip(&place, &secret(77));
    let store = FileStore::open(&place).unwrap();
    damaged(&store, 5);
    let second = FileStore::open(&place).unwrap();
    damaged(&second, 5);
}

#[test]
fn damage_that_comes_while_the_store_is_open_is_noticed_when_it_is_read() {
    let (_keep, place) = place();
    drop(filled(&place));
    let store = FileStore::options().cache_bytes(0).open(&place).unwrap();
    assert_eq!(store.damage(), []);
    let (segment, _) = flip(&place, &secret(8));
    let error = damaged(&store, 8);
    assert_eq!(error.path(), Some(&*segment));
    assert_eq!(store.damage().len(), 1);
    assert_eq!(value(&store, 9), Some(secret(9)));
    damaged(&store, 8);
    assert_eq!(store.damage().len(), 1, "the same place is told once");
}

#[test]
fn what_is_torn_off_at_the_end_goes_to_quarantine_and_the_rest_stays() {
    let (_keep, place) = place();
    drop(filled(&place));
    let last = segments(&place).pop().unwrap();
    let torn = b"half a frame";
    fs::write(&last, [&fs::read(&last).unwrap()[..], torn].concat()).unwrap();
    let store = FileStore::open(&place).unwrap();
    for n in 0..30 {
        assert_eq!(value(&store, n), Some(secret(n)), "session {n}");
    }
    assert_eq!(store.damage().len(), 1);
    let aside: Vec<PathBuf> =
        fs::read_dir(place.join("quarantine")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(aside.len(), 1);
    assert_eq!(fs::read(&aside[0]).unwrap(), torn);
    // What is saved now stands where nothing stood before.
    create(&store, 99, b"after");
    drop(store);
    let store = FileStore::open(&place).unwrap();
    assert_eq!(value(&store, 99), Some(b"after".to_vec()));
    assert_eq!(store.damage(), []);
}

#[test]
fn a_damaged_header_costs_nothing_but_itself() {
    for hit in [0, usize::MAX] {
        let (_keep, place) = place();
        drop(filled(&place));
        let all = segments(&place);
        let segment = &all[hit.min(all.len() - 1)];
        OpenOptions::new().write(true).open(segment).unwrap().write_all_at(&[0; 64], 0).unwrap();
        let store = FileStore::open(&place).unwrap();
        // Who comes later learns from the headers how to read the log.
        let joined = FileStore::open(&place).unwrap();
        for store in [&store, &joined] {
            for n in 0..30 {
                assert_eq!(value(store, n), Some(secret(n)), "session {n}");
            }
        }
        create(&joined, 99, b"after");
        assert_eq!(value(&store, 99), Some(b"after".to_vec()));
    }
}

#[test]
fn a_segment_cut_short_is_reported_also_where_a_frame_ends() {
    let seal = 37;
    for half in [true, false] {
        let (_keep, place) = place();
        drop(filled(&place));
        let oldest = &segments(&place)[0];
        let length = fs::metadata(oldest).unwrap().len();
        let cut = if half { length / 2 } else { length - seal };
        OpenOptions::new().write(true).open(oldest).unwrap().set_len(cut).unwrap();
        let store = FileStore::open(&place).unwrap();
        assert!(!store.damage().is_empty(), "cut at {cut} of {length}");
        assert_eq!(value(&store, 0), Some(secret(0)));
        assert_eq!(value(&store, 29), Some(secret(29)));
    }
}

#[test]
fn a_directory_of_noise_is_an_error_and_no_panic() {
    let mut noise = 0x2545_f491_4f6c_dd1du64;
    for length in [1usize, 63, 64, 65, 100, 5000] {
        let (_keep, place) = place();
        drop(filled(&place));
        for segment in segments(&place) {
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    noise ^= noise << 13;
                    noise ^= noise >> 7;
                    noise ^= noise << 17;
                    noise as u8
                })
                .collect();
            fs::write(segment, bytes).unwrap();
        }
        let error = FileStore::open(&place).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Damaged, "{error}");
        assert!(error.path().unwrap().extension().is_some_and(|it| it == "log"), "{error}");
    }
}

#[test]
fn a_segment_that_claims_to_be_huge_costs_no_memory() {
    let (_keep, place) = place();
    drop(filled(&place));
    let oldest = &segments(&place)[0];
    OpenOptions::new().write(true).open(oldest).unwrap().set_len(1 << 42).unwrap();
    let store = FileStore::open(&place).unwrap();
    for n in 0..30 {
        assert_eq!(value(&store, n), Some(secret(n)), "session {n}");
    }
}
