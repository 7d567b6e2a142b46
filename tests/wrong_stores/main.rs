//! The conformance suite tells what is wrong with a store, and nothing else: for every promise there is a store that
//! breaks it alone.

mod creating;
mod limiting;
mod listing;
mod rotating;
mod surviving;
mod touching;
mod twist;
mod updating;

use std::collections::BTreeSet;

use cloakroom::conformance::Verdict;

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

#[test]
fn every_promise_has_a_store_that_breaks_it() {
    let broken = [
        creating::BROKEN,
        updating::BROKEN,
        touching::BROKEN,
        rotating::BROKEN,
        listing::BROKEN,
        limiting::BROKEN,
        surviving::BROKEN,
    ];
    let broken: BTreeSet<_> = broken.into_iter().flatten().copied().collect();
    let report = twist::report::<Right>();
    let promised: BTreeSet<_> = report.promises().map(|(name, _)| name).collect();
    assert_eq!(broken, promised);
}
