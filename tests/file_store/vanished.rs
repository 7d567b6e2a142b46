//! Files that others remove, replace, cut or rename while stores have them open.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cloakroom::{Durability, Error, ErrorKind, FileStore, OnDamage, PageAccess, Store};

use super::support::{NOW, block_on, create, key, place, quick_place, record, segments, value};

const LOCKS: [&str; 3] = ["opening.lock", "users.lock", "writer.lock"];

/// What others do, to a file or to the directory.
type Harm = fn(&Path);

fn remove(path: &Path) {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
}

fn away(path: &Path) -> PathBuf {
    path.with_extension("away")
}

fn rename(path: &Path) {
    fs::rename(path, away(path)).unwrap();
}

fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, from.metadata().unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

fn replace_by_a_copy(path: &Path) {
    rename(path);
    copy(&away(path), path);
}

fn replace_by_an_empty_one(path: &Path) {
    rename(path);
    if away(path).is_dir() { fs::create_dir(path) } else { fs::write(path, "") }.unwrap();
}

fn cut_to(path: &Path, part: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length / 4 * part).unwrap();
}

fn is_lost(error: &Error, place: &Path, name: &str) {
    assert_eq!((error.kind(), error.path()), (&ErrorKind::FilesLost, Some(place)), "{error}");
    let text = error.to_string();
    // Another handle's look may have come first.
    assert!(text.contains(name) || text.contains("a process has found"), "{error}");
}

/// Without zeros at the end of its segment.
fn open(place: &Path) -> FileStore {
    FileStore::options().zeros_ahead(false).open(place).unwrap()
}

/// Every harm, and whether all that was acknowledged is in the directory after it.
fn harms(place: &Path) -> Vec<(PathBuf, Harm, bool)> {
    let whole: [(Harm, bool); 4] =
        [(remove, false), (rename, false), (replace_by_a_copy, true), (replace_by_an_empty_one, false)];
    let segment = segments(place).pop().unwrap();
    let mut harms: Vec<(PathBuf, Harm, bool)> = Vec::new();
    for file in LOCKS[1..].iter().map(|name| place.join(name)).chain([place.join("tail.page")]) {
        harms.extend(whole.map(|(harm, _)| (file.clone(), harm, true)));
    }
    for path in [segment.clone(), place.to_owned()] {
        harms.extend(whole.map(|(harm, is_a_copy)| (path.clone(), harm, is_a_copy)));
    }
    let cuts: [Harm; 3] = [|path| cut_to(path, 0), |path| cut_to(path, 1), |path| cut_to(path, 3)];
    harms.extend(cuts.map(|harm| (segment.clone(), harm, false)));
    harms
}

#[test]
fn nothing_is_acknowledged_in_files_that_others_removed_replaced_cut_or_renamed() {
    let count = {
        let (_keep, place) = place();
        let _store = FileStore::open(&place).unwrap();
        harms(&place).len()
    };
    for harm in 0..count {
        let (_keep, place) = quick_place();
        let stores = [open(&place), open(&place)];
        for n in 0..10 {
            create(&stores[n as usize % 2], n, &[n as u8; 200]);
        }
        let (path, harm, stays) = harms(&place).swap_remove(harm);
        harm(&path);
        let name = if path == place { "the directory" } else { path.file_name().unwrap().to_str().unwrap() };
        // Of a save that another process's look has refused, only that is known.
        is_lost(&block_on(stores[0].create(&record(100, b""), &[], NOW)).unwrap_err(), &place, name);
        for store in &stores {
            is_lost(&block_on(store.create(&record(101, b""), &[], NOW)).unwrap_err(), &place, "files");
            is_lost(&block_on(store.destroy(&key(1), None)).unwrap_err(), &place, "files");
            is_lost(&block_on(store.touch(&key(1), NOW.plus(Duration::from_secs(900)))).unwrap_err(), &place, "files");
        }
        for store in stores {
            is_lost(&store.close().unwrap_err(), &place, "");
        }
        if stays {
            let store = FileStore::open(&place).unwrap();
            for n in 0..10 {
                assert_eq!(value(&store, n), Some(vec![n as u8; 200]), "{}", path.display());
            }
            assert_eq!(value(&store, 101), None);
            create(&store, 101, b"goes on");
        }
    }
}

#[test]
fn saves_that_do_not_wait_for_the_disk_come_to_an_end() {
    for name in ["users.lock", "00000001.log"] {
        let (_keep, place) = quick_place();
        let store = FileStore::options().durability(Durability::Never).open(&place).unwrap();
        create(&store, 0, b"");
        fs::remove_file(place.join(name)).unwrap();
        // At the next tick, as the tests of `engine/background.rs` count it. How long that takes is the machine's affair.
        let error = (1..).find_map(|n| {
            std::thread::yield_now();
            block_on(store.create(&record(n, b""), &[], NOW)).err()
        });
        is_lost(&error.unwrap(), &place, "files");
        is_lost(&store.close().unwrap_err(), &place, "");
    }
}

#[test]
fn an_idle_store_whose_files_went_does_not_close_as_if_nothing_were() {
    let (_keep, place) = quick_place();
    let store = FileStore::open(&place).unwrap();
    create(&store, 1, b"");
    fs::remove_dir_all(&place).unwrap();
    is_lost(&store.close().unwrap_err(), &place, "the directory was removed");
}

