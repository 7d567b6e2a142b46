use std::time::Duration;

use cloakroom::{ErrorKind, Lifetime, Outcome};

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

#[test]
fn a_touch_that_fails_changes_no_response_and_is_told_and_the_next_request_tries_again() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("n", &1).unwrap());
    site.advance(10 * MINUTE);
    site.store.fail("touch");
    // A page that reads its session, and one that never looks at it.
    let reads = site.request(&mut browser, |session| assert_eq!(session.get("n").unwrap(), Some(1)));
    let ignores = site.request(&mut browser, |_| ());
    for committed in [&reads, &ignores] {
        assert_nothing(committed);
        assert_eq!(committed.touch_error().unwrap().kind(), &ErrorKind::Unavailable);
        assert!(committed.lost().is_empty());
    }
    assert_eq!(site.open(&browser).last_seen(), START);
    site.store.fail("");
    let committed = site.request(&mut browser, |_| ());
    assert_eq!(committed.outcome(), Outcome::Touched);
    assert!(committed.touch_error().is_none());
}

#[test]
fn a_cookie_that_cannot_be_renewed_changes_no_response_and_is_told() {
    let site = site_with(|builder| builder.rolling(true));
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("n", &1).unwrap());
    site.advance(10 * MINUTE);
    let session = site.open(&browser);
    site.store.fail("load");
    let committed = site.commit(session);
    assert_eq!((committed.outcome(), committed.set_cookie()), (Outcome::Touched, None));
    assert_eq!(committed.touch_error().unwrap().kind(), &ErrorKind::Unavailable);
}

#[test]
fn a_change_that_cannot_be_stored_is_an_error_though_a_touch_is_due_as_well() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("n", &1).unwrap());
    site.advance(10 * MINUTE);
    let session = site.open(&browser);
    session.insert("n", &2).unwrap();
    site.store.fail("update");
    let error = site.sessions.blocking().commit(session).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unavailable);
}
