//! What the tests share: an executor, keys, the model of a store's contract, directories, and the file store's sessions in
//! one line each. The files of one noun are also those of the workspaces for campaigns, benchmarks and fuzzing. What only
//! one test needs stands in that test.

#![allow(dead_code, reason = "each test uses what it needs")]
#![allow(clippy::unwrap_used, reason = "the helpers are part of tests, too")]

mod block_on;
mod in_memory;
mod key;
pub mod model;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cloakroom::{Data, FileStore, Lifetime, Record, Revision, SessionKey, Store, Timestamp, Update};
use tempfile::TempDir;

pub use block_on::block_on;
pub use in_memory::in_memory;
pub use key::key;

/// When the tests begin.
pub const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
pub const MINUTE: Duration = Duration::from_secs(60);

/// A directory that goes with its handle, and the store's place in it, which does not exist yet.
pub fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("sessions");
    (directory, place)
}

/// The same in memory: for tests that open a store hundreds of times, and are not about the disk.
pub fn quick_place() -> (TempDir, PathBuf) {
    let directory = in_memory().unwrap();
    let place = directory.path().join("sessions");
    (directory, place)
}

/// Says that something cannot be tried here, as another user than root, for instance. That is no success: where everything must
/// be tried, as in CI, it is a failure.
pub fn not_tried(why: &str) {
    assert!(std::env::var_os("CLOAKROOM_TRY_ALL").is_none(), "NOT TRIED, and everything is to be tried: {why}");
    eprintln!("NOT TRIED: {why}");
}

/// A session of half an hour that holds this value.
pub fn record(n: u32, value: &[u8]) -> Record {
    record_until(n, value, 30 * MINUTE)
}

pub fn record_until(n: u32, value: &[u8], idle: Duration) -> Record {
    with_value(Record::new(key(n), Lifetime::idle(idle), NOW), value)
}

pub fn owned(n: u32, owner: &str, value: &[u8]) -> Record {
    let mut record = record(n, value);
    record.set_owner(Some(owner.into()), Some(NOW));
    record
}

pub fn with_value(mut record: Record, value: &[u8]) -> Record {
    record.set_data(Data::from_entries(&BTreeMap::from([(Arc::from("value"), value)])));
    record
}

pub fn value_of(record: &Record) -> &[u8] {
    record.data().get("value").unwrap()
}

pub fn create(store: &FileStore, n: u32, value: &[u8]) -> Revision {
    block_on(store.create(&record(n, value), &[], NOW)).unwrap()
}

pub fn load(store: &FileStore, n: u32) -> Option<Record> {
    block_on(store.load(&key(n), NOW)).unwrap()
}

/// What the session holds, or that it is not there.
pub fn value(store: &FileStore, n: u32) -> Option<Vec<u8>> {
    load(store, n).map(|record| value_of(&record).to_vec())
}

/// Replaces what a session holds, whatever it was.
pub fn replace(store: &FileStore, n: u32, value: &[u8]) -> Revision {
    let mut current = load(store, n).expect("the session is there");
    loop {
        let changed = with_value(current.clone(), value);
        match block_on(store.update(&changed, current.revision(), NOW)).unwrap() {
            Update::Stored(revision) => return revision,
            Update::Conflict(now) => current = *now,
            _ => panic!("session {n} is gone"),
        }
    }
}

/// The numbers of all live sessions that a scan meets, in order.
pub fn scanned(store: &FileStore, now: Timestamp) -> Vec<SessionKey> {
    let mut keys = Vec::new();
    let visit = &mut |record: Record| {
        keys.push(*record.key());
        std::ops::ControlFlow::Continue(())
    };
    block_on(store.scan(now, visit)).unwrap();
    keys.sort_unstable();
    keys
}

/// The store's segments, oldest first.
pub fn segments(directory: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|it| it == "log")).collect();
    segments.sort_unstable();
    segments
}
