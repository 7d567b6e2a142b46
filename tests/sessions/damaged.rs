use cloakroom::{ErrorKind, Outcome, Session};

use crate::support::*;

/// A visitor whose session cannot be read any more.
fn damaged(site: &Site) -> Browser {
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("cart", &1).unwrap());
    site.store.damage(browser.key());
    browser
}

/// A request that ends with this status.
fn settle(
    site: &Site,
    browser: &Browser,
    status: Option<u16>,
    handler: impl FnOnce(&Session),
) -> cloakroom::Result<cloakroom::Committed> {
    let session = site.open(browser);
    handler(&session);
    site.sessions.blocking().settle(session, "POST", status)
}

#[test]
fn a_page_that_never_looks_at_a_damaged_session_is_served_and_any_other_is_the_error() {
    let site = site();
    let browser = damaged(&site);
    assert_nothing(&settle(&site, &browser, Some(200), |_| ()).unwrap());
    let looks: [fn(&Session); 5] = [
        |session| assert_eq!(session.get::<u8>("cart").unwrap_err().kind(), &ErrorKind::Damaged),
        |session| assert_eq!(session.insert("cart", &2).unwrap_err().kind(), &ErrorKind::Damaged),
        |session| assert_eq!(session.rotate().unwrap_err().kind(), &ErrorKind::Damaged),
        |session| assert_eq!(session.owner().unwrap_err().kind(), &ErrorKind::Damaged),
        |session| assert!(session.is_new()),
    ];
    for look in looks {
        let error = settle(&site, &browser, Some(200), look).unwrap_err();
        assert_eq!((error.kind(), error.http_status()), (&ErrorKind::Damaged, 503));
        // The handler's own answer to the error stays.
        assert_nothing(&settle(&site, &browser, Some(503), look).unwrap());
    }
    assert_eq!(site.count(), 1, "the stored bytes stay");
}

#[test]
fn a_login_over_a_damaged_session_ends_it_and_begins_a_new_one() {
    let site = site();
    let mut browser = damaged(&site);
    let before = browser.clone();
    // Not if it comes to nothing.
    assert_nothing(&settle(&site, &browser, Some(500), |session| session.login("ada").unwrap()).unwrap());
    assert_eq!(site.count(), 1);
    let committed = site.request(&mut browser, |session| {
        session.login("ada").unwrap();
        session.insert("theme", "dark").unwrap();
    });
    assert_eq!(committed.outcome(), Outcome::Created);
    let session = site.open(&browser);
    assert_eq!((session.owner().unwrap(), session.names().unwrap()), (Some("ada".into()), vec!["theme".to_owned()]));
    assert!(site.open(&before).is_new() && site.count() == 1);
}

#[test]
fn a_damaged_session_can_be_ended_by_its_visitor() {
    for status in [Some(200), Some(500), None] {
        let site = site();
        let mut browser = damaged(&site);
        let committed = settle(&site, &browser, status, |session| session.destroy().unwrap()).unwrap();
        assert_eq!((committed.outcome(), max_age(&committed)), (Outcome::Destroyed, Some(0)));
        browser.receive(&site, &committed);
        assert_eq!((site.count(), browser.has_cookie()), (0, false));
    }
    let site = site();
    let mut browser = damaged(&site);
    site.visit(&mut browser, |session| {
        session.destroy().unwrap();
        session.flash("You are logged out").unwrap();
    });
    assert_eq!(site.open(&browser).take_flashes::<String>().unwrap(), ["You are logged out"]);
    assert_eq!(site.count(), 1);
}
