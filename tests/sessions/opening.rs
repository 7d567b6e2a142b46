use cloakroom::{ErrorKind, Handle, Lifetime, Outcome, SessionId};

use crate::support::*;

#[test]
fn nothing_is_stored_and_no_cookie_set_until_something_was_put_into_the_session() {
    let site = site();
    let mut browser = Browser::default();
    assert_nothing(&site.request(&mut browser, |_| ()));
    // Reading, removing an absent entry, and changing settings put nothing in.
    let committed = site.request(&mut browser, |session| {
        assert_eq!(session.get::<u8>("cart").unwrap(), None);
        assert!(!session.remove("cart").unwrap());
        session.modify("cart", |none: Option<u8>| none).unwrap();
        session.insert("gone", &1).unwrap();
        assert!(session.remove("gone").unwrap());
        session.clear().unwrap();
        session.rotate().unwrap();
        session.set_permanent(true).unwrap();
        session.set_lifetime(Lifetime::AAL1).unwrap();
        session.flash("read at once").unwrap();
        assert_eq!(session.take_flashes::<String>().unwrap(), ["read at once"]);
        assert_eq!(session.handle(), None);
        assert!(session.is_new());
    });
    assert_nothing(&committed);
    assert_eq!(site.store.calls(), [""; 0]);
    assert_eq!(site.count(), 0);

    let committed = site.request(&mut browser, |session| session.insert("cart", &1).unwrap());
    assert_eq!(committed.outcome(), Outcome::Created);
    assert_eq!(site.store.calls(), ["create"]);
    assert_eq!(site.open(&browser).get("cart").unwrap(), Some(1));
    for put in [
        (|session| session.flash("hello")) as fn(&cloakroom::Session) -> cloakroom::Result<()>,
        |session| session.modify("n", |_: Option<u8>| Some(1)),
        |session| session.login("user 42"),
    ] {
        let committed = site.request(&mut Browser::default(), |session| put(session).unwrap());
        assert_eq!(committed.outcome(), Outcome::Created);
        assert!(committed.set_cookie().is_some());
    }
}

#[test]
fn an_id_the_store_does_not_know_is_never_adopted() {
    let site = site();
    let planted = SessionId::generate().unwrap();
    let mut browser = Browser::with_id(&planted.expose());
    assert_nothing(&site.request(&mut browser, |session| assert!(session.is_new())));
    assert_eq!(browser.id(), planted.expose());

    site.visit(&mut browser, |session| session.insert("cart", &1).unwrap());
    assert_ne!(browser.id(), planted.expose());
    assert_eq!(site.open(&Browser::with_id(&planted.expose())).handle(), None);
    assert!(browser.handle(&site).is_some());
}

#[test]
fn of_several_ids_the_first_whose_session_lives_wins() {
    let site = site();
    let [mut first, mut second] = [Browser::default(), Browser::default()];
    site.visit(&mut first, |session| session.insert("n", &1).unwrap());
    site.visit(&mut second, |session| session.insert("n", &2).unwrap());
    let unknown = SessionId::generate().unwrap().expose();
    let opened = |headers: &[String]| {
        let session = site.sessions.blocking().open(headers).unwrap();
        session.get::<u8>("n").unwrap()
    };
    let pair = |id: &str| format!("__Host-sid={id}");
    assert_eq!(opened(&[pair(&unknown), pair(first.id()), pair(second.id())]), Some(1));
    assert_eq!(opened(&[format!("a=b; {}; {}", pair(second.id()), pair(first.id()))]), Some(2));
    assert_eq!(opened(&[pair("no id at all"), pair(second.id())]), Some(2));
    assert_eq!(opened(&[format!("sid={}", first.id())]), None);
}

#[test]
fn at_most_four_different_ids_of_a_request_are_looked_up() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("n", &1).unwrap());
    site.store.calls();
    let unknown: Vec<_> = (0..4).map(|_| format!("__Host-sid={}", SessionId::generate().unwrap().expose())).collect();
    let live = format!("__Host-sid={}", browser.id());

    // A value without the syntax of an id does not count, nor does an id that comes twice.
    let three = [&unknown[0], &unknown[0], "__Host-sid=x", &unknown[1], &unknown[0], &unknown[2], &live];
    assert!(!site.sessions.blocking().open(three).unwrap().is_new());
    assert_eq!(site.store.calls(), ["find_all"]);

    let four = [&unknown[0], &unknown[1], &unknown[2], &unknown[3], &live];
    assert!(site.sessions.blocking().open(four).unwrap().is_new());
    assert_eq!(site.store.calls(), ["find_all"]);
    assert_eq!(format!("{:?}", site.sessions.presented(four)), "Presented(4)");
    assert!(site.sessions.presented(["a=b"]).is_empty());
}

#[test]
fn a_store_that_fails_is_an_error_and_never_a_blank_session() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("n", &1).unwrap());
    site.store.fail("find");
    let error = site.sessions.blocking().open(browser.headers(&site)).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unavailable);
}

