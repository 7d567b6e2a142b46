//! What real sites do to a session: requests of one visitor that meet each other, a sentence a test.

use cloakroom::{ErrorKind, Outcome, Session};

use crate::support::*;

/// A browser in which this user is logged in, with a cart from before.
fn logged_in(site: &Site, owner: &str) -> Browser {
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("cart", &1).unwrap());
    site.visit(&mut browser, |session| session.login(owner).unwrap());
    browser
}

fn owner(site: &Site, browser: &Browser) -> Option<String> {
    site.open(browser).owner().unwrap().map(|owner| owner.to_string())
}

#[test]
fn a_password_change_that_ends_all_sessions_and_logs_in_again_leaves_the_user_logged_in() {
    let site = site();
    let (mut here, there) = (logged_in(&site, "ada"), logged_in(&site, "ada"));
    let session = site.open(&here);
    assert_eq!(site.sessions.blocking().end_all("ada").unwrap(), 2);
    session.login("ada").unwrap();
    session.insert("notice", "Your password is changed").unwrap();
    let committed = site.sessions.blocking().settle(session, "POST", Some(303)).unwrap();
    assert!(committed.lost().is_empty());
    here.receive(&site, &committed);
    assert_eq!((owner(&site, &here).as_deref(), owner(&site, &there)), (Some("ada"), None));
    assert_eq!(
        site.open(&here).names().unwrap(),
        ["notice"],
        "with what the request put in, and nothing of what was ended"
    );
}

#[test]
fn a_login_whose_session_expires_while_a_password_is_hashed_begins_another() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("cart", &1).unwrap());
    site.advance(20 * MINUTE);
    let session = site.open(&browser);
    site.advance(11 * MINUTE);
    session.login("ada").unwrap();
    browser.receive(&site, &site.commit(session));
    assert_eq!(owner(&site, &browser).as_deref(), Some("ada"));
}

#[test]
fn after_a_double_click_on_log_in_the_cart_is_there_whichever_answer_the_browser_keeps_and_one_logout_ends_both() {
    for kept in 0..2 {
        let site = site();
        let mut browser = Browser::default();
        site.visit(&mut browser, |session| session.insert("cart", &1).unwrap());
        let clicks = [(); 2].map(|()| site.open(&browser));
        let answers = clicks.map(|session| {
            session.login("ada").unwrap();
            site.sessions.blocking().settle(session, "POST", Some(303)).unwrap()
        });
        browser.receive(&site, &answers[kept]);
        let session = site.open(&browser);
        assert_eq!((session.owner().unwrap(), session.get("cart").unwrap()), (Some("ada".into()), Some(1)));
        let listed = site.sessions.blocking().owned_by("ada").unwrap();
        assert_eq!((listed.len(), listed[0].handle()), (2, listed[1].handle()), "one device");
        site.visit(&mut browser, |session| session.destroy().unwrap());
        assert_eq!((site.count(), browser.has_cookie()), (0, false));
    }
}

#[test]
fn a_double_click_on_log_in_is_no_error_at_the_limit_of_the_users_sessions() {
    use cloakroom::{BeyondLimit, Limits, MemoryStore, OwnerLimit, Sessions};
    let limit = OwnerLimit::new(1, BeyondLimit::Refuse);
    let store = MemoryStore::with_limits(Limits::default().with_per_owner(limit));
    let sessions = Sessions::builder(store).build().unwrap().blocking();
    let cookie = sessions.test_cookie(|session| session.insert("cart", &1)).unwrap();
    let clicks = [(); 2].map(|()| sessions.open([&cookie]).unwrap());
    let answers = clicks.map(|session| {
        session.login("ada").unwrap();
        sessions.settle(session, "POST", Some(303)).unwrap()
    });
    let [_, last] = answers.map(|answer| answer.into_set_cookie().unwrap().into_string());
    assert_eq!(sessions.open(last.split(';').next()).unwrap().owner().unwrap(), Some("ada".into()));
    assert_eq!(sessions.owned_by("ada").unwrap().len(), 1);
}

