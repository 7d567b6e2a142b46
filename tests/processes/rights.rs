//! Processes that may do less than they could when they opened the store, or less than others may.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use cloakroom::{FileStore, Store};
use tempfile::TempDir;

use super::process::Process;
use super::support::{NOW, block_on, create, key, not_tried, place, value};

const USER: u32 = 65_534;

/// Whether what comes next can be tried. That it cannot is said, and is no success.
fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        not_tried("only root can start processes that may do less");
    }
    is_root
}

/// A place that another user can come by, and this program where that user can run it.
fn shared_place() -> (TempDir, PathBuf, PathBuf) {
    let (keep, place) = place();
    fs::set_permissions(keep.path(), Permissions::from_mode(0o711)).unwrap();
    let program = keep.path().join("program");
    // Another process copies: a handle to write that is open here goes into the children of other tests until they have
    // become programs themselves, and what is open to write cannot be run.
    let copied = Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&program).status().unwrap();
    assert!(copied.success());
    (keep, place, program)
}

fn give(place: &Path, user: u32, mode: u32) {
    chown(place, Some(user), Some(user)).unwrap();
    fs::set_permissions(place, Permissions::from_mode(mode)).unwrap();
}

fn done(process: &mut Process, told: impl ToString) {
    process.tell(&told.to_string());
    process.expect("done");
}

#[test]
fn a_process_that_has_lost_its_rights_to_the_directory_goes_on_in_the_file_that_it_has_and_says_so() {
    if !is_root() {
        return;
    }
    // It may make no files, or may not even look at those that are there. That it cannot look proves nothing (rule 22).
    for mode in [0o755, 0o700] {
        let (_keep, place, program) = shared_place();
        fs::create_dir(&place).unwrap();
        give(&place, USER, 0o700);
        let mut process = Process::start_by(Command::new(program).uid(USER).gid(USER), "obey", &place, 60_000);
        process.expect("open");
        (0..60).for_each(|n| done(&mut process, n));
        process.tell("roll error");
        process.expect("none");
        give(&place, 0, mode);
        (60..300).for_each(|n| done(&mut process, n));
        (0..290).for_each(|n| done(&mut process, format!("end {n}")));
        process.tell("roll error");
        let error = process.hear().unwrap();
        assert!(error.contains("ermission denied"), "{error}");
        done(&mut process, "close");
        process.end();
        give(&place, USER, 0o700);
        let store = FileStore::open(&place).unwrap();
        let live: Vec<u32> = (0..300).filter(|n| value(&store, *n).is_some()).collect();
        assert_eq!((live, store.damage()), ((290..300).collect(), vec![]), "mode {mode:o}");
    }
}

#[test]
fn a_store_that_is_open_to_read_bars_nobody_follows_who_writes_and_writes_itself_when_it_can() {
    const MOUNTS: &str = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
    let (_keep, place) = place();
    let store = FileStore::open(&place).unwrap();
    create(&store, 1, b"one");
    let may_mount = |mounts: &str, command: &str| {
        let mut unshared = Command::new("unshare");
        unshared.args(["-m", "sh", "-c", mounts]).arg(&place).arg(command);
        unshared
    };
    if !may_mount(MOUNTS, "true").status().is_ok_and(|status| status.success()) {
        return not_tried("only root can have another process see a read-only file system");
    }
    for writers in 0..2 {
        // Either nobody has it open when the reader comes, or this process.
        let mut beside = (writers == 1).then(|| FileStore::open(&place).unwrap());
        if writers == 0 {
            store.close().unwrap();
        }
        let program = std::env::current_exe().unwrap();
        let mut reader = Process::start_by(&mut may_mount(MOUNTS, program.to_str().unwrap()), "obey", &place, 60_000);
        reader.expect("open");
        let mut reads = |told: &str, expected: &str| {
            reader.tell(told);
            reader.expect(expected);
        };
        reads("value 1", "one");
        reads("7", "NotWritable");
        let store = beside.take().unwrap_or_else(|| FileStore::open(&place).unwrap());
        create(&store, 2, b"two");
        assert!(block_on(store.destroy(&key(1), None)).unwrap());
        reads("value 1", "none");
        reads("value 2", "two");
        // Again, by another recovery.
        store.close().unwrap();
        let store = FileStore::open(&place).unwrap();
        assert!(block_on(store.destroy(&key(2), None)).unwrap());
        reads("value 2", "none");
        // Its file system takes writes again.
        let remounted = Command::new("nsenter")
            .args(["-m", "-t", &reader.id().to_string(), "mount", "-o", "remount,bind,rw"])
            .arg(&place)
            .status();
        assert!(remounted.unwrap().success());
        let saved = (0..100).find(|_| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            reader.tell("7");
            reader.hear().unwrap() == "done"
        });
        assert!(saved.is_some(), "it stays closed to writes");
        assert_eq!(value(&store, 7), Some(b"7".to_vec()));
        done(&mut reader, "end 7");
        assert_eq!(value(&store, 7), None);
        done(&mut reader, "close");
        reader.end();
        create(&store, 1, b"one");
        assert_eq!(block_on(store.count(NOW)).unwrap(), 1);
    }
}

#[test]
fn a_page_that_is_open_cannot_be_cut_by_a_program_of_the_same_user_and_others_can_still_open_it() {
    let (_keep, place, program) = shared_place();
    fs::create_dir(&place).unwrap();
    fs::set_permissions(&place, Permissions::from_mode(0o700)).unwrap();
    // Root may write to any file.
    let user = if rustix::process::geteuid().is_root() { USER } else { rustix::process::geteuid().as_raw() };
    let group = rustix::process::getegid().as_raw();
    let by_user = |program: &Path| {
        let mut command = Command::new(program);
        if rustix::process::geteuid().is_root() {
            command.uid(user).gid(group);
        }
        command
    };
    if rustix::process::geteuid().is_root() {
        chown(&place, Some(user), None).unwrap();
    }
    let start = || Process::start_by(&mut by_user(&program), "obey", &place, 60_000);
    for round in 0..2 {
        let mut open: Vec<Process> = (0..4).map(|_| start()).collect();
        open.iter_mut().for_each(|process| process.expect("open"));
        let page = place.join("tail.page");
        assert_eq!(fs::metadata(&page).unwrap().permissions().mode() & 0o777, 0o400);
        let cut = by_user(Path::new("/bin/sh")).args(["-c", ": > \"$0\""]).arg(&page).status().unwrap();
        assert!(!cut.success());
        open.push(start());
        open.last_mut().unwrap().expect("open");
        for (n, process) in open.iter_mut().enumerate() {
            done(process, 10 * round + n);
        }
        // The last to close, or a recovery after a kill, is no other.
        open.into_iter().for_each(|process| if round == 0 { drop(process.kill()) } else { drop(process.end()) });
    }
    let store = FileStore::open(&place).unwrap();
    assert!((0..15).filter(|n| n % 10 < 5).all(|n| value(&store, n).is_some()));
}
