//! Looking through a store without changing it.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use cloakroom::{Durability, ErrorKind, FileOptions, FileStore, Store};

use super::support::{MINUTE, NOW, block_on, create, key, place, record_until, replace, segments, value};

fn options() -> FileOptions {
    FileStore::options().segment_bytes(4096).durability(Durability::Never)
}

/// Sessions 0 to 19, the odd ones over within a minute; 19 gone, 18 replaced.
fn filled(place: &Path) -> FileStore {
    let store = options().open(place).unwrap();
    for n in 0..20 {
        let idle = if n % 2 == 0 { 60 * MINUTE } else { Duration::from_secs(30) };
        let _ = block_on(store.create(&record_until(n, &[n as u8; 500], idle), &[], NOW)).unwrap();
    }
    block_on(store.destroy(&key(19), None)).unwrap();
    replace(&store, 18, &[99; 500]);
    store
}

/// All that a directory holds, also when each file was last written.
fn contents(place: &Path) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
    let entries = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file());
    files
        .map(|path| {
            let written = path.metadata().unwrap().modified().unwrap();
            (path.display().to_string(), (fs::read(&path).unwrap(), written))
        })
        .collect()
}

#[test]
fn a_sound_store_is_counted_and_not_changed() {
    let (_keep, place) = place();
    drop(filled(&place));
    let before = contents(&place);
    let verified = FileStore::verify(&place, NOW.plus(MINUTE)).unwrap();
    assert!(verified.is_sound(), "{verified:?}");
    assert_eq!((verified.live, verified.expired), (10, 9));
    assert_eq!(verified.segments, segments(&place).len() as u64);
    let bytes: u64 = segments(&place).iter().map(|path| path.metadata().unwrap().len()).sum();
    assert_eq!(verified.bytes, bytes);
    assert_eq!(contents(&place), before);
}

#[test]
fn what_a_kill_left_is_found_and_left_as_it_is() {
    let (_keep, place) = place();
    drop(filled(&place));
    let last = segments(&place).pop().unwrap();
    let end = last.metadata().unwrap().len();
    OpenOptions::new().write(true).open(&last).unwrap().write_all_at(b"half a frame", end).unwrap();
    let before = contents(&place);
    let verified = FileStore::verify(&place, NOW).unwrap();
    assert_eq!((verified.live, verified.damage.len()), (19, 1));
    assert_eq!((verified.damage[0].from, verified.damage[0].to), (end, end + 12));
    assert_eq!(contents(&place), before);
}

#[test]
fn a_damaged_record_and_a_damaged_place_are_told() {
    let (_keep, place) = place();
    drop(filled(&place));
    let first = segments(&place).swap_remove(0);
    let content = fs::read(&first).unwrap();
    let file = OpenOptions::new().write(true).open(&first).unwrap();
    let at = content.windows(100).position(|window| window == [2; 100]).unwrap();
    file.write_all_at(b"?", at as u64).unwrap();
    let verified = FileStore::verify(&place, NOW).unwrap();
    assert_eq!(verified.unreadable, [key(2)]);
    assert_eq!((verified.live, verified.damage.len()), (18, 1));
    assert!(!verified.is_sound());
    // A head: nobody can tell whose it was, so what is older may have been ended there.
    let at = content.windows(16).position(|window| window == key(3).as_bytes()).unwrap();
    file.write_all_at(b"?", at as u64).unwrap();
    let verified = FileStore::verify(&place, NOW).unwrap();
    assert_eq!(verified.damage.len(), 2);
    assert!(verified.doubtful.contains(&key(0)) && !verified.doubtful.contains(&key(10)), "{verified:?}");
}

#[test]
fn a_store_in_use_is_looked_through_and_goes_on() {
    let (_keep, place) = place();
    let store = filled(&place);
    let verified = FileStore::verify(&place, NOW).unwrap();
    assert_eq!((verified.live, verified.expired), (19, 0));
    assert!(verified.is_sound());
    create(&store, 30, b"later");
    assert_eq!(FileStore::verify(&place, NOW).unwrap().live, 20);
    assert_eq!(value(&store, 30), Some(b"later".to_vec()));
}

#[test]
fn where_there_is_no_store_that_is_said() {
    let (_keep, place) = place();
    let missing = FileStore::verify(&place, NOW).unwrap_err();
    assert_eq!(missing.kind(), &ErrorKind::Io);
    assert!(!place.exists());
    fs::create_dir(&place).unwrap();
    std::os::unix::fs::chown(&place, None, None).unwrap();
    fs::set_permissions(&place, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let empty = FileStore::verify(&place, NOW).unwrap_err();
    assert!(empty.to_string().contains("no session store"), "{empty}");
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
}
