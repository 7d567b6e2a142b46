use cloakroom::{BeyondLimit, Entry, ErrorKind, Handle, Limits, MemoryStore, Outcome, OwnerLimit, Sessions};

use crate::support::*;

const AGENT: Entry<String> = Entry::new("agent");

/// Sessions of this user, a minute apart, each with the browser's name.
fn devices(site: &Site, owner: &str, agents: &[&str]) -> Vec<Browser> {
    let login = |agent: &&str| {
        let mut browser = Browser::default();
        site.visit(&mut browser, |session| {
            session.login(owner).unwrap();
            session.insert(AGENT, &agent.to_string()).unwrap();
        });
        site.advance(MINUTE);
        browser
    };
    agents.iter().map(login).collect()
}

fn owner_of(site: &Site, browser: &Browser) -> Option<String> {
    site.open(browser).owner().unwrap().map(|owner| owner.to_string())
}

#[test]
fn a_users_sessions_are_listed_by_handle_with_what_a_devices_page_shows() {
    let site = site();
    let ada = devices(&site, "ada", &["Firefox", "Lynx"]);
    devices(&site, "Ada", &["Chrome"]);
    devices(&site, "ada ", &["Safari"]);
    site.advance(10 * MINUTE);
    site.visit(&mut ada[0].clone(), |session| session.set_permanent(true).unwrap());

    let listed = site.sessions.blocking().owned_by("ada").unwrap();
    let shown: Vec<_> = listed.iter().map(|device| device.get(AGENT).unwrap().unwrap()).collect();
    assert_eq!(shown, ["Firefox", "Lynx"], "seen last comes first");
    let firefox = &listed[0];
    assert_eq!(Some(firefox.handle()), ada[0].handle(&site));
    assert_eq!((firefox.created(), firefox.last_seen()), (START, START.plus(14 * MINUTE)));
    assert_eq!((firefox.authenticated_at(), firefox.ends_at()), (Some(START), START.plus(44 * MINUTE)));
    assert!(firefox.is_permanent() && !listed[1].is_permanent());
    assert_eq!(firefox.get::<u8>("nothing").unwrap(), None);
    assert!(matches!(firefox.get::<u8>("agent").unwrap_err().kind(), ErrorKind::Entry { .. }));
    assert!(matches!(firefox.get::<u8>("cloakroom.flash").unwrap_err().kind(), ErrorKind::Entry { .. }));
    for (device, browser) in listed.iter().zip(&ada) {
        assert!(!format!("{device:?}").contains(browser.id()));
        assert!(!device.handle().to_string().contains(browser.id()));
    }
}

#[test]
fn sessions_over_by_todays_policy_are_not_listed() {
    let before = site();
    devices(&before, "ada", &["Firefox"]);
    before.advance(10 * MINUTE);
    devices(&before, "ada", &["Lynx"]);
    let shorter = site_over(before.clock.clone(), before.store.clone(), |builder| builder.idle_timeout(10 * MINUTE));
    let listed = shorter.sessions.blocking().owned_by("ada").unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].ends_at(), START.plus(21 * MINUTE));
    assert_eq!(before.sessions.blocking().owned_by("ada").unwrap().len(), 2);
    assert_eq!(shorter.sessions.blocking().update_owned_by("ada", |session| session.insert("n", &1)).unwrap(), 1);
}

#[test]
fn one_session_is_ended_by_its_handle_and_another_users_handle_is_not_found() {
    let site = site();
    let ada = devices(&site, "ada", &["Firefox", "Lynx"]);
    let bob = devices(&site, "bob", &["Chrome"]);
    let blocking = site.sessions.blocking();
    let handle = |browser: &Browser| browser.handle(&site).unwrap();
    assert!(!blocking.end("ada", &handle(&bob[0])).unwrap());
    assert!(!blocking.end("ada", &Handle::from_bytes([1; 16])).unwrap());
    let mut anonymous = Browser::default();
    site.visit(&mut anonymous, |session| session.insert("n", &1).unwrap());
    assert!(!blocking.end("ada", &handle(&anonymous)).unwrap());
    assert_eq!(site.count(), 4);

    let first = handle(&ada[0]);
    assert!(blocking.end("ada", &first).unwrap());
    assert!(!blocking.end("ada", &first).unwrap());
    assert_eq!(owner_of(&site, &ada[0]), None);
    assert_eq!(owner_of(&site, &ada[1]).as_deref(), Some("ada"));
    assert_eq!(owner_of(&site, &bob[0]).as_deref(), Some("bob"));
}