#[test]
fn what_a_request_changes_beside_a_rotation_follows_it_to_the_new_id() {
    let site = site();
    let mut browser = logged_in(&site, "ada");
    let late = [(); 3].map(|()| site.open(&browser));
    site.visit(&mut browser, |session| session.rotate().unwrap());
    site.visit(&mut browser, |session| session.rotate().unwrap());
    for session in late {
        session.modify("cart", |n: Option<u8>| Some(n.unwrap_or(0) + 1)).unwrap();
        session.flash("Added").unwrap();
        session.set_permanent(true).unwrap();
        let committed = site.sessions.blocking().settle(session, "POST", Some(303)).unwrap();
        assert_eq!((committed.outcome(), committed.set_cookie()), (Outcome::Stored, None));
    }
    let session = site.open(&browser);
    assert_eq!(session.get("cart").unwrap(), Some(4));
    assert_eq!(session.take_flashes::<String>().unwrap().len(), 3);
    assert!(!session.is_permanent(), "nobody has sent that cookie");
}

#[test]
fn what_a_request_removes_beside_a_rotation_is_removed_where_it_is_still_what_the_request_saw() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| {
        for name in ["a", "b", "c"] {
            session.insert(name, &1).unwrap();
        }
    });
    let [clearing, removing, setting] = [(); 3].map(|()| site.open(&browser));
    site.visit(&mut browser, |session| session.rotate().unwrap());
    site.visit(&mut browser, |session| session.insert("b", &2).unwrap());
    removing.remove("a").unwrap();
    removing.remove("b").unwrap();
    setting.overwrite("b", &3).unwrap();
    setting.insert("new", &1).unwrap();
    assert_eq!(site.commit(removing).outcome(), Outcome::Stored);
    assert_eq!(site.open(&browser).names().unwrap(), ["b", "c"]);
    let committed = site.commit(setting);
    assert_lost(&committed);
    assert_eq!(committed.lost(), ["b", "new"], "all or nothing");
    clearing.clear().unwrap();
    clearing.insert("d", &1).unwrap();
    assert_eq!(site.commit(clearing).outcome(), Outcome::Stored);
    assert_eq!(site.open(&browser).names().unwrap(), ["b", "d"]);
}

#[test]
fn a_logout_beside_a_rotation_or_a_login_of_the_same_user_logs_out() {
    for change in [Session::rotate, |session: &Session| session.login("ada")] {
        for is_late in [false, true] {
            let site = site();
            let mut browser = logged_in(&site, "ada");
            let old = browser.clone();
            let early = site.open(&browser);
            site.visit(&mut browser, |session| change(session).unwrap());
            let logout = if is_late { site.open(&old) } else { early };
            logout.destroy().unwrap();
            browser.receive(&site, &site.commit(logout));
            assert_eq!((site.count(), browser.has_cookie()), (0, false));
        }
    }
}

#[test]
fn a_request_with_the_id_of_before_a_login_begins_no_session_and_sets_no_cookie() {
    let site = site();
    let unknown = Browser::with_id(&cloakroom::SessionId::generate().unwrap().expose());
    let mut anonymous = Browser::default();
    site.visit(&mut anonymous, |session| session.insert("cart", &1).unwrap());
    let ended = logged_in(&site, "ada");
    site.visit(&mut ended.clone(), |session| session.destroy().unwrap());
    for old in [unknown, anonymous, ended] {
        let early = site.open(&old);
        site.visit(&mut old.clone(), |session| session.login("ada").unwrap());
        let count = site.count();
        for session in [early, site.open(&old)] {
            session.insert("theme", "dark").unwrap();
            let error = site.sessions.blocking().settle(session, "POST", Some(200)).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Lost { entries, .. } if *entries == ["theme"]));
        }
        let session = site.open(&old);
        session.destroy().unwrap();
        assert_nothing(&site.commit(session));
        assert_eq!(site.count(), count);
    }
}

#[test]
fn a_trace_says_nothing_after_its_minute() {
    let site = site();
    let mut browser = logged_in(&site, "ada");
    let (old, late) = (browser.clone(), site.open(&browser));
    site.visit(&mut browser, |session| session.rotate().unwrap());
    site.advance(MINUTE);
    late.insert("theme", "dark").unwrap();
    assert_lost(&site.commit(late));
    assert_eq!(site.request(&mut old.clone(), |session| session.insert("n", &1).unwrap()).outcome(), Outcome::Created);
}

