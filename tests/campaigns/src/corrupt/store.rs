//! The store that is damaged: a few small segments with frames of every kind, the way they come in a busy week.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cloakroom::simulation::{Disk as _, MemoryDisk, Process};
use cloakroom::{
    BeyondLimit, Data, Durability, FileOptions, FileStore, Lifetime, OnDamage, OwnerLimit, Record, Result, SessionKey,
    Store, Timestamp, Update,
};

use super::log::{self, Frame, HEAD, Hints, Kind, Segments, hint_name};
use super::model::{Fate, Found, Model};

/// A store as it was left, and what it held.
pub struct Left {
    pub segments: Segments,
    pub hints: Hints,
    pub frames: Vec<Frame>,
    /// All keys that were ever used.
    pub keys: BTreeSet<SessionKey>,
    pub now: Timestamp,
    pub owners: Vec<String>,
}

const OWNERS: u32 = 4;
const SEGMENT: u32 = 16 << 10;

fn options() -> FileOptions {
    // Only what ends a session waits for the disk, so that the frames of the last segment state this and that.
    let limit = OwnerLimit::new(5, BeyondLimit::EndOldest);
    FileStore::options().segment_bytes(SEGMENT).durability(Durability::Never).per_owner(limit).cache_bytes(16 << 10)
}

pub fn open(disk: &MemoryDisk, on_damage: OnDamage) -> Result<Process> {
    Process::open(Arc::new(disk.clone()), options().on_damage(on_damage))
}

/// Carries out an operation; the store's thread's work is done meanwhile.
pub fn wait<F: Future>(process: &mut Process, operation: F) -> F::Output {
    let mut operation = pin!(operation);
    for _ in 0..10_000 {
        if let Poll::Ready(output) = operation.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
        process.keep();
    }
    panic!("an operation never ends");
}

/// What the store's disk holds.
pub fn segments(disk: &MemoryDisk) -> Segments {
    let names = disk.segments();
    names.iter().map(|name| (name[..8].parse().expect("a segment's name is a number"), disk.bytes(name))).collect()
}

/// The hints that it holds of these segments.
fn hints(disk: &MemoryDisk, segments: &Segments) -> Hints {
    let names = disk.names().expect("a disk in memory has names");
    let with_hint = segments.keys().filter(|number| names.contains(&hint_name(**number)));
    with_hint.map(|number| (*number, disk.bytes(&hint_name(*number)))).collect()
}

/// A week in the life of a store, closed and killed at the end, and one that is just born.
pub struct Stores {
    pub closed: Left,
    pub killed: Left,
    pub young: Left,
}

impl Stores {
    pub fn from_seed(seed: u64) -> Self {
        let mut young = Week::begin(seed);
        (0..10).for_each(|_| young.go_on());
        let young = young.close();
        // Until there are frames of every kind; what was cleared is trimmed soon, so that takes a little luck.
        for attempt in 0..1000 {
            let mut week = Week::begin(seed.wrapping_mul(1000).wrapping_add(attempt));
            if !week.has_every_kind() {
                continue;
            }
            // What nobody waits for, at the end.
            (0..6).for_each(|_| week.create());
            let killed = week.left();
            return Self { killed, closed: week.close(), young };
        }
        panic!("no week has frames of every kind");
    }
}

/// The store while it is in use.
struct Week {
    disk: MemoryDisk,
    process: Option<Process>,
    random: fastrand::Rng,
    now: Timestamp,
    /// What was saved last under every key, and is not known to have been ended.
    saved: BTreeMap<SessionKey, Option<Vec<u8>>>,
    next: u64,
}

impl Week {
    fn begin(seed: u64) -> Self {
        let disk = MemoryDisk::default();
        let process = Some(open(&disk, OnDamage::Report).expect("a new store opens"));
        let random = fastrand::Rng::with_seed(seed);
        Self { disk, process, random, now: Timestamp::from_secs(1_700_000_000), saved: BTreeMap::new(), next: 0 }
    }

