//! Recovery: whatever stands in the segments, opening never panics, and what it opens can be saved into and opened again
//! with the same content.

#![no_main]

use std::collections::BTreeMap;
use std::time::Duration;

use cloakroom::fuzzing::{self, Disk, block_on};
use cloakroom::{Durability, ErrorKind, FileOptions, FileStore, Lifetime, Record, Store};
use cloakroom_fuzz::forged::{Forged, KEYS};
use cloakroom_fuzz::{NOW, data, key, owner};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Input {
    /// One segment of arbitrary bytes, behind a header or without.
    Bytes { header: bool, bytes: Vec<u8> },
    /// Segments of whole frames, and what has become of the last. Each frame says what is durable: with `true` everything
    /// before it, else everything before the number.
    Frames { first: u8, segments: Vec<Vec<(bool, u16, Forged)>>, changes: Vec<Change> },
}

/// Something that happens to a file; places are counted from its beginning and again when they are beyond its end.
#[derive(Arbitrary, Debug)]
enum Change {
    Set { at: u16, to: u8 },
    Zero { at: u16, count: u8 },
    Cut { at: u16 },
    Insert { at: u16, bytes: Vec<u8> },
    Repeat { at: u16, count: u8 },
    Append { bytes: Vec<u8> },
}

/// A session that no input knows.
const NEW: u8 = 200;

fuzz_target!(|input: Input| {
    let disk = Disk::default();
    match input {
        Input::Bytes { header, bytes } => {
            let header = if header { fuzzing::segment(1, &[]) } else { Vec::new() };
            disk.put_segment(1, [header, bytes].concat());
        }
        Input::Frames { first, segments, changes } => {
            let numbers = u32::from(first)..;
            let last = segments.len().saturating_sub(1);
            for (at, (number, frames)) in numbers.zip(&segments).enumerate().take(4) {
                let frame = |(before, durable, forged): &(bool, u16, Forged)| {
                    ((!before).then_some(u32::from(*durable)), forged.frame())
                };
                let mut bytes = fuzzing::segment(number, &frames.iter().map(frame).collect::<Vec<_>>());
                if at == last {
                    changes.iter().for_each(|change| change.happen_to(&mut bytes));
                }
                disk.put_segment(number, bytes);
            }
        }
    }
    check(&disk);
});

fn check(disk: &Disk) {
    let store = match disk.open(options()) {
        Ok(store) => store,
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NewerFormat), "{error}");
            return;
        }
    };
    let mut content = Content::of(&store);
    let mut record = Record::new(key(NEW), Lifetime::idle(Duration::from_secs(60)), NOW);
    record.set_data(data(b"new"));
    block_on(store.create(&record, NOW)).expect("what could be opened can be saved into");
    content.count += 1;
    content.sessions.insert(NEW, Ok(Some(record.to_bytes())));
    assert_eq!(Content::of(&store), content, "before it is closed");
    let killed = disk.copy();
    drop(store);
    for (disk, how) in [(&killed, "killed"), (disk, "closed")] {
        let store = disk.open(options()).expect("what could be opened once can be opened again");
        assert_eq!(Content::of(&store), content, "{how}");
    }
}

fn options() -> FileOptions {
    FileStore::options().durability(Durability::Never)
}

/// All that a store can be asked.
#[derive(Debug, PartialEq)]
struct Content {
    sessions: BTreeMap<u8, Result<Option<Vec<u8>>, ErrorKind>>,
    owned: Vec<Result<usize, ErrorKind>>,
    count: u64,
}

impl Content {
    fn of(store: &FileStore) -> Self {
        let load = |n: u8| {
            let loaded = block_on(store.load(&key(n), NOW));
            (n, loaded.map(|record| record.map(|record| record.to_bytes())).map_err(|error| error.kind().clone()))
        };
        let owned = |n: u8| {
            let owned = block_on(store.owned_by(&owner(n)?.into(), NOW));
            Some(owned.map(|records| records.len()).map_err(|error| error.kind().clone()))
        };
        Self {
            sessions: (0..KEYS).chain([NEW]).map(load).collect(),
            owned: (0..4).filter_map(owned).collect(),
            count: block_on(store.count(NOW)).unwrap(),
        }
    }
}

impl Change {
    fn happen_to(&self, bytes: &mut Vec<u8>) {
        let place = |at: u16| usize::from(at) % (bytes.len() + 1);
        let run = |at: u16, count: u8| place(at)..(place(at) + usize::from(count)).min(bytes.len());
        match self {
            Self::Set { at, to } => {
                let at = run(*at, 1);
                bytes[at].fill(*to);
            }
            Self::Zero { at, count } => {
                let run = run(*at, *count);
                bytes[run].fill(0);
            }
            Self::Cut { at } => bytes.truncate(place(*at)),
            Self::Insert { at, bytes: new } => {
                let at = place(*at);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Repeat { at, count } => {
                let again = bytes[run(*at, *count)].to_vec();
                bytes.extend(again);
            }
            Self::Append { bytes: new } => bytes.extend(new),
        }
    }
}
