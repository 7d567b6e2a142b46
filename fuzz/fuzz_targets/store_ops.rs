//! Any operations, with clock jumps, kills and reopening among them: a FileStore answers as a MemoryStore does.

#![no_main]

use std::ops::ControlFlow;
use std::time::Duration;

use cloakroom::fuzzing::{Disk, block_on};
use cloakroom::{
    BeyondLimit, Durability, Error, ErrorKind, FileOptions, FileStore, Lifetime, Limits, MemoryStore, OwnerLimit,
    Record, Revision, SessionKey, Store, Timestamp, Update,
};
use cloakroom_fuzz::{Many, NOW, data, key_of_byte, owner};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    limit: Option<(u8, bool)>,
    waits: bool,
    operations: Many<(bool, Operation)>,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Create(Session),
    Load { key: u8 },
    Update { session: Session, stale: u8 },
    Touch { key: u8 },
    Rotate { old: u8, session: Session, stale: u8 },
    Destroy { key: u8 },
    OwnedBy { owner: u8 },
    DestroyOwnedBy { owner: u8, except: Option<u8> },
    Sweep { budget: u8 },
    Scan,
    Clear { really: u8 },
    Pass { seconds: u8 },
    TurnBack { seconds: u8 },
    Reopen { really: u8 },
    Kill { really: u8 },
}

#[derive(Arbitrary, Debug)]
struct Session {
    key: u8,
    owner: u8,
    idle: u8,
    absolute: Option<u8>,
    value: u8,
    bytes: u8,
}

impl Session {
    fn record(&self, now: Timestamp) -> Record {
        let idle = Lifetime::idle(Duration::from_secs(u64::from(self.idle) + 1));
        let lifetime =
            self.absolute.map_or(idle, |absolute| idle.with_absolute(Duration::from_secs(u64::from(absolute) + 1)));
        let mut record = Record::new(few(self.key), lifetime, now);
        record.set_owner(owner(self.owner).map(Into::into), None);
        record.set_data(data(&vec![self.value; usize::from(self.bytes) * 4]));
        record
    }
}

fn few(n: u8) -> SessionKey {
    key_of_byte(n % 8)
}

fuzz_target!(|input: Input| {
    let Input { limit, waits, operations: Many(operations) } = input;
    let beyond = |refuse| if refuse { BeyondLimit::Refuse } else { BeyondLimit::EndOldest };
    let limit = limit.map(|(sessions, refuse)| OwnerLimit::new(usize::from(sessions % 3) + 1, beyond(refuse)));
    let limits = Limits::default().with_per_owner(limit);
    let durability = if waits { Durability::Always } else { Durability::Never };
    // Small, so that segments end and leave all the time.
    let options = FileStore::options().segment_bytes(4096).limits(limits).durability(durability);
    let mut pair = Pair::new(options, limits);
    for (other, operation) in operations.iter().take(300) {
        pair.run(usize::from(*other), operation);
    }
    pair.reopen(false);
    pair.run(0, &Operation::Scan);
});

/// The two stores, and which revisions mean the same.
struct Pair {
    options: FileOptions,
    disk: Disk,
    /// Two handles on one directory, as two processes have them.
    files: Vec<FileStore>,
    model: MemoryStore,
    revisions: Vec<(Revision, Revision)>,
    now: Timestamp,
}

impl Pair {
    fn new(options: FileOptions, limits: Limits) -> Self {
        let disk = Disk::default();
        let files = open(&disk, &options);
        let model = MemoryStore::with_limits(limits);
        Self { options, disk, files, model, revisions: Vec::new(), now: NOW }
    }

    fn reopen(&mut self, kill: bool) {
        if kill {
            self.disk = self.disk.copy();
        }
        self.files.clear();
        self.files = open(&self.disk, &self.options);
        assert_eq!(self.files[0].damage(), []);
    }

