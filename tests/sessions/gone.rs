use cloakroom::{Outcome, SessionId, SessionKey};

use crate::support::*;

#[test]
fn a_slow_request_begun_before_login_and_answered_after_leaves_the_user_logged_in() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("cart", &1).unwrap());
    let [slow, slow_and_changed, slow_logout] = [(); 3].map(|()| site.open(&browser));

    site.visit(&mut browser, |session| session.login("user 42").unwrap());
    site.advance(MINUTE / 2);
    slow_and_changed.insert("cart", &2).unwrap();
    slow_logout.destroy().unwrap();
    for session in [slow_and_changed, slow_logout] {
        let committed = site.commit(session);
        assert_lost(&committed);
        browser.receive(&site, &committed);
    }
    assert_nothing(&site.commit(slow));
    let session = site.open(&browser);
    assert_eq!(session.owner().unwrap(), Some("user 42".into()));
    assert_eq!(session.get("cart").unwrap(), Some(1));
}

#[test]
fn of_a_session_gone_at_commit_nothing_is_written_and_the_commit_reports_what_was_lost() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("a", &1).unwrap());
    let session = site.open(&browser);
    session.insert("c", &1).unwrap();
    session.modify("a", |n: Option<i32>| n).unwrap();
    session.remove("b").unwrap();
    session.flash("hello").unwrap();
    let [rotating, unchanged] = [site.open(&browser), site.open(&browser)];
    rotating.rotate().unwrap();
    let restarting = site.open(&browser);
    restarting.destroy().unwrap();
    restarting.insert("new", &1).unwrap();
    site.visit(&mut browser.clone(), |other| other.destroy().unwrap());

    let committed = site.commit(session);
    assert_lost(&committed);
    assert_eq!(committed.lost(), ["a", "c"], "what was removed is gone");
    assert_lost(&site.commit(rotating));
    site.advance(5 * MINUTE);
    assert_nothing(&site.commit(unchanged));
    assert_eq!(site.count(), 0);
    // What is put in after a logout begins a session of its own, whatever there was to end.
    assert_eq!(site.commit(restarting).outcome(), Outcome::Created);
}

#[test]
fn a_session_that_ends_during_the_request_is_gone_at_its_commit() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("a", &1).unwrap());
    let [changed, unchanged, destroyed] = [(); 3].map(|()| site.open(&browser));
    changed.insert("a", &2).unwrap();
    destroyed.destroy().unwrap();
    site.advance(30 * MINUTE);
    for session in [changed, unchanged] {
        assert_lost(&site.commit(session));
    }
    assert_eq!(max_age(&site.commit(destroyed)), Some(0), "and a logout removes the cookie all the same");
}

#[test]
fn of_two_logouts_at_once_each_removes_the_cookie_and_a_page_beside_them_does_nothing() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("a", &1).unwrap());
    let [logout, again, slow] = [(); 3].map(|()| site.open(&browser));
    logout.destroy().unwrap();
    again.destroy().unwrap();
    let committed = site.commit(logout);
    assert_eq!(committed.outcome(), Outcome::Destroyed);
    browser.receive(&site, &committed);
    assert!(!browser.has_cookie());
    let committed = site.commit(again);
    assert_eq!((committed.outcome(), max_age(&committed)), (Outcome::Lost, Some(0)));
    site.advance(10 * MINUTE);
    assert_nothing(&site.commit(slow));
}

#[test]
fn the_cookie_is_removed_with_the_attributes_it_was_set_with() {
    let site = site_with(|builder| {
        let cookie = cloakroom::cookie::Cookie::named("sid").prefix(cloakroom::cookie::Prefix::Secure);
        builder.cookie(cookie.domain("example.com").path("/shop"))
    });
    let cookie = site.sessions.blocking().test_cookie(|session| session.insert("a", &1)).unwrap();
    let session = site.sessions.blocking().open([cookie]).unwrap();
    session.destroy().unwrap();
    let committed = site.commit(session);
    assert_eq!(
        committed.set_cookie().unwrap().as_str(),
        "__Secure-sid=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; \
         Domain=example.com; Path=/shop; Secure; HttpOnly; SameSite=Lax"
    );
}

#[test]
fn what_is_put_in_after_destroy_begins_a_new_session_in_the_same_step() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| {
        session.login("user 42").unwrap();
        session.insert("cart", &1).unwrap();
    });
    let before = browser.clone();
    site.advance(MINUTE);
    site.store.calls();
    // Changes by other requests meanwhile make no difference.
    let session = site.open(&browser);
    site.visit(&mut before.clone(), |other| other.insert("cart", &2).unwrap());
    session.insert("cart", &3).unwrap();
    session.destroy().unwrap();
    assert!(session.is_destroyed() && session.is_new());
    assert_eq!(session.names().unwrap(), [""; 0]);
    assert_eq!(session.owner().unwrap(), None);
    session.flash("You are logged out").unwrap();
    site.store.calls();
    let committed = site.commit(session);
    assert_eq!(committed.outcome(), Outcome::Created);
    assert_eq!(site.store.calls(), ["rotate", "rotate", "owned_by"]);
    browser.receive(&site, &committed);

    assert_eq!(site.open(&before).handle(), None);
    let session = site.open(&browser);
    assert_eq!(session.take_flashes::<String>().unwrap(), ["You are logged out"]);
    assert_eq!((session.owner().unwrap(), session.created()), (None, START.plus(MINUTE)));
    assert_eq!(site.count(), 1);
}

fn insert_and_destroy(session: &cloakroom::Session) {
    session.insert("a", &1).unwrap();
    session.destroy().unwrap();
    assert!(!session.is_destroyed());
}

#[test]
fn destroying_what_is_not_stored_does_nothing() {
    let site = site();
    for mut browser in [Browser::default(), Browser::with_id("no id")] {
        assert_nothing(&site.request(&mut browser, insert_and_destroy));
    }
    assert_eq!(site.count(), 0);
}

#[test]
fn a_logout_with_a_dead_id_removes_the_cookie() {
    let site = site();
    for status in [200, 303, 500] {
        let browser = Browser::with_id(&SessionId::generate().unwrap().expose());
        let session = site.open(&browser);
        insert_and_destroy(&session);
        let committed = site.sessions.blocking().settle(session, "POST", Some(status)).unwrap();
        assert_eq!((committed.outcome(), max_age(&committed)), (Outcome::Unchanged, Some(0)));
    }
    // Whoever begins anew gets a new cookie instead.
    let mut browser = Browser::with_id(&SessionId::generate().unwrap().expose());
    site.visit(&mut browser, |session| {
        session.destroy().unwrap();
        session.insert("a", &1).unwrap();
    });
    assert_eq!(site.open(&browser).get("a").unwrap(), Some(1));
    assert_eq!(site.count(), 1);
}

#[test]
fn a_destroyed_session_never_comes_back_whatever_was_under_way() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("a", &1).unwrap());
    let key = SessionKey::of(&SessionId::parse(browser.id()).unwrap());
    let session = site.open(&browser);
    session.insert("a", &2).unwrap();
    let store = site.store.clone();
    site.store.before("update", move || assert!(now(cloakroom::Store::destroy(&store.memory, &key, None)).unwrap()));
    assert_lost(&site.commit(session));
    assert_eq!(site.count(), 0);
}