#[test]
fn all_sessions_of_a_user_are_ended_or_all_but_this_one() {
    let site = site();
    let ada = devices(&site, "ada", &["Firefox", "Lynx", "Chrome"]);
    let bob = devices(&site, "bob", &["Chrome"]);
    let blocking = site.sessions.blocking();
    let this = ada[1].handle(&site).unwrap();
    assert_eq!(blocking.end_others("ada", &this).unwrap(), 2);
    assert_eq!(blocking.owned_by("ada").unwrap().iter().map(|one| one.handle()).collect::<Vec<_>>(), [this]);
    assert_eq!(blocking.end_all("ada").unwrap(), 1);
    assert!(blocking.owned_by("ada").unwrap().is_empty());
    assert!(ada.iter().all(|browser| owner_of(&site, browser).is_none()));
    assert_eq!(owner_of(&site, &bob[0]).as_deref(), Some("bob"));
}

#[test]
fn a_changed_role_reaches_all_sessions_of_a_user() {
    let site = site();
    let ada = devices(&site, "ada", &["Firefox", "Lynx"]);
    let bob = devices(&site, "bob", &["Chrome"]);
    let blocking = site.sessions.blocking();
    // A request under way loses neither its own change nor the role.
    let slow = site.open(&ada[0]);
    slow.insert("cart", &1).unwrap();
    let changed = blocking.update_owned_by("ada", |session| {
        if session.get(AGENT)?.as_deref() == Some("Lynx") {
            session.modify("visits", |n: Option<u8>| Some(n.unwrap_or(0) + 1))?;
        }
        session.insert("role", "editor")
    });
    assert_eq!(changed.unwrap(), 2);
    assert_eq!(site.commit(slow).outcome(), Outcome::Stored);
    let role = |browser: &Browser| site.open(browser).get::<String>("role").unwrap();
    assert!(ada.iter().all(|browser| role(browser).as_deref() == Some("editor")));
    assert_eq!(role(&bob[0]), None);
    assert_eq!(site.open(&ada[0]).get("cart").unwrap(), Some(1));
    assert_eq!(site.open(&ada[1]).get("visits").unwrap(), Some(1));
    assert_eq!(site.open(&ada[1]).last_seen(), START.plus(MINUTE), "nobody was seen");

    assert_eq!(blocking.update_owned_by("ada", |_| Ok(())).unwrap(), 0);
    let refused = blocking.update_owned_by("ada", |session| session.login("root")).unwrap_err();
    assert_eq!(refused.kind(), &ErrorKind::NoVisitor);
    let ended = blocking.update_owned_by("ada", |session| match session.get(AGENT)?.as_deref() {
        Some("Lynx") => session.destroy(),
        _ => Ok(()),
    });
    assert_eq!(ended.unwrap(), 1);
    assert_eq!(owner_of(&site, &ada[1]), None);
}

#[test]
fn a_limit_of_sessions_a_user_ends_the_oldest_or_refuses() {
    let with = |beyond| {
        let limits = Limits::default().with_per_owner(OwnerLimit::new(2, beyond));
        let sessions = Sessions::builder(MemoryStore::with_limits(limits)).build().unwrap();
        sessions.blocking()
    };
    let login = |session: &cloakroom::Session| session.login("ada");

    let oldest = with(BeyondLimit::EndOldest);
    for _ in 0..5 {
        oldest.test_cookie(login).unwrap();
    }
    assert_eq!(oldest.owned_by("ada").unwrap().len(), 2);

    let refuse = with(BeyondLimit::Refuse);
    let cookie = refuse.test_cookie(login).unwrap();
    refuse.test_cookie(login).unwrap();
    assert!(matches!(refuse.test_cookie(login).unwrap_err().kind(), ErrorKind::OwnerLimit { limit: 2, .. }));
    // A rotation of one of them is no session more.
    let session = refuse.open([cookie]).unwrap();
    session.login("ada").unwrap();
    assert_eq!(refuse.commit(session).unwrap().outcome(), Outcome::Rotated);
}

