use cloakroom::{ErrorKind, Lifetime, Outcome, Owner};

use crate::support::*;

#[test]
fn login_gives_a_new_id_an_owner_and_both_deadlines_anew_and_keeps_the_data() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("cart", &1).unwrap());
    let before = browser.clone();
    site.advance(20 * MINUTE);
    let committed = site.request(&mut browser, |session| {
        session.login("user 42").unwrap();
        assert_eq!(session.owner().unwrap(), Some(Owner::from("user 42")));
        assert_eq!(session.authenticated_at(), Some(START.plus(20 * MINUTE)));
    });
    assert_eq!(committed.outcome(), Outcome::Rotated);
    assert_ne!(browser.id(), before.id());
    assert_eq!(site.open(&before).handle(), None, "the old id is dead");

    let session = site.open(&browser);
    assert_eq!(session.get("cart").unwrap(), Some(1));
    assert_eq!(session.owner().unwrap(), Some(Owner::from("user 42")));
    assert_eq!((session.created(), session.authenticated_at()), (START, Some(START.plus(20 * MINUTE))));
    assert_eq!(session.ends_at(), START.plus(50 * MINUTE));
    assert_eq!(site.count(), 1);
    // The absolute deadline began anew, too: a session in constant use lives 12 hours from the login.
    for _ in 0..(12 * 60 / 20 - 1) {
        site.advance(20 * MINUTE);
        assert_eq!(site.request(&mut browser, |_| ()).outcome(), Outcome::Touched);
    }
    assert_eq!(site.open(&browser).ends_at(), START.plus(20 * MINUTE + 12 * HOUR));
}

#[test]
fn login_to_a_session_not_yet_stored_creates_it_with_all_that() {
    let site = site();
    let mut browser = Browser::default();
    let committed = site.request(&mut browser, |session| session.login("user 42").unwrap());
    assert_eq!(committed.outcome(), Outcome::Created);
    assert_eq!(site.store.calls(), ["create"]);
    let session = site.open(&browser);
    assert_eq!(session.owner().unwrap(), Some(Owner::from("user 42")));
    assert_eq!((session.authenticated_at(), session.ends_at()), (Some(START), START.plus(30 * MINUTE)));
}

#[test]
fn login_for_gives_the_session_a_lifetime_of_its_own() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.login_for("user 42", Lifetime::AAL1).unwrap());
    assert_eq!(site.open(&browser).ends_at(), START.plus(30 * DAY));
    // The next ordinary login is under the policy again.
    site.visit(&mut browser, |session| session.login("user 42").unwrap());
    assert_eq!(site.open(&browser).ends_at(), START.plus(30 * MINUTE));
}

#[test]
fn login_and_rotation_keep_what_other_requests_change_meanwhile() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("cart", &1).unwrap());
    let before = browser.clone();
    let login = site.open(&browser);
    login.login("user 42").unwrap();
    login.modify("logins", |n: Option<u8>| Some(n.unwrap_or(0) + 1)).unwrap();
    site.visit(&mut before.clone(), |other| other.insert("cart", &2).unwrap());
    site.store.calls();
    let committed = site.commit(login.clone());
    assert_eq!(site.store.calls(), ["rotate", "rotate"]);
    assert_eq!(committed.outcome(), Outcome::Rotated);
    browser.receive(&site, &committed);

    let session = site.open(&browser);
    assert_eq!(login.handle(), session.handle(), "the handle knows what was stored");
    assert_eq!(session.get("cart").unwrap(), Some(2));
    assert_eq!(session.get("logins").unwrap(), Some(1));
    assert_eq!(session.owner().unwrap(), Some("user 42".into()));
    assert_eq!(site.open(&before).handle(), None);
}

#[test]
fn of_two_logins_as_different_users_at_once_each_has_its_session_and_the_visitors_cart() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("cart", &1).unwrap());
    let [first, second] = [site.open(&browser), site.open(&browser)];
    first.login("user 1").unwrap();
    second.login("user 2").unwrap();
    for (session, owner) in [(first, "user 1"), (second, "user 2")] {
        let committed = site.commit(session);
        browser.receive(&site, &committed);
        let session = site.open(&browser);
        assert_eq!((session.owner().unwrap(), session.get("cart").unwrap()), (Some(owner.into()), Some(1)));
    }
    assert_eq!(site.count(), 2);
}