    fn run(&mut self, handle: usize, operation: &Operation) {
        let now = self.now;
        let (file, model) = (self.files[handle].clone(), self.model.clone());
        match operation {
            Operation::Create(session) => {
                let record = session.record(now);
                let created = (block_on(file.create(&record, &[], now)), block_on(model.create(&record, &[], now)));
                match (created.0, created.1) {
                    (Ok(file), Ok(model)) => self.revisions.push((file, model)),
                    (Err(file), Err(model)) => assert_same(&file, &model),
                    differ => panic!("{differ:?}"),
                }
            }
            Operation::Load { key } => self.load(&file, &few(*key)),
            Operation::Update { session, stale } => {
                let record = session.record(now);
                let (old, expected) = self.expected(record.key(), *stale);
                let updated = block_on(file.update(&record, old, now));
                self.same_update(updated, block_on(model.update(&record, expected, now)));
            }
            Operation::Touch { key } => {
                let key = few(*key);
                assert_eq!(block_on(file.touch(&key, now)).unwrap(), block_on(model.touch(&key, now)).unwrap());
            }
            Operation::Rotate { old, session, stale } => {
                let (record, key) = (session.record(now), few(*old));
                let (old, expected) = self.expected(&key, *stale);
                let rotated = block_on(file.rotate(&key, old, &record, None, now));
                self.same_update(rotated, block_on(model.rotate(&key, expected, &record, None, now)));
            }
            Operation::Destroy { key } => {
                block_on(file.destroy(&few(*key), None)).unwrap();
                block_on(model.destroy(&few(*key), None)).unwrap();
            }
            Operation::OwnedBy { owner: n } => {
                let Some(owner) = owner(*n) else { return };
                let owned = block_on(file.owned_by(&owner.into(), now)).unwrap();
                self.same_records(owned, block_on(model.owned_by(&owner.into(), now)).unwrap());
            }
            Operation::DestroyOwnedBy { owner: n, except } => {
                let Some(owner) = owner(*n) else { return };
                let except = except.map(few);
                let ended = block_on(file.destroy_owned_by(&owner.into(), except.as_ref())).unwrap();
                assert_eq!(ended, block_on(model.destroy_owned_by(&owner.into(), except.as_ref())).unwrap());
            }
            Operation::Sweep { budget } => {
                let budget = usize::from(budget % 4) + 1;
                let swept = block_on(file.sweep(now, budget)).unwrap();
                assert_eq!(swept, block_on(model.sweep(now, budget)).unwrap());
            }
            Operation::Scan => {
                self.same_records(scan(&file, now), scan(&model, now));
                assert_eq!(block_on(file.count(now)).unwrap(), block_on(model.count(now)).unwrap());
            }
            // The drastic ones not as often as the others.
            Operation::Clear { really: 0..4 } => {
                block_on(file.clear()).unwrap();
                block_on(model.clear()).unwrap();
            }
            Operation::Pass { seconds } => self.now = now.plus(Duration::from_secs((*seconds).into())),
            Operation::TurnBack { seconds } => {
                self.now = Timestamp::from_millis(now.as_millis() - u64::from(*seconds) * 1000);
            }
            Operation::Reopen { really: 0..16 } => self.reopen(false),
            Operation::Kill { really: 0..16 } => self.reopen(true),
            Operation::Clear { .. } | Operation::Reopen { .. } | Operation::Kill { .. } => {}
        }
        // Whichever handle did it, both can see it.
        (0..8).for_each(|n| self.files.iter().for_each(|file| self.load(file, &key_of_byte(n))));
    }

    fn load(&self, file: &FileStore, key: &SessionKey) {
        let loaded = block_on(file.load(key, self.now)).unwrap();
        let expected = block_on(self.model.load(key, self.now)).unwrap();
        self.same_records(loaded.into_iter().collect(), expected.into_iter().collect());
    }

    /// The revisions that stand for this session's newest, or for one written a few writes ago.
    fn expected(&self, key: &SessionKey, stale: u8) -> (Revision, Revision) {
        let nothing = (Revision::from_u64(0), Revision::from_u64(0));
        let ago = |writes: usize| self.revisions.iter().rev().nth(writes).copied().unwrap_or(nothing);
        if stale >= 64 {
            let current = block_on(self.model.load(key, self.now)).unwrap();
            let current =
                current.and_then(|record| self.revisions.iter().find(|(_, model)| *model == record.revision()));
            return current.copied().unwrap_or(nothing);
        }
        ago(usize::from(stale))
    }

    fn same_update(&mut self, file: Result<Update, Error>, model: Result<Update, Error>) {
        match (file, model) {
            (Ok(Update::Stored(file)), Ok(Update::Stored(model))) => self.revisions.push((file, model)),
            (Ok(Update::Conflict(file)), Ok(Update::Conflict(model))) => self.same_records(vec![*file], vec![*model]),
            (Ok(Update::Gone), Ok(Update::Gone)) => {}
            (Err(file), Err(model)) => assert_same(&file, &model),
            differ => panic!("{differ:?}"),
        }
    }

    fn same_records(&self, mut file: Vec<Record>, mut model: Vec<Record>) {
        file.sort_by_key(|record| *record.key());
        model.sort_by_key(|record| *record.key());
        for record in &mut model {
            let (of_file, _) = self.revisions.iter().find(|(_, model)| *model == record.revision()).unwrap();
            record.set_revision(*of_file);
        }
        assert_eq!(file, model);
    }
}

fn open(disk: &Disk, options: &FileOptions) -> Vec<FileStore> {
    (0..2).map(|_| disk.open(options.clone()).unwrap()).collect()
}

fn scan(store: &impl Store, now: Timestamp) -> Vec<Record> {
    let mut records = Vec::new();
    let mut visit = |record| {
        records.push(record);
        ControlFlow::Continue(())
    };
    block_on(store.scan(now, &mut visit)).unwrap();
    records
}

fn assert_same(file: &Error, model: &Error) {
    assert_eq!(file.kind(), model.kind());
    assert!(matches!(file.kind(), ErrorKind::KeyTaken | ErrorKind::OwnerLimit { .. }), "{file}");
}
