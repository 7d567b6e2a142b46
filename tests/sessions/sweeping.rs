use std::sync::mpsc;

use cloakroom::{
    BeyondLimit, ErrorKind, FileStore, Lifetime, Limits, ManualClock, MemoryStore, OwnerLimit, RuntimeFree, Session,
    Sessions, Store, Swept, Timestamp,
};

use crate::support::*;

/// A deploy with these timeouts.
fn deploy<S: Store>(store: S, clock: &ManualClock, lifetime: Lifetime) -> Sessions<S> {
    Sessions::builder(store).clock(clock.clone()).lifetime(lifetime).build().unwrap()
}

fn login(session: &Session) -> cloakroom::Result<()> {
    session.insert("cart", &1)?;
    session.login("ada")
}

/// Sessions of a policy of a day, of which some are over by one of ten minutes, over a store and its clones.
fn a_shorter_policy_ends_what_is_over_by_it<S: RuntimeFree + Clone>(store: S) {
    let clock = ManualClock::at(START);
    let before = deploy(store.clone(), &clock, Lifetime::new(DAY, 30 * DAY)).blocking();
    for _ in 0..25 {
        before.test_cookie(login).unwrap();
    }
    let own = before.test_cookie(|session| session.login_for("ada", Lifetime::idle(DAY))).unwrap();
    clock.advance(HOUR);
    let lives = before.test_cookie(login).unwrap();

    let sessions = deploy(store.clone(), &clock, Lifetime::new(10 * MINUTE, HOUR)).blocking();
    let stored = || now(store.count(clock.at())).unwrap();
    assert_eq!((stored(), sessions.count().unwrap()), (27, 2));
    let mut calls = 0;
    let mut removed = 0;
    loop {
        calls += 1;
        let Swept { removed: some, more, .. } = sessions.sweep(10).unwrap();
        assert!(some <= 10);
        removed += some;
        if !more {
            break;
        }
    }
    assert_eq!((removed, stored(), sessions.count().unwrap()), (25, 2, 2));
    assert!(calls <= 6, "{calls}");
    // From here on the store itself knows the policy: of a session that lived, too.
    let is_there = |cookie: &String| !sessions.open([cookie]).unwrap().is_new();
    assert!(is_there(&lives) && is_there(&own));
    clock.advance(9 * MINUTE);
    assert_eq!(stored(), 2);
    clock.advance(MINUTE);
    assert_eq!((stored(), is_there(&lives), is_there(&own)), (1, false, true));
    assert_eq!(sessions.sweep(10).unwrap().removed, 0, "it may live by another clock");
    clock.advance(5 * MINUTE);
    assert_eq!(sessions.sweep(10).unwrap(), Swept::new(1, false));
    // A policy that is made longer again brings nothing back, and the session of its own lifetime was never in question.
    let longer = deploy(store.clone(), &clock, Lifetime::new(DAY, 30 * DAY)).blocking();
    assert_eq!((longer.sweep(10).unwrap().removed, longer.count().unwrap()), (0, 1));
    assert!(!longer.open([own]).unwrap().is_new());
}

trait At {
    fn at(&self) -> Timestamp;
}

impl At for ManualClock {
    fn at(&self) -> Timestamp {
        use cloakroom::Clock;
        self.now()
    }
}

#[test]
fn after_a_deploy_with_a_shorter_policy_what_is_over_by_it_is_counted_no_more_and_swept_within_the_budget() {
    a_shorter_policy_ends_what_is_over_by_it(MemoryStore::new());
}

#[test]
fn after_a_deploy_with_a_shorter_policy_a_store_in_files_is_swept_as_well() {
    let place = tempfile::tempdir().unwrap();
    let options = FileStore::options().durability(cloakroom::Durability::Never);
    a_shorter_policy_ends_what_is_over_by_it(options.open(place.path().join("sessions")).unwrap());
}

#[test]
fn once_a_sweep_came_by_a_limit_that_ends_the_oldest_session_knows_what_is_over_by_todays_policy() {
    let per_owner = Some(OwnerLimit::new(2, BeyondLimit::EndOldest));
    let store = MemoryStore::with_limits(Limits::default().with_per_owner(per_owner));
    let clock = ManualClock::at(START);
    let before = deploy(store.clone(), &clock, Lifetime::new(DAY, 30 * DAY)).blocking();
    let remembered = before.test_cookie(|session| session.remember("ada", Lifetime::idle(30 * DAY))).unwrap();
    clock.advance(HOUR);
    let other = before.test_cookie(login).unwrap();
    let sessions = deploy(store, &clock, Lifetime::new(10 * MINUTE, DAY)).blocking();
    assert_eq!(sessions.sweep(10).unwrap(), Swept::new(0, false));
    clock.advance(20 * MINUTE);
    sessions.test_cookie(login).unwrap();
    assert!(!sessions.open([remembered]).unwrap().is_new(), "seen longest ago, and it lives");
    assert!(sessions.open([other]).unwrap().is_new());
    assert_eq!(sessions.owned_by("ada").unwrap().len(), 2);
}

#[test]
fn a_session_of_a_clock_that_was_ahead_is_neither_counted_nor_swept() {
    let site = site_with(|builder| builder.lifetime(Lifetime::new(DAY, 30 * DAY)));
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| login(session).unwrap());
    site.clock.set(Timestamp::from_millis(START.as_millis() - HOUR.as_millis() as u64));
    let shorter = deploy(site.store.clone(), &site.clock, Lifetime::new(MINUTE, MINUTE)).blocking();
    assert_eq!(shorter.sweep(10).unwrap(), Swept::new(0, false));
    assert_eq!((shorter.count().unwrap(), site.count()), (0, 1));
    // The clock of the deploy was behind, and is right again.
    site.clock.set(START);
    assert_eq!(shorter.count().unwrap(), 1);
    site.advance(HOUR);
    assert_eq!(site.count(), 1, "its deadlines are as they were stored");
}

