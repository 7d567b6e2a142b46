//! What races against what, and what was there before.

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use crate::history::spec::{Key, Millis, Op, Put};
use crate::left::Left;

/// The pairs, in the order in which seeds take them.
pub const PAIRS: [Pair; 7] = [
    Pair::SaveDestroy,
    Pair::TouchSave,
    Pair::SweepTouch,
    Pair::RotateLoad,
    Pair::DestroyOwnedCreate,
    Pair::RotateDestroy,
    Pair::UpdateUpdate,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    /// Saved and then destroyed, or destroyed and then not saved: nothing is left.
    SaveDestroy,
    /// Who comes first decides whether the session is still there for the other.
    TouchSave,
    /// Touched and then not swept, or swept and then not touched.
    SweepTouch,
    /// The old one, or the new one and the trace, at every moment.
    RotateLoad,
    /// Created before it was destroyed with the others, or after they were.
    DestroyOwnedCreate,
    /// Rotated away before it was destroyed, so that the new one stands; or destroyed, so that there is nothing to rotate.
    RotateDestroy,
    /// One is stored, the other is shown it.
    UpdateUpdate,
}

impl Pair {
    pub fn name(self) -> &'static str {
        match self {
            Self::SaveDestroy => "save against destroy",
            Self::TouchSave => "touch against save",
            Self::SweepTouch => "sweep against touch",
            Self::RotateLoad => "rotate against load",
            Self::DestroyOwnedCreate => "destroy_owned_by against create",
            Self::RotateDestroy => "rotate against destroy",
            Self::UpdateUpdate => "update against update",
        }
    }
}

/// What one side of a race does.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Side {
    pub group: u32,
    /// So long after the start, in nanoseconds: neither side is to win always.
    pub delay: u64,
    pub ops: Vec<Op>,
}

/// How many sessions a race is about: one that is there before, and one that is not.
pub const KEYS: Key = 2;
const THERE: Key = 0;
const OTHER: Key = 1;

/// The idle timeout of what is there before: longer than all races of a batch take, by their own clock.
const IDLE: Millis = 1_000_000_000;

/// The moments of one race lie within this time, and those of the next come after it.
const STRETCH: Millis = 10;

/// The session that is there before the nth race of a batch. It ends before those of later races do.
pub fn before(n: u32) -> Put {
    Put { write: 1, last_seen: began(n), idle: Some(IDLE), absolute: None, owned: true }
}

fn began(n: u32) -> Millis {
    1_700_000_000_000 + Millis::from(n) * STRETCH
}

/// The sides of the nth race of a batch, where the session that is there before has this revision.
pub fn sides(pair: Pair, random: &mut Rng, n: u32, revision: u64) -> [Side; 2] {
    let ends = began(n) + IDLE;
    let put = |write, last_seen| Put { write, last_seen, ..before(n) };
    let update = |write, now| Op::Update { key: THERE, put: put(write, now), expected: revision, now };
    let touch = |now| Op::Touch { key: THERE, now };
    let trace = random.bool().then(|| Left::moved(OTHER, ends + IDLE));
    let rotate = Op::Rotate { old: THERE, key: OTHER, put: put(2, ends - 1), expected: revision, trace, now: ends - 1 };
    let destroy = Op::Destroy { key: THERE, trace: random.bool().then(|| Left::ended(ends + IDLE)) };
    let find = |key| Op::Find { key, now: ends - 1 };
    let (one, other) = match pair {
        Pair::SaveDestroy => (vec![update(2, ends - 1)], vec![destroy]),
        // Each is too late unless the other has made the session live longer.
        Pair::TouchSave if random.bool() => (vec![touch(ends)], vec![update(2, ends - 1)]),
        Pair::TouchSave => (vec![touch(ends - 1)], vec![update(2, ends)]),
        Pair::SweepTouch => (vec![Op::Sweep { now: ends, budget: 10 }], vec![touch(ends - 1)]),
        Pair::RotateLoad if random.bool() => (vec![rotate], vec![find(THERE), find(OTHER)]),
        Pair::RotateLoad => (vec![rotate], vec![find(OTHER), find(THERE)]),
        Pair::DestroyOwnedCreate => (
            vec![Op::DestroyOwned { except: None }],
            vec![Op::Create { key: OTHER, put: put(2, ends - 1), trace: None, now: ends - 1 }],
        ),
        Pair::RotateDestroy => (vec![rotate], vec![destroy]),
        Pair::UpdateUpdate => (vec![update(2, ends - 1)], vec![update(3, ends - 1)]),
    };
    let mut delay = || if random.bool() { random.u64(..2_000) } else { random.u64(..20_000) };
    [Side { group: n, delay: delay(), ops: one }, Side { group: n, delay: delay(), ops: other }]
}
