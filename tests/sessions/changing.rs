use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cloakroom::{Entry, ErrorKind, Lifetime, Outcome, Session};

use crate::support::*;

/// A session with the entries a = 1 and b = 1, and its browser.
fn stored(site: &Site) -> Browser {
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| {
        session.insert("a", &1).unwrap();
        session.insert("b", &1).unwrap();
    });
    site.store.calls();
    browser
}

fn entries(site: &Site, browser: &Browser) -> Vec<(String, i32)> {
    let session = site.open(browser);
    session.names().unwrap().into_iter().map(|name| (name.clone(), session.get(&name).unwrap().unwrap())).collect()
}

fn add(by: i32) -> impl Fn(Option<i32>) -> Option<i32> + Send + Sync + 'static {
    move |old| Some(old.unwrap_or(0) + by)
}

#[test]
fn a_changed_session_costs_one_store_call_when_nobody_interfered() {
    let site = site();
    let mut browser = stored(&site);
    let changes: [fn(&Session); 5] = [
        |session| session.insert("a", &2).unwrap(),
        |session| session.modify("b", add(1)).unwrap(),
        |session| session.set_permanent(true).unwrap(),
        |session| session.set_lifetime(Lifetime::AAL2).unwrap(),
        |session| session.clear().unwrap(),
    ];
    for change in changes {
        assert_eq!(site.request(&mut browser, change).outcome(), Outcome::Stored);
        assert_eq!(site.store.calls(), ["find", "update"]);
    }
    let committed = site.request(&mut browser, |session| {
        session.login("user 42").unwrap();
        session.insert("a", &3).unwrap();
    });
    assert_eq!(committed.outcome(), Outcome::Rotated);
    assert_eq!(site.store.calls(), ["find", "rotate"]);
}

#[test]
fn a_request_sees_its_own_changes() {
    let site = site();
    let session = site.open(&stored(&site));
    session.insert("a", &2).unwrap();
    session.modify("a", add(10)).unwrap();
    session.modify("c", add(10)).unwrap();
    assert_eq!(session.get("a").unwrap(), Some(12));
    assert_eq!(session.get("b").unwrap(), Some(1));
    assert!(session.remove("b").unwrap());
    assert!(!session.contains("b").unwrap());
    assert_eq!(session.names().unwrap(), ["a", "c"]);
    session.clear().unwrap();
    assert_eq!(session.get::<i32>("c").unwrap(), None);
    session.modify("b", add(5)).unwrap();
    assert_eq!(session.get("b").unwrap(), Some(5), "on top of nothing, after a clear");
    session.modify("b", |_: Option<i32>| None).unwrap();
    assert_eq!(session.names().unwrap(), [""; 0]);
}

#[test]
fn requests_that_change_different_entries_both_survive() {
    let site = site();
    let browser = stored(&site);
    let [first, second] = [site.open(&browser), site.open(&browser)];
    first.insert("a", &2).unwrap();
    first.insert("c", &2).unwrap();
    assert!(second.remove("b").unwrap());
    second.insert("d", &3).unwrap();
    assert_eq!(site.commit(first).outcome(), Outcome::Stored);
    assert_eq!(site.commit(second).outcome(), Outcome::Stored);
    assert_eq!(entries(&site, &browser), [("a".into(), 2), ("c".into(), 2), ("d".into(), 3)]);
    assert_eq!(site.store.calls(), ["find", "find", "update", "update", "update", "find"]);
}

#[test]
fn changes_beside_the_entries_survive_as_well() {
    let site = site();
    let browser = stored(&site);
    let [kind, lifetime, entry] = [(); 3].map(|()| site.open(&browser));
    kind.set_permanent(true).unwrap();
    lifetime.set_lifetime(Lifetime::AAL1).unwrap();
    entry.insert("a", &2).unwrap();
    for session in [kind, lifetime, entry] {
        assert_eq!(site.commit(session).outcome(), Outcome::Stored);
    }
    let session = site.open(&browser);
    assert!(session.is_permanent());
    assert_eq!(session.ends_at(), START.plus(30 * DAY));
    assert_eq!(session.get("a").unwrap(), Some(2));
}

#[test]
fn a_modification_runs_again_on_what_another_request_made_of_the_entry() {
    let site = site();
    let browser = stored(&site);
    let sessions = [(); 3].map(|()| site.open(&browser));
    for session in &sessions {
        assert_eq!(session.get("a").unwrap(), Some(1));
        session.modify("a", add(10)).unwrap();
        session.modify("a", add(100)).unwrap();
        assert_eq!(session.get("a").unwrap(), Some(111));
    }
    for session in sessions {
        let _ = site.commit(session);
    }
    assert_eq!(site.open(&browser).get("a").unwrap(), Some(331));
}

