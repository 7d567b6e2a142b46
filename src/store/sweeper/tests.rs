use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::lifetime::Lifetime;
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::model::time::{ManualClock, Timestamp};
use crate::model::trace::Trace;
use crate::store::block_on::block_on;
use crate::store::memory::MemoryStore;
use crate::store::runtime_free::RuntimeFree;
use crate::store::{Acknowledged, Found, Store, Swept, Update};

const HOUR: Duration = Duration::from_secs(3600);

fn filled(sessions: u8) -> MemoryStore {
    let store = MemoryStore::new();
    for key in 0..sessions {
        let record = Record::new(SessionKey::from_bytes([key; 16]), Lifetime::idle(HOUR), Timestamp::EPOCH);
        block_on(store.create(&record, &[], Timestamp::EPOCH)).unwrap();
    }
    store
}

/// A store whose sweep fails every second time, beginning with the first; it can do nothing else.
#[derive(Clone)]
struct Failing(Arc<AtomicU64>);

impl RuntimeFree for Failing {}

impl Store for Failing {
    async fn sweep(&self, _: Timestamp, _: usize) -> Result<Swept> {
        match self.0.fetch_add(1, Ordering::SeqCst) % 2 {
            0 => Err(Error::new(ErrorKind::Unavailable, "sweeping")),
            _ => Ok(Swept { removed: 1, more: false }),
        }
    }
    async fn create(&self, _: &Record, _: &[(SessionKey, Trace)], _: Timestamp) -> Result<Revision> {
        unreachable!()
    }
    async fn find(&self, _: &SessionKey, _: Timestamp) -> Result<Found> {
        unreachable!()
    }
    async fn update(&self, _: &Record, _: Revision, _: Timestamp) -> Result<Update> {
        unreachable!()
    }
    async fn touch(&self, _: &SessionKey, _: Timestamp) -> Result<bool> {
        unreachable!()
    }
    async fn rotate(&self, _: &SessionKey, _: Revision, _: &Record, _: Option<&Trace>, _: Timestamp) -> Result<Update> {
        unreachable!()
    }
    async fn destroy(&self, _: &SessionKey, _: Option<&Trace>) -> Result<bool> {
        unreachable!()
    }
    async fn owned_by(&self, _: &Owner, _: Timestamp) -> Result<Vec<Record>> {
        unreachable!()
    }
    async fn destroy_owned_by(&self, _: &Owner, _: Option<&SessionKey>) -> Result<u64> {
        unreachable!()
    }
    async fn scan(&self, _: Timestamp, _: &mut (dyn FnMut(Record) -> ControlFlow<()> + Send)) -> Result<()> {
        unreachable!()
    }
    async fn count(&self, _: Timestamp) -> Result<u64> {
        unreachable!()
    }
    async fn clear(&self) -> Result<()> {
        unreachable!()
    }
    fn durability(&self) -> Acknowledged {
        unreachable!()
    }
}

#[test]
fn a_round_removes_all_that_has_expired_in_steps_of_the_budget() {
    let store = filled(25);
    let (heard, rounds) = mpsc::channel();
    let sweeper = SweeperBuilder::new(store.clone(), ManualClock::at(Timestamp::NEVER))
        .every(HOUR)
        .budget(10)
        .on_round(move |round| heard.send(round.as_ref().map(|swept| swept.removed).ok()).unwrap())
        .spawn()
        .unwrap();
    assert_eq!(rounds.recv().unwrap(), Some(25));
    assert_eq!(sweeper.rounds(), 1);
    assert_eq!(block_on(store.count(Timestamp::EPOCH)).unwrap(), 0);
}

#[test]
fn an_error_in_one_round_is_reported_and_the_next_round_runs() {
    let (heard, rounds) = mpsc::channel();
    let sweeper = SweeperBuilder::new(Failing(Arc::default()), ManualClock::default())
        .every(Duration::from_millis(20))
        .on_round(move |round| heard.send(round.is_ok()).unwrap())
        .spawn()
        .unwrap();
    assert!(!rounds.recv().unwrap());
    assert_eq!(sweeper.last_error().unwrap().kind(), &ErrorKind::Unavailable);
    assert!(rounds.recv().unwrap());
    assert!(sweeper.last_error().is_none());
    assert!(!rounds.recv().unwrap());
    assert!(sweeper.failed_rounds() >= 2 && sweeper.rounds() >= 3);
}

#[test]
fn dropping_it_ends_the_thread_without_waiting_out_the_interval() {
    let begin = Instant::now();
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let sweeper = SweeperBuilder::new(filled(1), ManualClock::default())
        .every(Duration::MAX)
        .on_round(move |_| drop(Arc::clone(&held)))
        .spawn()
        .unwrap();
    while sweeper.rounds() == 0 {
        thread::yield_now();
    }
    drop(sweeper);
    assert_eq!(Arc::strong_count(&alive), 1, "the thread is gone, with all that it held");
    assert!(begin.elapsed() < HOUR);
}

#[test]
fn a_panic_of_the_report_does_not_end_the_sweeping() {
    let (heard, rounds) = mpsc::channel();
    let _sweeper = SweeperBuilder::new(filled(1), ManualClock::default())
        .every(Duration::from_millis(1))
        .on_round(move |_| {
            let _ = heard.send(());
            panic!("as the test wants it");
        })
        .spawn()
        .unwrap();
    for _ in 0..3 {
        rounds.recv().unwrap();
    }
}

#[test]
fn an_interval_or_a_budget_of_zero_is_refused() {
    let builder = || SweeperBuilder::new(filled(0), ManualClock::default());
    assert_eq!(builder().every(Duration::ZERO).spawn().unwrap_err().kind(), &ErrorKind::Config);
    assert_eq!(builder().budget(0).spawn().unwrap_err().kind(), &ErrorKind::Config);
    let run = builder().budget(0).run(async |_| ());
    assert_eq!(block_on(run).unwrap_err().kind(), &ErrorKind::Config);
}

#[test]
fn as_a_future_it_sweeps_by_the_callers_timer() {
    let store = filled(25);
    let slept = Arc::new(Mutex::new(Vec::new()));
    let timer = Arc::clone(&slept);
    let run = SweeperBuilder::new(store.clone(), ManualClock::at(Timestamp::NEVER)).every(HOUR).budget(10).run(
        move |duration| {
            timer.lock().unwrap().push(duration);
            poll_fn(move |_| if duration.is_zero() { Poll::Ready(()) } else { Poll::Pending })
        },
    );
    fn is_send<T: Send>(future: T) -> T {
        future
    }
    let mut run = pin!(is_send(run));
    assert!(run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(*slept.lock().unwrap(), [Duration::ZERO, Duration::ZERO, HOUR]);
    assert_eq!(block_on(store.count(Timestamp::EPOCH)).unwrap(), 0);
}
