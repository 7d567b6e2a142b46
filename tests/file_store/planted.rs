//! Files that somebody else put into the directory. Requirement 23 of docs/security.md.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cloakroom::{ErrorKind, FileStore, Store};

use super::support::{NOW, block_on, create, key, not_tried, place, record, segments, value};

fn private_directory(path: &Path) {
    fs::DirBuilder::new().mode(0o700).create(path).unwrap();
}

#[test]
fn a_symlink_planted_as_a_file_of_the_store_is_not_followed() {
    for name in ["00000001.log", "opening.lock", "users.lock", "writer.lock", "tail.page"] {
        for to_something in [true, false] {
            let (keep, place) = place();
            private_directory(&place);
            let outside = keep.path().join("precious");
            if to_something {
                fs::write(&outside, "precious").unwrap();
                fs::set_permissions(&outside, fs::Permissions::from_mode(0o640)).unwrap();
            }
            symlink(&outside, place.join(name)).unwrap();
            match FileStore::open(&place) {
                // The first opener makes the page anew in any case, so the symlink goes.
                Ok(store) => assert_eq!((name, store.damage()), ("tail.page", Vec::new())),
                Err(error) => {
                    let path = error.path().unwrap();
                    assert!(path.ends_with(name) || path == place, "{error}");
                    // And it is the planted file that was in the way, nothing else.
                    fs::remove_file(place.join(name)).unwrap();
                }
            }
            assert_eq!(outside.exists(), to_something, "{name}");
            if to_something {
                assert_eq!(fs::read(&outside).unwrap(), b"precious", "{name}");
                let mode = fs::metadata(&outside).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o640, "{name}");
            }
            create(&FileStore::open(&place).unwrap(), 1, b"later");
        }
    }
}

#[test]
fn a_symlink_planted_as_the_next_segment_is_not_followed_and_the_store_goes_on() {
    for name in ["00000002.log", "next.segment"] {
        let (keep, place) = place();
        let options = FileStore::options().segment_bytes(4096);
        let store = options.clone().open(&place).unwrap();
        let outside = keep.path().join("target");
        symlink(&outside, place.join(name)).unwrap();
        for n in 0..100 {
            create(&store, n, &[7; 100]);
        }
        assert!(!outside.exists());
        // No file is made behind the symlink, so the log goes on in the segment that it has, and the store says so.
        assert_eq!(segments(&place).len(), 1, "{name}");
        let error = store.stats(NOW).unwrap().roll_error.unwrap();
        assert!(error.contains("symbolic links"), "{name}: {error}");
        drop(store);
        let store = options.open(&place).unwrap();
        for n in 0..100 {
            assert_eq!(value(&store, n), Some(vec![7; 100]), "session {n}");
        }
        assert_eq!(store.damage(), []);
    }
}

const NO_FILES: [&str; 4] = ["fifo", "socket", "directory", "device"];

const NAMES: [&str; 10] = [
    "00000001.log",
    "00000002.log",
    "00000001.hint",
    "opening.lock",
    "users.lock",
    "writer.lock",
    "tail.page",
    "next.segment",
    "index.snapshot",
    "quarantine",
];

/// Without them a store is what it was.
const NOT_NEEDED: [&str; 4] = ["00000001.hint", "next.segment", "index.snapshot", "quarantine"];

/// Plants what is no file where one of the store's is expected. Opening it may wait for ever. Says whether it could.
fn plant(what: &str, path: &Path) -> bool {
    let by = |command: &str, after: &[&str]| {
        Command::new(command).args(["-m", "600"]).arg(path).args(after).status().unwrap().success()
    };
    let _ = fs::remove_file(path);
    match what {
        "fifo" => assert!(by("mkfifo", &[])),
        "socket" => drop(UnixListener::bind(path).unwrap()),
        "directory" => private_directory(path),
        // A terminal's line, which waits for somebody to call.
        "device" if !by("mknod", &["c", "4", "64"]) => {
            not_tried("only root can make a device");
            return false;
        }
        "device" => {}
        what => panic!("{what}"),
    }
    true
}

