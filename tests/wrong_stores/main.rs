//! The conformance suite tells what is wrong with a store, and nothing else: for every promise there is a store that
//! breaks it alone.

mod creating;
mod limiting;
mod listing;
mod refusing;
mod rotating;
mod stuck;
mod surviving;
mod touching;
mod tracing;
mod twist;
mod updating;

use std::collections::{BTreeSet, HashMap};

use cloakroom::conformance::{Report, Verdict};
use cloakroom::{
    Capabilities, Found, Kept, Limits, Record, Result, Revision, SessionKey, Swept, Timestamp, Trace, Update,
};
use twist::Memory;

/// Nothing is wrong with it.
#[derive(Default)]
struct Right;

impl twist::Twist for Right {}

#[test]
fn a_store_with_nothing_wrong_keeps_every_promise_and_none_is_skipped() {
    let report = twist::report::<Right>();
    assert!(report.promises().all(|(_, verdict)| *verdict == Verdict::Kept), "\n{report}");
}

/// A store that keeps the owners' limits by the means that the wrong ones among them use.
#[derive(Default)]
struct RightByHand;

impl twist::Twist for RightByHand {
    fn makes_room(&self) -> bool {
        true
    }
}

#[test]
fn a_store_that_makes_room_by_hand_keeps_every_promise() {
    twist::report::<RightByHand>().assert();
}

/// A store whose compare-and-swaps look, take their time, and are refused if something came in between. A thread that
/// changes the same session without a pause never lets one through.
#[derive(Default)]
struct SlowToSwap;

impl twist::Twist for SlowToSwap {
    fn update(&self, m: &twist::Memory, record: &Record, expected: Revision, now: Timestamp) -> Result<Update> {
        twist::pause();
        m.update(record, expected, now)
    }
    twist::method!(rotate(self, m, old, expected, record, trace, now) {
        twist::pause();
        m.rotate(old, expected, record, trace, now)
    });
}

#[test]
fn a_store_that_is_slow_to_swap_keeps_every_promise() {
    twist::report::<SlowToSwap>().assert();
}

/// A store that lets too many through at once, sweeps nothing and visits twice; and it says so.
#[derive(Default)]
struct StatesWhatItLacks;

impl twist::Twist for StatesWhatItLacks {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::EXACT;
        capabilities.owner_limits = Kept::BestEffort;
        capabilities.sweep = Kept::NotAtAll;
        capabilities.scan = Kept::BestEffort;
        capabilities
    }
    fn makes_room(&self) -> bool {
        true
    }
    fn between(&self, _by: twist::By) -> twist::Between {
        twist::Between::Futures
    }
    fn sweep(&self, _m: &twist::Memory, _now: Timestamp, _budget: usize) -> Result<Swept> {
        Ok(Swept::default())
    }
    fn scan(&self, m: &twist::Memory, now: Timestamp, visit: twist::Visit<'_>) -> Result<()> {
        let all = m.all(now)?;
        let again = all.first().cloned();
        let _ = all.into_iter().chain(again.filter(|_| m.count(now).is_ok_and(|count| count > 20))).try_for_each(visit);
        Ok(())
    }
}

#[test]
fn a_store_is_held_to_what_it_states_and_to_no_more() {
    let report = twist::report::<StatesWhatItLacks>();
    report.assert();
    let sweep = "sweep removes what has expired, within its budget, and says what it did";
    let traces = "sweep counts no trace and removes none that is not over";
    assert_eq!(skipped(&report), ["an owner's limit holds also when sessions arrive at once", sweep, traces]);
}

fn skipped(report: &Report) -> Vec<&'static str> {
    let skipped = report.promises().filter(|(_, verdict)| matches!(verdict, Verdict::Skipped(_)));
    skipped.map(|(name, _)| name).collect()
}

const SAME_STEP: &str = "a trace is left in the same step as what leaves it";

/// A store that leaves a trace first and a session's old key last, whose sweeps count what another may have counted, and whose
/// traces only their time bounds; and it says so.
#[derive(Default)]
struct DoesItsBest {
    left: twist::Notes<HashMap<SessionKey, Trace>>,
    leaving: twist::Notes<HashMap<SessionKey, Record>>,
}

impl twist::Twist for DoesItsBest {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::EXACT;
        capabilities.traces = Kept::BestEffort;
        capabilities.rotate = Kept::BestEffort;
        capabilities.sweep = Kept::BestEffort;
        capabilities.visitor_may_call = false;
        capabilities.most_traces = None;
        capabilities
    }
    fn limits(&self, limits: Limits) -> Limits {
        limits.with_traces(usize::MAX)
    }
    fn create(&self, m: &Memory, record: &Record, traces: twist::Traces<'_>, now: Timestamp) -> Result<Revision> {
        let is_free = m.load(record.key(), now)?.is_none() && record.owner().is_none();
        self.left.get().extend(traces.iter().filter(|_| is_free).copied());
        if !traces.is_empty() {
            twist::pause();
        }
        let done = m.create(record, traces, now);
        self.left.get().retain(|key, _| !traces.iter().any(|(left, _)| left == key));
        done
    }
    fn find(&self, m: &Memory, key: &SessionKey, now: Timestamp) -> Result<Found> {
        let (left, leaving) = (self.left.get().get(key).copied(), self.leaving.get().get(key).cloned());
        Ok(match (left, m.find(key, now)?, leaving) {
            (Some(trace), Found::Nothing, _) => Found::Trace(trace),
            (_, Found::Nothing, Some(record)) => Found::Live(record),
            (_, found, _) => found,
        })
    }
    fn load(&self, m: &Memory, key: &SessionKey, now: Timestamp) -> Result<Option<Record>> {
        self.find(m, key, now).map(Found::live)
    }
    twist::method!(rotate(self, m, old, expected, record, trace, now) {
        let before = m.load(old, now)?.filter(|_| trace.is_none());
        self.leaving.get().extend(before.map(|before| (*old, before)));
        let done = m.rotate(old, expected, record, trace, now);
        twist::pause();
        self.leaving.get().remove(old);
        done
    });
    fn sweep(&self, m: &Memory, now: Timestamp, budget: usize) -> Result<Swept> {
        let swept = m.sweep(now, budget)?;
        Ok(Swept::new(swept.removed / 2, swept.more))
    }
}