#[test]
fn a_session_over_by_todays_policy_is_unknown() {
    let before = site();
    let [mut idle, mut used] = [Browser::default(), Browser::default()];
    before.visit(&mut idle, |session| session.insert("n", &1).unwrap());
    before.visit(&mut used, |session| session.insert("n", &2).unwrap());

    let shorter = site_over(before.clock.clone(), before.store.clone(), |builder| {
        builder.idle_timeout(10 * MINUTE).absolute_timeout(HOUR)
    });
    for _ in 0..6 {
        before.advance(9 * MINUTE);
        assert_eq!(shorter.request(&mut used, |_| ()).outcome(), Outcome::Touched);
    }
    assert_eq!(shorter.open(&idle).handle(), None, "by the idle timeout");
    assert_eq!(shorter.open(&used).ends_at(), START.plus(HOUR));
    before.advance(6 * MINUTE);
    assert_eq!(shorter.open(&used).handle(), None, "by the absolute timeout");
    assert!(before.open(&used).handle().is_some(), "nothing was destroyed, lest a mistaken policy cannot be undone");

    // A request that began before the end does not bring the session back, either.
    let session = before.open(&used);
    session.insert("n", &3).unwrap();
    assert_lost(&shorter.commit(session));
}

#[test]
fn a_policy_made_longer_lengthens_no_stored_session() {
    let before = site();
    let mut browser = Browser::default();
    before.visit(&mut browser, |session| session.insert("n", &1).unwrap());
    let longer = site_over(before.clock.clone(), before.store.clone(), |builder| {
        builder.idle_timeout(DAY).absolute_timeout(30 * DAY)
    });
    assert_eq!(longer.open(&browser).ends_at(), START.plus(30 * MINUTE));
    before.advance(30 * MINUTE);
    assert_eq!(longer.open(&browser).handle(), None);
}

#[test]
fn a_session_with_a_lifetime_of_its_own_keeps_it_whatever_the_policy_becomes() {
    let before = site();
    let mut browser = Browser::default();
    before.visit(&mut browser, |session| session.login_for("user 42", Lifetime::absolute(30 * DAY)).unwrap());
    let shorter = site_over(before.clock.clone(), before.store.clone(), |builder| builder.lifetime(Lifetime::AAL3));
    before.advance(30 * DAY - MINUTE);
    assert_eq!(shorter.open(&browser).owner().unwrap(), Some("user 42".into()));
    before.advance(MINUTE);
    assert_eq!(shorter.open(&browser).owner().unwrap(), None);
}

#[test]
fn the_policys_absolute_timeout_runs_from_the_login() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("n", &1).unwrap());
    for _ in 0..11 {
        site.advance(20 * MINUTE);
        site.visit(&mut browser, |_| ());
    }
    site.visit(&mut browser, |session| session.login("user 42").unwrap());
    let login = START.plus(220 * MINUTE);
    for _ in 0..35 {
        site.advance(20 * MINUTE);
        site.visit(&mut browser, |_| ());
    }
    assert_eq!(site.open(&browser).ends_at(), login.plus(12 * HOUR));
    site.advance(20 * MINUTE);
    assert_eq!(site.open(&browser).handle(), None);
}

#[test]
fn reload_forgets_unsaved_changes_and_reads_the_store_again() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("n", &1).unwrap());
    let session = site.open(&browser);
    session.insert("n", &5).unwrap();
    session.destroy().unwrap();
    site.visit(&mut browser, |other| other.insert("n", &2).unwrap());

    site.sessions.blocking().reload(&session).unwrap();
    assert!(!session.is_changed() && !session.is_destroyed() && !session.is_new());
    assert_eq!(session.get("n").unwrap(), Some(2));
    session.insert("n", &3).unwrap();
    assert_eq!(site.commit(session.clone()).outcome(), Outcome::Stored);
    let error = site.sessions.blocking().reload(&session).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Committed);

    let session = site.open(&browser);
    site.visit(&mut browser, |other| other.destroy().unwrap());
    site.sessions.blocking().reload(&session).unwrap();
    assert!(session.is_new());
    assert_nothing(&site.commit(session));
}

#[test]
fn the_futures_are_send_whatever_the_headers_are() {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    let site = site();
    let headers = std::rc::Rc::new(["a=b".to_owned()]);
    let open = assert_send(site.sessions.open(headers.iter()));
    let session = now(open).unwrap();
    session.login("user 42").unwrap();
    let handle = Handle::from_bytes([0; 16]);
    drop(assert_send(site.sessions.commit(session.clone())));
    drop(assert_send(site.sessions.commit_after_error(session.clone())));
    drop(assert_send(site.sessions.reload(&session)));
    drop(assert_send(site.sessions.edit(&session, |_| Ok(5))));
    drop(assert_send(site.sessions.update_owned_by("user 42", |_| Ok(()))));
    drop(assert_send(site.sessions.owned_by("user 42")));
    drop(assert_send(site.sessions.end("user 42", &handle)));
    drop(assert_send(site.sessions.test_cookie(|_| Ok(()))));

    // The two halves of `open`, for a future whose type must not name the headers.
    let open = {
        let headers = vec!["a=b".to_owned()];
        site.sessions.open_presented(site.sessions.presented(&headers))
    };
    assert!(now(open).unwrap().is_new());
}
