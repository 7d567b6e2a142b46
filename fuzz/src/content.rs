//! All that a store can be asked, so that two can be compared.

use std::collections::BTreeMap;

use cloakroom::fuzzing::{Disk, block_on};
use cloakroom::{Durability, ErrorKind, FileOptions, FileStore, Record, Store};

use crate::forged::KEYS;
use crate::{NOW, key_of_byte, owner};

/// A session that no input knows.
pub const NEW: u8 = 200;

pub fn options() -> FileOptions {
    FileStore::options().durability(Durability::Never)
}

/// What a store answers.
#[derive(Debug, PartialEq)]
pub struct Content {
    sessions: BTreeMap<u8, Result<Option<Vec<u8>>, ErrorKind>>,
    owned: Vec<Result<Vec<Vec<u8>>, ErrorKind>>,
    count: Option<u64>,
}

impl Content {
    pub fn of(store: &FileStore) -> Self {
        let load = |n: u8| {
            let loaded = block_on(store.load(&key_of_byte(n), NOW));
            (n, loaded.map(|record| record.map(|record| record.to_bytes())).map_err(|error| error.kind().clone()))
        };
        let owned = |n: u8| {
            let owned = block_on(store.owned_by(&owner(n)?.into(), NOW));
            Some(owned.map(sorted).map_err(|error| error.kind().clone()))
        };
        Self {
            sessions: (0..KEYS).chain([NEW]).map(load).collect(),
            owned: (0..4).filter_map(owned).collect(),
            count: Some(block_on(store.count(NOW)).unwrap()),
        }
    }

    /// What is found in a directory that can be opened.
    pub fn in_(disk: &Disk) -> Self {
        Self::of(&disk.open(options()).expect("its header is whole"))
    }

    /// A session without an owner.
    pub fn add(&mut self, n: u8, record: &Record) {
        self.sessions.insert(n, Ok(Some(record.to_bytes())));
        self.count = self.count.map(|count| count + 1);
    }

    /// What a load answers.
    pub fn session(&self, n: u8) -> &Result<Option<Vec<u8>>, ErrorKind> {
        &self.sessions[&n]
    }

    /// A session that is not to be compared.
    pub fn forget(&mut self, n: u8) {
        self.sessions.remove(&n);
        self.owned.clear();
        self.count = None;
    }
}

fn sorted(records: Vec<Record>) -> Vec<Vec<u8>> {
    let mut records: Vec<_> = records.iter().map(Record::to_bytes).collect();
    records.sort();
    records
}