#[test]
fn rotate_changes_the_id_and_no_deadline() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.login("user 42").unwrap());
    let (before, ended) = (browser.clone(), START.plus(12 * HOUR));
    for _ in 0..(12 * 60 / 20 - 1) {
        site.advance(20 * MINUTE);
        let committed = site.request(&mut browser, |session| session.rotate().unwrap());
        assert_eq!(committed.outcome(), Outcome::Rotated);
    }
    let session = site.open(&browser);
    assert_ne!(browser.id(), before.id());
    assert_eq!(session.ends_at(), ended);
    assert_eq!((session.created(), session.authenticated_at()), (START, Some(START)));
    site.clock.set(ended);
    assert_eq!(site.open(&browser).handle(), None);
}

#[test]
fn another_users_entries_do_not_survive_a_login_and_an_anonymous_visitors_and_ones_own_do() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("cart", &1).unwrap());
    for _ in 0..2 {
        site.visit(&mut browser, |session| session.remember("ada", Lifetime::AAL1).unwrap());
        assert_eq!(site.open(&browser).get("cart").unwrap(), Some(1));
    }
    // Also what this request put in before, and messages; and another request's change meanwhile.
    let session = site.open(&browser);
    session.insert("address", "ada's").unwrap();
    session.flash("Hello, ada").unwrap();
    session.login("bob").unwrap();
    session.insert("theme", "dark").unwrap();
    assert_eq!(session.names().unwrap(), ["theme"]);
    site.visit(&mut browser.clone(), |other| other.insert("cart", &2).unwrap());
    let committed = site.commit(session);
    browser.receive(&site, &committed);
    let session = site.open(&browser);
    assert_eq!((session.owner().unwrap(), session.names().unwrap()), (Some("bob".into()), vec!["theme".to_owned()]));
    assert_eq!(session.take_flashes::<String>().unwrap(), [""; 0]);
    assert!(!session.is_permanent(), "nor that ada wanted to be remembered");
    assert_eq!(session.ends_at(), START.plus(30 * MINUTE));
}

#[test]
fn a_session_is_given_to_another_name_of_its_owner_by_its_handle_with_all_that_is_in_it() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| {
        session.login("ada").unwrap();
        session.insert("cart", &1).unwrap();
    });
    let blocking = site.sessions.blocking();
    let handle = browser.handle(&site).unwrap();
    assert!(!blocking.rename_owner("bob", &handle, "user 42").unwrap());
    assert!(!blocking.rename_owner("ada", &cloakroom::Handle::from_bytes([1; 16]), "user 42").unwrap());
    let (sessions, slow) = (site.sessions.clone(), site.open(&browser));
    let other = browser.clone();
    site.store.before("update", move || {
        let session = sessions.blocking().open([format!("__Host-sid={}", other.id())]).unwrap();
        session.insert("theme", "dark").unwrap();
        let _ = sessions.blocking().commit(session).unwrap();
    });
    site.advance(MINUTE);
    assert!(blocking.rename_owner("ada", &handle, "user 42").unwrap());
    slow.insert("cart", &2).unwrap();
    assert_eq!(site.commit(slow).outcome(), Outcome::Stored);
    let session = site.open(&browser);
    assert_eq!(session.owner().unwrap(), Some("user 42".into()));
    assert_eq!((session.handle(), session.authenticated_at()), (Some(handle), Some(START)));
    assert_eq!((session.get("cart").unwrap(), session.names().unwrap().len()), (Some(2), 2));
    assert!(blocking.owned_by("ada").unwrap().is_empty());
}

#[test]
fn to_remember_somebody_is_one_call() {
    let site = site();
    let mut browser = Browser::default();
    let committed = site.request(&mut browser, |session| session.remember("ada", Lifetime::idle(30 * DAY)).unwrap());
    assert_eq!(max_age(&committed), Some((30 * DAY).as_secs()));
    site.advance(29 * DAY);
    let session = site.open(&browser);
    assert!(session.is_permanent() && session.owner().unwrap() == Some("ada".into()));
}

#[test]
fn set_lifetime_begins_both_deadlines_anew() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("a", &1).unwrap());
    site.advance(20 * MINUTE);
    site.visit(&mut browser, |session| {
        session.set_lifetime(Lifetime::new(HOUR, 90 * MINUTE)).unwrap();
        assert_eq!(session.ends_at(), START.plus(80 * MINUTE));
    });
    site.advance(50 * MINUTE);
    site.visit(&mut browser, |_| ());
    assert_eq!(site.open(&browser).ends_at(), START.plus(110 * MINUTE));
}

