use std::time::Duration;

use cloakroom::cookie::{Cookie, Key, Keys};
use cloakroom::{Lifetime, Outcome};

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_browser_sessions_cookie_has_no_age() {
    let site = site();
    let mut browser = Browser::default();
    let committed = site.request(&mut browser, |session| session.insert("a", &1).unwrap());
    let id = browser.id();
    assert_eq!(
        committed.set_cookie().unwrap().as_str(),
        format!("__Host-sid={id}; Path=/; Secure; HttpOnly; SameSite=Lax")
    );
}

#[test]
fn a_cookie_is_set_when_the_session_is_created_or_rotated_or_its_kind_or_lifetime_changes_and_else_not() {
    let site = site();
    let mut browser = Browser::default();
    let mut sets = |handler: fn(&cloakroom::Session)| site.request(&mut browser, handler).set_cookie().is_some();
    assert!(sets(|session| session.insert("a", &1).unwrap()));
    assert!(!sets(|session| session.insert("a", &2).unwrap()));
    assert!(sets(|session| session.rotate().unwrap()));
    assert!(sets(|session| session.login("user 42").unwrap()));
    assert!(!sets(|session| session.set_permanent(false).unwrap()), "it is none already");
    assert!(sets(|session| session.set_permanent(true).unwrap()));
    assert!(sets(|session| session.set_lifetime(Lifetime::AAL2).unwrap()));
    assert!(!sets(|session| session.clear().unwrap()));
    assert!(sets(|session| session.set_permanent(false).unwrap()));
    assert!(!sets(|_| ()));
}

#[test]
fn a_permanent_cookies_max_age_runs_to_the_absolute_deadline() {
    let site = site();
    let mut browser = Browser::default();
    let committed = site.request(&mut browser, |session| {
        session.set_permanent(true).unwrap();
        assert!(session.is_permanent());
        session.login("user 42").unwrap();
    });
    assert_eq!(max_age(&committed), Some(12 * 60 * 60));
    site.advance(20 * MINUTE);
    assert_eq!(site.request(&mut browser, |_| ()).set_cookie(), None, "touched, but the deadline stays");
    let committed = site.request(&mut browser, |session| session.rotate().unwrap());
    assert_eq!(max_age(&committed), Some((12 * HOUR - 20 * MINUTE).as_secs()));
    assert!(committed.set_cookie().unwrap().as_str().contains("; Expires="));
}

#[test]
fn new_sessions_get_the_kind_of_cookie_that_the_site_chose() {
    let site = site_with(|builder| builder.permanent(true));
    let mut browser = Browser::default();
    let committed = site.request(&mut browser, |session| session.insert("a", &1).unwrap());
    assert_eq!(max_age(&committed), Some(12 * 60 * 60));
    let committed = site.request(&mut browser, |session| session.set_permanent(false).unwrap());
    assert_eq!(max_age(&committed), None);
    assert!(!site.open(&browser).is_permanent());
}

#[test]
fn a_permanent_cookie_that_outlives_its_first_max_age_because_touches_renew_it() {
    let site = site_with(|builder| builder.lifetime(Lifetime::idle(30 * DAY)).permanent(true));
    let mut browser = Browser::default();
    let committed = site.request(&mut browser, |session| session.insert("a", &1).unwrap());
    assert_eq!(max_age(&committed), Some((30 * DAY).as_secs()));

    site.advance(3 * DAY - SECOND);
    let committed = site.request(&mut browser, |_| ());
    assert_eq!((committed.outcome(), max_age(&committed)), (Outcome::Touched, None), "not with each touch");
    site.advance(5 * MINUTE);
    let committed = site.request(&mut browser, |_| ());
    assert_eq!(committed.outcome(), Outcome::Touched);
    assert_eq!(max_age(&committed), Some((30 * DAY).as_secs()), "again in each tenth of its age");
    assert_eq!(max_age(&site.request(&mut browser, |session| session.insert("a", &3).unwrap())), None);
    site.advance(3 * DAY);
    let committed = site.request(&mut browser, |session| session.insert("a", &2).unwrap());
    assert_eq!(max_age(&committed), Some((30 * DAY).as_secs()), "or with a change");

    for _ in 0..20 {
        site.advance(29 * DAY);
        site.visit(&mut browser, |session| assert_eq!(session.get("a").unwrap(), Some(2)));
    }
    site.advance(30 * DAY);
    assert!(browser.headers(&site).is_empty(), "and cookie and session end together");
    assert_eq!(site.count(), 0);
}

