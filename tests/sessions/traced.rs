//! What a request sees of the traces that others have left, and which traces it leaves itself.

use std::time::Duration;

use cloakroom::{ErrorKind, Lifetime, Outcome, Session, SessionKey, Store, Trace, TraceKind};

use crate::support::*;

fn logged_in(site: &Site, owner: &str) -> Browser {
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| {
        session.insert("cart", &1).unwrap();
        session.login(owner).unwrap();
    });
    browser
}

fn dead_id() -> Browser {
    Browser::with_id(&cloakroom::SessionId::generate().unwrap().expose())
}

fn trace(site: &Site, key: &SessionKey) -> Option<Trace> {
    now(site.store.memory.find(key, site.now())).unwrap().trace().copied()
}

#[test]
fn a_trace_that_was_seen_at_the_opening_counts_though_it_is_over_at_the_commit() {
    type Leave = fn(&Session);
    let rotate: Leave = |session| session.rotate().unwrap();
    let login: Leave = |session| session.login("bob").unwrap();
    for (is_moved, leave) in [(true, rotate), (false, login)] {
        let site = site();
        let mut browser = logged_in(&site, "ada");
        let old = browser.clone();
        site.visit(&mut browser, leave);
        let [changing, ending] = [(); 2].map(|()| site.open(&old));
        site.advance(MINUTE);
        assert_eq!(trace(&site, &old.key()), None);
        changing.insert("theme", "dark").unwrap();
        let error = site.sessions.blocking().settle(changing, "POST", Some(200)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Lost { entries, .. } if *entries == ["theme"]), "{error}");
        assert_eq!(site.count(), 1, "and no session begins");
        ending.destroy().unwrap();
        let committed = site.commit(ending);
        let (count, age) = if is_moved { (0, Some(0)) } else { (1, None) };
        assert_eq!((site.count(), max_age(&committed)), (count, age));
    }
}

#[test]
fn a_trace_lasts_as_long_as_the_site_says() {
    for (lasts, settings) in [(Duration::from_secs(1), Some(1)), (MINUTE, None), (10 * MINUTE, Some(600))] {
        let settings = settings.map(Duration::from_secs);
        let site = site_with(|builder| match settings {
            Some(lasts) => builder.traces_last(lasts),
            None => builder,
        });
        let mut browser = logged_in(&site, "ada");
        let old = browser.clone();
        let [early, late] = [(); 2].map(|()| site.open(&browser));
        site.visit(&mut browser, |session| session.rotate().unwrap());
        let end = site.now().plus(lasts);
        assert_eq!(trace(&site, &old.key()), Some(Trace::moved(browser.key(), end)));
        site.advance(lasts - Duration::from_millis(1));
        early.insert("early", &1).unwrap();
        assert_eq!(site.commit(early).outcome(), Outcome::Stored);
        site.advance(Duration::from_millis(1));
        late.insert("late", &1).unwrap();
        assert_lost(&site.commit(late));
        assert_eq!(site.open(&browser).names().unwrap(), ["cart", "early"]);
        // The traces of a logout and of a login last as long.
        site.visit(&mut browser.clone(), |session| session.destroy().unwrap());
        assert_eq!(trace(&site, &browser.key()), Some(Trace::ended(site.now().plus(lasts))));
        let mut visitor = dead_id();
        let came = visitor.key();
        site.visit(&mut visitor, |session| session.login("ada").unwrap());
        assert_eq!(trace(&site, &came), Some(Trace::replaced(visitor.key(), site.now().plus(lasts))));
    }
}

