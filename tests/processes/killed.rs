//! Writers killed in the middle of whatever they do, again and again: what they had been told is true stays true.
//!
//! Each thread of a writer has slots, a slot at most one session, and the slot's name is the session's owner. Before it
//! changes a slot, a thread says what it will do, and afterwards that it is done. So after a kill each slot holds either
//! what was done last or, if something was begun since, that.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use cloakroom::{FileStore, Record, Store, Update};

use super::process::{Process, listen, say};
use super::roles::{number, options};
use super::support::{NOW, block_on, key, load, owned, place, quick_place, value_of, with_value};

const THREADS: u32 = 3;
const SLOTS: u32 = 5;

/// A generator whose whole sequence follows from its seed.
struct Random(u64);

impl Random {
    fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as u32 % limit
    }
}

/// What a session holds that was saved as the nth: of very different lengths.
fn content(n: u32) -> Vec<u8> {
    let padding = if n.is_multiple_of(97) { 9000 } else { n as usize % 300 };
    [n.to_string().as_bytes(), b":", &vec![b'x'; padding]].concat()
}

fn saved_as(record: &Record) -> u32 {
    let value = value_of(record);
    let n = number(value.split(|byte| *byte == b':').next().unwrap());
    assert_eq!(value, content(n));
    n
}

/// In the child. The argument is "durability seed writer".
pub fn write_until_killed(place: &Path, argument: &str) {
    let [durability, seed, writer] = argument.split(' ').collect::<Vec<_>>()[..] else { panic!("{argument}") };
    let (seed, writer) = (number::<u32>(seed.as_bytes()), number::<u32>(writer.as_bytes()));
    let store = options(durability).open(place).unwrap();
    // Numbers that nobody before has used: for keys, and for what is saved.
    let next = AtomicU32::new(seed << 16);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, next) = (&store, &next);
            scope.spawn(move || {
                let mut random = Random::seeded(u64::from(seed) << 8 | u64::from(thread));
                loop {
                    let slot = format!("{writer}/{thread}/{}", random.below(SLOTS));
                    write(store, &slot, &mut random, &|| next.fetch_add(1, Ordering::Relaxed));
                }
            });
        }
        // The parent kills; should it die itself, nothing is left behind.
        if listen().is_none() {
            std::process::exit(0);
        }
    });
}

fn write(store: &FileStore, slot: &str, random: &mut Random, fresh: &impl Fn() -> u32) {
    let owner = slot.into();
    let mut sessions = block_on(store.owned_by(&owner, NOW)).unwrap();
    assert!(sessions.len() <= 1, "slot {slot} has {} sessions", sessions.len());
    let n = fresh();
    let Some(current) = sessions.pop() else {
        let new = fresh();
        say(&format!("begin {slot} {new} {n}"));
        block_on(store.create(&owned(new, slot, &content(n)), &[], NOW)).unwrap();
        return say(&format!("done {slot}"));
    };
    let revision = current.revision();
    let known_as = known_as(&current);
    match random.below(10) {
        0..5 => {
            say(&format!("begin {slot} {known_as} {n}"));
            let update = block_on(store.update(&with_value(current, &content(n)), revision, NOW)).unwrap();
            assert!(matches!(update, Update::Stored(_)), "{update:?}");
        }
        5..7 => {
            let new = fresh();
            say(&format!("begin {slot} {new} {n}"));
            let old = *current.key();
            let mut moved = with_value(current, &content(n));
            moved.set_key(key(new));
            let update = block_on(store.rotate(&old, revision, &moved, None, NOW)).unwrap();
            assert!(matches!(update, Update::Stored(_)), "{update:?}");
        }
        7 => {
            say(&format!("begin {slot} none"));
            block_on(store.destroy(current.key(), None)).unwrap();
        }
        8 => {
            say(&format!("begin {slot} none"));
            assert_eq!(block_on(store.destroy_owned_by(&owner, None)).unwrap(), 1);
        }
        _ => {
            assert!(
                block_on(store.touch(current.key(), NOW.plus(std::time::Duration::from_secs(u64::from(n % 60)))))
                    .unwrap()
            );
            return;
        }
    }
    say(&format!("done {slot}"));
}

