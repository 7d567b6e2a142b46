use std::task::{Context, Waker};

use cloakroom::{Entry, ErrorKind, Outcome, Session, SessionId, SessionKey, Store};

use crate::support::*;

#[test]
fn a_session_is_one_handle_for_all_threads_that_hold_a_clone() {
    fn check<T: Clone + Send + Sync + 'static>(_: &T) {}
    let site = site();
    let session = site.open(&Browser::default());
    check(&session);
    let clones = [(); 4].map(|()| session.clone());
    let threads = clones.map(|clone| {
        std::thread::spawn(move || {
            (0..100).for_each(|_| clone.modify("n", |n: Option<u32>| Some(n.unwrap_or(0) + 1)).unwrap());
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(session.get("n").unwrap(), Some(400));
}

#[test]
fn after_its_commit_any_clone_gets_an_error_that_says_so() {
    let site = site();
    let mut browser = Browser::default();
    let session = site.open(&browser);
    session.insert("a", &1).unwrap();
    let clone = session.clone();
    browser.receive(&site, &site.commit(session));

    let errors = [
        clone.get::<u8>("a").unwrap_err(),
        clone.insert("a", &2).unwrap_err(),
        clone.overwrite("a", &2).unwrap_err(),
        clone.modify("a", |n: Option<u8>| n).unwrap_err(),
        clone.remove("a").unwrap_err(),
        clone.contains("a").unwrap_err(),
        clone.names().unwrap_err(),
        clone.clear().unwrap_err(),
        clone.flash("hello").unwrap_err(),
        clone.take_flashes::<u8>().unwrap_err(),
        clone.login("user 42").unwrap_err(),
        clone.rotate().unwrap_err(),
        clone.destroy().unwrap_err(),
        clone.take::<u8>("a").unwrap_err(),
        clone.get_or_insert_with("b", || 1).unwrap_err(),
        clone.set_lifetime(cloakroom::Lifetime::AAL1).unwrap_err(),
        clone.set_permanent(true).unwrap_err(),
        clone.owner().unwrap_err(),
        site.sessions.blocking().commit(clone.clone()).unwrap_err(),
        site.sessions.blocking().commit_after_error(clone.clone()).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), &ErrorKind::Committed);
    }
    assert_eq!(clone.handle(), browser.handle(&site), "what is known already is still told");
    assert!(!clone.is_changed());
    assert_eq!(site.open(&browser).get("a").unwrap(), Some(1));
}

#[test]
fn a_commit_that_fails_has_used_its_handle_up_as_well() {
    let site = site();
    let session = site.open(&Browser::default());
    session.insert("a", &1).unwrap();
    site.store.fail("create");
    let error = site.sessions.blocking().commit(session.clone()).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unavailable);
    assert_eq!(session.get::<u8>("a").unwrap_err().kind(), &ErrorKind::Committed);
    assert!(session.is_new());
}

#[test]
fn a_commits_future_dropped_half_way_leaves_it_whole_or_not_begun() {
    let handlers: [fn(&Session); 5] = [
        |session| session.insert("a", &2).unwrap(),
        |session| session.login("user 42").unwrap(),
        |session| session.destroy().unwrap(),
        |session| {
            session.destroy().unwrap();
            session.insert("b", &1).unwrap();
        },
        |_| (),
    ];
    for handler in handlers {
        // What is stored after so many polls, and whether the commit was done by then.
        let after = |polls: usize| {
            let site = site();
            let mut browser = Browser::default();
            site.visit(&mut browser, |session| session.insert("a", &1).unwrap());
            site.advance(10 * MINUTE);
            let session = site.open(&browser);
            handler(&session);
            site.store.be_slow();
            let mut future = Box::pin(site.sessions.commit(session.clone()));
            let mut context = Context::from_waker(Waker::noop());
            let done = (0..polls).any(|_| future.as_mut().poll(&mut context).is_ready());
            drop(future);
            assert_eq!(session.contains("a").is_err(), polls > 0, "the handle is used up once the commit has begun");
            (stored(&site, &browser), done)
        };
        let polls = (1..).find(|polls| after(*polls).1).unwrap();
        let (before, whole) = (after(0).0, after(polls).0);
        assert!(polls > 2);
        assert_ne!(before, whole);
        for polls in 1..polls {
            let stored = after(polls).0;
            assert!(stored == before || stored == whole, "{stored:?} after {polls} polls");
        }
    }
}

/// All sessions in the store, without their ids, handles and revisions.
fn stored(site: &Site, browser: &Browser) -> Vec<String> {
    let old = SessionKey::of(&SessionId::parse(browser.id()).unwrap());
    let mut stored = Vec::new();
    let mut visit = |mut record: cloakroom::Record| {
        record.set_handle(cloakroom::Handle::from_bytes([0; 16]));
        let is_old = *record.key() == old;
        stored.push(format!("{is_old} {:?} {:?} {:?}", record.owner(), record.expiry(), record.to_bytes()));
        std::ops::ControlFlow::Continue(())
    };
    now(site.store.memory.scan(START, &mut visit)).unwrap();
    stored
}

#[test]
fn an_entry_names_its_type_and_plain_names_work_too() {
    const CART: Entry<Vec<u32>> = Entry::new("cart");
    let site = site();
    let session = site.open(&Browser::default());
    session.insert(CART, &vec![1, 2]).unwrap();
    session.modify(CART, |cart| cart.map(|cart| cart.into_iter().rev().collect())).unwrap();
    assert_eq!(session.get(CART).unwrap(), Some(vec![2, 1]));
    assert_eq!(session.get::<Vec<u32>>("cart").unwrap(), Some(vec![2, 1]));
    session.insert("name", "Ada").unwrap();
    session.insert(&String::from("list"), &[1, 2][..]).unwrap();
    assert_eq!(session.get::<String>(&String::from("name")).unwrap().as_deref(), Some("Ada"));
    assert!(session.contains(CART).unwrap() && session.remove(CART).unwrap() && !session.remove(CART).unwrap());
    assert_eq!(session.names().unwrap(), ["list", "name"]);
}

#[test]
fn names_that_are_cloakrooms_own_or_no_name_are_refused() {
    let site = site();
    let session = site.open(&Browser::default());
    for name in ["", "cloakroom.flash", "cloakroom.successor", "cloakroom.", &"x".repeat(256)] {
        for error in [
            session.get::<u8>(name).unwrap_err(),
            session.insert(name, &1).unwrap_err(),
            session.overwrite(name, &1).unwrap_err(),
            session.modify(name, |n: Option<u8>| n).unwrap_err(),
            session.remove(name).unwrap_err(),
            session.contains(name).unwrap_err(),
        ] {
            assert!(matches!(error.kind(), ErrorKind::Entry { .. }), "{error}");
        }
    }
    session.insert("cloakroom", &1).unwrap();
    session.insert("Cloakroom.flash", &1).unwrap();
}

#[test]
fn a_value_that_does_not_decode_is_an_error_that_names_the_entry_and_its_bytes_stay() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("cart", &vec!["apple", "pear"]).unwrap());
    let session = site.open(&browser);
    for error in [session.get::<u32>("cart").unwrap_err(), session.modify("cart", |n: Option<u32>| n).unwrap_err()] {
        assert!(matches!(error.kind(), ErrorKind::Entry { entry, .. } if entry == "cart"));
        assert!(error.to_string().starts_with("decoding a value: entry \"cart\": invalid type"), "{error}");
    }
    assert!(!session.is_changed());
    session.insert("other", &1).unwrap();
    let _ = site.commit(session);
    assert_eq!(site.open(&browser).get::<Vec<String>>("cart").unwrap().unwrap(), ["apple", "pear"]);
}