/// What a login with an old id leaves under it: whether a session of its own stood there, and of which kind.
#[test]
fn a_login_leaves_its_trace_under_each_of_up_to_four_ids_whatever_stands_there() {
    let site = site();
    let (moved, replaced, ended) = (logged_in(&site, "ada"), logged_in(&site, "ada"), logged_in(&site, "ada"));
    let (mut successor, mut other) = (moved.clone(), replaced.clone());
    site.visit(&mut successor, |session| session.rotate().unwrap());
    site.visit(&mut other, |session| session.login("bob").unwrap());
    site.visit(&mut ended.clone(), |session| session.destroy().unwrap());
    let came = [moved.clone(), dead_id(), replaced, ended, dead_id()];
    let cookies: Vec<_> = came.iter().flat_map(|browser| browser.headers(&site)).collect();
    let session = site.sessions.blocking().open(&cookies).unwrap();
    session.login("ada").unwrap();
    let mut browser = Browser::default();
    let committed = site.commit(session);
    assert_eq!(committed.outcome(), Outcome::Created);
    browser.receive(&site, &committed);
    let left = came.map(|came| trace(&site, &came.key()).map(|trace| (trace.kind(), trace.successors().to_vec())));
    let new = browser.key();
    assert_eq!(
        left,
        [
            Some((TraceKind::Moved, vec![successor.key(), new])),
            Some((TraceKind::Replaced, vec![new])),
            Some((TraceKind::Replaced, vec![other.key(), new])),
            Some((TraceKind::Replaced, vec![new])),
            None,
        ],
        "no more than four ids are looked up"
    );
    // A late request that came with the first of them says nothing of the login, and ends it.
    let late = site.open(&moved);
    late.destroy().unwrap();
    assert_eq!(max_age(&site.commit(late)), Some(0));
    assert!(site.open(&browser).is_new() && site.open(&successor).is_new() && !site.open(&other).is_new());
}

#[test]
fn a_logout_ends_the_login_that_took_the_place_of_the_users_session_though_the_one_beside_it_was_gone_or_damaged() {
    for is_damaged in [false, true] {
        let site = site();
        let (mine, mut planted) = (logged_in(&site, "ada"), Browser::default());
        site.visit(&mut planted, |session| session.insert("cart", &1).unwrap());
        if is_damaged {
            site.store.damage(planted.key());
        } else {
            let (store, gone) = (site.store.memory.clone(), planted.key());
            site.store.before("rotate", move || assert!(now(store.destroy(&gone, None)).unwrap()));
        }
        let ids = [planted.headers(&site), mine.headers(&site)].concat();
        let [login, logout] = [(); 2].map(|()| site.sessions.blocking().open(&ids).unwrap());
        login.login("ada").unwrap();
        logout.destroy().unwrap();
        let mut browser = Browser::default();
        browser.receive(&site, &site.commit(login));
        let left = trace(&site, &mine.key()).unwrap();
        assert_eq!((left.kind(), left.successors()), (TraceKind::Moved, &[browser.key()][..]), "{is_damaged}");
        assert_eq!(max_age(&site.commit(logout)), Some(0));
        assert_eq!(site.count(), 0);
    }
}

#[test]
fn a_lifetime_and_the_kind_of_cookie_never_follow_a_rotation() {
    for also_puts in [false, true] {
        let site = site();
        let mut browser = logged_in(&site, "ada");
        let late = site.open(&browser);
        site.visit(&mut browser, |session| session.rotate().unwrap());
        late.set_lifetime(Lifetime::idle(9 * DAY)).unwrap();
        late.set_permanent(true).unwrap();
        if also_puts {
            late.insert("theme", "dark").unwrap();
        }
        let committed = site.sessions.blocking().settle(late, "POST", Some(200)).unwrap();
        let outcome = if also_puts { Outcome::Stored } else { Outcome::Lost };
        assert_eq!((committed.outcome(), committed.set_cookie()), (outcome, None));
        let session = site.open(&browser);
        assert_eq!((session.ends_at(), session.is_permanent()), (START.plus(30 * MINUTE), false));
        assert_eq!(session.contains("theme").unwrap(), also_puts);
    }
}

#[test]
fn what_a_logout_is_followed_by_over_another_users_login_is_dropped_and_named() {
    let site = site();
    let mut browser = logged_in(&site, "ada");
    let old = browser.clone();
    let early = site.open(&browser);
    site.visit(&mut browser, |session| session.login("bob").unwrap());
    for session in [early, site.open(&old)] {
        session.destroy().unwrap();
        session.insert("notice", "You are logged out").unwrap();
        session.remove("cart").unwrap();
        // It is no error of the logout.
        let committed = site.sessions.blocking().settle(session, "POST", Some(200)).unwrap();
        assert_lost(&committed);
        assert_eq!(committed.lost(), ["notice"]);
        let loss = committed.loss().unwrap();
        assert!(matches!(loss.kind(), ErrorKind::Lost { entries, .. } if *entries == ["notice"]), "{loss}");
    }
    assert_eq!((site.count(), site.open(&browser).owner().unwrap()), (1, Some("bob".into())));
}
