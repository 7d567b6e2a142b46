//! Which operations come, and with what.

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use crate::history::spec::{Answer, Event, Key, Millis, Op, Put, Sessions, Slot};
use crate::left::Left;
use crate::support::model::Standing;

/// What a thread draws its operations from.
#[derive(Clone, Serialize, Deserialize)]
pub struct Mix {
    /// Around this time all happens: sessions expire in the middle of it.
    pub now: Millis,
    pub keys: Key,
    /// How many groups there are: an operation on all of them is exact only if there is one.
    pub groups: u32,
}

/// The operations of one stretch happen within this time; the next stretch begins in the middle of it.
const STRETCH: Millis = 60_000;

impl Mix {
    /// The next operation of a thread that knows these sessions; a write has this number.
    pub fn next(&self, random: &mut Rng, known: &Sessions, write: u64) -> Op {
        let now = self.now + random.u64(..STRETCH);
        let key = random.u8(..self.keys);
        let stands = known[usize::from(key)].as_ref().and_then(Standing::session);
        let expected = stands.map_or(0, |slot| slot.revision);
        let put = put(random, write, now);
        let over = now + random.u64(STRETCH / 8..2 * STRETCH);
        let left = random.bool();
        match random.u8(..100) {
            // What a thread believes to be there it mostly changes; what it doesn't, it makes or looks for.
            0..50 if stands.is_none() && random.u8(..8) > 0 => {
                if random.bool() {
                    Op::Create { key, put, trace: self.login(random, key, over), now }
                } else {
                    Op::Find { key, now }
                }
            }
            0..30 => Op::Update { key, put, expected, now },
            30..50 => {
                let other = (key + 1 + random.u8(..self.keys - 1)) % self.keys;
                Op::Rotate { old: key, key: other, put, expected, trace: left.then(|| Left::moved(other, over)), now }
            }
            50..68 => Op::Find { key, now },
            68..74 => Op::Create { key, put, trace: self.login(random, key, over), now },
            74..88 => Op::Touch { key, now },
            88..92 => Op::Destroy { key, trace: left.then(|| Left::ended(over)) },
            92 | 93 => Op::DestroyOwned { except: random.bool().then_some(key) },
            94..97 if self.groups == 1 => Op::Sweep { now, budget: random.usize(1..5) },
            94..97 => Op::Sweep { now, budget: usize::MAX },
            97 | 98 if self.groups == 1 => Op::Count { now },
            99 if random.u8(..4) == 0 => Op::Clear,
            _ => Op::Find { key, now: 0 },
        }
    }

    /// What a login leaves under another key, and under which; most creates are none.
    fn login(&self, random: &mut Rng, new: Key, over: Millis) -> Option<(Key, Left)> {
        let left = if random.bool() { Left::moved } else { Left::replaced };
        (random.u8(..4) == 0).then(|| (random.u8(..self.keys), left(new, over)))
    }

    /// Whether an operation does something in every group.
    pub fn is_on_all_groups(&self, op: &Op) -> bool {
        matches!(op, Op::Sweep { .. } | Op::Count { .. } | Op::Clear)
    }
}

fn put(random: &mut Rng, write: u64, now: Millis) -> Put {
    let idle = random.u64(STRETCH / 8..2 * STRETCH);
    let absolute = now + random.u64(STRETCH / 8..2 * STRETCH);
    let (idle, absolute) = match random.u8(..3) {
        0 => (Some(idle), None),
        1 => (None, Some(absolute)),
        _ => (Some(idle), Some(absolute)),
    };
    Put { write, last_seen: now, idle, absolute, owned: random.u8(..4) > 0 }
}

/// What a thread learns from an answer, so that what it expects next is likely to be true.
pub fn learn(known: &mut Sessions, Event { op, answer }: &Event) {
    let mut stands = |key: Key, slot: Option<Slot>| known[usize::from(key)] = slot.map(Standing::Session);
    match (*op, *answer) {
        (Op::Find { key, .. }, Answer::Found(found)) => stands(key, found.and_then(|found| found.session().copied())),
        (Op::Update { key, .. } | Op::Rotate { old: key, .. }, Answer::Conflict(slot)) => stands(key, Some(slot)),
        (Op::Create { key, put, .. } | Op::Update { key, put, .. }, Answer::Stored(revision)) => {
            stands(key, Some(Slot { put, revision }));
        }
        (Op::Rotate { old, key, put, .. }, Answer::Stored(revision)) => {
            stands(old, None);
            stands(key, Some(Slot { put, revision }));
        }
        _ => {}
    }
}