/// The number that the session's key was made of.
fn known_as(record: &Record) -> u32 {
    let [a, b, c, d, ..] = *record.key().as_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// What a slot holds: the number of a key, and what was saved under it.
type Held = Option<(u32, u32)>;

/// What the writers said.
#[derive(Default)]
struct Said {
    done: BTreeMap<String, Held>,
    begun: BTreeMap<String, Held>,
    /// Keys that were ended or rotated away, for good.
    dead: BTreeSet<u32>,
}

impl Said {
    fn note(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["begin", slot, "none"] => drop(self.begun.insert(slot.to_owned(), None)),
            ["begin", slot, key, n] => {
                let held = Some((number(key.as_bytes()), number(n.as_bytes())));
                self.begun.insert(slot.to_owned(), held);
            }
            ["done", slot] => {
                let held = self.begun.remove(slot).expect("what is done was begun");
                self.settle(slot, held);
            }
            _ => panic!("a writer said {line:?}"),
        }
    }

    fn settle(&mut self, slot: &str, held: Held) {
        let before = self.done.insert(slot.to_owned(), held).flatten().map(|(key, _)| key);
        self.dead.extend(before.filter(|key| held.is_none_or(|(now, _)| now != *key)));
    }

    /// Each slot holds what was done last, or what was begun since; which of the two is known from here on.
    fn check(&mut self, store: &FileStore, when: &str) {
        // Who writes next carries on what the dead had written and not yet published. Until then it may go either way.
        block_on(store.destroy(&key(u32::MAX), None)).unwrap();
        let slots: BTreeSet<String> = self.done.keys().chain(self.begun.keys()).cloned().collect();
        let mut live = 0;
        for slot in slots {
            let found = block_on(store.owned_by(&slot.as_str().into(), NOW)).unwrap();
            assert!(found.len() <= 1, "{when}: slot {slot} has {} sessions", found.len());
            let found: Held = found.first().map(|record| (known_as(record), saved_as(record)));
            let done = self.done.get(&slot).copied().flatten();
            match self.begun.remove(&slot) {
                Some(begun) if found == begun => self.settle(&slot, begun),
                begun => assert_eq!(found, done, "{when}: slot {slot}, where {begun:?} was begun"),
            }
            live += u64::from(found.is_some());
        }
        for dead in &self.dead {
            assert_eq!(load(store, *dead), None, "{when}: what was ended is back");
        }
        assert_eq!(block_on(store.count(NOW)).unwrap(), live, "{when}");
        // A kill may tear a write of several pages. The opener that recovers sets aside what is left of it, and reports it.
        match &store.damage()[..] {
            [] => {}
            [torn] => assert_eq!(torn.key, None, "{when}: {torn:?}"),
            more => panic!("{when}: {more:?}"),
        }
    }
}

fn kill_again_and_again(place: &Path, kills: u32, durabilities: &[&str]) {
    let mut random = Random::seeded(u64::from(kills));
    let mut said = Said::default();
    let mut killed = 0;
    let mut round = 0;
    while killed < kills {
        round += 1;
        let durability = durabilities[round as usize % durabilities.len()];
        let when = format!("after {killed} kills, durability {durability}");
        // Somebody who is there all the time goes on with what the dead have left; if nobody is, it is recovered.
        let witness = (round % 2 == 0).then(|| options(durability).open(place).unwrap());
        let mut writers: Vec<Process> =
            (0..2).map(|n| Process::start("write", place, format!("{durability} {} {n}", 2 * round + n))).collect();
        while let Some(mut writer) = writers.pop() {
            for _ in 0..random.below(200) {
                said.note(&writer.hear().expect("a writer writes until it is killed"));
            }
            writer.kill().iter().for_each(|line| said.note(line));
            killed += 1;
        }
        if let Some(witness) = &witness {
            said.check(witness, &when);
        }
        said.check(&options("always").open(place).unwrap(), &when);
    }
    assert!(!place.join("00000001.log").exists(), "segments have come and gone");
}

/// 30 kills, or as many as `CLOAKROOM_KILLS` says.
fn kills() -> u32 {
    std::env::var("CLOAKROOM_KILLS").map_or(30, |kills| kills.parse().unwrap())
}

#[test]
fn killed_writers_lose_nothing_acknowledged_and_revive_nothing_ended() {
    let (_keep, place) = quick_place();
    kill_again_and_again(&place, kills(), &["never", "always", "every"]);
}

#[test]
fn killed_writers_that_wait_for_the_disk_lose_nothing_acknowledged_and_revive_nothing_ended() {
    let (_keep, place) = place();
    kill_again_and_again(&place, kills() / 3, &["always"]);
}
