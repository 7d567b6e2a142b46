//! `unreadable`: blocks that the disk cannot read any more.
//!
//! Injects, one a case: one to three blocks of 4 KiB of a segment that answer each read with `EIO`, and each write or cut of a
//! part of one; before the store is opened, or once it is open. Or one block fails one to four times, and reads from then on; or
//! blocks of hints and of the snapshot do not read. The stores are those of `corrupt`.
//!
//! Checks that it costs what the same blocks full of 0xff cost, by the model of `corrupt`: opening, loads, listings, what is set
//! aside, going on, closing and opening again. A segment of which nothing reads is an error, and nothing is changed. Under an
//! open store a load is the record or a typed error, compaction gets past the blocks, and what they did not hold stays.

use cloakroom::simulation::MemoryDisk;
use cloakroom::{ErrorKind, OnDamage, Store as _};
use fastrand::Rng;

use super::case::{Case, ensure};
use super::log::{Segments, hint_name, name};
use super::store::{Left, Stores, open, segments, wait};
use crate::run::{Campaign, CannotRun, Failure, Run};

const BLOCK: usize = 4096;

/// So many cases are of the same stores.
const CASES: u64 = 1000;

pub const UNREADABLE: Campaign =
    Campaign { name: "unreadable", what: "blocks of segments that cannot be read any more", size: 3000, run };

fn run(run: &mut Run) -> Result<(), CannotRun> {
    let mut known: Option<(u64, Stores)> = None;
    run.each(|seed| {
        let of = seed / CASES;
        let (_, stores) = match known.take() {
            Some(stores) if stores.0 == of => known.insert(stores),
            _ => known.insert((of, Stores::from_seed(of))),
        };
        let random = &mut Rng::with_seed(seed);
        let left = *random.choice(&[&stores.closed, &stores.killed, &stores.young]).expect("there are three");
        Bad::draw(left, random).check(left, random)
    });
    Ok(())
}

/// The blocks of one segment that are bad.
#[derive(Debug)]
struct Bad {
    number: u32,
    blocks: Vec<u64>,
}

impl Bad {
    fn draw(left: &Left, random: &mut Rng) -> Self {
        let numbers: Vec<u32> = left.segments.keys().copied().collect();
        let number = *random.choice(&numbers).expect("a store has a segment");
        let all = left.segments[&number].len().div_ceil(BLOCK) as u64;
        let mut blocks: Vec<u64> = (0..random.u64(1..=3)).map(|_| random.u64(..all)).collect();
        if random.u8(..20) == 0 {
            blocks = (0..all).collect();
        }
        blocks.sort_unstable();
        blocks.dedup();
        Self { number, blocks }
    }

    fn check(&self, left: &Left, random: &mut Rng) -> Result<(), Failure> {
        let is_whole = self.blocks.len() == left.segments[&self.number].len().div_ceil(BLOCK);
        // What is drawn here moves no other draw: what a seed's case was before, it is still, unless it is of these.
        let others = &mut Rng::with_seed(!random.get_seed());
        let checked = match random.u8(..4) {
            _ if others.u8(..8) == 0 => self.for_a_while(left, others),
            _ if others.u8(..8) == 0 => of_other_files(left, others),
            _ if is_whole => self.of_which_nothing_reads(left),
            0 => self.under_an_open_store(left, random),
            _ => {
                let case = Case {
                    left,
                    files: self.as_damage(left),
                    hints: left.hints.clone(),
                    unreadable: Some((self.number, self.blocks.clone())),
                    is_modelled: true,
                    is_single: false,
                };
                case.run(random)
            }
        };
        checked.map_err(|what| format!("{what}\n    {self:?}"))
    }

    /// The segments, as whoever reads past the blocks has them.
    fn as_damage(&self, left: &Left) -> Segments {
        let mut files = left.segments.clone();
        let bytes = files.get_mut(&self.number).expect("it was drawn from them");
        let length = bytes.len();
        for block in &self.blocks {
            let from = *block as usize * BLOCK;
            bytes[from..(from + BLOCK).min(length)].fill(0xff);
        }
        files
    }

    /// The blocks fail one to four times, and then they read: at opening, and under the open store.
    fn for_a_while(&self, left: &Left, random: &mut Rng) -> Result<(), Failure> {
        let (disk, sound) = (disk(left), disk(left));
        let mut fail = || {
            let times = *random.choice(&[1, 2, 4]).expect("there are three");
            // One block after another, for a read over two of them meets the failures of both.
            disk.fail_reads(&name(self.number), self.blocks[0], times);
        };
        fail();
        let mut opened = [&disk, &sound].map(|disk| open(disk, OnDamage::Report).map_err(|error| error.to_string()));
        let [Ok(process), Ok(beside)] = &mut opened else { return Err("opening failed".into()) };
        let (store, other) = (process.store().clone(), beside.store().clone());
        for key in &left.keys {
            fail();
            let (loaded, expected) =
                (wait(process, store.load(key, left.now)), wait(beside, other.load(key, left.now)));
            let is_same = matches!((&loaded, &expected), (Ok(loaded), Ok(expected)) if loaded == expected);
            ensure!(is_same, "{key} is {loaded:?}, and without the failures {expected:?}");
        }
        ensure!(store.damage() == other.damage(), "damage: {:?}", store.damage());
        Ok(())
    }

