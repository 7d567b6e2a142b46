//! FileStore against a plain model: the same random operations, the same answers, through reopening and clocks that jump.

#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, reason = "the helpers are part of tests, too")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use cloakroom::{
    Durability, ErrorKind, FileStore, Lifetime, Owner, Record, Revision, SessionKey, Store, Swept, Timestamp, Update,
};
use proptest::prelude::*;
use proptest::test_runner::Config;

mod support;

use support::{NOW, block_on, key, quick_place, scanned, with_value};

/// Few keys, so that operations meet.
const KEYS: u32 = 8;
const OWNERS: u8 = 3;

#[derive(Clone, Debug)]
struct New {
    key: u32,
    owner: Option<u8>,
    /// Minutes until it ends: idle, absolute.
    idle: u64,
    absolute: Option<u64>,
    /// How long the value is, in bytes.
    length: usize,
}

#[derive(Clone, Debug)]
enum Op {
    Create(New),
    Load(u32),
    Update(New, Expected),
    Touch(u32),
    Rotate(u32, New, Expected),
    Destroy(u32),
    OwnedBy(u8),
    DestroyOwnedBy(u8, Option<u32>),
    Sweep(usize),
    Count,
    Scan,
    Clear,
    /// Minutes, forwards or back.
    Clock(i64),
    /// One of the two handles, or both, and then the store recovers.
    Reopen(Handles),
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    Current,
    /// The one before, or one that never was.
    Stale,
}

#[derive(Clone, Copy, Debug)]
enum Handles {
    One,
    Other,
    Both,
}

fn new() -> impl Strategy<Value = New> {
    let owner = proptest::option::of(0..OWNERS);
    let length = prop_oneof![8 => 0..100usize, 3 => 100..1500usize, 1 => 1500..9000usize];
    (0..KEYS, owner, 1..60u64, proptest::option::of(1..90u64), length)
        .prop_map(|(key, owner, idle, absolute, length)| New { key, owner, idle, absolute, length })
}

fn expected() -> impl Strategy<Value = Expected> {
    prop_oneof![4 => Just(Expected::Current), 1 => Just(Expected::Stale)]
}

fn op() -> impl Strategy<Value = Op> {
    let handles = prop_oneof![1 => Just(Handles::One), 1 => Just(Handles::Other), 2 => Just(Handles::Both)];
    prop_oneof![
        8 => new().prop_map(Op::Create),
        6 => (0..KEYS).prop_map(Op::Load),
        12 => (new(), expected()).prop_map(|(new, expected)| Op::Update(new, expected)),
        6 => (0..KEYS).prop_map(Op::Touch),
        5 => (0..KEYS, new(), expected()).prop_map(|(old, new, expected)| Op::Rotate(old, new, expected)),
        4 => (0..KEYS).prop_map(Op::Destroy),
        2 => (0..OWNERS).prop_map(Op::OwnedBy),
        1 => (0..OWNERS, proptest::option::of(0..KEYS)).prop_map(|(owner, except)| Op::DestroyOwnedBy(owner, except)),
        3 => prop_oneof![1..4usize, 1000..1001usize].prop_map(Op::Sweep),
        1 => Just(Op::Count),
        1 => Just(Op::Scan),
        1 => Just(Op::Clear),
        5 => prop_oneof![4 => 0..20i64, 1 => -60..0i64, 1 => 60..500i64].prop_map(Op::Clock),
        3 => handles.prop_map(Op::Reopen),
    ]
}

/// Sessions as they should be.
#[derive(Default)]
struct Model {
    sessions: BTreeMap<SessionKey, Record>,
    /// The revision that each key had before.
    stale: BTreeMap<SessionKey, Revision>,
}

impl Model {
    fn live(&self, key: &SessionKey, now: Timestamp) -> Option<&Record> {
        self.sessions.get(key).filter(|record| !record.is_expired_at(now))
    }

    fn all_live(&self, now: Timestamp) -> Vec<SessionKey> {
        self.sessions.values().filter(|record| !record.is_expired_at(now)).map(|record| *record.key()).collect()
    }

    fn put(&mut self, mut record: Record, revision: Revision) {
        record.set_revision(revision);
        if let Some(before) = self.sessions.insert(*record.key(), record) {
            self.stale.insert(*before.key(), before.revision());
        }
    }

    fn remove(&mut self, key: &SessionKey) {
        if let Some(before) = self.sessions.remove(key) {
            self.stale.insert(*key, before.revision());
        }
    }

    fn of(&self, owner: &Owner) -> impl Iterator<Item = &Record> {
        self.sessions.values().filter(move |record| record.owner() == Some(owner))
    }