#[test]
fn a_value_that_cannot_be_stored_is_an_error_that_names_the_entry_and_changes_nothing() {
    let site = site();
    let session = site.open(&Browser::default());
    let names_it = |error: cloakroom::Error| matches!(error.kind(), ErrorKind::Entry { entry, .. } if entry == "x");
    assert!(names_it(session.insert("x", &f64::NAN).unwrap_err()));
    assert!(names_it(session.modify("x", |_: Option<f64>| Some(f64::INFINITY)).unwrap_err()));
    let deep = (0..200).fold(serde_json::Value::Null, |value, _| vec![value].into());
    assert!(names_it(session.insert("x", &deep).unwrap_err()));
    assert!(session.flash(&deep).is_err());
    assert!(!session.is_changed());
}

#[test]
fn a_modification_that_cannot_read_what_another_request_stored_fails_the_commit() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("n", &1).unwrap());
    let session = site.open(&browser);
    session.modify("n", |n: Option<u8>| Some(n? + 1)).unwrap();
    site.visit(&mut browser, |other| other.insert("n", "text").unwrap());
    let error = site.sessions.blocking().commit(session).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Entry { entry, .. } if entry == "n"));
    assert_eq!(site.open(&browser).get::<String>("n").unwrap().as_deref(), Some("text"));
}

#[test]
fn a_session_remembers_whether_its_handler_looked_at_it() {
    let site = site();
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| session.insert("n", &1).unwrap());
    let looks: [fn(&Session); 8] = [
        |session| drop(session.get::<u8>("n")),
        |session| drop(session.insert("n", &1)),
        |session| drop(session.owner()),
        |session| _ = session.handle(),
        |session| _ = session.is_new(),
        |session| drop(session.names()),
        |session| drop(session.take_flashes::<u8>()),
        |session| drop(session.clone().login("user 42")),
    ];
    for look in looks {
        let session = site.open(&browser);
        let _ = format!("{session:?}");
        assert!(!session.clone().was_looked_at());
        look(&session);
        assert!(session.was_looked_at());
    }
    let session = site.open(&browser);
    let _ = site.commit(session.clone());
    assert!(!session.was_looked_at());
    assert_eq!(site.request(&mut browser, |_| ()).outcome(), Outcome::Unchanged);
}

#[test]
fn debug_shows_neither_ids_nor_values() {
    let site = site();
    let mut browser = Browser::default();
    let committed = site.request(&mut browser, |session| session.insert("password", "hunter2").unwrap());
    let session = site.open(&browser);
    session.insert("card", "4111").unwrap();
    let shown = format!(
        "{session:?} {committed:?} {:?} {:?} {:?}",
        site.sessions,
        site.sessions.blocking(),
        site.sessions.presented(browser.headers(&site))
    );
    for secret in [browser.id(), "hunter2", "4111"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains(&session.handle().unwrap().to_string()));
}
