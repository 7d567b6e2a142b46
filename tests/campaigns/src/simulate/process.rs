//! A simulated process: how it opens the store, asks it for something, and takes down what it is told.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cloakroom::simulation::{Disk, Process, Scheduler as _};
use cloakroom::{
    Error, ErrorKind, FileOptions, FileStore, Found, Record, Revision, Store as _, Timestamp, Trace, Update,
};

use super::ask::{Answer, Ask};
use super::history::{Event, Life, Op, OpId};
use super::record;
use super::state::{KEYS, Session, Standing, Value};
use super::world::World;
use crate::left::Left;
use crate::support::{self, number_of};

/// What [`Durability::Every`](cloakroom::Durability::Every) is given.
pub const EVERY: Duration = Duration::from_millis(10);

/// What all processes of a schedule have in common.
pub struct Habits {
    pub options: FileOptions,
    pub saves_wait: bool,
    /// How many calls a process has under way at most.
    pub at_once: usize,
    pub drops_futures: bool,
    /// So many of 16 writes are large.
    pub large_ones: u8,
    pub largest_padding: usize,
    /// How often it tries to open the store.
    pub attempts: usize,
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

/// A call that is under way.
pub type Asking = Pin<Box<dyn Future<Output = Result<Answered, Error>>>>;

/// An answer whose records have yet to be read.
pub enum Answered {
    Plain(Answer),
    Stored(Value, Revision),
    Conflict(Box<Record>),
    Found(Found),
    Listed(Vec<Record>),
}

impl Living {
    /// Opens the store, loads every session and closes it again: nothing may fail any more.
    pub fn look(self) {
        let Some(process) = self.open() else { return };
        let mut asked = Vec::new();
        for ask in (0..KEYS).map(|key| Ask::Find { key }).chain([Ask::Count, Ask::Scan]) {
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

    pub fn open(&self) -> Option<Process> {
        for _ in 0..self.habits.attempts {
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
                // A power loss may take the spare with all its space, for its name is not synced. Where another program takes
                // that first, a log that cannot go on in its last segment waits for space.
                Err(error) if *error.kind() == ErrorKind::Full && self.world.lost.get() && self.has_competitor() => {
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

    /// Whether another program takes space, on a disk that is small and not freed for good.
    fn has_competitor(&self) -> bool {
        self.world.faults.borrow().competes > 0
    }

    pub fn close(&self, process: Process) {
        let op = self.asked(Ask::Close);
        match process.close() {
            Ok(()) => self.answered(op, Answer::Done),
            Err(error) => self.failed(op, &error),
        }
    }

    /// Rests for longer than the store may leave anything unsynced.
    pub fn rest(&self, process: &mut Process) {
        let op = self.asked(Ask::Rest);
        self.world.sleep(EVERY);
        process.keep();
        let failed = self.world.faults.borrow().struck;
        self.answered(op, if failed { Answer::NotDone } else { Answer::Done });
    }

    pub fn look_at_damage(&self, store: &FileStore) {
        let damage = store.damage();
        if damage.is_empty() {
            return;
        }
        // A recovery reports what it finds beyond the end. That tells no session, for none was lost there; but it is something.
        if damage.len() > 1 || damage[0].key.is_some() || damage[0].from == damage[0].to {
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
        let (may_fail, struck, struck_a_sync, may_fill_up) = {
            let faults = self.world.faults.borrow();
            (faults.may_fail(), faults.struck, faults.struck_a_sync, faults.capacity.is_some())
        };
        // Where there is space again, saves go on.
        let may_fill_up = may_fill_up && self.world.freed.get().is_none_or(|first| op < first);
        let saves = matches!(
            self.world.history.borrow().ops[op].ask,
            Ask::Create { .. } | Ask::Update { .. } | Ask::Rotate { .. } | Ask::Touch { .. }
        );
        if struck_a_sync && matches!(error.kind(), ErrorKind::Io | ErrorKind::Full | ErrorKind::NotWritable) {
            self.world.wrong(|| format!("a sync failed, and it was called {error}"));
        }
        let answer = match error.kind() {
            ErrorKind::KeyTaken => Answer::Taken,
            ErrorKind::Timeout => Answer::NotDone,
            // However full the disk is, sessions can be ended.
            ErrorKind::Full if may_fail || may_fill_up && saves => Answer::NotDone,
            // Nothing that is begun after a process heard of it may be done.
            ErrorKind::Poisoned if self.world.poisoned.get().is_some_and(|first| first <= op) => Answer::NotDone,
            ErrorKind::Poisoned if may_fail || struck => Answer::Unknown,
            ErrorKind::Io if may_fail => Answer::Unknown,
            _ => {
                let ask = self.world.history.borrow().ops[op].ask.clone();
                self.world.wrong(|| format!("{ask:?} failed: {error}"));
                Answer::Unknown
            }
        };
        self.answered(op, answer);
        // A process that closes the store gives the directory free before it says so, and another may have recovered by then.
        let closes = matches!(self.world.history.borrow().ops[op].ask, Ask::Close);
        if *error.kind() == ErrorKind::Poisoned && !closes && self.world.poisoned.get().is_none() {
            self.world.poisoned.set(Some(self.world.history.borrow().ops.len()));
            self.world.event(Event::Poisoned);
        }
    }

    pub fn poll(&self, asked: &mut Vec<(OpId, Asking)>, op: OpId) {
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
            Answered::Conflict(record) => Answer::Conflict(self.session(&record)),
            Answered::Found(Found::Live(record)) => Answer::Found(Some(Standing::Session(self.session(&record)))),
            Answered::Found(Found::Trace(trace)) => Answer::Found(Some(Standing::Trace(self.left(&trace)))),
            // Nothing, which is all that is left.
            Answered::Found(_) => Answer::Found(None),
            Answered::Listed(records) => {
                let mut list = [None; KEYS];
                for record in &records {
                    let key = number_of(record.key()) as usize;
                    if list[key].replace(self.session(record)).is_some() {
                        self.world.wrong(|| format!("session {key} was listed twice"));
                    }
                }
                Answer::Listed(list)
            }
        };
        self.answered(op, answer);
    }

    fn left(&self, trace: &Trace) -> Left {
        Left::of(trace, |key| {
            u8::try_from(number_of(key)).unwrap_or_else(|_| {
                self.world.wrong(|| format!("a trace that nobody left: {trace:?}"));
                0
            })
        })
    }

    fn session(&self, record: &Record) -> Session {
        record::read(&self.world, record).unwrap_or_else(|why| {
            self.world.wrong(|| why);
            Session { value: Value::MAX, seen: 0 }
        })
    }

    pub fn begin(&self, store: &FileStore, ask: Ask) -> (OpId, Asking) {
        let store = store.clone();
        let now = Timestamp::from_millis(self.world.wall.get());
        let record = |value: Value| record::build(&self.world.history.borrow(), value);
        let revision = |expected: Option<Value>| record::revision(&self.world.history.borrow(), expected);
        let asking: Asking =
            match ask.clone() {
                Ask::Create { value, traces } => {
                    let record = record(value);
                    let traces: Vec<_> =
                        traces.iter().map(|(key, left)| (support::key(*key), left.trace(support::key))).collect();
                    Box::pin(async move { Ok(Answered::Stored(value, store.create(&record, &traces, now).await?)) })
                }
                Ask::Update { value, expected } => {
                    let (record, expected) = (record(value), revision(expected));
                    Box::pin(async move { Ok(updated(value, store.update(&record, expected, now).await?)) })
                }
                Ask::Rotate { old, value, expected, trace } => {
                    let (old, record, expected) = (support::key(old), record(value), revision(expected));
                    let trace = trace.map(|left| left.trace(support::key));
                    Box::pin(async move {
                        Ok(updated(value, store.rotate(&old, expected, &record, trace.as_ref(), now).await?))
                    })
                }
                Ask::Touch { key } => Box::pin(async move {
                    Ok(Answered::Plain(Answer::Touched(store.touch(&support::key(key), now).await?)))
                }),
                Ask::Destroy { key, trace } => Box::pin(async move {
                    let trace = trace.map(|left| left.trace(support::key));
                    let ended = store.destroy(&support::key(key), trace.as_ref()).await?;
                    Ok(Answered::Plain(Answer::Counted(ended.into())))
                }),
                Ask::DestroyOwned { owner, except } => Box::pin(async move {
                    let except = except.map(support::key);
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
                Ask::Find { key } => {
                    Box::pin(async move { Ok(Answered::Found(store.find(&support::key(key), now).await?)) })
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
                Ask::Close | Ask::Rest => unreachable!("a process does so itself"),
            };
        (self.asked(ask), asking)
    }
}

fn updated(value: Value, update: Update) -> Answered {
    match update {
        Update::Stored(revision) => Answered::Stored(value, revision),
        Update::Conflict(record) => Answered::Conflict(record),
        Update::Gone => Answered::Plain(Answer::Gone),
        other => unreachable!("{other:?}"),
    }
}