fn take_away(path: &Path) {
    fs::remove_file(path).or_else(|_| fs::remove_dir_all(path)).unwrap();
}

#[test]
fn what_is_no_file_hangs_nothing_in_the_place_of_any_file() {
    for what in NO_FILES {
        for name in NAMES {
            let (_keep, place) = place();
            let options = FileStore::options().segment_bytes(4096);
            let store = options.clone().open(&place).unwrap();
            for n in 0..50 {
                create(&store, n, &[n as u8; 100]);
            }
            drop(store);
            let kept = fs::read(place.join(name)).unwrap_or_default();
            if !plant(what, &place.join(name)) {
                continue;
            }
            match options.clone().open(&place) {
                Ok(store) => {
                    // The page is made anew.
                    let is_made = name == "tail.page" && what != "directory";
                    assert!(NOT_NEEDED.contains(&name) || is_made, "{name} is a {what}");
                    assert_eq!(block_on(store.count(NOW)).unwrap(), 50);
                    // Through some rolls, if there can be any.
                    for n in 50..200 {
                        create(&store, n, &[n as u8; 100]);
                    }
                    let error = store.stats(NOW).unwrap().roll_error;
                    assert!(error.is_none() || name == "next.segment", "{name} is a {what}: {error:?}");
                    store.close().unwrap();
                    let store = options.open(&place).unwrap();
                    assert_eq!((block_on(store.count(NOW)).unwrap(), store.damage()), (200, vec![]));
                }
                Err(error) => {
                    assert!(error.path().unwrap().ends_with(name), "{error}");
                    if what != "directory" {
                        assert_eq!(error.kind(), &ErrorKind::Refused, "{error}");
                        assert!(error.to_string().contains("not a regular file"), "{error}");
                    }
                    let looked = FileStore::verify(&place, NOW);
                    assert!(looked.is_err() || name == "tail.page", "{name} is a {what}: {looked:?}");
                    take_away(&place.join(name));
                    if name.ends_with(".log") {
                        fs::write(place.join(name), kept).unwrap();
                        fs::set_permissions(place.join(name), fs::Permissions::from_mode(0o600)).unwrap();
                    }
                    assert_eq!(block_on(options.open(&place).unwrap().count(NOW)).unwrap(), 50);
                }
            }
        }
    }
}

#[test]
fn what_is_no_file_hangs_nothing_in_the_place_of_any_file_of_an_open_store() {
    for what in NO_FILES {
        for name in NAMES.into_iter().chain(["00000003.log"]) {
            let (_keep, place) = place();
            let options = FileStore::options().segment_bytes(4096).zeros_ahead(false);
            let store = options.clone().open(&place).unwrap();
            let mut saved = 0;
            while segments(&place).len() < 2 {
                create(&store, saved, &[saved as u8; 100]);
                saved += 1;
            }
            let kept = fs::read(place.join(name)).ok().filter(|_| name.ends_with(".log"));
            let _ = fs::rename(place.join(name), place.join("away"));
            if !plant(what, &place.join(name)) {
                continue;
            }
            let is_relied_on = ["00000002.log", "users.lock", "writer.lock", "tail.page"].contains(&name);
            for n in saved..saved + 60 {
                let stored = block_on(store.create(&record(n, &[n as u8; 100]), &[], NOW));
                match stored {
                    Ok(_) => assert!(!is_relied_on, "{name} is a {what}"),
                    Err(error) => {
                        assert!(is_relied_on && *error.kind() == ErrorKind::FilesLost, "{name} is a {what}: {error}");
                    }
                }
                assert!(block_on(store.load(&key(n % saved), NOW)).is_ok());
            }
            // The log goes on in the segment that it has, where nothing can take the place of what is in the way.
            let stats = store.stats(NOW).unwrap();
            let is_in_the_way = name == "next.segment" || name == "00000003.log";
            assert!(stats.roll_error.is_none() || is_in_the_way, "{name} is a {what}: {stats:?}");
            let _ = FileStore::options().open_wait(Duration::from_millis(5)).open(&place);
            let _ = FileStore::verify(&place, NOW);
            assert_eq!(store.close().is_err(), is_relied_on, "{name} is a {what}");
            drop(store);
            if fs::symlink_metadata(place.join(name)).is_ok_and(|found| !found.is_file()) {
                take_away(&place.join(name));
            }
            if let Some(bytes) = kept {
                fs::write(place.join(name), bytes).unwrap();
                fs::set_permissions(place.join(name), fs::Permissions::from_mode(0o600)).unwrap();
            }
            let store = options.open(&place).unwrap();
            let all = if is_relied_on { saved } else { saved + 60 };
            (0..all).for_each(|n| assert_eq!(value(&store, n), Some(vec![n as u8; 100]), "{name} was a {what}"));
            assert_eq!(store.damage(), []);
        }
    }
}

