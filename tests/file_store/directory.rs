//! Which directory is accepted, and what it looks like afterwards. Requirement 22 of docs/security.md.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use cloakroom::{Error, ErrorKind, FileStore};
use xxhash_rust::xxh3::xxh3_64;

use super::support::{NOW, create, place, segments, value};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// All that is in a directory, and in those inside it.
fn everything_in(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything_in(&path));
        }
        found.push(path);
    }
    found
}

fn refusal(directory: &Path) -> Error {
    let error = FileStore::open(directory).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Refused, "{error}");
    assert_eq!(error.path(), Some(directory));
    error
}

const CHILDS_PLACE: &str = "CLOAKROOM_TEST_UMASK_PLACE";

/// Makes every kind of file there is, when it runs as a child of the test below; otherwise it does nothing.
#[test]
fn child_that_fills_a_store() {
    let Some(place) = std::env::var_os(CHILDS_PLACE).map(PathBuf::from) else { return };
    let store = FileStore::options().segment_bytes(4096).open(&place).unwrap();
    for n in 0..50 {
        create(&store, n, &[n as u8; 100]);
    }
    assert!(segments(&place).len() > 1);
    drop(store);
    let last = segments(&place).pop().unwrap();
    let torn = [&fs::read(&last).unwrap()[..], b"no frame"].concat();
    fs::write(last, torn).unwrap();
    assert_eq!(FileStore::open(&place).unwrap().damage().len(), 1);
}

#[test]
fn the_directory_is_0700_and_its_files_are_0600_whatever_the_umask() {
    for umask in ["000", "022", "077", "0027"] {
        let (_keep, place) = place();
        let child = Command::new("sh")
            .args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "directory::child_that_fills_a_store"])
            .env(CHILDS_PLACE, &place)
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        assert_eq!(mode(&place), 0o700, "umask {umask}");
        let files = everything_in(&place);
        assert!(files.iter().any(|path| path.parent().unwrap().ends_with("quarantine")), "{files:?}");
        for path in files {
            let expected = if path.is_dir() {
                0o700
            } else if path.ends_with("tail.page") {
                0o400
            } else {
                0o600
            };
            assert_eq!(mode(&path), expected, "{} under umask {umask}", path.display());
        }
    }
}

#[test]
fn directories_on_the_way_are_created_too() {
    let (_keep, place) = place();
    let deep = place.join("a/b/c");
    drop(FileStore::open(&deep).unwrap());
    assert_eq!(mode(&deep), 0o700);
}

#[test]
fn a_looser_directory_is_refused_with_its_mode_and_the_remedy() {
    for loose in [0o755, 0o750, 0o701, 0o770, 0o704] {
        let (_keep, place) = place();
        fs::create_dir(&place).unwrap();
        set_mode(&place, loose);
        let text = refusal(&place).to_string();
        assert!(text.contains(&format!("{loose:04o}")), "{text}");
        assert!(text.contains(&format!("chmod 700 {}", place.display())), "{text}");
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "nothing was made in it");
        // The remedy helps.
        set_mode(&place, 0o700);
        FileStore::open(&place).unwrap();
    }
}

#[test]
fn a_directory_that_was_loosened_is_refused_and_its_sessions_stay() {
    let (_keep, place) = place();
    create(&FileStore::open(&place).unwrap(), 1, b"kept");
    set_mode(&place, 0o755);
    refusal(&place);
    set_mode(&place, 0o700);
    assert_eq!(value(&FileStore::open(&place).unwrap(), 1), Some(b"kept".to_vec()));
}

#[test]
fn a_loose_segment_is_refused_with_the_remedy() {
    let (_keep, place) = place();
    drop(FileStore::open(&place).unwrap());
    let segment = segments(&place).pop().unwrap();
    set_mode(&segment, 0o644);
    let error = FileStore::open(&place).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), &ErrorKind::Refused, "{text}");
    assert!(text.contains("00000001.log") && text.contains("chmod 600"), "{text}");
    set_mode(&segment, 0o600);
    FileStore::open(&place).unwrap();
}

#[test]
fn a_symlink_is_refused_also_one_to_nowhere_and_with_a_slash_behind() {
    let (keep, place) = place();
    drop(FileStore::open(&place).unwrap());
    let link = keep.path().join("link");
    symlink(&place, &link).unwrap();
    let text = refusal(&link).to_string();
    assert!(text.contains("symlink"), "{text}");
    let with_slash = PathBuf::from(format!("{}/", link.display()));
    assert_eq!(FileStore::open(with_slash).unwrap_err().kind(), &ErrorKind::Refused);

    let nowhere = keep.path().join("nowhere");
    symlink(keep.path().join("target"), &nowhere).unwrap();
    refusal(&nowhere);
    assert!(!keep.path().join("target").exists());
}

