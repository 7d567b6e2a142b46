//! Files that somebody else put into the directory. Requirement 23 of docs/security.md.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use cloakroom::{ErrorKind, FileStore, Store};

use super::support::{NOW, block_on, create, place, segments, value};

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

/// Plants what is no file where one of the store's is expected. Opening it may wait for ever.
fn plant(what: &str, path: &Path) {
    let _ = fs::remove_file(path);
    match what {
        "fifo" => assert!(Command::new("mkfifo").args(["-m", "600"]).arg(path).status().unwrap().success()),
        "socket" => drop(UnixListener::bind(path).unwrap()),
        "directory" => private_directory(path),
        what => panic!("{what}"),
    }
}

#[test]
fn what_is_no_file_hangs_nothing_in_the_place_of_any_file() {
    for what in ["fifo", "socket", "directory"] {
        let names =
            ["00000001.log", "00000002.log", "00000001.hint", "opening.lock", "users.lock", "writer.lock", "tail.page"];
        for name in names {
            let (_keep, place) = place();
            let options = FileStore::options().segment_bytes(4096);
            let store = options.clone().open(&place).unwrap();
            for n in 0..50 {
                create(&store, n, &[n as u8; 100]);
            }
            drop(store);
            let kept = fs::read(place.join(name)).unwrap_or_default();
            plant(what, &place.join(name));
            match options.clone().open(&place) {
                Ok(store) => {
                    // Hints are only hints. The page is made anew.
                    assert!(
                        name == "00000001.hint" || name == "tail.page" && what != "directory",
                        "{name} is a {what}"
                    );
                    assert_eq!(block_on(store.count(NOW)).unwrap(), 50);
                }
                Err(error) => {
                    assert!(error.path().unwrap().ends_with(name), "{error}");
                    if what != "directory" {
                        assert_eq!(error.kind(), &ErrorKind::Refused, "{error}");
                        assert!(error.to_string().contains("not a regular file"), "{error}");
                    }
                    let looked = FileStore::verify(&place, NOW);
                    assert!(looked.is_err() || name == "tail.page", "{name} is a {what}: {looked:?}");
                    fs::remove_file(place.join(name)).or_else(|_| fs::remove_dir(place.join(name))).unwrap();
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
