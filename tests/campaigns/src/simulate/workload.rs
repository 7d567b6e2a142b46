//! What a process of a schedule does: it asks for one thing after another, several at once at times, and does the work of the
//! store's thread in between.

use std::time::Duration;

use cloakroom::FileStore;
use cloakroom::simulation::Scheduler as _;

use super::ask::Ask;
use super::history::{Event, OpId};
use super::process::{Asking, Living};
use super::state::{KEYS, OWNERS, Value, Written};
use crate::left::Left;

/// With more calls that may have happened or not, no oracle finds its way.
const MOST_DROPPED: usize = 8;

impl Living {
    /// Opens the store and asks until there is nothing left to ask for; then goes, at times without closing.
    pub fn live(self) {
        let Some(mut process) = self.open() else { return };
        let mut asked: Vec<(OpId, Asking)> = Vec::new();
        loop {
            let may_ask = self.left.get() > 0 && asked.len() < self.habits.at_once;
            if !may_ask && asked.is_empty() {
                break;
            }
            if may_ask && (asked.is_empty() || self.world.rng(|rng| rng.bool())) {
                self.left.set(self.left.get() - 1);
                let (op, asking) = self.ask(process.store());
                asked.push((op, asking));
                self.poll(&mut asked, op);
                continue;
            }
            let (what, which) = self.world.rng(|rng| (rng.u8(..8), rng.usize(..asked.len())));
            match what {
                0 if self.habits.drops_futures && self.world.history.borrow().dropped_of_late() < MOST_DROPPED => {
                    let (op, asking) = asked.swap_remove(which);
                    drop(asking);
                    self.world.event(Event::Dropped(op));
                }
                0..=3 => {
                    let op = asked[which].0;
                    self.poll(&mut asked, op);
                }
                _ => {
                    let rest = process.keep();
                    if !rest.is_zero() {
                        self.world.sleep(rest.min(Duration::from_millis(2)));
                    }
                }
            }
            self.look_at_damage(process.store());
        }
        for _ in 0..self.world.rng(|rng| rng.u8(..3)) {
            process.keep();
        }
        if self.world.rng(|rng| rng.bool()) {
            self.close(process);
        }
    }

    /// Time goes on, and asks for something.
    fn ask(&self, store: &FileStore) -> (OpId, Asking) {
        let world = &self.world;
        let wall = world.rng(|rng| match rng.u8(..32) {
            0 => world.wall.get() + rng.u64(..20_000),
            1 => world.wall.get() - rng.u64(..20_000),
            _ => world.wall.get() + rng.u64(..40),
        });
        world.wall.set(wall);
        let key = world.rng(|rng| rng.usize(..KEYS).min(rng.usize(..KEYS)));
        let ask = match world.rng(|rng| rng.u8(..32)) {
            0..=4 => Ask::Create { value: self.value(key), traces: self.traces_of_a_login(key) },
            5..=10 => Ask::Update { value: self.value(key), expected: self.expected(key) },
            11..=13 => {
                let new = world.rng(|rng| rng.usize(..KEYS));
                let trace = world.rng(|rng| rng.u8(..4) > 0).then(|| Left::moved(new as u8, self.over_soon()));
                Ask::Rotate { old: key, value: self.value(new), expected: self.expected(key), trace }
            }
            14..=16 => Ask::Touch { key },
            17..=19 => Ask::Destroy { key, trace: world.rng(|rng| rng.bool()).then(|| Left::ended(self.over_soon())) },
            20 => Ask::DestroyOwned {
                owner: world.rng(|rng| rng.u8(..OWNERS)),
                except: world.rng(|rng| rng.bool()).then_some(key),
            },
            21 => Ask::Sweep { budget: world.rng(|rng| rng.usize(1..4)) },
            22 if world.rng(|rng| rng.bool()) => Ask::Clear,
            22..=28 => Ask::Find { key },
            29 => Ask::Count,
            30 => Ask::OwnedBy { owner: world.rng(|rng| rng.u8(..OWNERS)) },
            _ => Ask::Scan,
        };
        self.begin(store, ask)
    }

    /// Something to write that was never written before.
    fn value(&self, key: usize) -> Value {
        let created = self.world.wall.get();
        let written = self.world.rng(|rng| Written {
            key,
            owner: rng.bool().then(|| rng.u8(..OWNERS)),
            created,
            idle: [Some(200), Some(5_000), Some(3_600_000), None][rng.usize(..4)],
            absolute: rng.bool().then(|| created + [400, 8_000, 86_400_000][rng.usize(..3)]),
            padding: if rng.u8(..16) < self.habits.large_ones {
                rng.usize(..self.habits.largest_padding)
            } else {
                rng.usize(..120)
            },
            revision: None,
        });
        let written = match written {
            // A session has one of the two.
            Written { idle: None, absolute: None, .. } => Written { idle: Some(60_000), ..written },
            written => written,
        };
        let mut history = self.world.history.borrow_mut();
        history.writes.push(written);
        (history.writes.len() - 1) as Value
    }

    /// What a login that begins a session under this key leaves under any keys, its own and those of live sessions included.
    fn traces_of_a_login(&self, new: usize) -> Vec<(usize, Left)> {
        let world = &self.world;
        let count = world.rng(|rng| [0, 0, 0, 1, 1, 2][rng.usize(..6)]);
        let left = |_| {
            let (key, of_the_same_owner) = world.rng(|rng| (rng.usize(..KEYS), rng.bool()));
            let left = if of_the_same_owner { Left::moved } else { Left::replaced };
            (key, left(new as u8, self.over_soon()))
        };
        (0..count).map(left).collect()
    }

    /// When a trace ends: soon, or not so soon.
    fn over_soon(&self) -> u64 {
        self.world.wall.get() + self.world.rng(|rng| [200, 5_000, 60_000][rng.usize(..3)])
    }

    /// A write of this key whose revision is known, the newest most of the time.
    fn expected(&self, key: usize) -> Option<Value> {
        let known = self.world.known.borrow();
        self.world.rng(|rng| match rng.u8(..16) {
            0 => None,
            1 | 2 => known[key].get(rng.usize(..known[key].len().max(1))).copied(),
            _ => known[key].last().copied(),
        })
    }
}