#[test]
fn a_changed_role_reaches_a_session_that_rotates_meanwhile_once_and_one_that_begins_meanwhile() {
    let site = site();
    let mut browser = logged_in(&site, "ada");
    let (rotating, sessions) = (site.open(&browser), site.sessions.clone());
    rotating.rotate().unwrap();
    let (put, given) = (std::sync::Arc::new(std::sync::Mutex::new(None)), rotating.clone());
    let hook = put.clone();
    site.store.before("update", move || {
        *hook.lock().unwrap() = Some(sessions.blocking().commit(given.clone()).unwrap());
        sessions.blocking().test_cookie(|session| session.login("ada")).unwrap();
    });
    let promote = |session: &Session| session.modify("promoted", |n: Option<u8>| Some(n.unwrap_or(0) + 1));
    assert_eq!(site.sessions.blocking().update_owned_by("ada", promote).unwrap(), 2);
    browser.receive(&site, put.lock().unwrap().as_ref().unwrap());
    for listed in site.sessions.blocking().owned_by("ada").unwrap() {
        assert_eq!(listed.get::<u8>("promoted").unwrap(), Some(1));
    }
    assert_eq!(site.open(&browser).get("promoted").unwrap(), Some(1));
}

#[test]
fn a_session_that_was_changed_and_rotates_before_the_next_listing_is_not_changed_twice() {
    let site = site();
    let browser = logged_in(&site, "ada");
    let (sessions, headers) = (site.sessions.clone(), browser.headers(&site));
    let other = logged_in(&site, "ada");
    let gone = other.key();
    let store = site.store.memory.clone();
    // Between the first listing's changes and the second listing, the first session rotates.
    site.store.before("find_all", move || {
        let session = sessions.blocking().open(&headers).unwrap();
        session.rotate().unwrap();
        let _ = sessions.blocking().commit(session).unwrap();
        assert!(now(cloakroom::Store::destroy(&store, &gone, None)).unwrap());
    });
    let promote = |session: &Session| session.modify("promoted", |n: Option<u8>| Some(n.unwrap_or(0) + 1));
    assert_eq!(site.sessions.blocking().update_owned_by("ada", promote).unwrap(), 2);
    let listed = site.sessions.blocking().owned_by("ada").unwrap();
    assert_eq!((listed.len(), listed[0].get::<u8>("promoted").unwrap()), (1, Some(1)));
}

#[test]
fn a_changed_role_reaches_the_session_of_a_login_that_ended_the_one_which_had_it() {
    let site = site();
    let (mine, mut planted) = (logged_in(&site, "ada"), Browser::default());
    site.visit(&mut planted, |session| session.insert("cart", &1).unwrap());
    // Of two ids a login ends the user's session, and begins with nothing of what was in it.
    let (sessions, ids) = (site.sessions.clone(), [planted.headers(&site), mine.headers(&site)].concat());
    site.store.before("find_all", move || {
        let session = sessions.blocking().open(&ids).unwrap();
        session.login("ada").unwrap();
        let _ = sessions.blocking().commit(session).unwrap();
    });
    let promote = |session: &Session| session.insert("role", "editor");
    assert_eq!(site.sessions.blocking().update_owned_by("ada", promote).unwrap(), 2);
    let listed = site.sessions.blocking().owned_by("ada").unwrap();
    assert_eq!((listed.len(), listed[0].get::<String>("role").unwrap().as_deref()), (1, Some("editor")));
}

#[test]
fn a_web_socket_can_tell_a_rotation_from_an_end() {
    let site = site();
    let blocking = site.sessions.blocking();
    for owner in [None, Some("ada")] {
        let mut browser = Browser::default();
        site.visit(&mut browser, |session| {
            session.insert("cart", &1).unwrap();
            owner.map_or(Ok(()), |owner| session.login(owner)).unwrap();
        });
        let kept = site.open(&browser);
        assert!(blocking.still_lives(&kept).unwrap());
        site.visit(&mut browser, |session| session.rotate().unwrap());
        assert!(blocking.still_lives(&kept).unwrap());
        site.visit(&mut browser, |session| session.destroy().unwrap());
        assert!(!blocking.still_lives(&kept).unwrap());
    }
    let mut browser = logged_in(&site, "ada");
    let kept = site.open(&browser);
    site.visit(&mut browser, |session| session.login("ada").unwrap());
    assert!(blocking.still_lives(&kept).unwrap());
    site.visit(&mut browser, |session| session.login("bob").unwrap());
    assert!(!blocking.still_lives(&kept).unwrap());
}