    fn revision(&self, key: &SessionKey, expected: Expected) -> Revision {
        let never = Revision::from_u64(1);
        match expected {
            Expected::Current => self.sessions.get(key).map_or(never, Record::revision),
            Expected::Stale => self.stale.get(key).copied().unwrap_or(never),
        }
    }

    /// What an update or a rotation of `key` must answer; `None` if it is to be stored.
    fn refusal(&self, key: &SessionKey, revision: Revision, now: Timestamp) -> Option<Update> {
        match self.live(key, now) {
            None => Some(Update::Gone),
            Some(current) if current.revision() == revision => None,
            Some(current) => Some(Update::Conflict(Box::new(current.clone()))),
        }
    }
}

/// A store with two handles, its model, and a clock.
struct Run {
    _keep: tempfile::TempDir,
    place: PathBuf,
    handles: [Option<FileStore>; 2],
    model: Model,
    now: Timestamp,
    /// Makes every value another one.
    saves: u32,
}

impl Run {
    fn new() -> Self {
        let (keep, place) = quick_place();
        let handles = [None, None];
        let mut run = Self { _keep: keep, place, handles, model: Model::default(), now: NOW, saves: 0 };
        run.reopen(Handles::Both);
        run
    }

    fn reopen(&mut self, which: Handles) {
        let (one, other) = match which {
            Handles::One => (true, false),
            Handles::Other => (false, true),
            Handles::Both => (true, true),
        };
        self.handles[0].take_if(|_| one);
        self.handles[1].take_if(|_| other);
        for handle in self.handles.iter_mut().filter(|handle| handle.is_none()) {
            // A cache for about three sessions.
            let options = FileStore::options().durability(Durability::Never).segment_bytes(4096).cache_bytes(2000);
            *handle = Some(options.open(&self.place).unwrap());
        }
    }

    fn record(&mut self, new: &New) -> Record {
        let lifetime = Lifetime::idle(Duration::from_secs(60 * new.idle));
        let lifetime = new.absolute.map_or(lifetime, |it| lifetime.with_absolute(Duration::from_secs(60 * it)));
        let mut record = Record::new(key(new.key), lifetime, self.now);
        record.set_owner(new.owner.map(owner), None);
        self.saves += 1;
        let mut value = vec![self.saves as u8; new.length];
        value.extend(self.saves.to_le_bytes());
        with_value(record, &value)
    }

    /// Does the same to the store, through one of its handles, and to the model.
    fn step(&mut self, op: &Op, handle: usize) -> Result<(), TestCaseError> {
        let now = self.now;
        let store = self.handles[handle].clone().unwrap();
        match op {
            Op::Create(new) => {
                let record = self.record(new);
                match block_on(store.create(&record, now)) {
                    Ok(revision) => {
                        prop_assert!(self.model.live(record.key(), now).is_none(), "a taken key was given away");
                        self.model.put(record, revision);
                    }
                    Err(error) => {
                        prop_assert_eq!(error.kind(), &ErrorKind::KeyTaken);
                        prop_assert!(self.model.live(record.key(), now).is_some(), "a free key was refused");
                    }
                }
            }
            Op::Load(n) => {
                let found = block_on(store.load(&key(*n), now)).unwrap();
                prop_assert_eq!(found.as_ref(), self.model.live(&key(*n), now));
            }
            Op::Update(new, expected) => {
                let record = self.record(new);
                let revision = self.model.revision(record.key(), *expected);
                let answer = block_on(store.update(&record, revision, now)).unwrap();
                self.stored(*record.key(), revision, record, answer)?;
            }
            Op::Rotate(old, new, expected) => {
                let record = self.record(new);
                let old = key(*old);
                let revision = self.model.revision(&old, *expected);
                let answer = block_on(store.rotate(&old, revision, &record, now));
                let taken = self.model.live(record.key(), now).is_some();
                match answer {
                    Ok(answer) => {
                        prop_assert!(!taken || !matches!(answer, Update::Stored(_)), "a taken key was given away");
                        self.stored(old, revision, record, answer)?;
                    }
                    Err(error) => {
                        prop_assert_eq!(error.kind(), &ErrorKind::KeyTaken);
                        prop_assert!(taken && self.model.refusal(&old, revision, now).is_none());
                    }
                }
            }
            Op::Touch(n) => {
                let touched = block_on(store.touch(&key(*n), now)).unwrap();
                prop_assert_eq!(touched, self.model.live(&key(*n), now).is_some());
                if touched {
                    self.model.sessions.get_mut(&key(*n)).unwrap().touch(now);
                }
            }
            Op::Destroy(n) => {
                block_on(store.destroy(&key(*n))).unwrap();
                self.model.remove(&key(*n));
            }
            Op::OwnedBy(n) => {
                let mut found = block_on(store.owned_by(&owner(*n), now)).unwrap();
                found.sort_by_key(|record| *record.key());
                let owner = owner(*n);
                let expected: Vec<_> =
                    self.model.of(&owner).filter(|record| !record.is_expired_at(now)).cloned().collect();
                prop_assert_eq!(found, expected);
            }
            Op::DestroyOwnedBy(n, except) => {
                let except = except.map(key);
                let ended = block_on(store.destroy_owned_by(&owner(*n), except.as_ref())).unwrap();
                let owner = owner(*n);
                let owned = self.model.of(&owner).filter(|record| Some(record.key()) != except.as_ref());
                let owned: Vec<SessionKey> = owned.map(|record| *record.key()).collect();
                let live = owned.iter().filter(|key| self.model.live(key, now).is_some()).count() as u64;
                prop_assert!((live..=owned.len() as u64).contains(&ended), "{} ended", ended);
                owned.iter().for_each(|key| self.model.remove(key));
            }
            Op::Sweep(budget) => {
                let swept = block_on(store.sweep(now, *budget)).unwrap();
                let expired = self.model.sessions.values().filter(|record| record.is_expired_at(now));
                let mut expired: Vec<_> = expired.map(|record| (record.expiry().ends_at(), *record.key())).collect();
                expired.sort_unstable();
                let removed = expired.len().min(*budget);
                prop_assert_eq!(swept, Swept { removed: removed as u64, more: removed < expired.len() });
                // Those that ended first, for good: a clock set back shows which.
                expired[..removed].iter().for_each(|(_, key)| self.model.remove(key));
            }
            Op::Count => {
                prop_assert_eq!(block_on(store.count(now)).unwrap(), self.model.all_live(now).len() as u64);
            }
            Op::Scan => prop_assert_eq!(scanned(&store, now), self.model.all_live(now)),
            Op::Clear => {
                block_on(store.clear()).unwrap();
                let all: Vec<_> = self.model.sessions.keys().copied().collect();
                all.iter().for_each(|key| self.model.remove(key));
            }
            Op::Clock(minutes) => {
                let millis = now.as_millis().saturating_add_signed(minutes * 60_000);
                self.now = Timestamp::from_millis(millis);
            }
            Op::Reopen(which) => {
                drop(store);
                self.reopen(*which);
            }
        }
        Ok(())
    }