#[test]
fn a_modification_on_top_of_an_insert_or_a_removal_does_not_see_the_store() {
    let site = site();
    let browser = stored(&site);
    let [inserted, removed, cleared] = [(); 3].map(|()| site.open(&browser));
    inserted.insert("a", &50).unwrap();
    inserted.modify("a", add(1)).unwrap();
    removed.remove("b").unwrap();
    removed.modify("b", add(7)).unwrap();
    site.visit(&mut browser.clone(), |other| {
        other.insert("a", &1000).unwrap();
        other.insert("b", &1000).unwrap();
    });
    let _ = (site.commit(inserted), site.commit(removed));
    assert_eq!(entries(&site, &browser), [("a".into(), 51), ("b".into(), 7)]);
    cleared.clear().unwrap();
    cleared.modify("a", add(3)).unwrap();
    let _ = site.commit(cleared);
    assert_eq!(entries(&site, &browser), [("a".into(), 3)]);
}

#[test]
fn a_modification_runs_outside_every_lock() {
    let site = site();
    let mut browser = stored(&site);
    let session = site.open(&browser);
    let (inside, other) = (session.clone(), site.open(&browser));
    let sessions = site.sessions.clone();
    session
        .modify("a", move |old: Option<i32>| {
            // Neither the handle's lock nor the store's is held: all this would wait for ever.
            let b: i32 = inside.get("b").unwrap_or(None).unwrap_or(0);
            if other.insert("b", &5).is_ok() {
                let _ = sessions.blocking().commit(other.clone());
            }
            Some(old.unwrap_or(0) + b)
        })
        .unwrap();
    assert_eq!(session.get("a").unwrap(), Some(2));
    // It runs again during the commit, because of the commit above. The handle is used up then.
    browser.receive(&site, &site.commit(session));
    assert_eq!(entries(&site, &browser), [("a".into(), 1), ("b".into(), 5)]);
}

#[test]
fn a_modification_whose_entry_another_clone_changes_meanwhile_runs_again_at_once() {
    let site = site();
    let session = site.open(&stored(&site));
    let (clone, runs) = (session.clone(), Arc::new(AtomicU32::new(0)));
    let counted = Arc::clone(&runs);
    session
        .modify("a", move |old: Option<i32>| {
            if counted.fetch_add(1, Ordering::Relaxed) == 0 {
                clone.insert("a", &10).unwrap();
            }
            old.map(|old| old + 1)
        })
        .unwrap();
    assert_eq!(session.get("a").unwrap(), Some(11));
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

#[test]
fn an_insert_of_an_entry_that_was_read_and_changed_meanwhile_is_a_conflict_that_names_it() {
    const A: Entry<i32> = Entry::new("a");
    let site = site();
    let browser = stored(&site);
    let session = site.open(&browser);
    let read = session.get(A).unwrap().unwrap();
    session.insert(A, &(read + 1)).unwrap();
    session.insert("c", &1).unwrap();
    site.visit(&mut browser.clone(), |other| other.modify(A, add(100)).unwrap());

    let error = site.sessions.blocking().commit(session).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Conflict { entry, .. } if entry == "a"));
    assert_eq!(entries(&site, &browser), [("a".into(), 101), ("b".into(), 1)], "nothing of it was stored");
}

#[test]
fn an_absent_entry_that_was_read_is_guarded_too() {
    let site = site();
    let browser = stored(&site);
    let [first, second] = [site.open(&browser), site.open(&browser)];
    for (session, token) in [(&first, 5), (&second, 6)] {
        assert_eq!(session.get::<i32>("token").unwrap(), None);
        session.insert("token", &token).unwrap();
    }
    let _ = site.commit(first);
    let error = site.sessions.blocking().commit(second).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Conflict { entry, .. } if entry == "token"));
}

#[test]
fn an_insert_conflicts_only_over_the_entry_it_sets() {
    let site = site();
    let browser = stored(&site);
    let session = site.open(&browser);
    // b was read as well, but not set; and a is again what it was.
    assert_eq!(session.get("a").unwrap(), Some(1));
    assert_eq!(session.get("b").unwrap(), Some(1));
    session.insert("a", &2).unwrap();
    for (name, value) in [("a", 7), ("b", 7), ("a", 1)] {
        site.visit(&mut browser.clone(), |other| other.insert(name, &value).unwrap());
    }
    assert_eq!(site.commit(session).outcome(), Outcome::Stored);
    assert_eq!(entries(&site, &browser), [("a".into(), 2), ("b".into(), 7)]);
}