#[test]
fn no_process_recovers_what_another_uses_though_the_lock_files_went() {
    for harm in [remove as Harm, replace_by_a_copy, replace_by_an_empty_one] {
        let (_keep, place) = quick_place();
        let store = open(&place);
        create(&store, 1, b"acknowledged");
        LOCKS.iter().for_each(|name| harm(&place.join(name)));
        let bytes = fs::read(&segments(&place)[0]).unwrap();
        for _ in 0..2 {
            let error = FileStore::options().open_wait(Duration::from_millis(20)).open(&place).unwrap_err();
            assert_eq!((error.kind(), error.path()), (&ErrorKind::Timeout, Some(&*place)), "{error}");
            assert!(error.to_string().contains("users.lock was removed or replaced"), "{error}");
        }
        assert!(fs::read(&segments(&place)[0]).unwrap() == bytes, "nothing was recovered");
        is_lost(&block_on(store.create(&record(2, b""), &[], NOW)).unwrap_err(), &place, ".lock");
        drop(store);
        assert_eq!(value(&FileStore::open(&place).unwrap(), 1), Some(b"acknowledged".to_vec()));
    }
}

#[test]
fn no_process_joins_another_by_files_that_the_other_does_not_have() {
    for name in ["writer.lock", "tail.page"] {
        for harm in [remove as Harm, replace_by_a_copy] {
            let (_keep, place) = quick_place();
            let store = FileStore::open(&place).unwrap();
            create(&store, 1, b"");
            harm(&place.join(name));
            is_lost(&FileStore::open(&place).unwrap_err(), &place, "other processes use the store");
            drop(store);
            FileStore::open(&place).unwrap();
        }
    }
}

#[test]
fn what_was_cut_between_two_looks_is_noticed_though_the_file_is_as_long_again() {
    for part in 0..4 {
        let (_keep, place) = quick_place();
        let store = FileStore::options().durability(Durability::Never).zeros_ahead(false).open(&place).unwrap();
        for n in 0..8 {
            create(&store, n, &[n as u8; 50]);
        }
        if part % 2 == 0 {
            block_on(store.destroy(&key(0), None)).unwrap();
        }
        cut_to(&segments(&place)[0], part);
        create(&store, 20, &[20; 1000]);
        is_lost(&block_on(store.destroy(&key(20), None)).unwrap_err(), &place, "00000001.log was cut");
    }
}

#[test]
fn what_was_acknowledged_while_a_cleaner_took_the_lock_files_is_there() {
    for _ in 0..5 {
        let (_keep, place) = quick_place();
        let store = FileStore::open(&place).unwrap();
        let second = || FileStore::options().open_wait(Duration::from_millis(5)).open(&place);
        let count = AtomicUsize::new(0);
        let save = |store: &FileStore, from: u32| -> Vec<u32> {
            let stored = |n: &u32| block_on(store.create(&record(*n, &n.to_le_bytes()), &[], NOW)).is_ok();
            let count_it = |_: &u32| {
                count.fetch_add(1, Ordering::SeqCst);
            };
            (from..).take_while(stored).inspect(count_it).collect()
        };
        let acknowledged: Vec<u32> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    let (store, save) = (store.clone(), &save);
                    scope.spawn(move || save(&store, thread * 1_000_000))
                })
                .collect();
            while count.load(Ordering::SeqCst) < 40 {
                std::thread::yield_now();
            }
            LOCKS.iter().for_each(|name| remove(&place.join(name)));
            assert!(second().is_err());
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert!(second().is_err(), "the first has it open, and writes no more");
        drop(store);
        let store = second().unwrap();
        assert!(acknowledged.len() >= 40);
        for n in acknowledged {
            assert_eq!(value(&store, n), Some(n.to_le_bytes().to_vec()), "session {n}");
        }
    }
}

#[test]
fn a_newest_segment_that_is_missing_at_open_is_reported_and_what_was_ended_in_it_can_stay_ended() {
    for on_damage in [OnDamage::Report, OnDamage::EndOlder] {
        let (_keep, place) = quick_place();
        let options = || FileStore::options().segment_bytes(4096).on_damage(on_damage);
        let store = options().open(&place).unwrap();
        let mut n = 0;
        while segments(&place).len() < 3 {
            create(&store, n, &[1; 100]);
            n += 1;
        }
        block_on(store.destroy(&key(0), None)).unwrap();
        drop(store);
        let last = segments(&place).pop().unwrap();
        remove(&last);
        let name = last.file_name().unwrap().to_str().unwrap();
        let verified = FileStore::verify(&place, NOW).unwrap();
        assert_eq!((&*verified.damage[0].file, verified.damage.len()), (name, 1));
        assert!(verified.doubtful.contains(&key(0)));
        let store = options().open(&place).unwrap();
        assert_eq!(store.damage(), verified.damage);
        let is_back = value(&store, 0).is_some();
        assert_eq!(is_back, on_damage == OnDamage::Report);
        assert_eq!(store.doubtful(NOW).unwrap().contains(&key(0)), is_back);
    }
}

#[test]
fn the_figures_say_how_the_shared_page_is_reached() {
    let (_keep, place) = quick_place();
    let store = FileStore::open(&place).unwrap();
    // In memory it is mapped, unless this run is to have it otherwise.
    let is_mapped = std::env::var_os("CLOAKROOM_PAGE_BY_CALLS").is_none() && cfg!(target_os = "linux");
    let expected = if is_mapped { PageAccess::Mapped } else { PageAccess::ByCalls };
    assert_eq!(store.stats(NOW).unwrap().page, expected);
    // One that comes later takes the way of those that are there.
    assert_eq!(FileStore::open(&place).unwrap().stats(NOW).unwrap().page, expected);
}