#[test]
fn a_path_that_leads_nowhere_is_an_error_that_names_it() {
    let (keep, _) = place();
    let nowhere = keep.path().join("nowhere");
    symlink("/no/such/target", &nowhere).unwrap();
    for path in ["/proc/nowhere", "/proc/no/where", "/sys/nowhere", "/dev/null/sessions"] {
        let error = FileStore::open(path).unwrap_err();
        assert_eq!((error.kind(), error.path()), (&ErrorKind::Io, Some(Path::new(path))), "{error}");
    }
    for path in [nowhere.join("sessions"), nowhere.join("a/b/sessions")] {
        let error = FileStore::open(&path).unwrap_err();
        assert_eq!((error.kind(), error.path()), (&ErrorKind::Io, Some(&*path)), "{error}");
    }
    let error = refusal(Path::new(""));
    assert!(error.to_string().contains("the path is empty"), "{error}");
    let error = FileStore::verify("", NOW).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Refused, "{error}");
}

/// The group of what this process makes here.
fn own_group(path: &Path) -> u32 {
    path.metadata().unwrap().gid()
}

#[test]
fn a_group_that_was_named_may_share_the_store_and_no_other() {
    let (keep, place) = place();
    let group = own_group(keep.path());
    let open = |group| FileStore::options().group(group).segment_bytes(4096).open(&place);
    let store = open(group).unwrap();
    for n in 0..50 {
        create(&store, n, &[n as u8; 100]);
    }
    assert!(segments(&place).len() > 1);
    let last = segments(&place).pop().unwrap();
    drop(store);
    let torn = [&fs::read(&last).unwrap()[..], b"no frame"].concat();
    fs::write(last, torn).unwrap();
    assert_eq!(open(group).unwrap().damage().len(), 1);
    assert_eq!(mode(&place), 0o2770);
    let files = everything_in(&place);
    assert!(files.iter().any(|path| path.parent().unwrap().ends_with("quarantine")), "{files:?}");
    for path in &files {
        assert_eq!(mode(path), if path.is_dir() { 0o2770 } else { 0o660 }, "{}", path.display());
        assert_eq!(own_group(path), group);
    }

    let refused = |error: Error, remedy: &str| {
        assert_eq!((error.kind(), error.path()), (&ErrorKind::Refused, Some(&*place)), "{error}");
        assert!(error.to_string().contains(remedy), "{error}");
    };
    refused(open(group + 1).unwrap_err(), &format!("chgrp {} {}", group + 1, place.display()));
    refused(FileStore::open(&place).unwrap_err(), "chmod 700");
    for loose in [0o2771, 0o2774, 0o777] {
        set_mode(&place, loose);
        refused(open(group).unwrap_err(), "chmod 2770");
    }
    set_mode(&place, 0o2770);
    set_mode(&segments(&place)[0], 0o664);
    let error = open(group).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Refused, "{error}");
    assert!(error.to_string().contains("chmod 660"), "{error}");
    set_mode(&segments(&place)[0], 0o660);
    // A tool that only looks need not be told of the group.
    assert_eq!(FileStore::verify(&place, NOW).unwrap().live, 50);
    open(group).unwrap();
}

#[test]
fn a_volume_whose_group_rights_come_from_outside_can_be_opened_at_each_start() {
    let (_keep, place) = place();
    create(&FileStore::open(&place).unwrap(), 1, b"kept");
    for start in 0..3 {
        // What a pod's fsGroup does to all that is on the volume, before the server starts.
        set_mode(&place, 0o2770);
        everything_in(&place).iter().for_each(|path| set_mode(path, 0o660));
        assert_eq!(FileStore::open(&place).unwrap_err().kind(), &ErrorKind::Refused);
        let store = FileStore::options().group(own_group(&place)).open(&place).unwrap();
        assert_eq!(value(&store, 1), Some(b"kept".to_vec()));
        create(&store, 10 + start, b"new");
    }
}

#[test]
fn a_file_in_its_place_is_refused_and_stays() {
    let (_keep, place) = place();
    fs::write(&place, "mine").unwrap();
    let text = refusal(&place).to_string();
    assert!(text.contains("not a directory"), "{text}");
    assert_eq!(fs::read(&place).unwrap(), b"mine");
}

/// Rewrites a segment's header as a later version might: the same place for the version and the checksum.
fn make_newer(segment: &Path) {
    let mut bytes = fs::read(segment).unwrap();
    bytes[8] = 2;
    let checksum = xxh3_64(&bytes[..56]);
    bytes[56..64].copy_from_slice(&checksum.to_le_bytes());
    fs::write(segment, bytes).unwrap();
}

#[test]
fn a_newer_segment_format_is_refused_by_name_and_nothing_is_touched() {
    for oldest in [false, true] {
        let (_keep, place) = place();
        let store = FileStore::options().segment_bytes(4096).open(&place).unwrap();
        for n in 0..40 {
            create(&store, n, &[n as u8; 100]);
        }
        drop(store);
        let all = segments(&place);
        let newer = if oldest { &all[0] } else { &all[all.len() - 1] };
        make_newer(newer);
        let before = fs::read(newer).unwrap();
        let error = FileStore::open(&place).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::NewerFormat, "{error}");
        assert_eq!(error.path(), Some(&**newer));
        let text = error.to_string();
        assert!(text.contains("version 2") && text.contains("upgrade"), "{text}");
        assert_eq!(fs::read(newer).unwrap(), before);
        assert_eq!(segments(&place), all);
    }
}
