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

use std::collections::BTreeSet;

use cloakroom::conformance::Verdict;
use cloakroom::{Capabilities, Kept, Limits, Record, Result, Revision, SessionKey, Swept, Timestamp, Update};

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
    fn rotate(
        &self,
        m: &twist::Memory,
        old: &SessionKey,
        expected: Revision,
        record: &Record,
        trace: Option<&twist::Trace>,
        now: Timestamp,
    ) -> Result<Update> {
        twist::pause();
        m.rotate(old, expected, record, trace, now)
    }
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
    let skipped = report.promises().filter(|(_, verdict)| matches!(verdict, Verdict::Skipped(_)));
    let skipped: Vec<_> = skipped.map(|(name, _)| name).collect();
    let sweep = "sweep removes what has expired, within its budget, and says what it did";
    let traces = "sweep counts no trace and removes none that is not over";
    assert_eq!(skipped, ["an owner's limit holds also when sessions arrive at once", sweep, traces]);
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
