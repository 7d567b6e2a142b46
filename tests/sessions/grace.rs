use std::time::Duration;

use cloakroom::{ErrorKind, Outcome, SessionKey, Store};

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);

/// A site with a grace of ten seconds, a session that was just rotated, the browser with the old id, and the new.
fn rotated() -> (Site, Browser, Browser) {
    let site = site_with(|builder| builder.rotation_grace(10 * SECOND));
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| {
        session.login("user 42").unwrap();
        session.insert("a", &1).unwrap();
    });
    let old = browser.clone();
    site.visit(&mut browser, |session| session.rotate().unwrap());
    assert_ne!(old.id(), browser.id());
    (site, old, browser)
}

fn key(browser: &Browser) -> SessionKey {
    SessionKey::of(&cloakroom::SessionId::parse(browser.id()).unwrap())
}

#[test]
fn without_a_grace_window_an_old_id_opens_nothing() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("a", &1).unwrap());
    let old = browser.clone();
    site.visit(&mut browser, |session| session.rotate().unwrap());
    assert_eq!(site.open(&old).handle(), None);
    assert_eq!(site.count(), 1);
}

#[test]
fn within_the_grace_window_an_old_id_opens_the_session_read_only() {
    let (site, old, new) = rotated();
    let session = site.open(&old);
    assert_eq!(session.handle(), new.handle(&site), "the handle is the successor's");
    assert_eq!((session.get("a").unwrap(), session.owner().unwrap()), (Some(1), Some("user 42".into())));
    assert_eq!(session.names().unwrap(), ["a"]);
    for error in [
        session.insert("a", &2).unwrap_err(),
        session.overwrite("a", &2).unwrap_err(),
        session.modify("a", |n: Option<u8>| n).unwrap_err(),
        session.remove("a").unwrap_err(),
        session.clear().unwrap_err(),
        session.flash("hello").unwrap_err(),
        session.login("user 43").unwrap_err(),
        session.rotate().unwrap_err(),
        session.destroy().unwrap_err(),
        session.take::<u8>("a").unwrap_err(),
        session.get_or_insert_with("b", || 1).unwrap_err(),
        session.set_lifetime(cloakroom::Lifetime::AAL1).unwrap_err(),
        session.set_permanent(true).unwrap_err(),
    ] {
        assert_eq!(error.kind(), &ErrorKind::ReadOnly);
    }
    site.sessions.blocking().reload(&session).unwrap();
    assert_eq!(session.rotate().unwrap_err().kind(), &ErrorKind::ReadOnly);
    assert_nothing(&site.commit(session));
}

#[test]
fn a_read_only_request_is_no_activity_and_sets_no_cookie() {
    let site = site_with(|builder| {
        builder
            .rotation_grace(60 * SECOND)
            .lifetime(cloakroom::Lifetime::idle(100 * SECOND))
            .permanent(true)
            .rolling(true)
    });
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("a", &1).unwrap());
    let old = browser.clone();
    site.visit(&mut browser, |session| session.rotate().unwrap());
    site.advance(50 * SECOND);
    site.store.calls();
    assert_nothing(&site.commit(site.open(&old)));
    assert_eq!(site.store.calls(), ["load", "load"]);
}

#[test]
fn the_grace_window_ends_on_time_and_can_not_be_used_to_stay() {
    let (site, old, new) = rotated();
    for _ in 0..10 {
        assert!(site.open(&old).handle().is_some());
        let _ = site.commit(site.open(&old));
        site.advance(SECOND);
    }
    assert_eq!(site.open(&old).handle(), None);
    assert!(site.open(&new).handle().is_some());
    assert_eq!(site.count(), 1);
}

#[test]
fn destroying_the_new_session_ends_the_grace_window_too() {
    let (site, old, mut new) = rotated();
    site.visit(&mut new, |session| session.destroy().unwrap());
    assert_eq!(site.open(&old).handle(), None);
    let (site, old, _) = rotated();
    site.sessions.blocking().end_all("user 42").unwrap();
    assert_eq!(site.open(&old).handle(), None);
}

#[test]
fn an_old_id_reaches_through_one_rotation_and_no_further() {
    let (site, older, mut new) = rotated();
    let old = new.clone();
    site.visit(&mut new, |session| session.rotate().unwrap());
    assert_eq!(site.open(&older).handle(), None);
    assert_eq!(site.open(&old).handle(), new.handle(&site));
}

#[test]
fn an_old_id_never_opens_a_login_that_came_after_it() {
    let site = site_with(|builder| builder.rotation_grace(60 * SECOND));
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("a", &1).unwrap());
    // The attacker knows this id, because they planted it in the victim's browser.
    let planted = browser.clone();
    site.visit(&mut browser, |session| session.login("victim").unwrap());
    assert_eq!(site.open(&planted).handle(), None);

    let planted = browser.clone();
    site.visit(&mut browser, |session| {
        session.rotate().unwrap();
        session.login("admin").unwrap();
    });
    assert_eq!(site.open(&planted).handle(), None);
    let planted = browser.clone();
    site.visit(&mut browser, |session| {
        session.destroy().unwrap();
        session.insert("a", &1).unwrap();
    });
    assert_eq!(site.open(&planted).handle(), None);
}

#[test]
fn what_a_rotation_leaves_is_never_shown_as_a_session() {
    let (site, old, new) = rotated();
    assert_eq!(site.count(), 2, "the store has it");
    let blocking = site.sessions.blocking();
    let listed = blocking.owned_by("user 42").unwrap();
    assert_eq!(listed.iter().map(|listed| listed.handle()).collect::<Vec<_>>(), [new.handle(&site).unwrap()]);
    let trace = now(site.store.memory.load(&key(&old), START)).unwrap().unwrap();
    assert_eq!(trace.owner(), None);
    assert!(!format!("{:?}", trace.to_bytes()).contains(new.id()));
}

#[test]
fn a_slow_request_with_the_old_id_writes_nothing_into_what_the_rotation_left() {
    let site = site_with(|builder| {
        builder.rotation_grace(60 * SECOND).lifetime(cloakroom::Lifetime::idle(100 * SECOND)).permanent(true)
    });
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("a", &1).unwrap());
    let [changed, rotating, destroyed, restarted, unchanged] = [(); 5].map(|()| site.open(&browser));
    changed.insert("a", &2).unwrap();
    rotating.rotate().unwrap();
    destroyed.destroy().unwrap();
    restarted.destroy().unwrap();
    restarted.insert("a", &3).unwrap();
    let old = browser.clone();
    site.visit(&mut browser, |session| session.rotate().unwrap());
    site.advance(30 * SECOND);
    for session in [changed, rotating, destroyed, restarted] {
        assert_lost(&site.commit(session));
    }
    assert_nothing(&site.commit(unchanged));
    let session = site.open(&old);
    assert_eq!((session.handle(), session.get("a").unwrap()), (browser.handle(&site), Some(1)));
    site.advance(30 * SECOND);
    assert_eq!(site.open(&old).handle(), None, "and the window ends when it would have");
    assert_eq!(browser.handle(&site), browser.handle(&site));
}

#[test]
fn a_trace_that_cannot_be_stored_does_not_undo_the_rotation() {
    let site = site_with(|builder| builder.rotation_grace(60 * SECOND));
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("a", &1).unwrap());
    let old = browser.clone();
    site.store.fail("create");
    let committed = site.request(&mut browser, |session| session.rotate().unwrap());
    assert_eq!(committed.outcome(), Outcome::Rotated);
    assert_eq!(site.open(&browser).get("a").unwrap(), Some(1));
    assert_eq!(site.open(&old).handle(), None);
}
