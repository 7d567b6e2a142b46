use std::cell::Cell;

use cloakroom::{Error, ErrorKind, Outcome, Session};

use crate::support::*;

/// A visitor, and the session as a task keeps it whose request is over.
fn stored(site: &Site) -> (Browser, Session) {
    let mut browser = Browser::default();
    let session = site.open(&browser);
    session.insert("n", &1).unwrap();
    browser.receive(site, &site.commit(session.clone()));
    site.store.calls();
    (browser, session)
}

#[test]
fn a_task_changes_a_session_after_the_response_was_sent() {
    let site = site();
    let (browser, kept) = stored(&site);
    site.advance(10 * MINUTE);
    let old: Option<Option<i32>> = site
        .sessions
        .blocking()
        .edit(&kept, |session| {
            let old = session.get("n")?;
            session.insert("n", &5)?;
            Ok(old)
        })
        .unwrap();
    assert_eq!(old, Some(Some(1)));
    assert_eq!(site.store.calls(), ["find", "update"]);
    let session = site.open(&browser);
    assert_eq!(session.get("n").unwrap(), Some(5));
    assert_eq!(session.last_seen(), START, "that was not the visitor");
}

#[test]
fn an_edit_that_changes_nothing_writes_nothing() {
    let site = site();
    let (_, kept) = stored(&site);
    assert_eq!(site.sessions.blocking().edit(&kept, |session| session.get::<i32>("n")).unwrap(), Some(Some(1)));
    assert_eq!(site.store.calls(), ["find"]);
}

#[test]
fn an_edit_runs_again_on_what_a_request_made_of_the_session() {
    let site = site();
    let (browser, kept) = stored(&site);
    let (sessions, other) = (site.sessions.clone(), browser.clone());
    let headers = other.headers(&site);
    site.store.before("update", move || {
        let session = sessions.blocking().open(&headers).unwrap();
        session.insert("n", &100).unwrap();
        session.insert("m", &1).unwrap();
        let _ = sessions.blocking().commit(session).unwrap();
    });
    let runs = Cell::new(0);
    let edited = site.sessions.blocking().edit(&kept, |session| {
        runs.set(runs.get() + 1);
        let n: i32 = session.get("n")?.unwrap();
        session.insert("n", &(n + 1))?;
        Ok(n)
    });
    assert_eq!(edited.unwrap(), Some(100));
    assert_eq!(runs.get(), 2);
    let session = site.open(&browser);
    assert_eq!((session.get("n").unwrap(), session.get("m").unwrap()), (Some(101), Some(1)));
}

#[test]
fn an_edit_of_a_session_that_is_gone_is_none() {
    let site = site();
    let (browser, kept) = stored(&site);
    let never_stored = site.open(&Browser::default());
    assert_eq!(site.sessions.blocking().edit(&never_stored, |_| Ok(())).unwrap(), None);
    let (store, gone) = (site.store.memory.clone(), browser.key());
    site.store.before("update", move || assert!(now(cloakroom::Store::destroy(&store, &gone, None)).unwrap()));
    assert_eq!(site.sessions.blocking().edit(&kept, |session| session.insert("n", &2)).unwrap(), None);
    assert_eq!(site.open(&browser).handle(), None);
    assert_eq!(site.count(), 0);
}

#[test]
fn a_task_finds_its_session_after_a_rotation_and_a_login_of_the_same_user_and_no_other_users() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.login("ada").unwrap());
    let kept = site.open(&browser);
    for (n, change) in [Session::rotate, |session: &Session| session.login("ada")].into_iter().enumerate() {
        site.visit(&mut browser, |session| change(session).unwrap());
        assert_eq!(site.sessions.blocking().edit(&kept, |session| session.insert("n", &n)).unwrap(), Some(()));
        assert_eq!(site.open(&browser).get("n").unwrap(), Some(n));
    }
    site.visit(&mut browser, |session| session.login("bob").unwrap());
    assert_eq!(site.sessions.blocking().edit(&kept, |session| session.insert("n", &9)).unwrap(), None);
    assert_eq!(site.open(&browser).get::<usize>("n").unwrap(), None);
}

#[test]
fn an_edit_that_fails_stores_nothing() {
    let site = site();
    let (browser, kept) = stored(&site);
    let failed = site.sessions.blocking().edit(&kept, |session| {
        session.insert("n", &2)?;
        Err::<(), _>(Error::new(ErrorKind::Config, "changing my mind"))
    });
    assert!(failed.unwrap_err().to_string().starts_with("changing my mind"));
    assert_eq!(site.open(&browser).get("n").unwrap(), Some(1));
}

#[test]
fn an_edit_cannot_give_a_new_id_but_it_can_end_the_session() {
    let site = site();
    let (browser, kept) = stored(&site);
    let blocking = site.sessions.blocking();
    for refused in [
        blocking.edit(&kept, |session| session.rotate()),
        blocking.edit(&kept, |session| session.login("user 42")),
        blocking.edit(&kept, |session| {
            session.destroy()?;
            session.insert("n", &1)
        }),
    ] {
        assert_eq!(refused.unwrap_err().kind(), &ErrorKind::NoVisitor);
    }
    assert_eq!(site.open(&browser).get("n").unwrap(), Some(1));
    assert_eq!(blocking.edit(&kept, |session| session.destroy()).unwrap(), Some(()));
    assert_eq!(site.open(&browser).handle(), None);
}

#[test]
fn a_session_of_an_edit_cannot_be_kept() {
    let site = site();
    let (_, kept) = stored(&site);
    let kept = site.sessions.blocking().edit(&kept, |session| Ok(session.clone())).unwrap().unwrap();
    assert_eq!(kept.insert("n", &9).unwrap_err().kind(), &ErrorKind::Committed);
}

#[test]
fn a_test_cookie_opens_what_was_put_in() {
    let site = site();
    let blocking = site.sessions.blocking();
    let cookie = blocking.test_cookie(|session| session.login("user 42")).unwrap();
    assert!(cookie.starts_with("__Host-sid="));
    let session = blocking.open([&cookie]).unwrap();
    assert_eq!(session.owner().unwrap(), Some("user 42".into()));
    assert_eq!(blocking.commit(session).unwrap().outcome(), Outcome::Unchanged);
    assert_eq!(blocking.test_cookie(|_| Ok(())).unwrap_err().kind(), &ErrorKind::Config);
}