#[test]
fn an_absolute_deadline_beyond_400_days_is_reached_by_renewal_too() {
    let years = Lifetime::new(300 * DAY, 1000 * DAY);
    let site = site_with(|builder| builder.lifetime(years).permanent(true));
    let mut browser = Browser::default();
    let committed = site.request(&mut browser, |session| session.insert("a", &1).unwrap());
    assert_eq!(max_age(&committed), Some(34_560_000));
    for _ in 0..9 {
        site.advance(100 * DAY);
        site.visit(&mut browser, |session| assert_eq!(session.get("a").unwrap(), Some(1)));
    }
    site.advance(100 * DAY - SECOND);
    assert!(browser.handle(&site).is_some());
    site.advance(SECOND);
    assert!(browser.headers(&site).is_empty());
}

#[test]
fn todays_policy_also_bounds_the_cookie() {
    let before = site_with(|builder| builder.permanent(true));
    let mut browser = Browser::default();
    before.visit(&mut browser, |session| session.insert("a", &1).unwrap());
    let shorter = site_over(before.clock.clone(), before.store.clone(), |builder| builder.absolute_timeout(HOUR));
    before.advance(MINUTE);
    let committed = shorter.request(&mut browser, |session| session.rotate().unwrap());
    assert_eq!(max_age(&committed), Some(59 * 60));
}

#[test]
fn a_session_in_its_last_second_does_not_remove_its_cookie() {
    let site = site_with(|builder| builder.lifetime(Lifetime::absolute(HOUR)).permanent(true));
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("a", &1).unwrap());
    site.advance(HOUR - Duration::from_millis(1));
    let committed = site.request(&mut browser, |session| session.rotate().unwrap());
    assert_eq!(max_age(&committed), Some(1));
}

#[test]
fn rolling_sends_the_cookie_with_every_response_to_a_live_session() {
    let site = site_with(|builder| builder.rolling(true).permanent(true));
    let mut browser = Browser::default();
    assert_nothing(&site.request(&mut browser, |_| ()));
    site.visit(&mut browser, |session| session.insert("a", &1).unwrap());
    let handlers: [fn(&cloakroom::Session); 3] =
        [|_| (), |session| session.insert("a", &2).unwrap(), |session| session.rotate().unwrap()];
    for handler in handlers {
        site.advance(MINUTE);
        let committed = site.request(&mut browser, handler);
        assert!(max_age(&committed).is_some());
    }
    assert_eq!(max_age(&site.request(&mut browser, |_| ())), Some((12 * HOUR - 3 * MINUTE).as_secs()));

    // But never for a session that has ended meanwhile: the visitor may have another one.
    let slow = site.open(&browser);
    site.visit(&mut browser, |session| session.login("user 42").unwrap());
    assert_lost(&site.commit(slow));
}

#[test]
fn a_session_without_id_in_the_request_never_has_its_cookie_set_again() {
    let site = site_with(|builder| builder.lifetime(Lifetime::idle(DAY)).permanent(true).rolling(true));
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("a", &1).unwrap());
    let planted = Browser::with_id("not an id");
    assert_nothing(&site.commit(site.open(&planted)));
}

#[test]
fn a_signed_cookie_is_signed_and_a_signature_that_fails_is_no_session() {
    let keys = Keys::new(Key::derive(&[7; 32]).unwrap());
    let site = site_with(|builder| builder.cookie(Cookie::named("sid").signed(keys)));
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("a", &1).unwrap());
    assert!(browser.id().len() > 32);
    assert_eq!(site.open(&browser).get("a").unwrap(), Some(1));
    let bare = Browser::with_id(&browser.id()[browser.id().len() - 32..]);
    assert!(site.open(&bare).is_new());
    let bare = Browser::with_id(&browser.id()[..32]);
    assert!(site.open(&bare).is_new());
}
