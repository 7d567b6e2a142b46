use cloakroom::{ErrorKind, Outcome, Session};

use crate::support::*;

fn fail(site: &Site, browser: &mut Browser, handler: impl FnOnce(&Session)) -> cloakroom::Committed {
    let session = site.open(browser);
    handler(&session);
    let committed = site.sessions.blocking().commit_after_error(session).unwrap();
    browser.receive(site, &committed);
    committed
}

fn logged_in(site: &Site) -> Browser {
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| {
        session.login("user 42").unwrap();
        session.insert("a", &1).unwrap();
    });
    browser
}

#[test]
fn after_an_error_changes_are_dropped() {
    let site = site();
    let mut browser = logged_in(&site);
    assert_nothing(&fail(&site, &mut browser, |session| {
        session.insert("a", &2).unwrap();
        session.rotate().unwrap();
    }));
    let session = site.open(&browser);
    assert_eq!((session.get("a").unwrap(), session.owner().unwrap()), (Some(1), Some("user 42".into())));
    let mut new = Browser::default();
    assert_nothing(&fail(&site, &mut new, |session| session.login("user 42").unwrap()));
    assert_eq!(site.count(), 1);
}

#[test]
fn after_an_error_the_session_still_counts_as_seen() {
    let site = site();
    let mut browser = logged_in(&site);
    site.advance(10 * MINUTE);
    assert_eq!(fail(&site, &mut browser, |session| session.insert("a", &2).unwrap()).outcome(), Outcome::Touched);
    assert_eq!(site.open(&browser).last_seen(), START.plus(10 * MINUTE));
}

#[test]
fn after_an_error_a_destroy_is_carried_out_and_nothing_else() {
    let site = site();
    let mut browser = logged_in(&site);
    let committed = fail(&site, &mut browser, |session| {
        session.destroy().unwrap();
        session.flash("You are logged out").unwrap();
    });
    assert_eq!(committed.outcome(), Outcome::Destroyed);
    assert!(!browser.has_cookie());
    assert_eq!(site.count(), 0);
}

#[test]
fn a_site_may_keep_changes_after_an_error() {
    let site = site_with(|builder| builder.keep_changes_on_error(true));
    let mut browser = logged_in(&site);
    assert_eq!(fail(&site, &mut browser, |session| session.insert("a", &2).unwrap()).outcome(), Outcome::Stored);
    assert_eq!(site.open(&browser).get("a").unwrap(), Some(2));
}

#[test]
fn a_store_that_fails_fails_the_commit_of_what_was_changed() {
    type Handler = fn(&Session);
    let operations: [(&'static str, Handler); 4] = [
        ("update", |session| session.insert("a", &2).unwrap()),
        ("rotate", |session| session.rotate().unwrap()),
        ("destroy", |session| session.destroy().unwrap()),
        ("owned_by", |session| session.destroy().unwrap()),
    ];
    for (operation, handler) in operations {
        let site = site();
        let browser = logged_in(&site);
        site.advance(10 * MINUTE);
        let session = site.open(&browser);
        handler(&session);
        site.store.fail(operation);
        let error = site.sessions.blocking().commit(session).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Unavailable, "{operation}");
    }
}

#[test]
fn what_needs_a_cookie_is_not_committed_where_no_response_can_carry_it() {
    let site = site_with(|builder| builder.keep_changes_on_error(true));
    let settle = |browser: &Browser, handler: fn(&Session)| {
        let session = site.open(browser);
        handler(&session);
        site.sessions.blocking().settle(session, "POST", None).unwrap()
    };
    let need_a_cookie: [fn(&Session); 5] = [
        |session| session.insert("a", &2).unwrap(),
        |session| session.login("user 43").unwrap(),
        |session| session.rotate().unwrap(),
        |session| session.set_permanent(true).unwrap(),
        |session| session.set_lifetime(cloakroom::Lifetime::AAL3).unwrap(),
    ];
    for (handler, browser) in
        need_a_cookie.into_iter().zip([Browser::default()].into_iter().chain((1..5).map(|_| logged_in(&site))))
    {
        let before = (site.count(), browser.handle(&site));
        assert_nothing(&settle(&browser, handler));
        assert_eq!((site.count(), browser.handle(&site)), before);
    }
    let browser = logged_in(&site);
    assert_eq!(settle(&browser, |session| session.insert("a", &2).unwrap()).outcome(), cloakroom::Outcome::Stored);
    let restarting: fn(&Session) = |session| {
        session.destroy().unwrap();
        session.insert("a", &3).unwrap();
    };
    assert_eq!(settle(&browser, restarting).outcome(), cloakroom::Outcome::Destroyed);
    assert!(browser.handle(&site).is_none());
}