#[test]
fn overwrite_and_an_insert_without_reading_let_the_last_write_win() {
    let site = site();
    let browser = stored(&site);
    let [overwriting, inserting, own] = [(); 3].map(|()| site.open(&browser));
    let _: Option<i32> = overwriting.get("a").unwrap();
    overwriting.overwrite("a", &2).unwrap();
    inserting.insert("a", &3).unwrap();
    let _: Option<i32> = inserting.get("a").unwrap();
    inserting.insert("a", &4).unwrap();
    own.clear().unwrap();
    let _: Option<i32> = own.get("b").unwrap();
    own.insert("b", &5).unwrap();
    site.visit(&mut browser.clone(), |other| {
        other.insert("a", &100).unwrap();
        other.insert("b", &100).unwrap();
    });
    assert_eq!(site.commit(overwriting).outcome(), Outcome::Stored);
    assert_eq!(entries(&site, &browser)[0], ("a".into(), 2));
    assert_eq!(site.commit(inserting).outcome(), Outcome::Stored);
    assert_eq!(entries(&site, &browser)[0], ("a".into(), 4));
    assert_eq!(site.commit(own).outcome(), Outcome::Stored);
    assert_eq!(entries(&site, &browser), [("b".into(), 5)]);
}

#[test]
fn clear_also_removes_what_others_added_meanwhile() {
    let site = site();
    let browser = stored(&site);
    let session = site.open(&browser);
    session.clear().unwrap();
    session.insert("c", &1).unwrap();
    site.visit(&mut browser.clone(), |other| other.insert("d", &1).unwrap());
    let _ = site.commit(session);
    assert_eq!(entries(&site, &browser), [("c".into(), 1)]);
    assert_eq!(site.open(&browser).created(), START, "and the session stays");
}

#[test]
fn retries_are_bounded_and_end_in_contention() {
    let site = site();
    let browser = stored(&site);
    let session = site.open(&browser);
    session.modify("a", add(1)).unwrap();
    for _ in 0..1000 {
        let (store, clock, browser) = (site.store.memory.clone(), site.clock.clone(), browser.clone());
        site.store.before("update", move || {
            let rival = cloakroom::Sessions::builder(store.clone()).clock(clock.clone()).build().unwrap();
            let session = rival.blocking().open([format!("__Host-sid={}", browser.id())]).unwrap();
            session.modify("a", add(1000)).unwrap();
            let _ = rival.blocking().commit(session).unwrap();
        });
    }
    let error = site.sessions.blocking().commit(session).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Contention);
    let calls = site.store.calls();
    assert_eq!(calls.iter().filter(|call| **call == "update").count(), 256);
    assert_eq!(site.open(&browser).get("a").unwrap(), Some(256_001), "nothing of it was stored");
}

#[test]
fn every_attempt_proposes_a_fresh_revision() {
    let site = site();
    let browser = stored(&site);
    for _ in 0..3 {
        let sessions = [(); 4].map(|()| site.open(&browser));
        for session in sessions {
            session.modify("a", add(1)).unwrap();
            let _ = site.commit(session);
        }
    }
    let proposed = site.store.proposed();
    assert_eq!(proposed.len(), 1 + 3 * (1 + 3 * 2));
    assert_eq!(proposed.iter().map(|revision| revision.as_u64()).collect::<HashSet<_>>().len(), proposed.len());
}

#[test]
fn adding_a_flash_message_appends_and_disturbs_nobody() {
    let site = site();
    let mut browser = stored(&site);
    let [first, second] = [site.open(&browser), site.open(&browser)];
    first.flash("one").unwrap();
    first.flash("two").unwrap();
    second.flash("three").unwrap();
    let _ = (site.commit(first), site.commit(second));
    assert_eq!(site.open(&browser).names().unwrap(), ["a", "b"], "messages are no entry");
    site.visit(&mut browser, |session| {
        assert_eq!(session.take_flashes::<String>().unwrap(), ["one", "two", "three"]);
        assert_eq!(session.take_flashes::<String>().unwrap(), [""; 0]);
    });
    assert_nothing(&site.request(&mut browser, |session| {
        assert_eq!(session.take_flashes::<String>().unwrap(), [""; 0], "and asking changes nothing");
    }));
}

#[test]
fn reading_flash_messages_removes_exactly_what_was_read() {
    let site = site();
    let browser = stored(&site);
    site.visit(&mut browser.clone(), |session| session.flash("saved").unwrap());
    let [first, second] = [site.open(&browser), site.open(&browser)];
    for session in [&first, &second] {
        assert_eq!(session.take_flashes::<String>().unwrap(), ["saved"]);
    }
    // A message of the same text comes while both are under way.
    site.visit(&mut browser.clone(), |session| session.flash("saved").unwrap());
    let _ = (site.commit(first), site.commit(second));
    assert_eq!(site.open(&browser).take_flashes::<String>().unwrap(), ["saved"]);
}

