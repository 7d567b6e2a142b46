//! The engine over a disk in memory.

mod bounds;
mod closing;
mod ending_owned;
mod failing;
mod frozen;
mod full_disk;
mod holds;
mod joining;
mod looking;
mod missing;
mod opening;
mod reading;
mod snapshot;
mod syncing;
mod traces;
mod unreadable;
mod watched;
mod write_amplification;
mod writing;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::model::data::Data;
use crate::model::error::{ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::lifetime::Lifetime;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::store::block_on::block_on;
use crate::store::file::Damage;
use crate::store::file::FileStore;
use crate::store::file::disk::Disk;
use crate::store::file::disk::memory::MemoryDisk;
use crate::store::file::engine::Engine;
use crate::store::file::engine::background::Background;
use crate::store::file::engine::compact::Compactor;
use crate::store::file::format::frame::HEAD;
use crate::store::file::format::position::Position;
use crate::store::file::format::segment::HEADER;
use crate::store::file::recovery;
use crate::store::file::settings::Settings;
use crate::store::file::writer::Writer;
use crate::store::file::writer::op::Op;
use crate::store::{Durability, Store as _, Update};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

fn options() -> Settings {
    FileStore::options().segment_bytes(1 << 20).durability(Durability::Never).0
}

fn open(disk: &MemoryDisk, settings: Settings) -> Result<FileStore> {
    let engine = Arc::new(recovery::open(Arc::new(disk.clone()), Path::new("simulated"), settings)?);
    let background = Arc::new(Background::start(engine.clone())?);
    Ok(FileStore { engine, background, reader: None })
}

fn key(n: u32) -> SessionKey {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    SessionKey::from_bytes(bytes)
}

fn record(n: u32, value: &[u8]) -> Record {
    let mut record = Record::new(key(n), Lifetime::idle(Duration::from_secs(600)), NOW);
    let name: Arc<str> = "v".into();
    record.set_data(Data::from_entries(&BTreeMap::from([(name, value)])));
    record
}

fn create(store: &FileStore, n: u32, value: &[u8]) -> Revision {
    block_on(store.create(&record(n, value), &[], NOW)).unwrap()
}

fn value(store: &FileStore, n: u32) -> Option<Vec<u8>> {
    block_on(store.load(&key(n), NOW)).unwrap().map(|record| record.data().get("v").unwrap().to_vec())
}

/// Where the log ends. The store stays open, so no mark of a clean close stands there.
fn tail(store: &FileStore) -> Position {
    store.engine.log.segments.tail()
}

/// A store with segments of 4 KiB, some of them full.
fn filled(disk: &MemoryDisk) -> (FileStore, Settings) {
    let mut settings = options();
    settings.segment_bytes = 4096;
    let store = open(disk, settings.clone()).unwrap();
    for n in 0..100 {
        create(&store, n, &[n as u8; 100]);
    }
    assert!(tail(&store).segment() > 3);
    (store, settings)
}

fn open_to_read(disk: &MemoryDisk) -> Result<FileStore> {
    FileStore::kept(Arc::new(recovery::open_to_read(Arc::new(disk.clone()), Path::new("simulated"), options())?))
}

#[test]
fn what_was_saved_is_there_after_reopening() {
    let disk = MemoryDisk::default();
    let store = open(&disk, options()).unwrap();
    let revision = create(&store, 1, b"one");
    create(&store, 2, b"two");
    let updated = block_on(store.update(&record(1, b"uno"), revision, NOW)).unwrap();
    assert!(matches!(updated, Update::Stored(_)));
    block_on(store.destroy(&key(2), None)).unwrap();
    drop(store);
    let store = open(&disk, options()).unwrap();
    assert_eq!(value(&store, 1), Some(b"uno".to_vec()));
    assert_eq!(value(&store, 2), None);
    assert_eq!(store.damage(), []);
}

#[test]
fn two_handles_see_each_others_sessions_at_the_next_load() {
    let disk = MemoryDisk::default();
    let (one, two) = (open(&disk, options()).unwrap(), open(&disk, options()).unwrap());
    for n in 0..100 {
        create(&one, n, b"from one");
        assert_eq!(value(&two, n), Some(b"from one".to_vec()));
        block_on(two.destroy(&key(n), None)).unwrap();
        assert_eq!(value(&one, n), None);
    }
}