#[test]
fn what_is_no_directory_in_the_place_of_the_quarantine_keeps_damage_from_being_cut_off() {
    for what in NO_FILES {
        let (_keep, place) = place();
        create(&FileStore::open(&place).unwrap(), 1, b"kept");
        let segment = segments(&place).pop().unwrap();
        let bytes = [&fs::read(&segment).unwrap()[..], b"torn"].concat();
        fs::write(&segment, &bytes).unwrap();
        if !plant(what, &place.join("quarantine")) {
            continue;
        }
        let opened = FileStore::open(&place).map(drop);
        assert_eq!(opened.is_ok(), what == "directory", "{opened:?}");
        if what != "directory" {
            assert!(fs::read(&segment).unwrap() == bytes, "what cannot be set aside stays");
            take_away(&place.join("quarantine"));
        }
        assert_eq!(value(&FileStore::open(&place).unwrap(), 1), Some(b"kept".to_vec()));
        assert_eq!(fs::read_dir(place.join("quarantine")).unwrap().count(), 1);
    }
}

#[test]
fn a_symlink_planted_as_the_quarantine_gets_no_session() {
    let (keep, place) = place();
    create(&FileStore::open(&place).unwrap(), 1, b"kept");
    let segment = segments(&place).pop().unwrap();
    fs::write(&segment, [&fs::read(&segment).unwrap()[..], b"torn"].concat()).unwrap();
    let outside = keep.path().join("outside");
    private_directory(&outside);
    symlink(&outside, place.join("quarantine")).unwrap();
    FileStore::open(&place).unwrap_err();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    fs::remove_file(place.join("quarantine")).unwrap();
    assert_eq!(value(&FileStore::open(&place).unwrap(), 1), Some(b"kept".to_vec()));
}

#[test]
fn what_is_no_regular_file_is_no_segment() {
    let (_keep, place) = place();
    private_directory(&place);
    fs::create_dir(place.join("00000001.log")).unwrap();
    let error = FileStore::open(&place).unwrap_err();
    assert!(error.path().unwrap().ends_with("00000001.log"), "{error}");
    assert!(place.join("00000001.log").is_dir());
}

#[test]
fn stray_files_are_left_alone() {
    let (_keep, place) = place();
    private_directory(&place);
    let names: [&[u8]; 8] = [
        b"notes.txt",
        b"00000001.log.bak",
        b"1.log",
        b"99999999999.log",
        b"-0000001.log",
        b".log",
        b"2.hint",
        b"not\xffunicode.log",
    ];
    for name in names {
        fs::write(place.join(OsStr::from_bytes(name)), "mine").unwrap();
    }
    fs::create_dir(place.join("folder")).unwrap();
    let options = FileStore::options().segment_bytes(4096);
    let store = options.clone().open(&place).unwrap();
    // Far enough that segments come and go.
    let mut revision = create(&store, 1, b"");
    for n in 0..200u8 {
        revision = super::support::replace(&store, 1, &[n; 100]);
    }
    drop(store);
    let store = options.open(&place).unwrap();
    assert_eq!(value(&store, 1), Some(vec![199; 100]));
    assert_eq!(super::support::load(&store, 1).unwrap().revision(), revision);
    assert_eq!(store.damage(), []);
    for name in names {
        assert_eq!(fs::read(place.join(OsStr::from_bytes(name))).unwrap(), b"mine");
    }
    assert!(place.join("folder").is_dir());
}
