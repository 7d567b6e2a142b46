//! An earlier copy of the directory that is written over its files while stores have them open: the files stay what they are
//! by inode, and their bytes go back. docs/operations.md says never to do that.

use std::fs::{self, File};
use std::io::ErrorKind::PermissionDenied;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use cloakroom::{ErrorKind, FileOptions, FileStore, Store};

use super::support::{NOW, block_on, create, key, quick_place, record, segments, value};

const PAGE: &str = "tail.page";

/// What `cp` leaves of the files in `earlier` that this chooses. The file is not cut on the way, for that would end a process
/// that has the page mapped. A file that may not be written is passed over, as `cp` does it.
fn write_over(earlier: &Path, place: &Path, chosen: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(earlier).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() || !chosen(entry.file_name().to_str().unwrap()) {
            continue;
        }
        let bytes = fs::read(entry.path()).unwrap();
        match File::options().write(true).create(true).truncate(false).open(place.join(entry.file_name())) {
            Ok(file) => {
                file.write_all_at(&bytes, 0).unwrap();
                file.set_len(bytes.len() as u64).unwrap();
            }
            Err(error) => assert_eq!(error.kind(), PermissionDenied),
        }
    }
}

fn copy_of(place: &Path) -> PathBuf {
    let copy = place.with_extension("copy");
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(place).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    copy
}

fn is_lost(stored: cloakroom::Result<()>) {
    let error = stored.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::FilesLost, "{error}");
}

fn save(store: &FileStore, n: u32) -> cloakroom::Result<()> {
    block_on(store.create(&record(n, &[n as u8; 50]), &[], NOW)).map(drop)
}

/// Two handles, some sessions, a copy, and more sessions, in the same segment as those before the copy or in later ones.
/// Session 0 was ended after the copy.
fn stores(place: &Path, options: &FileOptions) -> ([FileStore; 2], PathBuf, u32) {
    let stores = [(); 2].map(|()| options.clone().open(place).unwrap());
    (0..10).for_each(|n| save(&stores[n as usize % 2], n).unwrap());
    let earlier = copy_of(place);
    let all = 30;
    (10..all).for_each(|n| save(&stores[n as usize % 2], n).unwrap());
    block_on(stores[0].destroy(&key(0), None)).unwrap();
    (stores, earlier, all)
}

/// With zeros ahead the bytes end where they ended before. Without them the file becomes shorter.
fn all_options() -> [FileOptions; 2] {
    [true, false].map(|zeros| FileStore::options().zeros_ahead(zeros))
}

#[test]
fn nothing_is_acknowledged_where_an_earlier_copy_was_written_over_the_files() {
    let is_segment = |name: &str| name.ends_with(".log");
    let but_the_page = |name: &str| name != PAGE;
    let choices: [&dyn Fn(&str) -> bool; 3] = [&is_segment, &but_the_page, &|_| true];
    for chosen in choices {
        for options in all_options() {
            let (_keep, place) = quick_place();
            let (stores, earlier, all) = stores(&place, &options);
            write_over(&earlier, &place, chosen);
            for (store, n) in stores.iter().zip(all..) {
                is_lost(save(store, n));
                is_lost(block_on(store.destroy(&key(1), None)).map(drop));
            }
            stores.iter().for_each(|store| is_lost(store.close()));
            drop(stores);
            let store = options.open(&place).unwrap();
            // What stood in the copy is there.
            (1..10).for_each(|n| assert_eq!(value(&store, n), Some(vec![n as u8; 50])));
            assert_eq!(value(&store, all + 1), None);
            if !chosen(PAGE) {
                // The page knows that the log was longer, and the session that was ended since is in doubt.
                assert!(!store.damage().is_empty());
                assert!(value(&store, 0).is_none() || store.doubtful(NOW).unwrap().contains(&key(0)));
            }
        }
    }
}

#[test]
fn a_page_that_goes_back_is_noticed_by_whoever_has_read_farther_before_it_saves_or_closes() {
    for options in all_options() {
        for (comes_first, others_save, closes) in [
            (true, 0, false),
            (true, 0, true),
            (false, 1, false),
            (false, 1, true),
            (false, 9, false),
            (false, 9, true),
        ] {
            let (_keep, place) = quick_place();
            let ([ahead, behind], earlier, all) = stores(&place, &options);
            // The other has read as far as the copy reaches, or a little farther.
            (all..all + 5).for_each(|n| save(&ahead, n).unwrap());
            write_over(&earlier, &place, |name| name == PAGE);
            let stale = options.clone().open(&place).unwrap();
            let mut acknowledged: Vec<u32> = (100..100 + others_save).filter(|n| save(&stale, *n).is_ok()).collect();
            assert_eq!(acknowledged.len(), others_save as usize, "it cannot tell");
            match closes {
                true => is_lost(ahead.close()),
                false => is_lost(save(&ahead, 50)),
            }
            for store in [&ahead, &behind, &stale].into_iter().filter(|_| !closes) {
                is_lost(save(store, 51));
            }
            drop((ahead, behind, stale));
            let store = options.clone().open(&place).unwrap();
            // Of what nobody wrote over, all is there.
            acknowledged.extend(1..if comes_first { all + 5 } else { 10 });
            for n in acknowledged {
                assert_eq!(value(&store, n), Some(vec![n as u8; 50]), "session {n}");
            }
            assert_eq!(value(&store, 51), None);
        }
    }
}

#[test]
fn an_earlier_copy_of_all_else_costs_nothing() {
    for options in all_options() {
        let (_keep, place) = quick_place();
        let (stores, earlier, all) = stores(&place, &options);
        write_over(&earlier, &place, |name| name != PAGE && !name.ends_with(".log"));
        stores.iter().zip(100..).for_each(|(store, n)| save(store, n).unwrap());
        stores.iter().for_each(|store| store.close().unwrap());
        drop(stores);
        let store = options.open(&place).unwrap();
        (1..all).chain([100, 101]).for_each(|n| assert_eq!(value(&store, n), Some(vec![n as u8; 50])));
        assert_eq!((value(&store, 0), store.damage()), (None, vec![]));
    }
}

#[test]
fn a_closed_store_over_which_an_earlier_copy_was_written_whole_is_the_copy_and_nobody_can_tell() {
    for takes_the_page in [true, false] {
        let (_keep, place) = quick_place();
        let options = FileStore::options();
        let store = options.clone().open(&place).unwrap();
        create(&store, 0, b"");
        drop(store);
        let earlier = copy_of(&place);
        let store = options.clone().open(&place).unwrap();
        block_on(store.destroy(&key(0), None)).unwrap();
        drop(store);
        write_over(&earlier, &place, |name| takes_the_page || name != PAGE);
        let page_went_back = fs::read(earlier.join(PAGE)).unwrap() == fs::read(place.join(PAGE)).unwrap();
        let store = options.open(&place).unwrap();
        assert_eq!(value(&store, 0), Some(Vec::new()), "who was logged out since is logged in again");
        // Only the page tells, and only root's copy reaches it.
        assert_eq!(store.damage().is_empty(), page_went_back);
        assert_eq!(store.doubtful(NOW).unwrap().contains(&key(0)), !page_went_back);
        assert_eq!(segments(&place).len(), 1 + usize::from(!page_went_back));
    }
}
