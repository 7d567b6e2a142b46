//! What the benchmarks share: sessions like a shop's, stores that are full of them, and the map that they are held
//! against.

#![allow(dead_code, unused_imports, reason = "no benchmark uses all of it")]
#![allow(clippy::unwrap_used, reason = "a benchmark that fails has nothing to report")]

#[path = "../../tests/support/block_on.rs"]
mod block_on;
pub(crate) mod child;
pub(crate) mod crew;
mod key;
mod map;
mod numbers;
mod raw;
mod saver;
mod table;
mod visitor;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::value;
use cloakroom::{Data, Durability, FileOptions, FileStore, Lifetime, Record, SessionKey, Store, Timestamp};
use tempfile::TempDir;

pub(crate) use block_on::block_on;
pub(crate) use key::{hash_like_key, unknown_key};
pub(crate) use map::Map;
pub(crate) use numbers::Numbers;
pub(crate) use raw::{GroupCommit, RawLog};
pub(crate) use saver::{Saver, together};
pub(crate) use table::{Goal, Table, medians};
pub(crate) use visitor::{Visit, Visitor};

/// When a benchmark begins; it lets time go by itself.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

/// Far beyond what the touches of a whole run add up to.
const IDLE: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether this is `cargo bench`, and not `cargo test` looking whether the benchmarks still run.
pub(crate) fn is_measuring() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// How many sessions a store holds unless said otherwise.
pub(crate) fn sessions() -> u64 {
    if is_measuring() { 100_000 } else { 1_000 }
}

/// An empty directory beside the build's output: on a disk, where a sync costs what it costs, and not in a file system
/// in memory.
pub(crate) fn directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// What the `n`th session holds: 200 to 1,000 bytes once it is encoded, 600 in the mean.
pub(crate) fn text(n: u64) -> String {
    "x".repeat(192 + Numbers(!n).below(801) as usize)
}

/// The same as a store gets it.
pub(crate) fn data(n: u64) -> Data {
    let name: Arc<str> = "cart".into();
    Data::from_entries(&BTreeMap::from([(name, value::encode(&text(n)).unwrap())]))
}

/// The `n`th session, seen within the last half an hour.
pub(crate) fn record(n: u64) -> Record {
    seen_within(n, Duration::from_secs(30 * 60), IDLE)
}

/// The `n`th session, over [`ENDED`].
pub(crate) fn ending(n: u64) -> Record {
    seen_within(n, Duration::from_secs(18), Duration::from_secs(60))
}

/// When [`ending`] sessions are over, and no other.
pub(crate) const ENDED: Timestamp = Timestamp::from_secs(1_700_000_060);

fn seen_within(n: u64, last: Duration, idle: Duration) -> Record {
    let before = Duration::from_millis(Numbers(n).below(last.as_millis() as u64));
    let seen = Timestamp::from_millis(NOW.as_millis() - before.as_millis() as u64);
    let mut record = Record::new(hash_like_key(n), Lifetime::idle(idle), seen);
    record.set_data(data(n));
    record
}

/// Options that keep all records in memory, as the map does.
pub(crate) fn options(durability: Durability) -> FileOptions {
    FileStore::options().durability(durability).cache_bytes(4 << 30)
}

/// A new store with this many sessions. To fill it nothing waits for the disk; what follows does as it is told.
pub(crate) fn filled(directory: &Path, sessions: u64, durability: Durability) -> FileStore {
    let store = options(Durability::Never).open(directory).unwrap();
    for n in 0..sessions {
        block_on(store.create(&record(n), &[], NOW)).unwrap();
    }
    store.close().unwrap();
    let store = options(durability).open(directory).unwrap();
    // Once through, so that all of it is in memory.
    for n in 0..sessions {
        assert!(block_on(store.load(&hash_like_key(n), NOW)).unwrap().is_some());
    }
    store
}
