//! A handle names a session for its whole life, and ending a handle ends the device.

use cloakroom::{ErrorKind, Handle, Result, Revision, Session, SessionId, SessionKey, Store};

use crate::support::*;

/// A browser in which this user is logged in, and its handle.
fn device(site: &Site, owner: &str) -> (Browser, Handle) {
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.login(owner).unwrap());
    let handle = browser.handle(site).unwrap();
    (browser, handle)
}

fn is_logged_in(site: &Site, browser: &Browser) -> bool {
    site.open(browser).owner().unwrap().is_some()
}

#[test]
fn a_handle_is_kept_by_rotations_and_by_logins_of_the_same_user_and_is_new_for_another() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("cart", &1).unwrap());
    let anonymous = browser.handle(&site).unwrap();
    site.visit(&mut browser, |session| session.rotate().unwrap());
    assert_eq!(browser.handle(&site), Some(anonymous));

    site.visit(&mut browser, |session| session.login("ada").unwrap());
    let ada = browser.handle(&site).unwrap();
    assert_ne!(ada, anonymous, "what an attacker may know of a planted session names no user's");
    for change in [Session::rotate, |session: &Session| session.login("ada")] {
        let before = browser.id().to_owned();
        site.visit(&mut browser, |session| change(session).unwrap());
        assert_ne!(browser.id(), before);
        assert_eq!(browser.handle(&site), Some(ada));
    }
    let listed = site.sessions.blocking().owned_by("ada").unwrap();
    assert_eq!(listed.iter().map(|listed| listed.handle()).collect::<Vec<_>>(), [ada]);

    site.visit(&mut browser, |session| session.login("bob").unwrap());
    let bob = browser.handle(&site).unwrap();
    assert!(bob != ada && bob != anonymous);
    site.visit(&mut browser, |session| {
        session.destroy().unwrap();
        session.insert("cart", &1).unwrap();
    });
    assert!(browser.handle(&site).is_some_and(|new| new != bob));
}

#[test]
fn a_handle_says_nothing_of_the_sessions_id_or_key() {
    let site = site();
    let (browser, handle) = device(&site, "ada");
    assert_ne!(handle.as_bytes(), browser.key().as_bytes());
    assert!(!format!("{handle} {handle:?}").contains(browser.id()));
}

#[test]
fn a_device_that_was_listed_before_it_rotated_is_ended_all_the_same() {
    for change in [Session::rotate, |session: &Session| session.login("ada")] {
        let site = site();
        let (mut browser, handle) = device(&site, "ada");
        let (other, _) = device(&site, "ada");
        let slow = site.open(&browser);
        site.visit(&mut browser, |session| change(session).unwrap());
        assert!(!site.sessions.blocking().end("bob", &handle).unwrap());
        assert!(site.sessions.blocking().end("ada", &handle).unwrap());
        assert!(!is_logged_in(&site, &browser));
        assert!(is_logged_in(&site, &other), "another device of the user stays");
        assert!(!site.sessions.blocking().end("ada", &handle).unwrap());
        drop(slow);
    }
}

#[test]
fn a_device_ends_although_it_rotates_at_the_very_moment() {
    let site = site();
    let (browser, handle) = device(&site, "ada");
    let slow = site.open(&browser);
    slow.rotate().unwrap();
    let sessions = site.sessions.clone();
    site.store.before("destroy", move || {
        let _ = sessions.blocking().commit(slow.clone()).unwrap();
    });
    assert!(site.sessions.blocking().end("ada", &handle).unwrap());
    assert_eq!(site.count(), 0);
}

#[test]
fn all_other_devices_end_and_this_one_stays_though_it_rotates_meanwhile() {
    let site = site();
    let (mut here, handle) = device(&site, "ada");
    let (there, _) = device(&site, "ada");
    let slow = site.open(&here);
    slow.rotate().unwrap();
    let committed = std::sync::Arc::new(std::sync::Mutex::new(None));
    let (sessions, put) = (site.sessions.clone(), committed.clone());
    site.store.before("destroy", move || {
        *put.lock().unwrap() = Some(sessions.blocking().commit(slow.clone()).unwrap());
    });
    assert_eq!(site.sessions.blocking().end_others("ada", &handle).unwrap(), 1);
    here.receive(&site, committed.lock().unwrap().as_ref().unwrap());
    assert!(is_logged_in(&site, &here) && !is_logged_in(&site, &there));
}

/// A session of the same owner and handle as this browser's, which no request has made.
fn another(site: &Site, browser: &Browser) -> impl Fn() + Send + Sync + 'static {
    let store = site.store.memory.clone();
    let record = now(store.load(&browser.key(), site.now())).unwrap().unwrap();
    move || {
        let mut record = record.clone();
        record.set_key(SessionKey::of(&SessionId::generate().unwrap()));
        record.set_revision(Revision::fresh());
        now(store.create(&record, &[], START)).unwrap();
    }
}

#[test]
fn the_end_of_all_sessions_ends_one_that_a_store_has_missed_because_it_rotated() {
    let site = site();
    let (browser, _) = device(&site, "ada");
    site.store.before("owned_by", another(&site, &browser));
    assert_eq!(site.sessions.blocking().end_all("ada").unwrap(), 2);
    assert_eq!(site.count(), 0);
}

#[test]
fn an_ending_that_always_finds_more_to_end_gives_up_after_256_rounds_and_says_so() {
    type End = fn(&Site, &Handle) -> Result<()>;
    let ends: [End; 4] = [
        |site, _| site.sessions.blocking().end_all("ada").map(drop),
        |site, handle| site.sessions.blocking().end("ada", handle).map(drop),
        |site, handle| site.sessions.blocking().end_others("ada", &another_handle(handle)).map(drop),
        |site, handle| site.sessions.blocking().rename_owner("ada", handle, "user 42").map(drop),
    ];
    for end in ends {
        let site = site();
        let (browser, handle) = device(&site, "ada");
        for _ in 0..256 {
            site.store.before("owned_by", another(&site, &browser));
        }
        site.store.calls();
        assert_eq!(end(&site, &handle).unwrap_err().kind(), &ErrorKind::Contention);
        let calls = site.store.calls();
        assert_eq!(calls.iter().filter(|call| **call == "owned_by").count(), 256);
        // Where the others stop, it comes to its end.
        end(&site, &handle).unwrap();
        assert!(site.sessions.blocking().owned_by("ada").unwrap().is_empty());
    }
}

fn another_handle(handle: &Handle) -> Handle {
    Handle::from_bytes(handle.as_bytes().map(|byte| !byte))
}

#[test]
fn a_user_is_renamed_although_the_session_rotates_at_the_very_moment() {
    let site = site();
    let (mut browser, handle) = device(&site, "ada");
    let slow = site.open(&browser);
    slow.rotate().unwrap();
    let committed = std::sync::Arc::new(std::sync::Mutex::new(None));
    let (sessions, put) = (site.sessions.clone(), committed.clone());
    site.store.before("update", move || {
        *put.lock().unwrap() = Some(sessions.blocking().commit(slow.clone()).unwrap());
    });
    assert!(site.sessions.blocking().rename_owner("ada", &handle, "user 42").unwrap());
    browser.receive(&site, committed.lock().unwrap().as_ref().unwrap());
    let session = site.open(&browser);
    assert_eq!((session.owner().unwrap(), session.handle()), (Some("user 42".into()), Some(handle)));
}
