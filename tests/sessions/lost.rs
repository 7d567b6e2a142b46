use cloakroom::{ErrorKind, Outcome, Session};

use crate::support::*;

const UNSAFE: [&str; 5] = ["POST", "PUT", "PATCH", "DELETE", "post"];
const SAFE: [&str; 4] = ["GET", "HEAD", "OPTIONS", "TRACE"];

/// A request of this method during which another one logs the visitor out.
fn settle(site: &Site, method: &str, handler: impl FnOnce(&Session)) -> cloakroom::Result<cloakroom::Committed> {
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("a", &1).unwrap());
    let session = site.open(&browser);
    handler(&session);
    site.visit(&mut browser, |other| other.destroy().unwrap());
    site.sessions.blocking().settle(session, method, Some(200))
}

fn set_and_modify(session: &Session) {
    session.modify("visits", |n: Option<u64>| Some(n.unwrap_or(0) + 1)).unwrap();
    session.insert("cart", &1).unwrap();
    session.remove("a").unwrap();
    session.flash("hello").unwrap();
}

#[test]
fn changes_that_are_lost_because_the_session_ended_are_an_error_of_methods_that_are_not_safe() {
    let site = site();
    for method in UNSAFE {
        let error = settle(&site, method, set_and_modify).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Lost { entries, .. } if *entries == ["cart", "visits"]), "{error}");
        assert_eq!(error.http_status(), 409);
        assert!(!error.for_visitors().contains("try again"), "it may have been done");
    }
    for method in SAFE {
        let committed = settle(&site, method, set_and_modify).unwrap();
        assert_lost(&committed);
        assert_eq!(committed.lost(), ["cart", "visits"]);
        assert!(matches!(committed.loss().unwrap().kind(), ErrorKind::Lost { .. }));
    }
    assert_eq!(site.count(), 0);
}

#[test]
fn nothing_is_lost_by_a_removal_a_rotation_or_a_message_of_a_session_that_ended() {
    let site = site();
    let harmless: [fn(&Session); 5] = [
        |session| assert!(session.remove("a").unwrap()),
        |session| session.clear().unwrap(),
        |session| session.rotate().unwrap(),
        |session| session.flash("hello").unwrap(),
        |session| session.set_lifetime(cloakroom::Lifetime::AAL3).unwrap(),
    ];
    for handler in harmless {
        let committed = settle(&site, "POST", handler).unwrap();
        assert_lost(&committed);
        assert!(committed.lost().is_empty() && committed.loss().is_none());
    }
}

#[test]
fn a_site_may_choose_what_loss_is_an_error() {
    let site =
        site_with(|builder| builder.on_lost(|method, entries| method == "GET" && entries.contains(&"cart".into())));
    assert!(settle(&site, "GET", set_and_modify).is_err());
    assert_eq!(settle(&site, "GET", |session| session.insert("b", &1).unwrap()).unwrap().outcome(), Outcome::Lost);
    assert_eq!(settle(&site, "POST", set_and_modify).unwrap().outcome(), Outcome::Lost);
}

#[test]
fn a_reauthentication_that_is_lost_is_an_error_of_methods_that_are_not_safe() {
    let site = site();
    let mut browser = Browser::default();
    let mut lose = |method: &str| {
        site.visit(&mut browser, |session| session.login("ada").unwrap());
        let session = site.open(&browser);
        session.reauthenticated().unwrap();
        site.visit(&mut browser, |other| other.rotate().unwrap());
        site.sessions.blocking().settle(session, method, Some(200))
    };
    for method in UNSAFE {
        let error = lose(method).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Lost { entries, .. } if entries.is_empty()) && error.http_status() == 409
        );
        assert!(error.to_string().contains("the reauthentication"), "{error}");
    }
    for method in SAFE {
        let committed = lose(method).unwrap();
        assert_lost(&committed);
        assert!(committed.lost().is_empty() && committed.loss().is_some());
    }
}
