//! FileStore beside the model of the contract: the same random operations, the same answers, through reopening and clocks
//! that jump. Records are compared whole.

#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, reason = "the helpers are part of tests, too")]

use std::path::PathBuf;
use std::time::Duration;

use cloakroom::{
    Durability, Error, ErrorKind, FileStore, Found, Lifetime, Owner, Record, Revision, SessionKey, Store, Timestamp,
    Trace, Update,
};
use proptest::prelude::*;
use proptest::test_runner::Config;

mod support;

use support::model::{Model, Notation, Outcome, Refusal, Standing, sessions};
use support::{MINUTE, NOW, block_on, key, quick_place, scanned, with_value};

/// Few keys, so that operations meet.
const KEYS: usize = 8;
const OWNERS: u8 = 3;

#[derive(Clone, Debug)]
struct New {
    key: usize,
    owner: Option<u8>,
    /// Minutes until it ends: idle, absolute.
    idle: u64,
    absolute: Option<u64>,
    /// How long the value is, in bytes.
    length: usize,
}

/// A trace that an operation leaves.
#[derive(Clone, Copy, Debug)]
struct Left {
    /// Minutes until it is over.
    minutes: u64,
    /// By a login, whether as another owner.
    replaced: bool,
}

#[derive(Clone, Debug)]
enum Op {
    /// With what a login leaves, and under which keys.
    Create(New, Vec<(usize, Left)>),
    Find(usize),
    Update(New, Expected),
    Touch(usize),
    Rotate(usize, New, Expected, Option<Left>),
    Destroy(usize, Option<Left>),
    OwnedBy(u8),
    DestroyOwnedBy(u8, Option<usize>),
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

fn left() -> impl Strategy<Value = Left> {
    (1..20u64, any::<bool>()).prop_map(|(minutes, replaced)| Left { minutes, replaced })
}

fn op() -> impl Strategy<Value = Op> {
    let login = prop_oneof![2 => Just(Vec::new()), 1 => proptest::collection::vec((0..KEYS, left()), 1..3)];
    let maybe = || proptest::option::of(left());
    let handles = prop_oneof![1 => Just(Handles::One), 1 => Just(Handles::Other), 2 => Just(Handles::Both)];
    prop_oneof![
        8 => (new(), login).prop_map(|(new, traces)| Op::Create(new, traces)),
        6 => (0..KEYS).prop_map(Op::Find),
        12 => (new(), expected()).prop_map(|(new, expected)| Op::Update(new, expected)),
        6 => (0..KEYS).prop_map(Op::Touch),
        5 => (0..KEYS, new(), expected(), maybe())
            .prop_map(|(old, new, expected, left)| Op::Rotate(old, new, expected, left)),
        4 => (0..KEYS, maybe()).prop_map(|(key, left)| Op::Destroy(key, left)),
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

/// The model notes whole records.
struct Records;

impl Notation for Records {
    type Session = Record;
    type Revision = Revision;
    type Owner = Owner;
    type Trace = Trace;

    fn revision(&self, record: &Record) -> Revision {
        record.revision()
    }

    fn owner(&self, record: &Record) -> Option<Owner> {
        record.owner().cloned()
    }

    fn last_seen(&self, record: &Record) -> Timestamp {
        record.last_seen()
    }

    fn ends_at(&self, record: &Record) -> Timestamp {
        record.expiry().ends_at()
    }

    fn see(&self, record: &mut Record, at: Timestamp) {
        record.touch(at);
    }

    fn over_at(&self, trace: &Trace) -> Timestamp {
        trace.ends()
    }

    fn join(&self, older: &Trace, newer: &Trace) -> Trace {
        older.join(newer)
    }
}

const MODEL: Model<'static, Records> =
    Model { notation: &Records, per_owner: None, swept_behind: Duration::from_secs(5 * 60), leaves_traces: true };

/// A revision that no session ever had.
const NEVER: Revision = Revision::from_u64(1);

/// A store with two handles, its model, and a clock.
struct Run {
    _keep: tempfile::TempDir,
    place: PathBuf,
    handles: [Option<FileStore>; 2],
    /// What should stand.
    keys: [Option<Standing<Record, Trace>>; KEYS],
    /// The revision that each key had before.
    stale: [Revision; KEYS],
    now: Timestamp,
    /// Makes every value another one.
    saves: u32,
}

impl Run {
    fn new() -> Self {
        let (keep, place) = quick_place();
        let handles = [None, None];
        let (keys, stale) = ([const { None }; KEYS], [NEVER; KEYS]);
        let mut run = Self { _keep: keep, place, handles, keys, stale, now: NOW, saves: 0 };
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

    fn session(&self, key: usize) -> Option<&Record> {
        self.keys[key].as_ref().and_then(Standing::session)
    }

    /// The trace of a session that goes on as that of another key.
    fn moved(&self, to: usize, left: Left) -> Trace {
        Trace::moved(key(to), self.over(left))
    }

    fn over(&self, left: Left) -> Timestamp {
        self.now.plus(left.minutes as u32 * MINUTE)
    }

    fn revision(&self, key: usize, expected: Expected) -> Revision {
        match expected {
            Expected::Current => self.session(key).map_or(NEVER, Record::revision),
            Expected::Stale => self.stale[key],
        }
    }

    /// Does the same to the store, through one of its handles, and to the model.
    fn step(&mut self, op: &Op, handle: usize) -> Result<(), TestCaseError> {
        let revisions = |run: &Self| std::array::from_fn(|key| run.session(key).map(Record::revision));
        let before: [Option<Revision>; KEYS] = revisions(self);
        self.compare_answers(op, handle)?;
        let after: [Option<Revision>; KEYS] = revisions(self);
        for (stale, (before, after)) in self.stale.iter_mut().zip(before.into_iter().zip(after)) {
            if before != after {
                *stale = before.unwrap_or(*stale);
            }
        }
        Ok(())
    }

    fn compare_answers(&mut self, op: &Op, handle: usize) -> Result<(), TestCaseError> {
        let now = self.now;
        let store = self.handles[handle].clone().unwrap();
        match op {
            Op::Create(new, left) => {
                let mut record = self.record(new);
                let trace = |left: Left| {
                    let trace = if left.replaced { Trace::replaced } else { Trace::moved };
                    trace(key(new.key), self.over(left))
                };
                let left: Vec<(usize, Trace)> = left.iter().map(|(key, left)| (*key, trace(*left))).collect();
                let traces: Vec<(SessionKey, Trace)> = left.iter().map(|(n, trace)| (key(*n), *trace)).collect();
                let answer = block_on(store.create(&record, &traces, now)).map(Update::Stored);
                let answer = stored(&mut record, answer)?;
                prop_assert_eq!(answer, MODEL.create(&mut self.keys, new.key, record, &left, now));
            }
            Op::Find(n) => {
                let found = block_on(store.find(&key(*n), now)).unwrap();
                prop_assert_eq!(&found, &self.found(*n, now));
                prop_assert_eq!(block_on(store.load(&key(*n), now)).unwrap(), found.live());
            }
            Op::Update(new, expected) => {
                let mut record = self.record(new);
                let expected = self.revision(new.key, *expected);
                let answer = block_on(store.update(&record, expected, now));
                let answer = stored(&mut record, answer)?;
                prop_assert!(answer.is_err() || record.revision() != expected, "a revision was given again");
                prop_assert_eq!(answer, MODEL.update(&mut self.keys, new.key, &expected, record, now));
            }
            Op::Rotate(old, new, expected, left) => {
                let mut record = self.record(new);
                let trace = left.map(|left| self.moved(new.key, left));
                let expected = self.revision(*old, *expected);
                let answer = block_on(store.rotate(&key(*old), expected, &record, trace.as_ref(), now));
                let answer = stored(&mut record, answer)?;
                prop_assert!(answer.is_err() || record.revision() != expected, "a revision was given again");
                let trace = trace.as_ref();
                prop_assert_eq!(answer, MODEL.rotate(&mut self.keys, *old, &expected, new.key, record, trace, now));
            }
            Op::Touch(n) => {
                let touched = block_on(store.touch(&key(*n), now)).unwrap();
                prop_assert_eq!(touched, MODEL.touch(&mut self.keys, *n, now));
            }
            Op::Destroy(n, left) => {
                let trace = left.map(|left| Trace::ended(self.over(left)));
                let ended = block_on(store.destroy(&key(*n), trace.as_ref())).unwrap();
                prop_assert_eq!(ended, MODEL.destroy(&mut self.keys, *n, trace.as_ref()));
            }
            Op::OwnedBy(n) => {
                let mut found = block_on(store.owned_by(&owner(*n), now)).unwrap();
                found.sort_by_key(|record| *record.key());
                let owner = owner(*n);
                let expected = MODEL.owned_by(&self.keys, &owner, now).map(|(_, record)| record.clone());
                prop_assert_eq!(found, expected.collect::<Vec<_>>());
            }
            Op::DestroyOwnedBy(n, except) => {
                let ended = block_on(store.destroy_owned_by(&owner(*n), except.map(key).as_ref())).unwrap();
                prop_assert_eq!(ended, MODEL.destroy_owned_by(&mut self.keys, &owner(*n), *except));
            }
            Op::Sweep(budget) => {
                // Those that ended first go, for good: a clock set back shows which.
                let swept = block_on(store.sweep(now, *budget)).unwrap();
                prop_assert_eq!(swept, MODEL.sweep(&mut self.keys, now, *budget));
            }
            Op::Count => prop_assert_eq!(block_on(store.count(now)).unwrap(), MODEL.count(&self.keys, now)),
            Op::Scan => prop_assert_eq!(scanned(&store, now), self.live(now)),
            Op::Clear => {
                block_on(store.clear()).unwrap();
                MODEL.clear(&mut self.keys);
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

    /// What a find should show.
    fn found(&self, key: usize, now: Timestamp) -> Found {
        match MODEL.find(&self.keys, key, now) {
            Some(Standing::Session(record)) => Found::Live(record.clone()),
            Some(Standing::Trace(trace)) => Found::Trace(*trace),
            None => Found::Nothing,
        }
    }

    fn live(&self, now: Timestamp) -> Vec<SessionKey> {
        MODEL.scan(&self.keys, now).map(|(_, record)| *record.key()).collect()
    }

    /// Everything, through both handles, by this clock and an earlier one.
    fn compare(&self) -> Result<(), TestCaseError> {
        for store in self.handles.iter().flatten() {
            for now in [self.now, NOW] {
                for n in 0..KEYS {
                    prop_assert_eq!(block_on(store.find(&key(n), now)).unwrap(), self.found(n, now));
                }
                let live = self.live(now);
                let stats = store.stats(now).unwrap();
                let standing = sessions::<Records>(&self.keys).count();
                prop_assert_eq!((stats.live, stats.expired), (live.len() as u64, (standing - live.len()) as u64));
                prop_assert_eq!(scanned(store, now), live);
                for n in 0..OWNERS {
                    let expected = MODEL.owned_by(&self.keys, &owner(n), now).count();
                    prop_assert_eq!(block_on(store.owned_by(&owner(n), now)).unwrap().len(), expected);
                }
            }
            prop_assert_eq!(store.damage(), []);
        }
        Ok(())
    }
}

/// The store's answer in the model's words. A record that is stored gets its revision.
fn stored(record: &mut Record, answer: Result<Update, Error>) -> Result<Outcome<Records>, TestCaseError> {
    match answer {
        Ok(Update::Stored(revision)) => {
            record.set_revision(revision);
            Ok(Ok(()))
        }
        Ok(Update::Conflict(current)) => Ok(Err(Refusal::Conflict(*current))),
        Ok(Update::Gone) => Ok(Err(Refusal::Gone)),
        Ok(other) => panic!("{other:?}"),
        Err(error) => {
            prop_assert_eq!(error.kind(), &ErrorKind::KeyTaken);
            Ok(Err(Refusal::KeyTaken))
        }
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