    fn of_which_nothing_reads(&self, left: &Left) -> Result<(), Failure> {
        let disk = disk(left);
        disk.make_unreadable(&name(self.number), &self.blocks);
        let opened = open(&disk, OnDamage::Report).map(drop);
        let is_error = opened.as_ref().is_err_and(|error| *error.kind() == ErrorKind::Io);
        ensure!(is_error, "opening gave {opened:?}");
        ensure!(segments(&disk) == left.segments, "files were changed by an opening that failed");
        Ok(())
    }

    fn under_an_open_store(&self, left: &Left, random: &mut Rng) -> Result<(), Failure> {
        let disk = disk(left);
        let mut process = open(&disk, OnDamage::Report).map_err(|error| error.to_string())?;
        let (store, now) = (process.store().clone(), left.now);
        let mut before = Vec::new();
        for key in &left.keys {
            before.push((*key, wait(&mut process, store.load(key, now)).map_err(|error| error.to_string())?));
        }
        // Nothing is kept in memory: what another process reads that joins.
        let mut process = open(&disk, OnDamage::Report).map_err(|error| error.to_string())?;
        let store = process.store().clone();
        disk.make_unreadable(&name(self.number), &self.blocks);
        let mut lost = 0;
        before.retain(|(key, expected)| match wait(&mut process, store.load(key, now)) {
            Ok(loaded) if loaded == *expected => true,
            _ => {
                lost += 1;
                false
            }
        });
        ensure!(lost <= self.blocks.len() * BLOCK / 40, "{lost} sessions were lost by {} blocks", self.blocks.len());
        for _ in 0..random.u32(..4) {
            process.keep();
        }
        let ended = before.split_off(random.usize(..=before.len()));
        for (key, _) in ended {
            match wait(&mut process, store.destroy(&key, None)) {
                Ok(_) => {}
                // What cannot be read cannot be added to, and the store is opened anew.
                Err(error) => {
                    let is_last = left.segments.keys().last() == Some(&self.number);
                    ensure!(is_last && *error.kind() != ErrorKind::Damaged, "ending {key}: {error}");
                    return Ok(());
                }
            }
        }
        for _ in 0..200 {
            process.keep();
        }
        let stats = store.stats(now).map_err(|error| error.to_string())?;
        ensure!(stats.compaction_error.is_none(), "{stats:?}");
        for (key, expected) in before {
            let loaded = wait(&mut process, store.load(&key, now));
            ensure!(
                loaded.as_ref().is_ok_and(|loaded| *loaded == expected),
                "{key} should be {expected:?}: {loaded:?}"
            );
        }
        Ok(())
    }
}

/// A hint, or the snapshot of a clean close, of which a block or nothing reads: that costs time, and nothing else.
fn of_other_files(left: &Left, random: &mut Rng) -> Result<(), Failure> {
    let (disk, sound) = (disk(left), disk(left));
    for disk in [&disk, &sound] {
        // Whatever these bytes are to it, it has to read them first.
        disk.set("index.snapshot", (0..random.usize(1..3 * BLOCK)).map(|_| random.u8(..)).collect());
    }
    let mut files: Vec<String> = left.hints.keys().map(|number| hint_name(*number)).collect();
    files.push("index.snapshot".into());
    for file in &files {
        let all = disk.bytes(file).len().div_ceil(BLOCK) as u64;
        let bad: Vec<u64> = (0..all).filter(|_| random.bool()).collect();
        disk.make_unreadable(file, &bad);
    }
    let mut opened = [&disk, &sound].map(|disk| open(disk, OnDamage::Report).map_err(|error| error.to_string()));
    let [Ok(process), Ok(beside)] = &mut opened else { return Err("opening failed".into()) };
    let (store, other) = (process.store().clone(), beside.store().clone());
    for key in &left.keys {
        let (loaded, expected) = (wait(process, store.load(key, left.now)), wait(beside, other.load(key, left.now)));
        let is_same = matches!((&loaded, &expected), (Ok(loaded), Ok(expected)) if loaded == expected);
        ensure!(is_same, "{key} is {loaded:?}, and beside files that read {expected:?}");
    }
    ensure!(store.damage() == other.damage(), "damage: {:?}", store.damage());
    Ok(())
}

/// A disk with this store.
fn disk(left: &Left) -> MemoryDisk {
    let disk = MemoryDisk::default();
    left.segments.iter().for_each(|(number, bytes)| disk.set(&name(*number), bytes.clone()));
    left.hints.iter().for_each(|(number, bytes)| disk.set(&hint_name(*number), bytes.clone()));
    disk
}
