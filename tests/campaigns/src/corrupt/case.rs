//! One case: a damaged store is opened, looked through, used, closed and opened again.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom::simulation::{MemoryDisk, Process};
use cloakroom::{Damage, Data, ErrorKind, Lifetime, OnDamage, Record, SessionKey, Store, Timestamp};

use super::log::{HEADER, Hints, Segments, hint_name, name};
use super::model::{Consequences, Found, Model};
use super::store::{Left, open, segments, wait};
use crate::allocated;

pub struct Case<'a> {
    pub left: &'a Left,
    pub files: Segments,
    pub hints: Hints,
    /// A segment of which these blocks of 4 KiB cannot be read. In `files` they hold 0xff; on the disk, what was written.
    pub unreadable: Option<(u32, Vec<u64>)>,
    /// Whether the damage is such that the model knows what follows from it.
    pub is_modelled: bool,
    /// Whether there are thousands like this one: some of them are looked at more closely than the others.
    pub is_single: bool,
}

/// What opening may take beyond the store's own size: buffers and the index of a few hundred sessions.
const MEMORY: usize = 1 << 20;

/// Far more than it ever takes; only what never ends comes near.
const TIME: Duration = Duration::from_secs(20);

/// Fails with a sentence.
macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+));
        }
    };
}
pub(super) use ensure;

