//! What the children of these tests do: the test binary again, in the role that the environment names.

use std::fs;
use std::path::{Path, PathBuf};

use cloakroom::{ErrorKind, FileStore, Record, Revision, SessionKey, Store, Update};

use super::files::{NOW, block_on, create, key, load, owned, record, replace, value_of, with_value};
use super::process::{ARGUMENT, PLACE, ROLE, listen, say};

/// The role that the environment names; without one, which is how the harness runs it, nothing.
#[test]
fn child_in_its_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let place = PathBuf::from(std::env::var_os(PLACE).unwrap());
    let argument = std::env::var(ARGUMENT).unwrap();
    match role.as_str() {
        "end" => end(&place),
        "count" => count(&FileStore::open(&place).unwrap(), argument.parse().unwrap()),
        "fill" => fill(&place),
        "read damaged" => read_damaged(&place),
        role => panic!("no role is called {role}"),
    }
}

/// Ends session after session, each in another way, and says so; nothing else waits for the disk.
fn end(place: &Path) {
    let store = FileStore::options().durability(cloakroom::Durability::Never).open(place).unwrap();
    while let Some(told) = listen() {
        let n: u32 = told.parse().unwrap();
        block_on(store.create(&owned(n, &told, b"begun"), &[], NOW)).unwrap();
        let revision = replace(&store, n, b"changed");
        match n % 3 {
            0 => assert!(block_on(store.destroy(&key(n), None)).unwrap()),
            1 => assert_eq!(block_on(store.destroy_owned_by(&told.as_str().into(), None)).unwrap(), 1),
            _ => {
                let mut rotated = load(&store, n).unwrap();
                rotated.set_key(key(n + 1_000_000));
                let update = block_on(store.rotate(&key(n), revision, &rotated, None, NOW)).unwrap();
                assert!(matches!(update, Update::Stored(_)));
            }
        }
        say(&told);
        // Killed here, with no more than the return of that call.
        std::thread::park();
    }
}

/// Counts session 1 up by compare-and-swap.
pub fn count(store: &FileStore, times: u64) {
    for _ in 0..times {
        let mut current = load(store, 1).unwrap();
        loop {
            let n = u64::from_le_bytes(value_of(&current).try_into().unwrap());
            let changed = with_value(current.clone(), &(n + 1).to_le_bytes());
            match block_on(store.update(&changed, current.revision(), NOW)).unwrap() {
                Update::Stored(_) => break,
                Update::Conflict(now) => current = *now,
                _ => panic!("the counter is gone"),
            }
        }
    }
}

/// A store with files of every kind.
fn fill(place: &Path) {
    let options = FileStore::options().segment_bytes(4096);
    let store = options.clone().open(place).unwrap();
    (0..60).for_each(|n| {
        create(&store, n, &[n as u8; 100]);
    });
    drop(store);
    let last = super::files::segments(place).pop().unwrap();
    let torn = [&fs::read(&last).unwrap()[..], b"torn"].concat();
    fs::write(last, torn).unwrap();
    drop(options.open(place).unwrap());
}

/// How much memory this process has had at most, in KiB, whether it was touched or not.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmPeak:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Reads records, and a store, that claim to be larger than any memory.
fn read_damaged(place: &Path) {
    let good = record(1, &[7; 1000]).to_bytes();
    drop(FileStore::open(place).unwrap());
    let before = memory();
    let key = SessionKey::from_bytes([1; 16]);
    let revision = Revision::from_u64(1);
    for at in 0..good.len().min(60) {
        // The longest numbers there are, wherever a length may stand.
        for claim in [&[0xff; 10][..], &[0xfd, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], &[0xfc, 0, 0, 0, 0x7f], &[0x7f]] {
            let mut bytes = good.clone();
            let end = (at + claim.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&claim[..end - at]);
            if let Err(error) = Record::from_bytes(key, revision, &bytes) {
                assert!(matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NewerFormat), "{error}");
            }
        }
    }
    // A frame's head that claims 4 GiB, and one of a sealed segment.
    for segment in super::files::segments(place) {
        let mut bytes = fs::read(&segment).unwrap();
        bytes[64..68].fill(0xff);
        fs::write(segment, bytes).unwrap();
    }
    let store = FileStore::open(place).unwrap();
    for n in 0..100 {
        let _ = block_on(store.load(&super::files::key(n), NOW));
    }
    assert!(!store.damage().is_empty());
    say(&(memory() - before).to_string());
}
