//! The life of a simulated process: it opens the store, asks it for one thing after another, several at once at times, and
//! does the work of the store's thread in between.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cloakroom::simulation::{Disk, Process, Scheduler as _};
use cloakroom::{Error, ErrorKind, FileOptions, FileStore, Record, Revision, Store as _, Timestamp, Update};

use super::disk::Life;
use super::history::{Event, Op, OpId};
use super::model::{Answer, Ask, KEYS, OWNERS, Standing, Value, Written};
use super::record;
use super::world::World;

/// What all processes of a schedule have in common.
pub struct Habits {
    pub options: FileOptions,
    pub saves_wait: bool,
    /// How many calls a process has under way at most.
    pub at_once: usize,
    pub drops_futures: bool,
    pub largest_padding: usize,
}

/// See the module.
pub struct Living {
    pub world: Rc<World>,
    pub disk: Arc<dyn Disk>,
    pub habits: Rc<Habits>,
    pub life: Life,
    /// How much it has still to ask for.
    pub left: Rc<Cell<usize>>,
}

type Asking = Pin<Box<dyn Future<Output = Result<Answered, Error>>>>;

/// An answer whose records have yet to be read.
enum Answered {
    Plain(Answer),
    Stored(Value, Revision),
    Conflict(Box<Record>),
    Loaded(Option<Record>),
    Listed(Vec<Record>),
}

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
                0 if self.habits.drops_futures => {
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

    /// Opens the store, loads every session and closes it again: nothing may fail any more.
    pub fn look(self) {
        let Some(process) = self.open() else { return };
        let mut asked = Vec::new();
        for ask in (0..KEYS).map(|key| Ask::Load { key }).chain([Ask::Count, Ask::Scan]) {
            let (op, asking) = self.begin(process.store(), ask);
            asked.push((op, asking));
            self.poll(&mut asked, op);
        }
        if !asked.is_empty() {
            self.world.wrong(|| "a read waited".into());
        }
        self.look_at_damage(process.store());
        self.close(process);
    }

    fn open(&self) -> Option<Process> {
        for _ in 0..50 {
            match Process::open(self.disk.clone(), self.habits.options.clone()) {
                Ok(process) => {
                    self.world.trace(|| "is open".into());
                    return Some(process);
                }
                // Another may have been stopped while it was opening.
                Err(error) if *error.kind() == ErrorKind::Timeout => {}
                Err(error) if self.world.faults.borrow().may_fail() => {
                    self.world.trace(|| format!("could not open: {error}"));
                }
                Err(error) => {
                    self.world.wrong(|| format!("the store could not be opened: {error}"));
                    return None;
                }
            }
            self.world.sleep(Duration::from_millis(1));
        }
        None
    }

    fn close(&self, process: Process) {
        let op = self.asked(Ask::Close);
        match process.close() {
            Ok(()) => self.answered(op, Answer::Done),
            Err(error) => self.failed(op, &error),
        }
    }

    fn look_at_damage(&self, store: &FileStore) {
        let damage = store.damage();
        if damage.is_empty() {
            return;
        }
        // A recovery reports what it finds behind the end. That tells no session, for none was lost there.
        if damage.len() > 1 || damage[0].key.is_some() {
            self.world.wrong(|| format!("damage where nothing was damaged: {damage:?}"));
        }
    }

    fn asked(&self, ask: Ask) -> OpId {
        let now = self.world.wall.get();
        let op = Op { life: self.life, ask, now, saves_wait: self.habits.saves_wait, answer: None };
        let id = self.world.history.borrow().ops.len();
        self.world.trace(|| {
            let history = self.world.history.borrow();
            let writes = op.ask.writes().map(|value| &history.writes[usize::from(value)]);
            format!("op {id} asks {:?} at {} {writes:?}", op.ask, now % 10_000_000)
        });
        self.world.history.borrow_mut().ask(op)
    }

    fn answered(&self, op: OpId, answer: Answer) {
        self.world.trace(|| format!("op {op} is answered {answer:?}"));
        self.world.history.borrow_mut().answered(op, answer);
    }

    fn failed(&self, op: OpId, error: &Error) {
        self.world.trace(|| format!("op {op} failed: {error}"));
        let may_fail = self.world.faults.borrow().may_fail();
        let answer = match error.kind() {
            ErrorKind::KeyTaken => Answer::Taken,
            ErrorKind::Timeout => Answer::NotDone,
            ErrorKind::Full if may_fail => Answer::NotDone,
            // Nothing that is begun after somebody heard of it may be done.
            ErrorKind::Poisoned if self.world.poisoned.get().is_some_and(|first| first <= op) => Answer::NotDone,
            ErrorKind::Poisoned if may_fail => Answer::Unknown,
            ErrorKind::Io if may_fail => Answer::Unknown,
            _ => {
                let ask = self.world.history.borrow().ops[op].ask.clone();
                self.world.wrong(|| format!("{ask:?} failed: {error}"));
                Answer::Unknown
            }
        };
        self.answered(op, answer);
        if *error.kind() == ErrorKind::Poisoned && self.world.poisoned.get().is_none() {
            self.world.poisoned.set(Some(self.world.history.borrow().ops.len()));
            self.world.event(Event::Poisoned);
        }
    }

    fn poll(&self, asked: &mut Vec<(OpId, Asking)>, op: OpId) {
        let place = asked.iter().position(|(other, _)| *other == op).expect("it is under way");
        let Poll::Ready(answered) = asked[place].1.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            return;
        };
        drop(asked.swap_remove(place));
        let answered = match answered {
            Ok(answered) => answered,
            Err(error) => return self.failed(op, &error),
        };
        let answer = match answered {
            Answered::Plain(answer) => answer,
            Answered::Stored(value, revision) => {
                record::know(&self.world, value, revision);
                Answer::Stored
            }
            Answered::Conflict(record) => Answer::Conflict(self.standing(&record)),
            Answered::Loaded(record) => Answer::Loaded(record.map(|record| self.standing(&record))),
            Answered::Listed(records) => {
                let mut list = [None; KEYS];
                for record in &records {
                    let key = record::number_of(record.key());
                    if list[key].replace(self.standing(record)).is_some() {
                        self.world.wrong(|| format!("session {key} was listed twice"));
                    }
                }
                Answer::Listed(list)
            }
        };
        self.answered(op, answer);
    }

    fn standing(&self, record: &Record) -> Standing {
        record::read(&self.world, record).unwrap_or_else(|why| {
            self.world.wrong(|| why);
            Standing { value: Value::MAX, seen: 0 }
        })
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
            0..=4 => Ask::Create { value: self.value(key) },
            5..=10 => Ask::Update { value: self.value(key), expected: self.expected(key) },
            11..=13 => {
                let new = world.rng(|rng| rng.usize(..KEYS));
                Ask::Rotate { old: key, value: self.value(new), expected: self.expected(key) }
            }
            14..=16 => Ask::Touch { key },
            17..=19 => Ask::Destroy { key },
            20 => Ask::DestroyOwned {
                owner: world.rng(|rng| rng.u8(..OWNERS)),
                except: world.rng(|rng| rng.bool()).then_some(key),
            },
            21 => Ask::Sweep { budget: world.rng(|rng| rng.usize(1..4)) },
            22 if world.rng(|rng| rng.bool()) => Ask::Clear,
            22..=28 => Ask::Load { key },
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
            padding: if rng.u8(..16) == 0 { rng.usize(..self.habits.largest_padding) } else { rng.usize(..120) },
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

    /// A write of this key whose revision is known, the newest most of the time.
    fn expected(&self, key: usize) -> Option<Value> {
        let known = self.world.known.borrow();
        self.world.rng(|rng| match rng.u8(..16) {
            0 => None,
            1 | 2 => known[key].get(rng.usize(..known[key].len().max(1))).copied(),
            _ => known[key].last().copied(),
        })
    }

    fn begin(&self, store: &FileStore, ask: Ask) -> (OpId, Asking) {
        let store = store.clone();
        let now = Timestamp::from_millis(self.world.wall.get());
        let record = |value: Value| record::build(&self.world.history.borrow(), value);
        let revision = |expected: Option<Value>| record::revision(&self.world.history.borrow(), expected);
        let asking: Asking = match ask.clone() {
            Ask::Create { value } => {
                let record = record(value);
                Box::pin(async move { Ok(Answered::Stored(value, store.create(&record, now).await?)) })
            }
            Ask::Update { value, expected } => {
                let (record, expected) = (record(value), revision(expected));
                Box::pin(async move { Ok(updated(value, store.update(&record, expected, now).await?)) })
            }
            Ask::Rotate { old, value, expected } => {
                let (record, expected) = (record(value), revision(expected));
                Box::pin(
                    async move { Ok(updated(value, store.rotate(&record::key(old), expected, &record, now).await?)) },
                )
            }
            Ask::Touch { key } => {
                Box::pin(
                    async move { Ok(Answered::Plain(Answer::Touched(store.touch(&record::key(key), now).await?))) },
                )
            }
            Ask::Destroy { key } => Box::pin(async move {
                store.destroy(&record::key(key)).await?;
                Ok(Answered::Plain(Answer::Done))
            }),
            Ask::DestroyOwned { owner, except } => Box::pin(async move {
                let except = except.map(record::key);
                let count = store.destroy_owned_by(&record::owner(owner), except.as_ref()).await?;
                Ok(Answered::Plain(Answer::Counted(count)))
            }),
            Ask::Sweep { budget } => Box::pin(async move {
                let swept = store.sweep(now, budget).await?;
                Ok(Answered::Plain(Answer::Swept { removed: swept.removed, more: swept.more }))
            }),
            Ask::Clear => Box::pin(async move {
                store.clear().await?;
                Ok(Answered::Plain(Answer::Done))
            }),
            Ask::Load { key } => {
                Box::pin(async move { Ok(Answered::Loaded(store.load(&record::key(key), now).await?)) })
            }
            Ask::Count => Box::pin(async move { Ok(Answered::Plain(Answer::Counted(store.count(now).await?))) }),
            Ask::OwnedBy { owner } => {
                Box::pin(async move { Ok(Answered::Listed(store.owned_by(&record::owner(owner), now).await?)) })
            }
            Ask::Scan => Box::pin(async move {
                let mut records = Vec::new();
                let mut visit = |record| {
                    records.push(record);
                    ControlFlow::Continue(())
                };
                store.scan(now, &mut visit).await?;
                Ok(Answered::Listed(records))
            }),
            Ask::Close => unreachable!("a process closes its store itself"),
        };
        (self.asked(ask), asking)
    }
}

fn updated(value: Value, update: Update) -> Answered {
    match update {
        Update::Stored(revision) => Answered::Stored(value, revision),
        Update::Conflict(record) => Answered::Conflict(record),
        Update::Gone => Answered::Plain(Answer::Gone),
    }
}