impl Case<'_> {
    pub fn run(&self, random: &mut fastrand::Rng) -> Result<(), String> {
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| self.check(random)));
        let outcome = outcome.unwrap_or_else(|panic| {
            let why = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|why| (*why).into()));
            Err(format!("a panic: {}", why.unwrap_or_default()))
        });
        ensure!(begun.elapsed() < TIME, "it took {:?}", begun.elapsed());
        outcome
    }

    fn check(&self, random: &mut fastrand::Rng) -> Result<(), String> {
        let disk = MemoryDisk::default();
        for (number, bytes) in &self.files {
            disk.set(&name(*number), bytes.clone());
        }
        for (number, bytes) in &self.hints {
            disk.set(&hint_name(*number), bytes.clone());
        }
        if let Some((number, blocks)) = &self.unreadable {
            disk.set(&name(*number), self.left.segments[number].clone());
            disk.make_unreadable(&name(*number), blocks);
        }
        let size: usize = self.files.values().map(Vec::len).sum();
        let on_damage = if random.u32(..3) == 0 { OnDamage::EndOlder } else { OnDamage::Report };
        let (opened, memory) = allocated::most(|| open(&disk, on_damage));
        ensure!(memory < MEMORY + 4 * size, "opening {size} bytes took {memory} bytes of memory");
        let mut process = match opened {
            Ok(process) => process,
            Err(error) => return self.check_refused(&error, &disk),
        };
        if !self.has_header() {
            // It looks like a store whose making was interrupted, so it was made.
            ensure!(self.is_unborn(), "a store without any header was opened");
            return self.is_empty(&mut process);
        }
        let Consequences { mut model, reported, front, aside } =
            Consequences::of(&self.left.frames, &self.left.segments, &self.files, &self.whole_hints());

        if !self.is_modelled {
            let new = record(random, self.left.now);
            let created = process.store().clone();
            return wait(&mut process, created.create(&new, &[], self.left.now))
                .map(drop)
                .map_err(|error| error.to_string());
        }
        let doubtful = process.store().doubtful(self.left.now).map_err(|error| error.to_string())?;
        let doubtful =
            doubtful.into_iter().filter(|key| matches!(model.found(key, self.left.now), Some(Found::Live(_))));
        let (doubtful, expected): (BTreeSet<_>, _) = (doubtful.collect(), model.doubtful(self.left.now));
        match on_damage {
            OnDamage::EndOlder => model.end_doubtful(),
            _ => ensure!(expected == doubtful, "{expected:?} should be doubtful, and are {doubtful:?}"),
        }
        self.compare(&mut process, &model, "after opening")?;
        let damage = process.store().damage();
        for place in reported {
            ensure!(place.is_covered_by(&damage), "{place:?} is not among the reported damage {damage:?}");
        }
        if let Some(first) = front {
            ensure!(damage.iter().any(|it| it.file < name(first) && it.to == 0), "no missing file among {damage:?}");
        }
        let kept = disk.kept_aside();
        if let Some((name, bytes)) = aside {
            ensure!(kept.get(&name) == Some(&bytes), "{name} is not in the quarantine, which has {:?}", kept.keys());
        }
        if self.is_single && random.u32(..4) > 0 {
            return Ok(());
        }
        self.list(&mut process, &model, "after opening")?;
        // Who comes later sees the same.
        if random.u32(..8) == 0 {
            let mut joined = open(&disk, on_damage).map_err(|error| format!("joining: {error}"))?;
            self.compare(&mut joined, &model, "having joined")?;
        }
        self.go_on(&mut process, &mut model, random)?;
        process.close().map_err(|error| format!("closing: {error}"))?;

        let mut again = open(&disk, OnDamage::Report).map_err(|error| format!("opening again: {error}"))?;
        self.compare(&mut again, &model, "after opening again")?;
        self.list(&mut again, &model, "after opening again")?;
        let known =
            |it: &Damage| damage.iter().any(|was| was.file == it.file && was.from <= it.from && it.to <= was.to);
        // What was trimmed since may have gone with its damage; what is there was there before.
        let news: Vec<Damage> = again.store().damage().into_iter().filter(|it| !known(it)).collect();
        ensure!(news.is_empty(), "opened again, it reports {news:?} as well as {damage:?}");
        Ok(())
    }

    /// The hints that are as they were. Any other is none.
    fn whole_hints(&self) -> Hints {
        let mut hints = self.hints.clone();
        hints.retain(|number, bytes| self.left.hints.get(number) == Some(bytes));
        hints
    }

    /// Without any header nothing can be read, and nothing may be touched.
    fn check_refused(&self, error: &cloakroom::Error, disk: &MemoryDisk) -> Result<(), String> {
        ensure!(!self.has_header(), "opening failed: {error}");
        ensure!(*error.kind() == ErrorKind::Damaged, "not a typed error: {error}");
        let changed = segments(disk) != self.files && self.unreadable.is_none();
        ensure!(!changed, "files were changed by an opening that failed");
        Ok(())
    }

    fn is_empty(&self, process: &mut Process) -> Result<(), String> {
        let count = wait(process, process.store().clone().count(self.left.now));
        ensure!(count.as_ref().is_ok_and(|count| *count == 0), "{count:?} sessions in a new store");
        Ok(())
    }

    fn has_header(&self) -> bool {
        let mut headers = self.left.segments.values().map(|bytes| &bytes[..HEADER]);
        let header = headers.next().expect("a store has a segment");
        // They differ in their numbers and in their checks.
        let others: Vec<&[u8]> = headers.chain([header]).collect();
        self.files.values().any(|bytes| bytes.get(..HEADER).is_some_and(|bytes| others.contains(&bytes)))
    }

    /// A first segment that is nothing but a header's worth of bytes is what a crash leaves of a store that was being made.
    fn is_unborn(&self) -> bool {
        self.files.len() == 1 && self.files.get(&1).is_some_and(|bytes| bytes.len() <= HEADER)
    }

    fn compare(&self, process: &mut Process, model: &Model, when: &str) -> Result<(), String> {
        let (store, now) = (process.store().clone(), self.left.now);
        for key in &self.left.keys {
            let (loaded, memory) = allocated::most(|| wait(process, store.load(key, now)));
            ensure!(memory < MEMORY, "{when}: loading {key} took {memory} bytes of memory");
            match (model.found(key, now), loaded) {
                (None, Ok(None)) => {}
                (Some(Found::Live(expected)), Ok(Some(record))) if *expected == record => {}
                (Some(Found::Unreadable), Ok(None)) => {}
                (Some(Found::Unreadable), Err(error)) => {
                    ensure!(*error.kind() == ErrorKind::Damaged, "{when}: not a typed error: {error}");
                }
                (expected, loaded) => {
                    return Err(format!("{when}: {key} should be\n{expected:?}, and is\n{loaded:?}"));
                }
            }
        }
        Ok(())
    }

    fn list(&self, process: &mut Process, model: &Model, when: &str) -> Result<(), String> {
        let (store, now) = (process.store().clone(), self.left.now);
        let mut live = BTreeMap::new();
        let visit = &mut |record: Record| {
            live.insert(*record.key(), record);
            ControlFlow::Continue(())
        };
        let scanned = wait(process, store.scan(now, visit));
        ensure!(scanned.is_ok() || !model.is_readable(), "{when}: a scan failed: {scanned:?}");
        let expected: BTreeMap<SessionKey, Record> =
            model.live(now).map(|record| (*record.key(), record.clone())).collect();
        ensure!(live == expected, "{when}: a scan met {} sessions of {}", live.len(), expected.len());
        for owner in &self.left.owners {
            let owned =
                wait(process, store.owned_by(&owner.as_str().into(), now)).map_err(|error| error.to_string())?;
            let expected =
                expected.values().filter(|record| record.owner().is_some_and(|it| it.as_bytes() == owner.as_bytes()));
            ensure!(owned.len() == expected.count(), "{when}: {} sessions of {owner}", owned.len());
        }
        Ok(())
    }

    /// The store is used: sessions come, change and go, and it may give space back.
    fn go_on(&self, process: &mut Process, model: &mut Model, random: &mut fastrand::Rng) -> Result<(), String> {
        let (store, now) = (process.store().clone(), self.left.now);
        let failed = |error: cloakroom::Error| format!("going on: {error}");
        let new = record(random, now);
        wait(process, store.create(&new, &[], now)).map_err(failed)?;
        let ended = model.live(now).next().map(|record| *record.key());
        if let Some(key) = ended {
            wait(process, store.destroy(&key, None)).map_err(failed)?;
            model.remove(&key);
        }
        // What cannot be read can be ended.
        let unreadable = self.left.keys.iter().find(|key| model.found(key, now) == Some(&Found::Unreadable)).copied();
        if let Some(key) = unreadable.filter(|_| random.bool()) {
            wait(process, store.destroy(&key, None)).map_err(failed)?;
            model.remove(&key);
        }
        let loaded = wait(process, store.load(new.key(), now)).map_err(failed)?;
        let loaded = loaded.ok_or("going on: what was just created is not there")?;
        ensure!(loaded.data() == new.data(), "going on: what was just created is something else");
        model.insert(loaded);
        if random.u32(..16) == 0 {
            (0..20).for_each(|_| {
                process.keep();
            });
        }
        self.compare(process, model, "having gone on")
    }
}

fn record(random: &mut fastrand::Rng, now: Timestamp) -> Record {
    let mut key = [0; 16];
    random.fill(&mut key);
    let mut record = Record::new(SessionKey::from_bytes(key), Lifetime::idle(Duration::from_secs(600)), now);
    record.set_data(Data::from_entries(&BTreeMap::from([(Arc::from("v"), b"later")])));
    record
}