#[test]
fn of_the_sessions_of_different_owners_none_is_opened_and_a_login_or_a_logout_ends_them() {
    let wants: [fn(&Session); 2] = [|session| session.login("ada").unwrap(), |session| session.destroy().unwrap()];
    for (planted_first, want) in [(true, wants[0]), (false, wants[0]), (true, wants[1]), (false, wants[1])] {
        let site = site();
        let (planted, mine) = (logged_in(&site, "mallory"), logged_in(&site, "ada"));
        let mut ids = vec![format!("__Host-sid={}", mine.id())];
        ids.insert(usize::from(!planted_first), format!("__Host-sid={}", planted.id()));
        let open = || site.sessions.blocking().open(&ids).unwrap();

        let session = open();
        assert!(session.is_new() && session.handle().is_none());
        let error = session.get::<u8>("cart").unwrap_err();
        assert_eq!((error.kind(), error.http_status()), (&ErrorKind::Locked, 403));
        assert_eq!(session.insert("cart", &9).unwrap_err().kind(), &ErrorKind::Locked);
        assert_eq!(site.sessions.blocking().settle(session, "GET", Some(200)).unwrap_err().kind(), &ErrorKind::Locked);
        // A page that never looks at it is served, and nothing is noted.
        site.advance(10 * MINUTE);
        site.store.calls();
        assert_nothing(&site.commit(open()));
        assert_eq!(site.store.calls(), ["find_all"]);
        // A login that comes to nothing does nothing.
        let session = open();
        want(&session);
        let failed = site.sessions.blocking().settle(session, "POST", Some(500)).unwrap();
        assert_eq!(failed.lost(), [""; 0]);

        let session = open();
        want(&session);
        let mut browser = Browser::default();
        browser.receive(&site, &site.commit(session));
        assert!(site.open(&planted).is_new() && site.open(&mine).is_new());
        let session = site.open(&browser);
        assert_eq!(session.get::<u8>("cart").unwrap(), None, "nobody can say whose it was");
    }
}

#[test]
fn of_two_sessions_of_one_owner_a_logout_ends_both() {
    let site = site();
    let two = [logged_in(&site, "ada"), logged_in(&site, "ada")];
    let ids: Vec<_> = two.iter().map(|browser| format!("__Host-sid={}", browser.id())).collect();
    let session = site.sessions.blocking().open(ids).unwrap();
    session.destroy().unwrap();
    assert_eq!(site.commit(session).outcome(), Outcome::Destroyed);
    assert_eq!(site.count(), 0);
}

/// What a request asks of the store, in the order of its calls.
#[test]
fn an_untouched_request_costs_one_look_and_a_change_one_more_call() {
    type Cost = (&'static [&'static str], fn(&Session));
    let costs: [Cost; 6] = [
        (&["find"], |_| ()),
        (&["find"], |session| drop(session.get::<u8>("cart"))),
        (&["find", "update"], |session| session.insert("cart", &2).unwrap()),
        (&["find", "rotate"], |session| session.rotate().unwrap()),
        (&["find", "rotate"], |session| session.login("ada").unwrap()),
        (&["find", "destroy", "owned_by"], |session| session.destroy().unwrap()),
    ];
    for (calls, handler) in costs {
        let site = site();
        let mut browser = logged_in(&site, "ada");
        site.store.calls();
        site.visit(&mut browser, handler);
        assert_eq!(site.store.calls(), calls);
    }
    let site = site();
    let mut browser = logged_in(&site, "ada");
    site.advance(5 * MINUTE);
    site.store.calls();
    site.visit(&mut browser, |_| ());
    assert_eq!(site.store.calls(), ["find", "touch"]);
    site.visit(&mut Browser::default(), |session| session.insert("cart", &1).unwrap());
    assert_eq!(site.store.calls(), ["create"]);
}

#[test]
fn after_a_double_click_on_a_password_that_is_asked_for_again_the_session_is_reauthenticated_and_neither_is_an_error() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.login("ada").unwrap());
    site.advance(MINUTE);
    let [first, second] = [(); 2].map(|()| {
        let session = site.open(&browser);
        session.reauthenticated().unwrap();
        session.insert("trusted", &true).unwrap();
        session
    });
    let settle = |session| site.sessions.blocking().settle(session, "POST", Some(303)).unwrap();
    browser.receive(&site, &settle(first));
    let committed = settle(second);
    assert_nothing(&committed);
    assert_eq!(site.open(&browser).authenticated_at(), Some(site.now()));
    assert_eq!(site.count(), 1);
}
