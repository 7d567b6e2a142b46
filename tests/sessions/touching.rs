use std::time::Duration;

use cloakroom::{ErrorKind, Lifetime, Outcome, Timestamp};

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
        assert_eq!(site.store.calls(), ["find"]);
    }
    site.advance(MILLISECOND);
    let committed = site.request(&mut browser, |_| ());
    assert_eq!(committed.outcome(), Outcome::Touched);
    assert_eq!(committed.set_cookie(), None);
    assert_eq!(site.store.calls(), ["find", "touch"]);
    // And the same again from there.
    site.advance(3 * MINUTE - MILLISECOND);
    assert_nothing(&site.request(&mut browser, |_| ()));
    assert_eq!(site.open(&browser).last_seen(), START.plus(3 * MINUTE));
}

#[test]
fn the_part_of_the_idle_window_is_configurable() {
    for (part, due) in [(0.0, Duration::ZERO), (0.25, 2 * MINUTE), (0.5, 4 * MINUTE), (0.99, 5 * MINUTE)] {
        let site = site_with(|builder| builder.touch_fraction(part).idle_timeout(8 * MINUTE));
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
    assert_eq!(site.open(&browser).ends_at(), START.plus(30 * MINUTE), "nine tenths after it was seen");
    site.advance(27 * MINUTE + MILLISECOND);
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
    assert_eq!(site.store.calls(), ["find", "update"]);
    assert_eq!(site.open(&browser).last_seen(), START.plus(2 * MINUTE));
}

#[test]
fn activity_is_noted_whatever_the_lifetime_and_at_most_five_minutes_late() {
    for lifetime in [Lifetime::absolute(DAY), Lifetime::idle(30 * DAY), Lifetime::AAL1, Lifetime::AAL2] {
        let site = site_with(|builder| builder.lifetime(lifetime));
        let mut browser = Browser::default();
        site.visit(&mut browser, |session| session.login("ada").unwrap());
        site.advance(5 * MINUTE - MILLISECOND);
        assert_nothing(&site.request(&mut browser, |_| ()));
        site.advance(MILLISECOND);
        assert_eq!(site.request(&mut browser, |_| ()).outcome(), Outcome::Touched);
        let listed = site.sessions.blocking().owned_by("ada").unwrap();
        assert_eq!(listed[0].last_seen(), START.plus(5 * MINUTE));
    }
}

#[test]
fn a_request_that_arrives_before_the_end_and_is_answered_after_it_keeps_its_session_and_its_change() {
    let site = site();
    for change in [false, true] {
        let mut browser = Browser::default();
        site.visit(&mut browser, |session| session.insert("n", &1).unwrap());
        let began = site.open(&browser).last_seen();
        site.advance(29 * MINUTE);
        site.store.calls();
        let session = site.open(&browser);
        assert_eq!(site.store.calls(), ["find", "touch"], "before the handler");
        assert_eq!((session.last_seen(), session.ends_at()), (began, began.plus(59 * MINUTE)));
        site.advance(2 * MINUTE);
        if change {
            session.insert("n", &2).unwrap();
        }
        let committed = site.commit(session);
        assert_eq!(committed.outcome(), if change { Outcome::Stored } else { Outcome::Touched });
        // Seen when the request came, and not when it was answered.
        assert_eq!(site.open(&browser).last_seen(), began.plus(29 * MINUTE));
        // What is over at the commit stays over.
        let session = site.open(&browser);
        site.advance(28 * MINUTE);
        assert_lost(&site.commit(session));
    }
    // Not where there is time: the commit's own touch, or write, is enough. And not for a touch that fails.
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("n", &1).unwrap());
    site.advance(25 * MINUTE);
    site.store.calls();
    let session = site.open(&browser);
    assert_eq!(site.store.calls(), ["find"]);
    drop(session);
    site.advance(MINUTE);
    site.store.fail("touch");
    assert_eq!(site.open(&browser).get("n").unwrap(), Some(1));
}

#[test]
fn a_session_of_a_short_window_is_near_its_end_for_the_second_half_of_it() {
    let site = site_with(|builder| builder.idle_timeout(4 * MINUTE));
    let mut browser = Browser::default();
    for (after, calls) in [
        (MINUTE, &["find"][..]),
        (2 * MINUTE, &["find"]),
        (2 * MINUTE + MILLISECOND, &["find", "touch"]),
        (4 * MINUTE - MILLISECOND, &["find", "touch"]),
    ] {
        site.visit(&mut browser, |session| session.insert("n", &after.as_millis()).unwrap());
        site.advance(after);
        site.store.calls();
        let session = site.open(&browser);
        assert_eq!(site.store.calls(), calls, "{after:?} after it was seen");
        drop(session);
    }
}

#[test]
fn a_clock_set_back_touches_nothing_and_more_than_five_minutes_back_opens_nothing() {
    let site = site();
    let mut browser = Browser::default();
    site.advance(HOUR);
    site.visit(&mut browser, |session| session.login("ada").unwrap());
    let blocking = site.sessions.blocking();
    let before = site.open(&browser);
    let handle = before.handle().unwrap();
    before.insert("n", &1).unwrap();
    site.clock.set(START.plus(55 * MINUTE));
    assert_nothing(&site.request(&mut browser, |_| ()));
    assert_eq!(site.open(&browser).ends_at(), START.plus(90 * MINUTE));
    assert_eq!(blocking.owned_by("ada").unwrap().len(), 1);

    // It was seen in the future: by a clock that was a year ahead, for instance.
    site.clock.set(Timestamp::from_millis(START.plus(55 * MINUTE).as_millis() - 1));
    assert!(site.open(&browser).is_new() && blocking.owned_by("ada").unwrap().is_empty());
    assert_lost(&site.commit(before));
    assert_eq!(site.store.calls().iter().filter(|call| !["find", "owned_by"].contains(call)).count(), 1, "the login");
    // Ending it works, in each way.
    let mut other = Browser::default();
    site.clock.set(START.plus(HOUR));
    site.visit(&mut other, |session| session.login("ada").unwrap());
    site.clock.set(START);
    let committed = site.request(&mut other, |session| session.destroy().unwrap());
    assert_eq!((committed.outcome(), max_age(&committed)), (Outcome::Destroyed, Some(0)));
    assert!(blocking.end("ada", &handle).unwrap());
    site.clock.set(START.plus(HOUR));
    assert_eq!(site.count(), 0);
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
    site.store.fail("find");
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

#[test]
fn a_clock_set_back_finds_a_session_again_that_no_sweep_came_by_until_its_deadline_and_unless_it_was_seen_later() {
    let site = site();
    let [mut early, mut late] = [(); 2].map(|()| Browser::default());
    site.visit(&mut early, |session| session.insert("a", &1).unwrap());
    site.advance(25 * MINUTE);
    site.visit(&mut late, |session| session.insert("a", &1).unwrap());
    site.advance(HOUR);
    let is_there = |browser: &Browser| !site.open(browser).is_new();
    assert!(!is_there(&early) && !is_there(&late));
    // The one was seen before that time, the other 15 minutes later.
    site.clock.set(START.plus(10 * MINUTE));
    assert!(is_there(&early) && !is_there(&late));
    site.clock.set(START.plus(30 * MINUTE));
    assert!(!is_there(&early) && is_there(&late));
    // What was swept stays away.
    site.clock.set(START.plus(2 * HOUR));
    assert_eq!(site.sessions.blocking().sweep(10).unwrap().removed, 2);
    site.clock.set(START.plus(25 * MINUTE));
    assert!(!is_there(&early) && !is_there(&late));
}