#[test]
fn a_session_that_is_seen_while_it_is_swept_lives_on() {
    let site = site_with(|builder| builder.lifetime(Lifetime::new(DAY, 30 * DAY)));
    let mut browser = Browser::default();
    site.visit(&mut browser, |session| login(session).unwrap());
    site.advance(HOUR);
    let shorter = deploy(site.store.clone(), &site.clock, Lifetime::new(10 * MINUTE, DAY)).blocking();
    // A process of the earlier deploy serves the visitor right before.
    let (store, key, clock) = (site.store.memory.clone(), browser.key(), site.clock.clone());
    site.store.before("update", move || assert!(now(store.touch(&key, clock.at())).unwrap()));
    assert_eq!(shorter.sweep(10).unwrap(), Swept::new(0, false));
    assert_eq!(shorter.count().unwrap(), 1);
    assert!(!shorter.open(browser.headers(&site)).unwrap().is_new());
    // One that changes the session at that moment is no hindrance either.
    let again = deploy(site.store.clone(), &site.clock, Lifetime::new(MINUTE, DAY)).blocking();
    let (old, cookie) = (site.sessions.clone(), browser.headers(&site));
    site.store.before("update", move || {
        let session = old.blocking().open(&cookie).unwrap();
        session.insert("more", &1).unwrap();
        let _ = old.blocking().commit(session).unwrap();
    });
    assert_eq!(again.sweep(10).unwrap(), Swept::new(0, false));
    site.advance(MINUTE);
    assert_eq!(site.count(), 0, "the store knows the new deadline");
}

#[test]
fn what_cannot_be_swept_for_the_moment_is_swept_by_the_next_call() {
    let site = site_with(|builder| builder.lifetime(Lifetime::new(DAY, 30 * DAY)));
    for _ in 0..3 {
        site.visit(&mut Browser::default(), |session| login(session).unwrap());
    }
    site.advance(HOUR);
    let shorter = deploy(site.store.clone(), &site.clock, Lifetime::new(10 * MINUTE, DAY)).blocking();
    site.store.fail("update");
    assert_eq!(shorter.sweep(10).unwrap_err().kind(), &ErrorKind::Unavailable);
    assert_eq!(site.count(), 3);
    site.store.fail("nothing");
    assert_eq!(shorter.sweep(10).unwrap().removed, 3);
}

#[test]
fn where_no_save_has_room_what_is_over_by_todays_policy_ends_all_the_same() {
    let site = site_with(|builder| builder.lifetime(Lifetime::new(DAY, 30 * DAY)));
    site.visit(&mut Browser::default(), |session| login(session).unwrap());
    site.advance(HOUR);
    let shorter = deploy(site.store.clone(), &site.clock, Lifetime::new(10 * MINUTE, DAY)).blocking();
    site.store.fail_as("update", ErrorKind::Full);
    shorter.sweep(10).unwrap();
    assert_eq!(site.count(), 0);
    // One that lives is not ended for it.
    site.visit(&mut Browser::default(), |session| login(session).unwrap());
    site.advance(HOUR);
    let longer = deploy(site.store.clone(), &site.clock, Lifetime::new(2 * HOUR, DAY)).blocking();
    assert_eq!(longer.sweep(10).unwrap_err().kind(), &ErrorKind::Full);
    assert_eq!(site.count(), 1);
}

#[test]
fn a_look_for_later_deadlines_is_made_once_and_an_hour_later_only_where_there_were_some() {
    let site = site_with(|builder| builder.lifetime(Lifetime::new(DAY, 30 * DAY)));
    let visit = || site.visit(&mut Browser::default(), |session| login(session).unwrap());
    let scans = |sessions: &cloakroom::Blocking<Watched>| {
        site.store.calls();
        let _ = sessions.sweep(10).unwrap();
        site.store.calls().iter().filter(|call| **call == "scan").count()
    };
    visit();
    let same = site.sessions.blocking();
    assert_eq!((scans(&same), scans(&same)), (1, 0));
    site.advance(2 * HOUR);
    assert_eq!(scans(&same), 0, "no session is of another policy");
    let shorter = deploy(site.store.clone(), &site.clock, Lifetime::new(10 * MINUTE, DAY)).blocking();
    assert_eq!((scans(&shorter), scans(&shorter)), (1, 0));
    visit(); // by a process of the earlier deploy
    site.advance(HOUR);
    assert_eq!((scans(&shorter), site.count()), (1, 0));
}

#[test]
fn the_sweeper_sweeps_by_todays_policy() {
    let (store, clock) = (MemoryStore::new(), ManualClock::at(START));
    let before = deploy(store.clone(), &clock, Lifetime::new(DAY, 30 * DAY)).blocking();
    for _ in 0..25 {
        before.test_cookie(login).unwrap();
    }
    clock.advance(HOUR);
    let (heard, rounds) = mpsc::channel();
    let shorter = deploy(store.clone(), &clock, Lifetime::new(10 * MINUTE, DAY));
    let sweeper = shorter.sweeper().every(HOUR).budget(10);
    let _sweeper = sweeper.on_round(move |round| heard.send(round.as_ref().unwrap().removed).unwrap()).spawn().unwrap();
    assert_eq!(rounds.recv().unwrap(), 25);
    assert_eq!(now(store.count(START)).unwrap(), 0);
}