#[test]
fn an_owner_that_no_store_takes_is_refused_at_once() {
    let site = site();
    let session = site.open(&Browser::default());
    let owner = "x".repeat(256);
    for refused in [
        session.login(owner.as_str()),
        session.login_for(owner.as_str(), Lifetime::AAL1),
        session.remember(owner.as_str(), Lifetime::AAL1),
    ] {
        assert_eq!(refused.unwrap_err().kind(), &ErrorKind::too_large("the owner", 256, 255));
    }
    for refused in [session.login(""), session.login_for("", Lifetime::AAL1), session.remember("", Lifetime::AAL1)] {
        assert_eq!(refused.unwrap_err().kind(), &ErrorKind::EmptyOwner);
    }
    session.login(&owner[..255]).unwrap();
    assert_eq!(site.commit(session).outcome(), Outcome::Created);
}

#[test]
fn a_reauthentication_gives_a_new_id_and_both_deadlines_anew_and_keeps_owner_handle_and_data() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| {
        session.login("ada").unwrap();
        session.insert("cart", &1).unwrap();
    });
    let (before, handle) = (browser.clone(), browser.handle(&site));
    site.advance(20 * MINUTE);
    site.store.calls();
    let committed = site.request(&mut browser, |session| {
        session.reauthenticated().unwrap();
        assert_eq!(session.authenticated_at(), Some(START.plus(20 * MINUTE)));
    });
    assert_eq!(committed.outcome(), Outcome::Rotated);
    assert_eq!(site.store.calls(), ["find", "rotate"]);
    assert_ne!(browser.id(), before.id());
    assert_eq!(site.open(&before).handle(), None, "the old id is dead");
    let session = site.open(&browser);
    assert_eq!((session.owner().unwrap(), session.handle()), (Some(Owner::from("ada")), handle));
    assert_eq!(session.get("cart").unwrap(), Some(1));
    assert_eq!((session.authenticated_at(), session.ends_at()), (Some(site.now()), site.now().plus(30 * MINUTE)));
    // The absolute deadline, too: a session in constant use lives 12 hours from here.
    for _ in 0..(12 * 60 / 20 - 1) {
        site.advance(20 * MINUTE);
        site.visit(&mut browser, |_| ());
    }
    assert_eq!(site.open(&browser).ends_at(), START.plus(20 * MINUTE + 12 * HOUR));
}

#[test]
fn a_reauthentication_leaves_the_absolute_deadline_of_a_lifetime_of_the_sessions_own_unless_that_begins_anew_as_well() {
    let site = site();
    let mut browser = Browser::default();
    let lifetime = Lifetime::new(HOUR, 90 * MINUTE);
    site.visit(&mut browser, |session| session.login_for("ada", lifetime).unwrap());
    site.advance(50 * MINUTE);
    site.visit(&mut browser, |session| session.reauthenticated().unwrap());
    let session = site.open(&browser);
    assert_eq!((session.authenticated_at(), session.ends_at()), (Some(site.now()), START.plus(90 * MINUTE)));
    for is_first in [true, false] {
        site.advance(10 * MINUTE);
        site.visit(&mut browser, |session| {
            let begin = || session.set_lifetime(lifetime).unwrap();
            if is_first {
                begin()
            }
            session.reauthenticated().unwrap();
            if !is_first {
                begin()
            }
        });
        assert_eq!(site.open(&browser).ends_at(), site.now().plus(HOUR));
    }
    assert_eq!(site.open(&browser).authenticated_at(), Some(site.now()));
}

#[test]
fn without_an_owner_and_without_a_visitor_nobody_authenticates_again() {
    let site = site();
    let mut browser = Browser::default();
    let refused = |session: &cloakroom::Session| session.reauthenticated().unwrap_err().kind().clone();
    site.visit(&mut browser, |session| assert_eq!(refused(session), ErrorKind::NoOwner));
    site.visit(&mut browser, |session| session.insert("cart", &1).unwrap());
    let committed = site.request(&mut browser, |session| {
        let error = session.reauthenticated().unwrap_err();
        assert_eq!((error.kind(), error.http_status()), (&ErrorKind::NoOwner, 403));
        assert!(!session.is_changed());
    });
    assert_nothing(&committed);
    site.visit(&mut browser, |session| session.login("ada").unwrap());
    let session = site.open(&browser);
    let blocking = site.sessions.blocking();
    assert_eq!(blocking.edit(&session, |session| Ok(refused(session))).unwrap(), Some(ErrorKind::NoVisitor));
    session.destroy().unwrap();
    assert_eq!(refused(&session), ErrorKind::NoOwner);
}