    fn has_every_kind(&mut self) -> bool {
        let begun = 150 + self.random.usize(..100);
        for n in 0..600 {
            self.go_on();
            if n < begun || n % 8 > 0 {
                continue;
            }
            let segments = segments(&self.disk);
            let frames = log::frames(&segments);
            let kinds: BTreeSet<Kind> = frames.iter().map(|frame| frame.kind).collect();
            let (last, bytes) = segments.last_key_value().expect("a store has a segment");
            let mut in_last = frames.iter().filter(|frame| frame.segment == *last);
            // What was cleared is never moved, so moves that stand beside a clear were there before it.
            if !kinds.contains(&Kind::Clear) {
                if in_last.any(|frame| frame.kind == Kind::Move) {
                    self.run(async |store| store.clear().await.unwrap());
                    self.saved.values_mut().for_each(|saved| *saved = None);
                }
                continue;
            }
            // The last one half full, and some of it known to be on disk: what comes now is not.
            let durable = in_last.map(|frame| frame.durable).max();
            let is_half_full = bytes.len() < 10_000 && durable.is_some_and(|durable| durable > 3000);
            // The store's thread has had the time to make all hints.
            let has_hints = hints(&self.disk, &segments).len() == segments.len() - 1;
            if segments.len() > 2 && kinds.len() == Kind::ALL.len() && is_half_full && has_hints {
                return true;
            }
        }
        false
    }

    fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it is open between two steps")
    }

    fn run<T>(&mut self, operation: impl AsyncFnOnce(&FileStore) -> T) -> T {
        let process = self.process();
        let store = process.store().clone();
        wait(process, operation(&store))
    }

    /// One step, chosen by chance.
    fn go_on(&mut self) {
        self.now = self.now.plus(Duration::from_millis(self.random.u64(..20_000)));
        match self.random.u32(..100) {
            0..34 => self.create(),
            34..60 => self.update(),
            60..74 => self.touch(),
            74..82 => self.rotate(),
            82..88 => self.destroy(),
            88..91 => self.destroy_owned(),
            91..95 => self.sweep(),
            95..97 => self.restart(),
            _ => {}
        }
        self.process().keep();
    }

    fn live(&mut self) -> Option<Record> {
        let now = self.now;
        let mut live = self.run(async |store| {
            let mut live = Vec::new();
            let visit = &mut |record: Record| {
                live.push(record);
                ControlFlow::Continue(())
            };
            store.scan(now, visit).await.unwrap();
            live
        });
        live.sort_by_key(|record| *record.key());
        if live.is_empty() { None } else { Some(live.swap_remove(self.random.usize(..live.len()))) }
    }

    fn fresh(&mut self) -> SessionKey {
        let mut key = [0; 16];
        self.random.fill(&mut key);
        SessionKey::from_bytes(key)
    }

    /// What no other session ever holds.
    fn value(&mut self) -> Vec<u8> {
        self.next += 1;
        let length = if self.random.u32(..20) == 0 { 3000 } else { self.random.usize(..600) };
        let mut value = vec![0; length];
        // Like text, with runs of zeros in it.
        value.iter_mut().for_each(|byte| *byte = if self.random.bool() { self.random.u8(..) } else { 0 });
        value.extend(self.next.to_le_bytes());
        value
    }

    fn create(&mut self) {
        let (key, now) = (self.fresh(), self.now);
        let idle = Duration::from_secs(60 << self.random.u32(..7));
        let absolute = Duration::from_secs(self.random.u64(300..9000));
        let lifetime = if self.random.bool() { Lifetime::idle(idle) } else { Lifetime::new(idle, absolute) };
        let mut record = Record::new(key, lifetime, now);
        if self.random.bool() {
            record.set_owner(Some(owner(self.random.u32(..OWNERS)).into()), Some(now));
        }
        let value = self.value();
        set_value(&mut record, &value);
        self.run(async |store| store.create(&record, &[], now).await.unwrap());
        self.saved.insert(key, Some(value));
    }

    fn update(&mut self) {
        let Some(mut record) = self.live() else { return };
        let (value, now) = (self.value(), self.now);
        set_value(&mut record, &value);
        let update = self.run(async |store| store.update(&record, record.revision(), now).await.unwrap());
        assert!(matches!(update, Update::Stored(_)), "{update:?}");
        self.saved.insert(*record.key(), Some(value));
    }

    fn touch(&mut self) {
        let Some(record) = self.live() else { return };
        let now = self.now;
        assert!(self.run(async |store| store.touch(record.key(), now).await.unwrap()));
    }

    fn rotate(&mut self) {
        let Some(mut record) = self.live() else { return };
        let (old, new, value, now) = (*record.key(), self.fresh(), self.value(), self.now);
        record.set_key(new);
        set_value(&mut record, &value);
        let update = self.run(async |store| store.rotate(&old, record.revision(), &record, None, now).await.unwrap());
        assert!(matches!(update, Update::Stored(_)), "{update:?}");
        self.saved.insert(old, None);
        self.saved.insert(new, Some(value));
    }

    fn destroy(&mut self) {
        let Some(record) = self.live() else { return };
        self.run(async |store| store.destroy(record.key(), None).await.unwrap());
        self.saved.insert(*record.key(), None);
    }

    fn destroy_owned(&mut self) {
        let owner = owner(self.random.u32(..OWNERS)).into();
        let now = self.now;
        let ended = self.run(async |store| {
            let ended = store.owned_by(&owner, now).await.unwrap();
            store.destroy_owned_by(&owner, None).await.unwrap();
            ended
        });
        self.saved.extend(ended.iter().map(|record| (*record.key(), None)));
    }

    fn sweep(&mut self) {
        let (now, budget) = (self.now, 1 + self.random.usize(..5));
        let _ = self.run(async |store| store.sweep(now, budget).await.unwrap());
    }

    fn restart(&mut self) {
        let process = self.process.take().expect("it is open between two steps");
        if self.random.bool() {
            process.close().expect("it closes");
        } else {
            drop(process);
        }
        self.process = Some(open(&self.disk, OnDamage::Report).expect("it opens again"));
    }

    fn close(mut self) -> Left {
        self.process.take().expect("it is open between two steps").close().expect("it closes");
        self.left()
    }

    /// What is on the disk now. The model has to know from the log what the store says, and no more and no less than was
    /// acknowledged, before anything is damaged.
    fn left(&self) -> Left {
        let segments = segments(&self.disk);
        let frames = log::frames(&segments);
        let mut model = Model::default();
        frames.iter().for_each(|frame| model.apply(frame, &segments, Fate::Whole));
        let mut process = open(&self.disk.copy(), OnDamage::Report).expect("an undamaged store opens");
        assert_eq!(process.store().damage(), []);
        for (key, saved) in &self.saved {
            let store = process.store().clone();
            let loaded = wait(&mut process, store.load(key, self.now)).expect("an undamaged store loads");
            if let Some(record) = &loaded {
                assert_eq!(saved.as_deref(), record.data().get("v"), "what was saved last is there");
            }
            assert_eq!(model.found(key, self.now), loaded.map(Found::Live).as_ref(), "the model knows what is there");
        }
        let keys = self.saved.keys().copied().collect();
        Left {
            hints: hints(&self.disk, &segments),
            segments,
            frames,
            keys,
            now: self.now,
            owners: (0..OWNERS).map(owner).collect(),
        }
    }
}

fn owner(n: u32) -> String {
    format!("user {n}")
}

fn set_value(record: &mut Record, value: &[u8]) {
    record.set_data(Data::from_entries(&BTreeMap::from([(Arc::from("v"), value)])));
}

/// Where a frame's body begins that is long enough to be cut into.
pub fn bodies(frames: &[Frame]) -> impl Iterator<Item = &Frame> {
    frames.iter().filter(|frame| frame.to > frame.from + HEAD + 8)
}
