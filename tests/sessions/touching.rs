use std::time::Duration;

use cloakroom::{Lifetime, Outcome};

use crate::support::*;

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn an_unchanged_session_costs_nothing_until_a_tenth_of_its_idle_window_has_gone_by() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("n", &1).unwrap());
    site.store.calls();
    for wait in [Duration::ZERO, MINUTE, 2 * MINUTE - MILLISECOND] {
        site.advance(wait);
        assert_nothing(&site.request(&mut browser, |session| assert_eq!(session.get("n").unwrap(), Some(1))));
        assert_eq!(site.store.calls(), ["load"]);
    }
    site.advance(MILLISECOND);
    let committed = site.request(&mut browser, |_| ());
    assert_eq!(committed.outcome(), Outcome::Touched);
    assert_eq!(committed.set_cookie(), None);
    assert_eq!(site.store.calls(), ["load", "touch"]);
    // And the same again from there.
    site.advance(3 * MINUTE - MILLISECOND);
    assert_nothing(&site.request(&mut browser, |_| ()));
    assert_eq!(site.open(&browser).last_seen(), START.plus(3 * MINUTE));
}

#[test]
fn the_part_of_the_idle_window_is_configurable() {
    for (part, due) in [(0.0, Duration::ZERO), (0.5, 15 * MINUTE), (0.99, 1782 * Duration::from_secs(1))] {
        let site = site_with(|builder| builder.touch_after(part));
        let mut browser = Browser::default();
        site.visit(&mut browser, |session| session.insert("n", &1).unwrap());
        if let Some(just_before) = due.checked_sub(MILLISECOND) {
            site.advance(just_before);
            assert_nothing(&site.request(&mut browser, |_| ()));
            site.advance(MILLISECOND);
        }
        assert_eq!(site.request(&mut browser, |_| ()).outcome(), Outcome::Touched, "{part}");
    }
}

#[test]
fn the_touch_throttle_may_end_a_session_a_tenth_early_and_never_late() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("n", &1).unwrap());
    // The session was seen, but too soon for a touch.
    site.advance(3 * MINUTE - MILLISECOND);
    site.visit(&mut browser, |_| ());
    site.advance(27 * MINUTE);
    assert!(browser.handle(&site).is_some(), "nine tenths after it was seen");
    site.advance(MILLISECOND);
    assert_eq!(browser.handle(&site), None, "30 minutes after what was noted");
}

#[test]
fn a_changed_session_counts_as_seen_without_a_touch() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("n", &1).unwrap());
    site.advance(2 * MINUTE);
    site.store.calls();
    site.visit(&mut browser, |session| session.insert("n", &2).unwrap());
    assert_eq!(site.store.calls(), ["load", "update"]);
    assert_eq!(site.open(&browser).last_seen(), START.plus(2 * MINUTE));
}

#[test]
fn a_session_without_idle_timeout_has_nothing_that_a_touch_could_move() {
    let site = site_with(|builder| builder.lifetime(Lifetime::absolute(DAY)));
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("n", &1).unwrap());
    site.advance(DAY - MINUTE);
    assert_nothing(&site.request(&mut browser, |_| ()));
    assert!(browser.handle(&site).is_some());
}

#[test]
fn a_clock_set_back_touches_nothing() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("n", &1).unwrap());
    site.clock.set(cloakroom::Timestamp::EPOCH);
    assert_nothing(&site.request(&mut browser, |_| ()));
    assert_eq!(site.open(&browser).ends_at(), START.plus(30 * MINUTE));
}
