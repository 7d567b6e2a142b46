//! Stores that do not answer, and how the suite goes on beyond them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use cloakroom::conformance::Verdict;
use cloakroom::{Result, SessionKey, Timestamp};

use crate::twist::{Memory, Trace, Twist, Visit, suite};

const MOMENT: Duration = Duration::from_millis(300);

/// A store whose destroy waits for a lock that is never given back.
#[derive(Default)]
struct Deadlocks;

impl Twist for Deadlocks {
    fn destroy(&self, _m: &Memory, _key: &SessionKey, _trace: Option<&Trace>) -> Result<bool> {
        loop {
            thread::park();
        }
    }
}

/// A store that holds its lock while it visits.
#[derive(Default)]
struct HoldsItsLock(Mutex<()>);

impl Twist for HoldsItsLock {
    fn scan(&self, m: &Memory, now: Timestamp, visit: Visit<'_>) -> Result<()> {
        let _lock = self.0.lock().unwrap();
        m.scan(now, visit)
    }
    fn count(&self, m: &Memory, now: Timestamp) -> Result<u64> {
        let _lock = self.0.lock().unwrap();
        m.count(now)
    }
}

#[test]
fn a_scan_that_waits_for_its_own_visitor_is_found() {
    let report = suite::<HoldsItsLock>().only("visitor").time_limit(MOMENT).run();
    let (_, verdict) = report.promises().next().unwrap();
    assert_eq!(*verdict, Verdict::TimedOut { after: MOMENT, waiting_for: vec!["count", "scan"] });
}

/// A store whose destroy fails, and counts how often it was asked.
#[derive(Default)]
struct Refuses;

static REFUSED: AtomicUsize = AtomicUsize::new(0);

impl Twist for Refuses {
    fn destroy(&self, _m: &Memory, _key: &SessionKey, _trace: Option<&Trace>) -> Result<bool> {
        REFUSED.fetch_add(1, Ordering::SeqCst);
        crate::twist::error(cloakroom::ErrorKind::Unavailable)
    }
}

#[test]
fn a_check_that_waits_for_ever_is_left_and_what_it_waits_for_is_named() {
    let told = std::sync::Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let report = suite::<Deadlocks>()
        .only("destroy is content")
        .only("destroy ends a session")
        .time_limit(MOMENT)
        .progress(move |promise, verdict| tell.lock().unwrap().push((promise, verdict.map(ToString::to_string))))
        .run();
    assert_eq!(report.broken().count(), 2);
    for (_, verdict) in report.promises() {
        assert_eq!(*verdict, Verdict::TimedOut { after: MOMENT, waiting_for: vec!["destroy"] });
        assert_eq!(verdict.to_string(), "TIMED OUT: did not finish in 300ms, waiting for destroy");
    }
    let told = told.lock().unwrap();
    let said = Some("TIMED OUT: did not finish in 300ms, waiting for destroy".to_owned());
    let (ends, content) =
        ("destroy ends a session for every operation", "destroy is content when there is nothing to end");
    assert_eq!(*told, [(ends, None), (ends, said.clone()), (content, None), (content, said)]);
}

#[test]
fn a_promise_is_repeated_until_it_is_not_kept() {
    let report = suite::<Refuses>().only("destroy is content").repeat(5).run();
    assert_eq!(report.broken().count(), 1);
    assert_eq!(REFUSED.load(Ordering::SeqCst), 1);
}