    /// The answer to an update or a rotation of `from`.
    fn stored(
        &mut self,
        from: SessionKey,
        expected: Revision,
        mut record: Record,
        answer: Update,
    ) -> Result<(), TestCaseError> {
        match (answer, self.model.refusal(&from, expected, self.now)) {
            (Update::Stored(revision), None) => {
                prop_assert_ne!(revision, expected);
                record.touch(self.model.sessions[&from].last_seen());
                if *record.key() != from {
                    self.model.remove(&from);
                }
                self.model.put(record, revision);
            }
            (answer, refusal) => prop_assert_eq!(Some(answer), refusal),
        }
        Ok(())
    }

    /// Everything, through both handles, by this clock and an earlier one.
    fn compare(&self) -> Result<(), TestCaseError> {
        for store in self.handles.iter().flatten() {
            for now in [self.now, NOW] {
                for n in 0..KEYS {
                    let found = block_on(store.load(&key(n), now)).unwrap();
                    prop_assert_eq!(found.as_ref(), self.model.live(&key(n), now));
                }
                let live = self.model.all_live(now);
                let stats = store.stats(now).unwrap();
                prop_assert_eq!(
                    (stats.live, stats.expired),
                    (live.len() as u64, (self.model.sessions.len() - live.len()) as u64)
                );
                prop_assert_eq!(scanned(store, now), live);
                for n in 0..OWNERS {
                    let owner = owner(n);
                    let expected = self.model.of(&owner).filter(|record| !record.is_expired_at(now)).count();
                    prop_assert_eq!(block_on(store.owned_by(&owner, now)).unwrap().len(), expected);
                }
            }
            prop_assert_eq!(store.damage(), []);
        }
        Ok(())
    }
}

fn owner(n: u8) -> Owner {
    ["ada", "Ada", "ada "][usize::from(n)].into()
}

proptest! {
    // 400 cases, or as many as PROPTEST_CASES says.
    #![proptest_config(Config { failure_persistence: None, ..if std::env::var_os("PROPTEST_CASES").is_some() { Config::default() } else { Config::with_cases(400) } })]
    #[test]
    fn the_store_answers_as_the_model_does(ops in proptest::collection::vec((op(), 0..2usize), 1..120)) {
        let mut run = Run::new();
        for (op, handle) in &ops {
            run.step(op, *handle)?;
        }
        run.compare()?;
        run.reopen(Handles::Both);
        run.compare()?;
    }
}