#[test]
fn a_flash_message_of_another_type_is_an_error_and_stays() {
    let site = site();
    let mut browser = stored(&site);
    site.visit(&mut browser, |session| session.flash(("level", 3)).unwrap());
    let session = site.open(&browser);
    let error = session.take_flashes::<String>().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Entry { entry, .. } if entry == "cloakroom.flash"));
    assert!(!session.is_changed());
    assert_eq!(session.take_flashes::<(String, u8)>().unwrap(), [("level".into(), 3)]);
}

#[test]
fn what_is_stored_already_is_no_change_and_no_conflict_and_writes_nothing() {
    let site = site();
    let mut browser = stored(&site);
    let unchanged: [fn(&Session); 5] = [
        |session| session.insert("a", &1).unwrap(),
        |session| session.overwrite("b", &1).unwrap(),
        |session| session.modify("a", |n: Option<i32>| n).unwrap(),
        |session| assert!(!session.remove("absent").unwrap()),
        |session| {
            session.clear().unwrap();
            session.insert("a", &1).unwrap();
            session.insert("b", &1).unwrap();
        },
    ];
    for handler in unchanged {
        assert_nothing(&site.request(&mut browser, handler));
        assert_eq!(site.store.calls(), ["find"]);
    }
    // It counts as seen all the same.
    site.advance(10 * MINUTE);
    assert_eq!(site.request(&mut browser, unchanged[0]).outcome(), Outcome::Touched);
    site.store.calls();

    // Two requests that store the same, which both had read to be something else.
    let both = [(); 2].map(|()| site.open(&browser));
    for session in &both {
        assert_eq!(session.get("a").unwrap(), Some(1));
        session.insert("a", &2).unwrap();
    }
    for session in both {
        assert_eq!(site.commit(session).outcome(), Outcome::Stored);
    }
    assert_eq!(site.store.calls(), ["find", "find", "update", "update"], "the second is told, and writes nothing");
    assert_eq!(entries(&site, &browser)[0], ("a".into(), 2));
    let kept = site.open(&browser);
    site.store.calls();
    site.sessions.blocking().edit(&kept, |session| session.insert("a", &2)).unwrap();
    assert_eq!(site.store.calls(), ["find"]);
}

#[test]
fn equal_maps_are_equal_whatever_the_order_of_their_entries() {
    use serde_json::{Map, Value, json};
    /// A map that is written in the order of its list.
    struct InOrder<'a>(&'a [(&'a str, Value)]);
    impl serde::Serialize for InOrder<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
        }
    }
    let site = site();
    let mut browser = Browser::default();
    let (one, other) = (("one", json!(1)), ("other", json!([2])));
    site.visit(&mut browser, |session| session.insert("map", &InOrder(&[one.clone(), other.clone()])).unwrap());
    let insert = |session: &Session| {
        assert_eq!(session.get::<Map<String, Value>>("map").unwrap().unwrap().len(), 2);
        session.insert("map", &InOrder(&[other.clone(), one.clone()])).unwrap();
    };
    assert_nothing(&site.request(&mut browser, insert));
}

#[test]
fn of_two_requests_that_make_a_value_where_there_is_none_the_first_wins() {
    let site = site();
    let mut browser = stored(&site);
    let make = |session: &Session, value: i32| session.get_or_insert_with("made", || value).unwrap();
    let [first, other, same] = [(); 3].map(|()| site.open(&browser));
    assert_eq!((make(&first, 7), make(&first, 8)), (7, 7));
    assert_eq!((make(&other, 8), make(&same, 7)), (8, 7));
    assert_eq!(site.commit(first).outcome(), Outcome::Stored);
    let error = site.sessions.blocking().commit(other).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Conflict { entry, .. } if entry == "made"),
        "it has given away another value"
    );
    assert_eq!(site.commit(same).outcome(), Outcome::Stored);
    assert_nothing(&site.request(&mut browser, |session| assert_eq!(make(session, 9), 7)));
}

#[test]
fn of_two_requests_that_take_a_value_one_has_it() {
    let site = site();
    let mut browser = stored(&site);
    let [first, second, other] = [(); 3].map(|()| site.open(&browser));
    for session in [&first, &second] {
        assert_eq!(session.take("a").unwrap(), Some(1));
        assert_eq!(session.take::<i32>("a").unwrap(), None);
        assert!(!session.contains("a").unwrap());
    }
    other.insert("b", &2).unwrap();
    for session in [other, first] {
        assert_eq!(site.commit(session).outcome(), Outcome::Stored);
    }
    let error = site.sessions.blocking().commit(second).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Conflict { entry, .. } if entry == "a"));
    assert_nothing(&site.request(&mut browser, |session| assert_eq!(session.take::<i32>("a").unwrap(), None)));
    assert!(site.open(&browser).take::<String>("b").is_err());
    assert_eq!(entries(&site, &browser), [("b".into(), 2)]);
}
