//! What docs/operations.md says of the directory, where no other test shows it already. A test's name is the page's line.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use cloakroom::{Durability, ErrorKind, FileOptions, FileStore, Store, Update};

use super::support::{NOW, block_on, create, key, not_tried, place, segments, value};

/// Small segments, so that there are hints and several files.
fn options() -> FileOptions {
    FileStore::options().segment_bytes(4096).durability(Durability::Never)
}

/// A store with sessions 0 to 99, closed; session 7 has ended.
fn closed(place: &Path) {
    let store = options().open(place).unwrap();
    (0..100).for_each(|n| {
        create(&store, n, &[n as u8; 300]);
    });
    block_on(store.destroy(&key(7), None)).unwrap();
    store.close().unwrap();
}

#[track_caller]
fn assert_whole(place: &Path) {
    let store = options().open(place).unwrap();
    for n in 0..100 {
        assert_eq!(value(&store, n) == Some(vec![n as u8; 300]), n != 7, "session {n}");
    }
    assert_eq!(store.damage(), []);
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success());
}

#[test]
fn a_closed_store_may_be_copied_with_any_tool() {
    let (keep, place) = place();
    closed(&place);
    copy(&place, &keep.path().join("copy"));
    assert_whole(&keep.path().join("copy"));
}

#[test]
fn a_closed_store_may_be_moved_and_renamed() {
    let (keep, place) = place();
    closed(&place);
    let elsewhere = keep.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::rename(&place, elsewhere.join("visitors")).unwrap();
    assert_whole(&elsewhere.join("visitors"));
}

#[test]
fn a_backup_is_restored_in_the_place_of_the_directory_and_what_was_ended_since_lives_again_until_it_is_ended() {
    let (keep, place) = place();
    let (copy, old) = (keep.path().join("copy"), keep.path().join("old"));
    let store = options().open(&place).unwrap();
    (0..10).for_each(|n| {
        create(&store, n, b"kept");
    });
    store.backup(&copy).unwrap();
    block_on(store.destroy(&key(3), None)).unwrap();
    let revision = create(&store, 20, b"later");
    store.close().unwrap();
    fs::rename(&place, &old).unwrap();
    fs::rename(&copy, &place).unwrap();

    let store = options().open(&place).unwrap();
    assert_eq!(value(&store, 20), None);
    assert_eq!(value(&store, 3), Some(b"kept".to_vec()), "a copy is a past state");
    // A visitor's change from before the restore does not meet a session of the same revision.
    let late = super::support::record(20, b"late");
    assert!(matches!(block_on(store.update(&late, revision, NOW)).unwrap(), Update::Gone));
    // The remedy where a logout must hold: nobody stays logged in.
    block_on(store.clear()).unwrap();
    assert_eq!(block_on(store.count(NOW)).unwrap(), 0);
}

#[test]
fn all_but_the_segments_may_go_while_no_process_uses_the_store() {
    let (_keep, place) = place();
    closed(&place);
    let mut removed = 0;
    for entry in fs::read_dir(&place).unwrap() {
        let path = entry.unwrap().path();
        if path.extension() != Some(OsStr::new("log")) && path.is_file() {
            fs::remove_file(path).unwrap();
            removed += 1;
        }
    }
    assert!(removed >= 4, "the locks, the page, and hints: {removed} files");
    assert_whole(&place);
}

#[test]
fn a_segment_that_was_removed_while_the_store_was_closed_costs_its_sessions_and_is_told() {
    let (_keep, place) = place();
    closed(&place);
    fs::remove_file(&segments(&place)[1]).unwrap();
    let store = options().open(&place).unwrap();
    let there = (0..100).filter(|n| value(&store, *n).is_some()).count();
    assert!((50..99).contains(&there), "{there} are left");
    assert!(!store.damage().is_empty());
    assert!(!FileStore::verify(&place, NOW).unwrap().is_sound());
}

#[test]
fn the_quarantine_may_be_removed_at_any_time() {
    let (_keep, place) = place();
    closed(&place);
    let last = segments(&place).pop().unwrap();
    fs::write(&last, [&fs::read(&last).unwrap()[..], b"no frame"].concat()).unwrap();
    let store = options().open(&place).unwrap();
    let quarantine = place.join("quarantine");
    assert_eq!(fs::read_dir(&quarantine).unwrap().count(), 1);
    fs::remove_dir_all(&quarantine).unwrap();
    create(&store, 100, b"goes on");
    store.close().unwrap();
    assert_whole(&place);
    assert!(!quarantine.exists());
}

#[test]
fn a_directory_of_mode_0755_as_systemd_makes_it_is_refused_and_one_of_mode_0700_is_not() {
    let (_keep, place) = place();
    fs::create_dir(&place).unwrap();
    for (mode, is_refused) in [(0o755, true), (0o700, false)] {
        fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
        let refused = FileStore::open(&place).err();
        assert_eq!(refused.is_some(), is_refused, "{refused:?}");
        assert!(refused.is_none_or(|error| *error.kind() == ErrorKind::Refused));
    }
}

#[test]
fn a_tool_that_root_runs_leaves_files_that_the_servers_user_can_open() {
    const USER: u32 = 65_534;
    let (keep, place) = place();
    fs::create_dir(&place).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).unwrap();
    if chown(&place, Some(USER), Some(USER)).is_err() {
        return not_tried("only root can give a directory away");
    }
    closed(&place);
    assert!(FileStore::verify(&place, NOW).unwrap().is_sound());
    options().open(&place).unwrap().backup(keep.path().join("copy")).unwrap();
    // What root's opening sets aside is the server's, too.
    let last = segments(&place).pop().unwrap();
    fs::write(&last, [&fs::read(&last).unwrap()[..], b"no frame"].concat()).unwrap();
    drop(options().open(&place).unwrap());
    let quarantine = place.join("quarantine");
    assert_eq!(fs::read_dir(&quarantine).unwrap().count(), 1);
    for directory in [&place, &quarantine] {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let mode = if entry.path().is_dir() { 0o700 } else { 0o600 };
            let found = entry.metadata().unwrap();
            assert_eq!(found.uid(), USER, "{}", entry.path().display());
            assert_eq!(found.mode() & 0o777 | 0o200, mode, "{}", entry.path().display());
        }
    }
}

#[test]
fn log_rotation_that_copies_and_truncates_an_open_store_ends_its_saves_and_the_copies_can_be_put_back() {
    let (_keep, place) = place();
    let store = options().open(&place).unwrap();
    (0..100).for_each(|n| {
        create(&store, n, &[n as u8; 300]);
    });
    // Durably, and so is all before it.
    block_on(store.destroy(&key(7), None)).unwrap();
    let rotated: Vec<_> = segments(&place).into_iter().map(|path| (path.with_extension("log.1"), path)).collect();
    for (copy, path) in &rotated {
        fs::copy(path, copy).unwrap();
        fs::File::options().write(true).open(path).unwrap().set_len(0).unwrap();
    }
    let error = block_on(store.destroy(&key(8), None)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::FilesLost, "{error}");
    assert_eq!(store.close().unwrap_err().kind(), &ErrorKind::FilesLost);
    drop(store);
    // Nothing is made anew over what may be put back.
    let error = options().open(&place).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Damaged, "{error}");
    rotated.iter().for_each(|(copy, path)| fs::rename(copy, path).unwrap());
    assert_whole(&place);
}