#[test]
fn a_session_that_is_over_by_todays_policy_keeps_no_login_out() {
    let limits = Limits::default().with_per_owner(OwnerLimit::new(2, BeyondLimit::Refuse));
    let (store, clock) = (MemoryStore::with_limits(limits), cloakroom::ManualClock::at(START));
    let site = |idle| {
        let builder = cloakroom::Sessions::builder(store.clone()).clock(clock.clone());
        builder.idle_timeout(idle).build().unwrap().blocking()
    };
    let login = |session: &cloakroom::Session| session.login("ada");
    let before = site(HOUR);
    before.test_cookie(login).unwrap();
    clock.set(START.plus(20 * MINUTE));
    before.test_cookie(login).unwrap();
    // A deploy with a shorter timeout: one of the two is over.
    let shorter = site(15 * MINUTE);
    assert_eq!(shorter.owned_by("ada").unwrap().len(), 1);
    let cookie = shorter.test_cookie(|session| session.insert("cart", &1)).unwrap();
    let session = shorter.open([cookie]).unwrap();
    session.login("ada").unwrap();
    assert_eq!(shorter.commit(session).unwrap().outcome(), Outcome::Rotated);
    assert_eq!(shorter.owned_by("ada").unwrap().len(), 2);
    // None is over now, so the limit holds; and where it is a new session that begins, it is the same.
    assert!(matches!(shorter.test_cookie(login).unwrap_err().kind(), ErrorKind::OwnerLimit { limit: 2, .. }));
    clock.set(START.plus(35 * MINUTE));
    shorter.test_cookie(login).unwrap();
    assert_eq!(shorter.owned_by("ada").unwrap().len(), 1);
}

#[test]
fn a_session_of_a_clock_that_was_ahead_keeps_no_login_out() {
    let limits = Limits::default().with_per_owner(OwnerLimit::new(2, BeyondLimit::Refuse));
    let clock = cloakroom::ManualClock::at(START.plus(HOUR));
    let builder = Sessions::builder(MemoryStore::with_limits(limits)).clock(clock.clone());
    let sessions = builder.build().unwrap().blocking();
    let login = |session: &cloakroom::Session| session.login("ada");
    sessions.test_cookie(login).unwrap();
    clock.set(START);
    let used = sessions.test_cookie(login).unwrap();
    assert_eq!(sessions.owned_by("ada").unwrap().len(), 1, "the other opens nothing");
    sessions.test_cookie(login).unwrap();
    assert!(!sessions.open([&used]).unwrap().is_new());
    assert_eq!(sessions.owned_by("ada").unwrap().len(), 2);
    assert!(matches!(sessions.test_cookie(login).unwrap_err().kind(), ErrorKind::OwnerLimit { limit: 2, .. }));
}

#[test]
fn at_a_limit_the_session_in_use_outlives_the_abandoned_one_whatever_the_lifetime() {
    let limits = Limits::default().with_per_owner(OwnerLimit::new(2, BeyondLimit::EndOldest));
    for lifetime in [cloakroom::Lifetime::AAL1, cloakroom::Lifetime::idle(30 * DAY)] {
        let clock = cloakroom::ManualClock::at(START);
        let builder = Sessions::builder(MemoryStore::with_limits(limits)).clock(clock.clone()).lifetime(lifetime);
        let sessions = builder.build().unwrap().blocking();
        let login = || sessions.test_cookie(|session| session.login("ada")).unwrap();
        let used = login();
        clock.advance(MINUTE);
        let abandoned = login();
        clock.advance(5 * MINUTE);
        let _ = sessions.commit(sessions.open([&used]).unwrap()).unwrap();
        login();
        assert!(!sessions.open([&used]).unwrap().is_new());
        assert!(sessions.open([&abandoned]).unwrap().is_new());
    }
}