#[test]
fn a_store_that_states_its_best_effort_is_held_to_that() {
    let report = twist::report::<DoesItsBest>();
    report.assert();
    let rotating = "destroy_owned_by misses no session that gets another key meanwhile";
    let visiting = "scan lets its visitor call the store";
    let bounded = "traces are bounded in number, and those that end first go";
    assert_eq!(skipped(&report), [rotating, visiting, bounded]);
}

/// A store that leaves no traces, and says so.
#[derive(Default)]
struct LeavesNoTraces;

impl twist::Twist for LeavesNoTraces {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::EXACT;
        capabilities.traces = Kept::NotAtAll;
        capabilities
    }
    fn create(&self, m: &Memory, record: &Record, _traces: twist::Traces<'_>, now: Timestamp) -> Result<Revision> {
        m.create(record, &[], now)
    }
    twist::method!(rotate(self, m, old, expected, record, _trace, now) {
        m.rotate(old, expected, record, None, now)
    });
    fn destroy(&self, m: &Memory, key: &SessionKey, _trace: Option<&Trace>) -> Result<bool> {
        m.destroy(key, None)
    }
}

#[test]
fn a_store_that_states_that_it_leaves_no_traces_is_asked_for_none() {
    let report = twist::report::<LeavesNoTraces>();
    report.assert();
    let skipped = skipped(&report);
    assert!(skipped.len() == 14 && skipped.iter().all(|name| name.contains("trace")), "{skipped:?}");
}

/// A store that states that it leaves traces first, and leaves them last.
#[derive(Default)]
struct LeavesTracesLast(twist::Notes<HashMap<SessionKey, ()>>);

impl twist::Twist for LeavesTracesLast {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::EXACT;
        capabilities.traces = Kept::BestEffort;
        capabilities
    }
    fn find(&self, m: &Memory, key: &SessionKey, now: Timestamp) -> Result<Found> {
        let found = m.find(key, now)?;
        let is_late = found.trace().is_some() && self.0.get().contains_key(key);
        Ok(if is_late { Found::Nothing } else { found })
    }
    fn destroy(&self, m: &Memory, key: &SessionKey, trace: Option<&Trace>) -> Result<bool> {
        let is_there = trace.is_some() && m.peek(key)?.is_some();
        self.0.get().extend(is_there.then_some((*key, ())));
        let done = m.destroy(key, trace);
        if is_there {
            twist::pause();
            self.0.get().remove(key);
        }
        done
    }
}

#[test]
fn a_trace_that_comes_last_is_not_the_best_effort() {
    let report = twist::suite::<LeavesTracesLast>().only("trace").run();
    assert_eq!(report.broken().collect::<Vec<_>>(), [SAME_STEP], "{report}");
}

/// A store that looks, and then writes, and nothing holds it up in between.
#[derive(Default)]
struct LooksAndWrites;

impl twist::Twist for LooksAndWrites {
    fn makes_room(&self) -> bool {
        true
    }
    fn between(&self, _by: twist::By) -> twist::Between {
        twist::Between::Unseen
    }
}

#[test]
fn a_limit_that_only_some_runs_break_is_found_by_repeating() {
    let report = twist::suite::<LooksAndWrites>().only("an owner's limit holds also").repeat(50).run();
    assert_eq!(report.broken().count(), 1, "{report}");
}

/// A store that states that it does its best for limits, and does nothing.
#[derive(Default)]
struct DoesNotEvenTry;

impl twist::Twist for DoesNotEvenTry {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::EXACT;
        capabilities.owner_limits = Kept::BestEffort;
        capabilities
    }
    fn limits(&self, limits: Limits) -> Limits {
        limits.with_per_owner(None)
    }
}

#[test]
fn a_best_effort_is_an_effort() {
    assert_eq!(twist::report::<DoesNotEvenTry>().broken().count(), 6);
}

#[test]
fn every_promise_has_a_store_that_breaks_it() {
    let broken = [
        creating::BROKEN,
        updating::BROKEN,
        touching::BROKEN,
        rotating::BROKEN,
        listing::BROKEN,
        limiting::BROKEN,
        refusing::BROKEN,
        surviving::BROKEN,
        tracing::BROKEN,
    ];
    let broken: BTreeSet<_> = broken.into_iter().flatten().copied().collect();
    let report = twist::report::<Right>();
    let promised: BTreeSet<_> = report.promises().map(|(name, _)| name).collect();
    assert_eq!(broken, promised);
}
